"""Control plane → whoever wants to know: a tenant was suspended, or reactivated. Facts: no answer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.events.contract import CONTROL_PLANE, Detail, Event, parse_optional_correlation_id
from tenkacloud.tenants.validation import TenantId, parse_tenant_id, parse_text


@dataclass(frozen=True, kw_only=True)
class _StatusFact(Event):
    """`timestamp` is when it was so, RFC 3339 UTC. `reason` is for people."""

    SOURCE: ClassVar[str] = CONTROL_PLANE
    VERSION: ClassVar[int] = 1

    tenant_id: TenantId
    timestamp: str
    reason: str | None = None
    attempt: int | None = None
    correlation_id: str | None = None

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        reason = fields.get("reason")
        return cls(
            tenant_id=parse_tenant_id("detail.tenantId", fields.get("tenantId")),
            timestamp=parse_text("detail.timestamp", fields.get("timestamp")),
            reason=reason if isinstance(reason, str) and reason else None,
            correlation_id=parse_optional_correlation_id(fields),
        )

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            "tenantId": self.tenant_id,
            "timestamp": self.timestamp,
            **({} if self.reason is None else {"reason": self.reason}),
            **({} if self.correlation_id is None else {"correlationId": self.correlation_id}),
        }


@dataclass(frozen=True, kw_only=True)
class TenantSuspended(_StatusFact):
    """The tenant may not use the platform any more, until it is reactivated."""

    DETAIL_TYPE: ClassVar[str] = "TenantSuspended"


@dataclass(frozen=True, kw_only=True)
class TenantReactivated(_StatusFact):
    """The tenant may use the platform again."""

    DETAIL_TYPE: ClassVar[str] = "TenantReactivated"
