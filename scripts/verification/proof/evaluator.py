"""IAM's rules for one concrete request, in plain Python: the second opinion on the encoding.

IAM User Guide: "Policy evaluation logic", "IAM JSON policy elements: Condition operators", "Set operators for
multivalued context keys", "Variables and tags".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from scripts.verification.proof.policy import (
    ARN_OPERATORS,
    FOR_ALL,
    FOR_ANY,
    NEGATED,
    Condition,
    Literal,
    Policy,
    Statement,
    Variable,
    template,
)


@dataclass(frozen=True)
class Request:
    """One request. `keys` holds the condition keys that it has, by lower-case name: a text, or several."""

    action: str
    resource: str
    keys: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


class _UnresolvedError(Exception):
    """A variable has no value, so its statement does not match."""


def matching(policies: Iterable[Policy], request: Request, *, allow: bool) -> list[Statement]:
    """Return the Allow (or the Deny) statements that match a request."""
    return [
        statement
        for policy in policies
        for statement in policy.statements
        if statement.allow is allow and matches(statement, request)
    ]


def matches(statement: Statement, request: Request) -> bool:
    """Tell whether a statement applies to a request; principals are not looked at."""
    try:
        return (
            _any_action(statement.actions, statement.not_actions, request.action)
            and _any_resource(statement, request)
            and all(_holds(condition, request) for condition in statement.conditions)
        )
    except _UnresolvedError:
        return False


def _any_action(actions: Iterable[str] | None, not_actions: Iterable[str] | None, action: str) -> bool:
    if actions is not None:
        return any(_like(each.lower(), action.lower()) for each in actions)
    return not any(_like(each.lower(), action.lower()) for each in not_actions or ())


def _any_resource(statement: Statement, request: Request) -> bool:
    texts = statement.not_resources if statement.resources is None else statement.resources
    if texts is None:
        return True  # a trust
    # All of a statement's variables must have values, also in patterns that don't decide.
    patterns = [_pattern(text, request) for text in texts]
    found = any(pattern.fullmatch(request.resource) for pattern in patterns)
    return found if statement.resources is not None else not found


def _holds(condition: Condition, request: Request) -> bool:
    value = request.keys.get(condition.key)
    if condition.operator == "null":
        return (value is None) == (condition.values[0].lower() == "true")
    tests = [_test(condition.operator, each, request) for each in condition.values]
    negated = condition.operator in NEGATED
    if value is None:
        if condition.if_exists or condition.quantifier == FOR_ALL:
            return True
        return negated and condition.quantifier != FOR_ANY

    def passes(text: str) -> bool:
        found = any(test.fullmatch(text) for test in tests)
        return not found if negated else found

    values = (value,) if isinstance(value, str) else value
    if condition.quantifier == FOR_ANY:
        return any(map(passes, values))
    return all(map(passes, values))


def _test(operator: str, text: str, request: Request) -> re.Pattern[str]:
    if operator == "bool" or operator.endswith("ignorecase"):
        plain = "".join(_values_of(text, request))
        return re.compile(re.escape(plain), re.IGNORECASE)
    if operator in ARN_OPERATORS:
        return _pattern(text, request, within=":")
    if operator in ("stringlike", "stringnotlike"):
        return _pattern(text, request)
    return re.compile(re.escape("".join(_values_of(text, request))))


def _values_of(text: str, request: Request) -> list[str]:
    return [
        part.text if isinstance(part, Literal) else _value(part, request)
        for part in template(text, wildcards=False)
        if isinstance(part, Literal | Variable)
    ]


def _pattern(text: str, request: Request, within: str = "") -> re.Pattern[str]:
    """Return a pattern's expression. `within`: what a wildcard does not cross, but for the sixth part."""
    expression, seen = "", 0
    for part in template(text, wildcards=True):
        if isinstance(part, Literal):
            expression += re.escape(part.text)
            seen += part.text.count(within) if within else 0
        elif isinstance(part, Variable):
            expression += re.escape(_value(part, request))
        else:
            any_character = f"[^{within}]" if within and seen < 5 else "."  # noqa: PLR2004 - ARNs have six parts
            expression += f"{any_character}*" if part.many else any_character
    return re.compile(expression, re.DOTALL)


def _value(variable: Variable, request: Request) -> str:
    value = request.keys.get(variable.key)
    if isinstance(value, str):
        return value
    if value is None and variable.default is not None:
        return variable.default
    raise _UnresolvedError(variable.key)


@lru_cache(maxsize=1 << 16)  # actions, above all: few, and compared again and again
def _like(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
