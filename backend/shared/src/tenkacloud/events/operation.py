"""What the events of operations have in common. Pure.

A result of another operation, phase or attempt than the record is at changes nothing: so each event names all
three, and a result echoes those of its request.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Detail, Event, parse_optional_correlation_id
from tenkacloud.events.results import ResultStatus, parse_failure_reason, parse_result_status
from tenkacloud.isolation.places import PLACE_NAMES, Place
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import (
    TenantId,
    parse_attempt,
    parse_object,
    parse_operation_id,
    parse_tenant_id,
    parse_text,
    truncated_repr,
)

_O = TypeVar("_O", bound="OperationEvent")


@dataclass(frozen=True, kw_only=True)
class OperationEvent(Event):
    """An event of one attempt of one phase of an operation. `timestamp` is RFC 3339 UTC, as it is written."""

    tenant_id: TenantId
    operation_id: str
    phase: Phase
    attempt: int
    timestamp: str
    correlation_id: str | None = None

    @classmethod
    @abstractmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""

    @classmethod
    def _common(cls, fields: Mapping[str, object]) -> dict[str, Any]:
        """Return what all of them carry, as arguments of the class."""
        phase = parse_text("detail.phase", fields.get("phase"))
        allowed = sorted(cls.phases())
        if phase not in allowed:
            raise InvalidFieldError(
                "detail.phase", f"{truncated_repr(phase)} is unknown: one of {', '.join(allowed)}"
            )
        return {
            "tenant_id": parse_tenant_id("detail.tenantId", fields.get("tenantId")),
            "operation_id": parse_operation_id("detail.operationId", fields.get("operationId")),
            "phase": Phase(phase),
            "attempt": parse_attempt("detail.attempt", fields.get("attempt")),
            "timestamp": parse_text("detail.timestamp", fields.get("timestamp")),
            "correlation_id": parse_optional_correlation_id(fields),
        }

    def _common_detail(self) -> Detail:
        return {
            "tenantId": self.tenant_id,
            "operationId": self.operation_id,
            "phase": self.phase,
            "attempt": self.attempt,
            "timestamp": self.timestamp,
            **({} if self.correlation_id is None else {"correlationId": self.correlation_id}),
        }


@dataclass(frozen=True, kw_only=True)
class OperationResult(OperationEvent):
    """What came of an attempt. `failure_reason` is None for COMPLETED and never None for FAILED."""

    failure_reason: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it is COMPLETED."""
        return self.failure_reason is None

    @property
    def status(self) -> ResultStatus:
        """COMPLETED or FAILED."""
        return ResultStatus.COMPLETED if self.succeeded else ResultStatus.FAILED

    @classmethod
    def _common(cls, fields: Mapping[str, object]) -> dict[str, Any]:
        status = parse_result_status(fields)
        return {**super()._common(fields), "failure_reason": parse_failure_reason(status, fields)}

    def _common_detail(self) -> Detail:
        return {
            **super()._common_detail(),
            "status": self.status,
            **({} if self.failure_reason is None else {"failureReason": self.failure_reason}),
        }

    @classmethod
    def answering(cls, request: OperationEvent, timestamp: str, **fields: Any) -> Self:
        """Return the result of a request."""
        return cls(
            tenant_id=request.tenant_id,
            operation_id=request.operation_id,
            phase=request.phase,
            attempt=request.attempt,
            timestamp=timestamp,
            correlation_id=request.correlation_id,
            **fields,
        )


def parse_place(field: str, value: object) -> Place:
    """Return a place that an event names: `{"s3Prefix": …}` or `{"dedicatedBucket": …}`.

    Raises:
        InvalidFieldError: it names none, two, or one that cannot be.
    """
    given = parse_object(field, value)
    for name in PLACE_NAMES:
        if name in given:
            parse_text(f"{field}.{name}", given[name])
    return Place.of(given)


def parse_places(field: str, value: object) -> tuple[Place, ...]:
    """Return a list of places.

    Raises:
        InvalidFieldError: it is not one.
    """
    if not isinstance(value, list | tuple):
        raise InvalidFieldError(field, "must be a list")
    return tuple(parse_place(field, each) for each in value)
