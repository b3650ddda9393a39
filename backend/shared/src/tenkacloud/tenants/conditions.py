"""Conditions on a record's attributes, as data. Pure.

A change is right only while the record is as it was read. So each attribute that a decision was made from is
required to be the same when the change is written: its value, its absence, or, for what no attribute of ours
should hold, its type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tenkacloud.tenants.validation import NULL, Opaque

#: Characters of a string that are compared. Longer ones are no valid value of any attribute of ours.
COMPARED_MAX: Final = 1024

#: Returns the placeholder of a value: for the condition's `ExpressionAttributeValues`.
Placeholder = Callable[[object], str]


@dataclass(frozen=True)
class Absent:
    """The record has no such attribute."""

    def expression(self, name: str, _value: Placeholder) -> str:
        """Return the condition on the attribute with this alias."""
        return f"attribute_not_exists({name})"


@dataclass(frozen=True)
class Is:
    """The attribute equals a value."""

    value: str | int | Decimal | bool | Mapping[str, str]

    def expression(self, name: str, value: Placeholder) -> str:
        """Return the condition on the attribute with this alias."""
        return f"{name} = {value(self.value)}"


@dataclass(frozen=True)
class AbsentOr:
    """The record has no such attribute, or it equals a value."""

    value: str | int | Mapping[str, str]

    def expression(self, name: str, value: Placeholder) -> str:
        """Return the condition on the attribute with this alias."""
        return f"(attribute_not_exists({name}) OR {name} = {value(self.value)})"


@dataclass(frozen=True)
class OneOf:
    """The attribute equals one of some values."""

    values: tuple[str, ...]

    def expression(self, name: str, value: Placeholder) -> str:
        """Return the condition on the attribute with this alias."""
        return f"{name} IN ({', '.join(map(value, self.values))})"


@dataclass(frozen=True)
class AtLeast:
    """The attribute is a number, and not below a value."""

    value: int

    def expression(self, name: str, value: Placeholder) -> str:
        """Return the condition on the attribute with this alias."""
        return f"{name} >= {value(self.value)}"


@dataclass(frozen=True)
class OfType:
    """The attribute has a type, by DynamoDB's name for it (`M`, `NULL`, …), whatever it holds."""

    kind: str

    def expression(self, name: str, value: Placeholder) -> str:
        """Return the condition on the attribute with this alias."""
        return f"attribute_type({name}, {value(self.kind)})"


@dataclass(frozen=True)
class StartsWith:
    """The attribute is a string that begins so."""

    text: str

    def expression(self, name: str, value: Placeholder) -> str:
        """Return the condition on the attribute with this alias."""
        return f"begins_with({name}, {value(self.text)})"


Requirement = Absent | AbsentOr | Is | OneOf | AtLeast | OfType | StartsWith
Requirements = Mapping[str, Requirement]


def same(value: object) -> Requirement:
    """Return what requires an attribute to be as it was read; None: it was absent."""
    match value:
        case None:
            return Absent()
        case str() if len(value) > COMPARED_MAX:
            return StartsWith(value[:COMPARED_MAX])
        case bool() | str() | int() | Decimal():
            return Is(value)
    return OfType(_kind(value))


def _kind(value: object) -> str:
    match value:
        case Opaque(kind):
            return kind
        case Mapping():
            return "M"
        case list():
            return "L"
        case _ if value is NULL:
            return "NULL"
    raise TypeError(f"no attribute is read as a {type(value).__name__}")
