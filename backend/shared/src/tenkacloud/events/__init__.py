"""The two events between the planes (`docs/events.md`; JSON Schemas in `schemas/`).

Producers write exactly the schema's fields. Consumers ignore fields that they don't know, so that a
plane may add some. Optional additions to the design's fields: `provisioningAttempt`, and in the result `tier`
and `slug`, all echoed back so that a result can be told that answers another request; `correlationId`,
carried through all three functions; `failureReason`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

from tenkacloud.errors import InvalidFieldError
from tenkacloud.tenants.validation import (
    RESOURCE_OF,
    Slug,
    TenantId,
    Tier,
    parse_attempt,
    parse_name,
    parse_object,
    parse_slug,
    parse_tenant_id,
    parse_text,
    parse_tier,
    truncated_repr,
)

CONTROL_PLANE_SOURCE: Final = "tenkacloud.control-plane"
APPLICATION_PLANE_SOURCE: Final = "tenkacloud.application-plane"
TENANT_ONBOARDING: Final = "TenantOnboarding"
TENANT_PROVISIONED: Final = "TenantProvisioned"
CORRELATION_ID_MAX: Final = 256
RESOURCE_NAMES: Final = tuple(dict.fromkeys(RESOURCE_OF.values()))
UNEXPLAINED: Final = "the application plane reported FAILED without a reason"

Detail = dict[str, object]


class ProvisioningResult(StrEnum):
    """`status` of `TenantProvisioned`."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Envelope:
    """What EventBridge wraps around a `detail`. `id` is EventBridge's own, new for each PutEvents."""

    id: str
    detail: object

    @classmethod
    def open(cls, event: object, source: str, detail_type: str) -> "Envelope":
        """Return the envelope of an EventBridge event of one kind.

        Raises:
            InvalidFieldError: it is not of this kind; a rule or a caller sends what it should not.
        """
        fields = parse_object("event", event)
        for field, expected in (("source", source), ("detail-type", detail_type)):
            if fields.get(field) != expected:
                raise InvalidFieldError(field, f"{truncated_repr(fields.get(field))} is not {expected}")
        return cls(id=str(fields.get("id", "")), detail=fields.get("detail"))


@dataclass(frozen=True)
class TenantOnboarding:
    """Control plane → application plane: build what this tenant needs.

    `timestamp` is RFC 3339 UTC. `attempt` and `correlation_id` are None where the sender has none.
    """

    tenant_id: TenantId
    tenant_name: str
    tier: Tier
    slug: Slug
    timestamp: str
    attempt: int | None = None
    correlation_id: str | None = None

    @classmethod
    def parse(cls, detail: object) -> "TenantOnboarding":
        """Return the event of a `detail`.

        Raises:
            InvalidFieldError: a field is missing or breaks its rule.
        """
        fields = parse_object("detail", detail)
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
            **_optional(self.attempt, self.correlation_id),
        }


@dataclass(frozen=True)
class TenantProvisioned:
    """Application plane → control plane: what came of it.

    `failure_reason` is None for COMPLETED and never None for FAILED. `resources` holds `s3Prefix` or
    `dedicatedBucket`. `tier` and `slug` are those of the request that this answers, None where the sender
    does not say.
    """

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
    def status(self) -> ProvisioningResult:
        """COMPLETED or FAILED."""
        return ProvisioningResult.COMPLETED if self.succeeded else ProvisioningResult.FAILED

    @classmethod
    def parse(cls, detail: object) -> "TenantProvisioned":
        """Return the event of a `detail`.

        Raises:
            InvalidFieldError: a field is missing or breaks its rule, or COMPLETED names no resource, or more
                than one, or not the one of the tier.
        """
        fields = parse_object("detail", detail)
        tenant_id = parse_tenant_id("detail.tenantId", fields.get("tenantId"))
        status = parse_text("detail.status", fields.get("status"))
        if status not in (*ProvisioningResult,):
            raise InvalidFieldError(
                "detail.status",
                f"{truncated_repr(status)} is unknown: one of {', '.join(ProvisioningResult)}",
            )
        given = parse_object("detail.resources", fields.get("resources"))
        resources = {
            name: parse_text(f"detail.resources.{name}", given[name])
            for name in RESOURCE_NAMES
            if name in given
        }
        failure_reason = None
        if status == ProvisioningResult.FAILED:
            reason = fields.get("failureReason")
            failure_reason = reason if isinstance(reason, str) and reason.strip() else UNEXPLAINED
        elif len(resources) != 1:
            raise InvalidFieldError("detail.resources", f"must name one of {', '.join(RESOURCE_NAMES)}")
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
            **_optional(self.attempt, self.correlation_id),
        }


def parse_optional_attempt(detail: Mapping[str, object]) -> int | None:
    """Return the attempt that a `detail` carries, None if it carries none.

    Raises:
        InvalidFieldError: it is no attempt.
    """
    name = "provisioningAttempt"
    return parse_attempt(f"detail.{name}", detail[name]) if name in detail else None


def parse_optional_correlation_id(detail: Mapping[str, object]) -> str | None:
    """Return the correlation id that a `detail` carries; None if it carries none that can be logged.

    It serves operators only, so a bad one is dropped and refuses nothing.
    """
    value = detail.get("correlationId")
    if isinstance(value, str) and 0 < len(value) <= CORRELATION_ID_MAX and value.isprintable():
        return value
    return None


def _optional(attempt: int | None, correlation_id: str | None) -> Detail:
    return {
        **({} if attempt is None else {"provisioningAttempt": attempt}),
        **({} if correlation_id is None else {"correlationId": correlation_id}),
    }


Event = TenantOnboarding | TenantProvisioned
_E = TypeVar("_E", TenantOnboarding, TenantProvisioned, Event)


def correlated(event: _E, event_id: str) -> _E:
    """Return the event with a correlation id: its own, else the given one."""
    return event if event.correlation_id else replace(event, correlation_id=event_id or None)
