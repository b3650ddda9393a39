"""A policy document, read strictly: what is not understood is rejected, never skipped.

The rules are those of the IAM User Guide, "IAM JSON policy element reference".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

VERSION: Final = "2012-10-17"
#: Condition keys with several values. All others have one.
MULTIVALUED: Final = frozenset(
    {"aws:tagkeys", "dynamodb:attributes", "dynamodb:leadingkeys", "sts:transitivetagkeys"}
)
STRING_OPERATORS: Final = frozenset(
    {
        "stringequals",
        "stringnotequals",
        "stringequalsignorecase",
        "stringnotequalsignorecase",
        "stringlike",
        "stringnotlike",
    }
)
ARN_OPERATORS: Final = frozenset({"arnequals", "arnlike", "arnnotequals", "arnnotlike"})
OPERATORS: Final = STRING_OPERATORS | ARN_OPERATORS | {"bool", "null"}
NEGATED: Final = frozenset(
    {"stringnotequals", "stringnotequalsignorecase", "stringnotlike", "arnnotequals", "arnnotlike"}
)
FOR_ALL: Final = "forallvalues"
FOR_ANY: Final = "foranyvalue"

_STATEMENT: Final = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal"}
)
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_DEFAULT: Final = re.compile(r"([^,']*?)\s*,\s*'([^']*)'")


class UnreadableError(Exception):
    """Something that bears on the proof can't be read. `str(error)` says what, and where."""


@dataclass(frozen=True)
class Literal:
    """Text that stands for itself."""

    text: str


@dataclass(frozen=True)
class Wildcard:
    """`*` (any text) or `?` (any character)."""

    many: bool


@dataclass(frozen=True)
class Variable:
    """`${key}`, by its lower-case key, or `${key, 'default'}`. Its value is taken literally."""

    key: str
    default: str | None = None


Part = Literal | Wildcard | Variable
Template = tuple[Part, ...]


@dataclass(frozen=True)
class Condition:
    """One key of one operator. All but the values are in lower case."""

    operator: str
    quantifier: str
    if_exists: bool
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """One statement. Of each pair (`actions`, `not_actions`), one is None; both, where there is none."""

    sid: str
    allow: bool
    actions: tuple[str, ...] | None
    not_actions: tuple[str, ...] | None
    resources: tuple[str, ...] | None
    not_resources: tuple[str, ...] | None
    conditions: tuple[Condition, ...]
    #: (type, value) of a resource policy or a trust: ("AWS", arn), ("Service", name), ("*", "*").
    principals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Policy:
    """A policy, by what it is called in reports."""

    name: str
    statements: tuple[Statement, ...]


def parse_policy(name: str, document: object, *, with_principals: bool = False) -> Policy:
    """Return a policy. `with_principals`: it is a resource policy or a trust, and has to name who it is for.

    Raises:
        UnreadableError: it holds anything that the proof doesn't understand.
    """
    content: Any = document
    if isinstance(document, str):
        try:
            content = json.loads(document)
        except ValueError:
            raise UnreadableError(f"{name} is not valid JSON") from None
    if not isinstance(content, Mapping):
        raise UnreadableError(f"{name} is not a valid policy document")
    if unknown := set(content) - {"Version", "Id", "Statement"}:
        raise UnreadableError(f"{name} holds {', '.join(sorted(unknown))}")
    if content.get("Version") != VERSION:
        raise UnreadableError(f"{name} has not Version {VERSION}: policy variables would be literal text")
    statements = content.get("Statement", [])
    many = [statements] if isinstance(statements, Mapping) else statements
    return Policy(name, tuple(_statement(name, statement, with_principals) for statement in many))


def _statement(name: str, statement: Any, with_principals: bool) -> Statement:
    where = f"{name}, statement {statement.get('Sid', '?') if isinstance(statement, Mapping) else '?'}"
    if not isinstance(statement, Mapping) or (unknown := set(statement) - _STATEMENT):
        raise UnreadableError(f"{where} holds {', '.join(sorted(unknown)) if statement else 'nothing'}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise UnreadableError(f"{where} has no Effect")
    if ("Action" in statement) == ("NotAction" in statement):
        raise UnreadableError(f"{where} has to have one of Action and NotAction")
    is_trust = with_principals and "Resource" not in statement and "NotResource" not in statement
    if not is_trust and ("Resource" in statement) == ("NotResource" in statement):
        raise UnreadableError(f"{where} has to have one of Resource and NotResource")
    if with_principals != ("Principal" in statement):
        raise UnreadableError(f"{where} has {'no' if with_principals else 'a'} Principal")
    return Statement(
        sid=str(statement.get("Sid", "")),
        allow=statement["Effect"] == "Allow",
        actions=_texts(where, statement, "Action"),
        not_actions=_texts(where, statement, "NotAction"),
        resources=_texts(where, statement, "Resource"),
        not_resources=_texts(where, statement, "NotResource"),
        conditions=tuple(_conditions(where, statement.get("Condition") or {})),
        principals=tuple(_principals(where, statement["Principal"])) if with_principals else (),
    )


def _texts(where: str, statement: Mapping[str, Any], element: str) -> tuple[str, ...] | None:
    if element not in statement:
        return None
    value = statement[element]
    values = (value,) if isinstance(value, str) else tuple(value)
    if not values or not all(isinstance(each, str) for each in values):
        raise UnreadableError(f"{where}: {element} is neither a text nor a list of texts")
    return tuple(sorted(values))  # the order means nothing, and z3 takes its time by it


def _principals(where: str, principal: Any) -> list[tuple[str, str]]:
    if principal == "*":
        return [("*", "*")]
    if not isinstance(principal, Mapping):
        raise UnreadableError(f"{where}: Principal {principal!r} is unknown")
    found = []
    for kind, values in principal.items():
        if kind not in ("AWS", "Service", "Federated"):
            raise UnreadableError(f"{where}: Principal of the type {kind} is unknown")
        found += [(kind, value) for value in ([values] if isinstance(values, str) else values)]
    return [("*", "*") if entry == ("AWS", "*") else entry for entry in found]


def _conditions(where: str, block: Any) -> list[Condition]:
    found = []
    for operator, keys in sorted(block.items()):
        base, quantifier = operator.lower(), ""
        if ":" in base:
            quantifier, base = base.split(":", 1)
        if_exists = base.endswith("ifexists")
        base = base.removesuffix("ifexists")
        if base not in OPERATORS or quantifier not in ("", FOR_ALL, FOR_ANY):
            raise UnreadableError(f"{where}: the condition operator {operator} is unknown")
        for key, value in sorted(keys.items()):
            values = tuple(
                str(each).lower() if isinstance(each, bool) else str(each)
                for each in (value if isinstance(value, list) else [value])
            )
            multivalued = key.lower() in MULTIVALUED
            if base == "null":
                if quantifier or if_exists or len(values) != 1 or values[0].lower() not in ("true", "false"):
                    raise UnreadableError(f"{where}: Null of {key} is not true or false")
            elif multivalued and not quantifier:
                raise UnreadableError(
                    f"{where}: {key} has several values, and {operator} says not how many count"
                )
            if base not in STRING_OPERATORS | ARN_OPERATORS and any("${" in each for each in values):
                raise UnreadableError(f"{where}: {operator} takes no variables")
            found.append(Condition(base, quantifier, if_exists, key.lower(), values))
    return found


def template(text: str, *, wildcards: bool) -> Template:
    """Return the parts of a text of a policy. `wildcards`: `*` and `?` are such."""
    parts: list[Part] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        parts += _plain(text[position : match.start()], wildcards)
        parts.append(_variable(match[1]))
        position = match.end()
    return tuple(parts + _plain(text[position:], wildcards))


def _variable(inner: str) -> Part:
    if inner in ("*", "?", "$"):
        return Literal(inner)
    if with_default := _DEFAULT.fullmatch(inner.strip()):
        return Variable(with_default[1].strip().lower(), with_default[2])
    return Variable(inner.strip().lower())


def _plain(text: str, wildcards: bool) -> list[Part]:
    if not wildcards:
        return [Literal(text)] if text else []
    pieces = re.split(r"([*?])", text)
    return [Wildcard(piece == "*") if piece in ("*", "?") else Literal(piece) for piece in pieces if piece]
