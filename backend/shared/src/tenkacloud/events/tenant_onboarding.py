"""Control plane → application plane: build what this tenant needs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.events.contract import (
    CONTROL_PLANE,
    Detail,
    Event,
    optional_fields,
    parse_optional_attempt,
    parse_optional_correlation_id,
)
from tenkacloud.tenants.validation import (
    Slug,
    TenantId,
    Tier,
    parse_name,
    parse_slug,
    parse_tenant_id,
    parse_text,
    parse_tier,
)


@dataclass(frozen=True)
class TenantOnboarding(Event):
    """An onboarding request. `timestamp` is RFC 3339 UTC, as it is written."""

    SOURCE: ClassVar[str] = CONTROL_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantOnboarding"
    VERSION: ClassVar[int] = 1

    tenant_id: TenantId
    tenant_name: str
    tier: Tier
    slug: Slug
    timestamp: str
    attempt: int | None = None
    correlation_id: str | None = None

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        return cls(
            tenant_id=parse_tenant_id("detail.tenantId", fields.get("tenantId")),
            tenant_name=parse_name("detail.tenantName", fields.get("tenantName")),
            tier=parse_tier("detail.tier", fields.get("tier")),
            slug=parse_slug("detail.slug", fields.get("slug")),
            timestamp=parse_text("detail.timestamp", fields.get("timestamp")),
            attempt=parse_optional_attempt(fields),
            correlation_id=parse_optional_correlation_id(fields),
        )

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            "tenantId": self.tenant_id,
            "tenantName": self.tenant_name,
            "tier": self.tier,
            "slug": self.slug,
            "timestamp": self.timestamp,
            **optional_fields(self),
        }
