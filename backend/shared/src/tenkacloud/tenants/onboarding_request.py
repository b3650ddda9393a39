"""Requesting a tenant of the application plane: the event to publish, and the mark to write. Pure."""

from dataclasses import dataclass
from datetime import datetime

from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import Leftover
from tenkacloud.tenants.overwrites import carrying
from tenkacloud.tenants.record import Tenant
from tenkacloud.tenants.transitions.onboarding import begin_attempt
from tenkacloud.tenants.transitions.transition import NotApplied, Transition


@dataclass(frozen=True)
class OnboardingRequest:
    """A tenant to be requested: publish `event`, then write `mark`."""

    tenant: Tenant
    event: TenantOnboarding
    mark: Transition

    @property
    def events(self) -> tuple[TenantOnboarding]:
        """What to publish."""
        return (self.event,)


def request_onboarding(
    tenant: Tenant,
    correlation_id: str,
    now: datetime,
    *,
    automatic_retry: bool = False,
    lost: tuple[Leftover, ...] = (),
) -> OnboardingRequest:
    """Return what requests a tenant's next attempt. `automatic_retry`: it is stuck.

    `lost`: places that a put-item over the record lost. The mark names them.
    """
    mark = begin_attempt(tenant, now, correlation_id, automatic_retry=automatic_retry)
    return OnboardingRequest(
        tenant=tenant,
        event=onboarding_event(tenant, tenant.next_attempt, correlation_id, now),
        mark=carrying(mark, tenant.item, lost),
    )


def onboarding_event(
    tenant: Tenant, attempt: int | None, correlation_id: str, now: datetime
) -> TenantOnboarding:
    """Return the event that requests one attempt of a tenant."""
    return TenantOnboarding(
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        tier=tenant.tier,
        slug=tenant.slug,
        timestamp=rfc3339(now),
        attempt=attempt,
        correlation_id=correlation_id,
    )


def why_not_marked(outcome: NotApplied) -> str:
    """Explain a mark that did not apply. Each case ends well without it.

    The condition names the state that was read. Any other state means that somebody was faster: an earlier
    delivery of the same change, a result that overtook the mark (the completion function then writes it), or
    a newer change, which has a stream record of its own.
    """
    item = outcome.item
    if item is None:
        return "the record is gone"
    return (
        f"the record is already {item.get('provisioningStatus')}, attempt {item.get('provisioningAttempt')}"
    )
