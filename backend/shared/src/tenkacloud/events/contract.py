"""What an event is: it describes itself, so nobody else has to know it by name. Pure.

A new event is one file with a subclass of `Event`, its schema in `schemas/`, and its place in `registry`.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeVar

from tenkacloud.errors import InvalidFieldError
from tenkacloud.tenants.validation import (
    TenantId,
    parse_attempt,
    parse_object,
    parse_tenant_id,
    truncated_repr,
)

CONTROL_PLANE: Final = "tenkacloud.control-plane"
APPLICATION_PLANE: Final = "tenkacloud.application-plane"
CORRELATION_ID_MAX: Final = 256

Detail = dict[str, object]
_SCHEMAS: Final = Path(__file__).parent / "schemas"


class Event(ABC):
    """An event between the planes. Subclasses are frozen dataclasses with at least these fields.

    `SOURCE` and `DETAIL_TYPE` are EventBridge's, `VERSION` is the schema's. `attempt` and `correlation_id`
    are None where the sender has none.
    """

    SOURCE: ClassVar[str]
    DETAIL_TYPE: ClassVar[str]
    VERSION: ClassVar[int]

    tenant_id: TenantId
    attempt: int | None
    correlation_id: str | None

    @classmethod
    def parse(cls, detail: object) -> Self:
        """Return the event of a `detail`.

        Raises:
            InvalidEventError: a field is missing or breaks its rule; whose event it is, is known.
            InvalidFieldError: not even that is.
        """
        fields = parse_object("detail", detail)
        try:
            return cls._parse(fields)
        except InvalidFieldError as error:
            raise InvalidEventError(error, Correlation.of(fields)) from error

    @classmethod
    @abstractmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        """Return the event of the fields of a `detail`, or raise `InvalidFieldError`."""

    @abstractmethod
    def detail(self) -> Detail:
        """Return the `detail` to publish."""

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of its `detail`."""
        path = _SCHEMAS / f"{cls.DETAIL_TYPE}.v{cls.VERSION}.json"
        schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return schema


@dataclass(frozen=True)
class Correlation:
    """What can be known of an event that breaks its contract: enough to answer it.

    `attempt` is None, too, where it is the very field that is bad; an answer is then of the current attempt.
    """

    tenant_id: TenantId
    attempt: int | None
    correlation_id: str | None

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> "Correlation":
        """Return what the fields of a `detail` say of it.

        Raises:
            InvalidFieldError: not even the tenant is known, so there is nobody to answer.
        """
        tenant_id = parse_tenant_id("detail.tenantId", fields.get("tenantId"))
        try:
            attempt = parse_optional_attempt(fields)
        except InvalidFieldError:
            attempt = None
        return cls(tenant_id, attempt, parse_optional_correlation_id(fields))


class InvalidEventError(InvalidFieldError):
    """An event breaks its contract, and it is known whom to answer. `error` says what is wrong."""

    def __init__(self, error: InvalidFieldError, correlation: Correlation) -> None:
        super().__init__(error.field, str(error).removeprefix(f"{error.field} "))
        self.error = error
        self.correlation = correlation


_E = TypeVar("_E", bound=Event)
_Correlated = TypeVar("_Correlated", bound=Any)


@dataclass(frozen=True)
class Envelope:
    """What EventBridge wraps around a `detail`. `id` is EventBridge's own, new for each PutEvents."""

    id: str
    detail: object

    @classmethod
    def open(cls, event: object, kind: type[Event]) -> "Envelope":
        """Return the envelope of an EventBridge event of one kind.

        Raises:
            InvalidFieldError: it is not of this kind; a rule or a caller sends what it should not.
        """
        fields = parse_object("event", event)
        for field, expected in (("source", kind.SOURCE), ("detail-type", kind.DETAIL_TYPE)):
            if fields.get(field) != expected:
                raise InvalidFieldError(field, f"{truncated_repr(fields.get(field))} is not {expected}")
        return cls(id=str(fields.get("id", "")), detail=fields.get("detail"))


def correlated(event: _Correlated, event_id: str) -> _Correlated:
    """Return an event, or what is known of one, with a correlation id: its own, else the given one."""
    return event if event.correlation_id else replace(event, correlation_id=event_id or None)


def parse_optional_attempt(detail: Mapping[str, object]) -> int | None:
    """Return the attempt that a `detail` carries, None if it carries none.

    Raises:
        InvalidFieldError: it is not a valid attempt.
    """
    name = "provisioningAttempt"
    return parse_attempt(f"detail.{name}", detail[name]) if name in detail else None


def parse_optional_correlation_id(detail: Mapping[str, object]) -> str | None:
    """Return the correlation id that a `detail` carries; None if it carries none that can be logged.

    It serves operators only, so a bad one is dropped and rejects nothing.
    """
    value = detail.get("correlationId")
    if isinstance(value, str) and 0 < len(value) <= CORRELATION_ID_MAX and value.isprintable():
        return value
    return None


def optional_fields(event: Event) -> Detail:
    """Return what each event carries only where it is known, for its `detail`."""
    return {
        **({} if event.attempt is None else {"provisioningAttempt": event.attempt}),
        **({} if event.correlation_id is None else {"correlationId": event.correlation_id}),
    }
