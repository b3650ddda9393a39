"""IAM's rules for z3: whether a statement matches a request, as a formula over all requests.

The encoding is exact for what it reads, in both directions; what it can't say exactly is rejected. Its rules
are the evaluator's, but none of its code: Hypothesis holds the two against each other.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import z3

from scripts.verification.proof.policy import (
    ARN_OPERATORS,
    FOR_ALL,
    FOR_ANY,
    MULTIVALUED,
    NEGATED,
    Condition,
    Literal,
    Part,
    Policy,
    Statement,
    Template,
    UnreadableError,
    Variable,
    Wildcard,
    template,
)

#: Elements of a key with several values. A counterexample needs no more: one that breaks the rule, one that
#: keeps it, and one to spare.
ELEMENTS: Final = 3

Formula = Any  # z3 has no types
_ANY_CHARACTER: Final = z3.AllChar(z3.ReSort(z3.StringSort()))
_ANY_TEXT: Final = z3.Full(z3.ReSort(z3.StringSort()))


@dataclass(frozen=True)
class Single:
    """A condition key with one value."""

    present: Formula
    value: Formula


@dataclass(frozen=True)
class Several:
    """A condition key with up to `ELEMENTS` values, of which the first `count` are there; 0: it is absent."""

    count: Formula
    values: tuple[Formula, ...]

    @property
    def present(self) -> Formula:
        """Whether the request has the key."""
        return self.count > 0

    def all(self, holds: Any) -> Formula:
        """Return the formula that something holds of each value."""
        return z3.And(*(z3.Implies(self.count > n, holds(v)) for n, v in enumerate(self.values)))

    def any(self, holds: Any) -> Formula:
        """Return the formula that something holds of one of the values."""
        return z3.Or(*(z3.And(self.count > n, holds(v)) for n, v in enumerate(self.values)))


@dataclass
class Request:
    """A request in symbols. A condition key that nobody has set is free: absent, or with any value.

    `side` collects what has to be asserted beside the formulas: the ranges of the free symbols, and lemmas.
    They are true of every request, and save z3 from searching.
    """

    action: Formula
    resource: Formula
    keys: dict[str, Single | Several] = field(default_factory=dict)
    closed: bool = False  # keys that nobody has set are absent
    side: list[Formula] = field(default_factory=list)
    name: str = "request"

    def key(self, name: str) -> Single | Several:
        """Return a condition key, by its lower-case name."""
        if name not in self.keys:
            self.keys[name] = self._absent(name) if self.closed else self._free(name)
        return self.keys[name]

    def set(self, name: str, value: str | Formula) -> None:
        """Give a condition key with one value that value."""
        self.keys[name] = Single(z3.BoolVal(val=True), _text(value))

    def set_all(self, name: str, values: Sequence[str | Formula]) -> None:
        """Give a condition key with several values these, at least one."""
        padding = [""] * (ELEMENTS - len(values))
        self.keys[name] = Several(z3.IntVal(len(values)), tuple(map(_text, [*values, *padding])))

    def unset(self, name: str) -> None:
        """Take a condition key out of the request."""
        self.keys[name] = self._absent(name)

    def _free(self, name: str) -> Single | Several:
        if name in MULTIVALUED:
            count = z3.Int(f"{self.name}:{name}:count")
            self.side.append(z3.And(count >= 0, count <= ELEMENTS))
            return Several(count, tuple(z3.String(f"{self.name}:{name}:{n}") for n in range(ELEMENTS)))
        return Single(z3.Bool(f"{self.name}:{name}:present"), z3.String(f"{self.name}:{name}"))

    @staticmethod
    def _absent(name: str) -> Single | Several:
        if name in MULTIVALUED:
            return Several(z3.IntVal(0), (z3.StringVal(""),) * ELEMENTS)
        return Single(z3.BoolVal(val=False), z3.StringVal(""))


def matching(policies: Iterable[Policy], request: Request, *, allow: bool) -> Formula:
    """Return the formula that some Allow (or some Deny) statement matches the request.

    Raises:
        UnreadableError: a statement can't be encoded exactly.
    """
    return z3.Or(
        *(
            matches(statement, request)
            for policy in policies
            for statement in policy.statements
            if statement.allow is allow
        )
    )


def matches(statement: Statement, request: Request) -> Formula:
    """Return the formula that a statement applies to the request; principals are not looked at."""
    action = _action(statement, request)
    if z3.is_false(action):
        return action  # of the one action that is asked about; spares z3 all that the statement is about
    return z3.And(
        action,
        _resource(statement, request),
        *(_condition(condition, request) for condition in statement.conditions),
    )


def is_action(action: Formula, names: Iterable[str]) -> Formula:
    """Return the formula that an action is one of these, in any case, `*` and `?` being wildcards."""
    if z3.is_string_value(action):
        text = action.as_string()
        return z3.BoolVal(any(_is_like(text, name) for name in names))
    return z3.Or(*(z3.InRe(action, _ignoring_case(template(name, wildcards=True))) for name in names))


def _is_like(action: str, name: str) -> bool:
    pattern = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, action, re.IGNORECASE | re.DOTALL) is not None


def _action(statement: Statement, request: Request) -> Formula:
    if statement.actions is not None:
        return is_action(request.action, statement.actions)
    return z3.simplify(z3.Not(is_action(request.action, statement.not_actions or ())))


def _resource(statement: Statement, request: Request) -> Formula:
    texts = statement.not_resources if statement.resources is None else statement.resources
    if texts is None:
        return z3.BoolVal(val=True)  # a trust
    templates = [template(text, wildcards=True) for text in texts]
    found = z3.Or(*(_like(request.resource, each, request) for each in templates))
    # A variable without a value takes the statement out, wherever it stands.
    resolved = z3.And(*(_resolved(each, request) for each in templates))
    return z3.And(resolved, found if statement.resources is not None else z3.Not(found))


def _condition(condition: Condition, request: Request) -> Formula:
    key = request.key(condition.key)
    if condition.operator == "null":
        absent = condition.values[0].lower() == "true"
        return z3.Not(key.present) if absent else key.present
    negated = condition.operator in NEGATED
    templates = [_values(condition, text) for text in condition.values]

    def passes(value: Formula) -> Formula:
        found = z3.Or(*(_test(condition.operator, value, each, request) for each in templates))
        return z3.Not(found) if negated else found

    absent = condition.if_exists or condition.quantifier == FOR_ALL
    absent = absent or (negated and condition.quantifier != FOR_ANY)
    if isinstance(key, Single):
        there = passes(key.value)
    else:
        there = key.any(passes) if condition.quantifier == FOR_ANY else key.all(passes)
    resolved = z3.And(*(_resolved(each, request) for each in templates))
    return z3.And(resolved, z3.If(key.present, there, z3.BoolVal(val=absent)))


def _values(condition: Condition, text: str) -> Template:
    return template(text, wildcards=condition.operator in ARN_OPERATORS | {"stringlike", "stringnotlike"})


def _test(operator: str, value: Formula, parts: Template, request: Request) -> Formula:
    if operator in ARN_OPERATORS:
        if any(isinstance(part, Variable) for part in parts):
            raise UnreadableError("a variable in an ARN condition is not encoded")
        return z3.InRe(value, _arn(parts))
    if operator == "bool" or operator.endswith("ignorecase"):
        if any(isinstance(part, Variable) for part in parts):
            raise UnreadableError("a variable that is compared in any case is not encoded")
        return z3.InRe(value, _ignoring_case(parts))
    return _like(value, parts, request)


def _resolved(parts: Template, request: Request) -> Formula:
    needed = [part.key for part in parts if isinstance(part, Variable) and part.default is None]
    return z3.And(*(_single(name, request).present for name in needed))


def _single(name: str, request: Request) -> Single:
    key = request.key(name)
    if not isinstance(key, Single):
        raise UnreadableError(f"${{{name}}}: a key of several values is no variable")
    return key


def _like(text: Formula, parts: Template, request: Request) -> Formula:
    """Return the formula that a text is what a pattern says. Without variables it is a regular expression.

    With one, texts between the stars are searched for from left to right; the first place is as good as any.
    """
    if not any(isinstance(part, Variable) for part in parts):
        return _like_constant(text, parts)
    if any(isinstance(part, Wildcard) and not part.many for part in parts):
        raise UnreadableError("a pattern of both a variable and `?` is not encoded")
    chunks: list[list[Formula]] = [[]]
    for part in parts:
        if isinstance(part, Wildcard):
            chunks.append([])
        else:
            chunks[-1].append(_chunk_part(part, request))
    first, *others = [_joined(chunk) for chunk in chunks]
    if not others:
        return text == first
    *middle, last = others
    found = [z3.PrefixOf(first, text), z3.SuffixOf(last, text)]
    position = z3.Length(first)
    for chunk in middle:
        at = z3.IndexOf(text, chunk, position)
        found.append(at >= 0)
        position = at + z3.Length(chunk)
    found.append(position <= z3.Length(text) - z3.Length(last))
    request.side += _lemmas(text, chunks[0])
    return z3.And(*found)


def _like_constant(text: Formula, parts: Template) -> Formula:
    """Return the formula of a pattern without variables; the plainest, since z3 is slow with expressions."""
    match parts:
        case (Wildcard(many=True), Literal(inner), Wildcard(many=True)):
            return z3.Contains(text, z3.StringVal(inner))
        case (Literal(start), Wildcard(many=True)):
            return z3.PrefixOf(z3.StringVal(start), text)
        case () | (Literal(),):
            return text == _joined([z3.StringVal(part.text) for part in parts if isinstance(part, Literal)])
        case _ if all(isinstance(part, Wildcard) for part in parts):
            least = sum(isinstance(part, Wildcard) and not part.many for part in parts)
            open_ended = any(isinstance(part, Wildcard) and part.many for part in parts)
            return z3.Length(text) >= least if open_ended else z3.Length(text) == least
        case _:
            return z3.InRe(text, _expression(parts))


def _chunk_part(part: Literal | Variable, request: Request) -> Formula:
    if isinstance(part, Literal):
        return z3.StringVal(part.text)
    key = _single(part.key, request)
    return key.value if part.default is None else z3.If(key.present, key.value, z3.StringVal(part.default))


def _lemmas(text: Formula, chunk: list[Formula]) -> list[Formula]:
    """Return what follows where a text begins with `<literal><variable>/…`.

    If the variable's value holds no `/`, the first one after the literal is where the value ends. True of all
    texts, and needed: by itself z3 does not find that two values of different length can't both stand there.
    """
    for n, part in enumerate(chunk[:-1]):
        after = chunk[n + 1]
        if z3.is_string_value(part) or not z3.is_string_value(after) or not after.as_string().startswith("/"):
            continue
        before = _joined(chunk[:n])
        start = z3.Length(before)
        end = z3.IndexOf(text, z3.StringVal("/"), start)
        begins = z3.And(
            z3.PrefixOf(_joined([*chunk[:n], part, z3.StringVal("/")]), text),
            z3.Not(z3.Contains(part, z3.StringVal("/"))),
        )
        return [z3.Implies(begins, z3.And(end >= start, z3.SubString(text, start, end - start) == part))]
    return []


def _joined(parts: Sequence[Formula]) -> Formula:
    if not parts:
        return z3.StringVal("")
    return parts[0] if len(parts) == 1 else z3.Concat(*parts)


@functools.lru_cache(maxsize=1024)
def _expression(parts: Template) -> Formula:
    return _sequence([z3.Re(part.text) if isinstance(part, Literal) else _wild(part) for part in parts])


def _wild(part: Part) -> Formula:
    if isinstance(part, Wildcard):
        return _ANY_TEXT if part.many else _ANY_CHARACTER
    raise UnreadableError("a variable stands where none can be encoded")


@functools.lru_cache(maxsize=1024)
def _ignoring_case(parts: Template) -> Formula:
    pieces = []
    for part in parts:
        if not isinstance(part, Literal):
            pieces.append(_wild(part))
            continue
        for character in part.text:
            cases = sorted({character.lower(), character.upper()})
            if any(len(case) != 1 for case in cases) or not character.isascii():
                raise UnreadableError(f"{character!r} is compared in any case")
            pieces.append(z3.Union(*map(z3.Re, cases)) if len(cases) > 1 else z3.Re(character))
    return _sequence(pieces)


@functools.lru_cache(maxsize=1024)
def _arn(parts: Template) -> Formula:
    """Return an ARN pattern's expression: wildcards don't cross a colon, but for the sixth part."""
    no_colon = z3.Intersect(_ANY_CHARACTER, z3.Complement(z3.Re(":")))
    pieces, colons = [], 0
    for part in parts:
        if isinstance(part, Literal):
            pieces.append(z3.Re(part.text))
            colons += part.text.count(":")
            continue
        one = _ANY_CHARACTER if colons >= 5 else no_colon  # noqa: PLR2004 - ARNs have six parts
        many = isinstance(part, Wildcard) and part.many
        pieces.append(z3.Star(one) if many else one)
    return _sequence(pieces)


def _sequence(pieces: Sequence[Formula]) -> Formula:
    if not pieces:
        return z3.Re("")
    return pieces[0] if len(pieces) == 1 else z3.Concat(*pieces)


def _text(value: str | Formula) -> Formula:
    return z3.StringVal(value) if isinstance(value, str) else value
