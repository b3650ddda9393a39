"""DynamoDB's expressions: each text is read once, then it is a function of an item.

Developer guide, "Condition expressions, filter expressions, operators and functions", "Update expressions".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

Item = Mapping[str, Any]
Names = Mapping[str, str]
Values = Mapping[str, Any]
Condition = Callable[[Item, Names, Values], bool]
Operand = Callable[[Item, Names, Values], Any]

_TOKEN: Final = re.compile(r"\s*(<>|<=|>=|[=<>(),+\-.\[\]]|[#:]?\w+)")
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
_CLAUSES: Final = ("SET", "REMOVE", "ADD", "DELETE")


def _tokens(text: str) -> list[str]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"not an expression: {text!r}")
        found.append(token[1])
        at = token.end()
    return found


class _Parser:
    """Reads tokens, one after another."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, _tokens(text), 0

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.next
        if not token or (expected and token.upper() not in expected):
            raise ValueError(f"{token!r} instead of {expected} in {self.text!r}")
        self.at += 1
        return token

    def try_take(self, token: str) -> bool:
        if self.next.upper() != token:
            return False
        self.at += 1
        return True

    # --- conditions -----------------------------------------------------------------------------------------

    def condition(self) -> Condition:
        parts = [self._all()]
        while self.try_take("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda *given: any(part(*given) for part in parts)

    def _all(self) -> Condition:
        parts = [self._one()]
        while self.try_take("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda *given: all(part(*given) for part in parts)

    def _one(self) -> Condition:
        if self.try_take("NOT"):
            inner = self._one()
            return lambda *given: not inner(*given)
        if self.try_take("("):
            condition = self.condition()
            self.take(")")
            return condition
        following = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else ""
        if following == "(" and self.next != "size":
            return self._function()
        return self._comparison()

    def _function(self) -> Condition:
        name = self.take()
        self.take("(")
        of = self.operand()
        other = self.operand() if self.try_take(",") else None
        self.take(")")
        match name, other:
            case "attribute_exists", None:
                return lambda *given: of(*given) is not None
            case "attribute_not_exists", None:
                return lambda *given: of(*given) is None
            case "attribute_type", kind if kind:
                return lambda *given: kind(*given)["S"] in (of(*given) or {})
            case "begins_with", start if start:
                return lambda *given: _text(of(*given)).startswith(_text(start(*given), "\0"))
            case "contains", part if part:
                return lambda *given: _contains(of(*given), part(*given))
        raise ValueError(f"the function {name!r} in {self.text!r}")

    def _comparison(self) -> Condition:
        one = self.operand()
        operator = self.take().upper()
        match operator:
            case "=":
                other = self.operand()
                return lambda *given: _same(one(*given), other(*given))
            case "<>":
                other = self.operand()
                return lambda *given: not _same(one(*given), other(*given))
            case "IN":
                self.take("(")
                others = [self.operand()]
                while self.try_take(","):
                    others.append(self.operand())
                self.take(")")
                return lambda *given: any(_same(one(*given), each(*given)) for each in others)
            case "BETWEEN":
                low = self.operand()
                self.take("AND")
                high = self.operand()
                return lambda *given: (
                    _compare(">=", one(*given), low(*given)) and _compare("<=", one(*given), high(*given))
                )
        if operator not in _COMPARISONS:
            raise ValueError(f"the operator {operator!r} in {self.text!r}")
        other = self.operand()
        return lambda *given: _compare(operator, one(*given), other(*given))

    # --- operands -------------------------------------------------------------------------------------------

    def path(self) -> list[str | int]:
        steps: list[str | int] = [self.take()]
        while self.next in (".", "["):
            if self.take() == ".":
                steps.append(self.take())
            else:
                steps.append(int(self.take()))
                self.take("]")
        return steps

    def operand(self) -> Operand:
        if self.next.startswith(":"):
            name = self.take()
            return lambda _item, _names, values: values[name]
        following = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else ""
        if following == "(":
            return self._value_function()
        path = self.path()
        return lambda item, names, _values: get_path(item, resolved(path, names))

    def _value_function(self) -> Operand:
        name = self.take()
        self.take("(")
        one = self.operand()
        if name == "size":
            self.take(")")
            return lambda *given: _size(one(*given))
        self.take(",")
        other = self.operand()
        self.take(")")
        if name == "if_not_exists":
            return lambda *given: found if (found := one(*given)) is not None else other(*given)
        if name == "list_append":
            return lambda *given: {"L": [*one(*given)["L"], *other(*given)["L"]]}
        raise ValueError(f"the function {name!r} in {self.text!r}")

    def sum(self) -> Operand:
        one = self.operand()
        if self.next not in ("+", "-"):
            return one
        sign = 1 if self.take() == "+" else -1
        other = self.operand()
        return lambda *given: _number(Decimal(one(*given)["N"]) + sign * Decimal(other(*given)["N"]))


def resolved(path: list[str | int], names: Names) -> list[str | int]:
    """Return a path with the names that its aliases stand for."""
    return [names[step] if isinstance(step, str) and step.startswith("#") else step for step in path]


def get_path(item: Item, path: list[str | int]) -> Any:
    """Return what is at a path of an item, None if nothing is."""
    first, *rest = path
    value = item.get(first) if isinstance(first, str) else None
    for step in rest:
        if not isinstance(value, dict):
            return None
        if isinstance(step, str):
            value = value.get("M", {}).get(step)
        else:
            found = value.get("L", [])
            value = found[step] if step < len(found) else None
    return value


def _with(value: Any, path: list[str | int], new: Any) -> Any:
    """Return a value, with another one at a path inside it; None takes that away."""
    if not path:
        return new
    step, *rest = path
    if isinstance(step, str):
        if not isinstance(value, dict) or "M" not in value:
            raise LookupError("the document path is not valid for an update")
        inner = dict(value["M"])
        _put(inner, step, _with(inner.get(step), rest, new))
        return {"M": inner}
    elements = list(value["L"])
    changed = _with(elements[step] if step < len(elements) else None, rest, new)
    elements[step : step + 1] = [] if changed is None else [changed]
    return {"L": elements}


def _put(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        attributes.pop(name, None)
    else:
        attributes[name] = value


def _text(value: Any, other: str = "") -> str:
    return value["S"] if value and "S" in value else other


def _contains(value: Any, part: Any) -> bool:
    if not value:
        return False
    ((kind, content),) = value.items()
    ((_, wanted),) = part.items()
    return wanted in content if kind != "L" else part in content


def _number(value: Decimal) -> dict[str, str]:
    text = format(value.normalize(), "f")
    return {"N": text}


def _size(value: Any) -> Any:
    if value is None:
        return None
    ((_, content),) = value.items()
    return {"N": str(len(content.encode()) if isinstance(content, str) else len(content))}


def _plain(value: Any) -> tuple[str, Any]:
    ((kind, content),) = value.items()
    if kind == "N":
        return kind, Decimal(content)
    return kind, content.encode() if kind == "S" else content


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return False
    if "N" in one and "N" in other:
        return Decimal(one["N"]) == Decimal(other["N"])
    return bool(one == other)


def _compare(operator: str, one: Any, other: Any) -> bool:
    if one is None or other is None:
        return False
    (kind, left), (other_kind, right) = _plain(one), _plain(other)
    return kind == other_kind and _COMPARISONS[operator](left, right)


@cache
def condition(text: str) -> Condition:
    """Return the condition that a text says. A key condition is one, too.

    Raises:
        ValueError: the text is none.
    """
    parser = _Parser(text)
    parsed = parser.condition()
    if parser.next:
        raise ValueError(f"{parser.next!r} behind the end of {text!r}")
    return parsed


@dataclass(frozen=True)
class _Action:
    clause: str
    path: list[str | int]
    value: Operand | None


@cache
def _actions(text: str) -> list[_Action]:
    parser, actions = _Parser(text), list[_Action]()
    while parser.next:
        clause = parser.take(*_CLAUSES).upper()
        while True:
            path = parser.path()
            value: Operand | None = None
            if clause == "SET":
                parser.take("=")
                value = parser.sum()
            elif clause != "REMOVE":
                value = parser.operand()
            actions.append(_Action(clause, path, value))
            if not parser.try_take(","):
                break
    return actions


def updated(item: Item, text: str, names: Names, values: Values) -> dict[str, Any]:
    """Return an item's attributes after an update expression.

    Raises:
        ValueError: the text is none.
        LookupError: a path that is not there.
    """
    after = dict(item)
    for action in _actions(text):
        path = resolved(action.path, names)
        value = None if action.value is None else action.value(item, names, values)
        if action.clause == "ADD":
            before = get_path(item, path) or {"N": "0"}
            value = _number(Decimal(before["N"]) + Decimal((value or {})["N"]))
        elif action.clause == "DELETE":
            raise ValueError(f"DELETE is for sets: {text!r}")
        first, *rest = path
        _put(after, str(first), _with(after.get(str(first)), rest, value))
    return after


@cache
def projection(text: str) -> list[list[str | int]]:
    """Return the paths of a projection expression."""
    parser = _Parser(text)
    paths = [parser.path()]
    while parser.try_take(","):
        paths.append(parser.path())
    return paths
