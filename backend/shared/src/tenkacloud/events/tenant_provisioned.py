"""Application plane → control plane: what came of an onboarding. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import (
    APPLICATION_PLANE,
    Detail,
    Event,
    optional_fields,
    parse_optional_attempt,
    parse_optional_correlation_id,
)
from tenkacloud.events.results import (
    ResultStatus,
    parse_failure_reason,
    parse_resources,
    parse_result_status,
    places_in,
)
from tenkacloud.isolation.places import PLACE_NAMES
from tenkacloud.tenants.validation import (
    RESOURCE_OF,
    Slug,
    TenantId,
    Tier,
    parse_slug,
    parse_tenant_id,
    parse_text,
    parse_tier,
)


@dataclass(frozen=True)
class ProvisioningResult(Event):
    """The result of one attempt.

    `failure_reason` is None for COMPLETED and never None for FAILED. `resources` holds `s3Prefix` or
    `dedicatedBucket`, and outputs of provisioners under other names. `timestamp` is RFC 3339 UTC, as it is
    written. `tier` and `slug` are those of the request that this answers, None where the sender does not say.
    """

    SOURCE: ClassVar[str] = APPLICATION_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantProvisioned"
    VERSION: ClassVar[int] = 1

    tenant_id: TenantId
    resources: Mapping[str, str]
    timestamp: str
    failure_reason: str | None = None
    attempt: int | None = None
    correlation_id: str | None = None
    tier: Tier | None = None
    slug: Slug | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it is COMPLETED."""
        return self.failure_reason is None

    @property
    def status(self) -> ResultStatus:
        """COMPLETED or FAILED."""
        return ResultStatus.COMPLETED if self.succeeded else ResultStatus.FAILED

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        """Return the result; of COMPLETED, only one that names the one resource that its tier has."""
        tenant_id = parse_tenant_id("detail.tenantId", fields.get("tenantId"))
        status = parse_result_status(fields)
        resources = parse_resources(fields.get("resources"))
        failure_reason = parse_failure_reason(status, fields)
        if status is ResultStatus.COMPLETED and len(places_in(resources)) != 1:
            raise InvalidFieldError("detail.resources", f"must name one of {', '.join(PLACE_NAMES)}")
        tier = parse_tier("detail.tier", fields["tier"]) if "tier" in fields else None
        if tier and failure_reason is None and RESOURCE_OF[tier] not in resources:
            raise InvalidFieldError(
                "detail.resources", f"must name {RESOURCE_OF[tier]}, since the tier is {tier}"
            )
        return cls(
            tenant_id=tenant_id,
            resources=resources,
            timestamp=parse_text("detail.timestamp", fields.get("timestamp")),
            failure_reason=failure_reason,
            attempt=parse_optional_attempt(fields),
            correlation_id=parse_optional_correlation_id(fields),
            tier=tier,
            slug=parse_slug("detail.slug", fields["slug"]) if "slug" in fields else None,
        )

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            "tenantId": self.tenant_id,
            "status": self.status,
            "resources": dict(self.resources),
            "timestamp": self.timestamp,
            **({} if self.failure_reason is None else {"failureReason": self.failure_reason}),
            **({} if self.tier is None else {"tier": self.tier}),
            **({} if self.slug is None else {"slug": self.slug}),
            **optional_fields(self),
        }
