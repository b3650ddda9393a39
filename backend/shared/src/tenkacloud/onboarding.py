"""Asking the application plane for tenants: publish, then mark, ten at a time.

Publish first: a crash between the two publishes again, and every consumer bears that. The other way round it
would lose the tenant. Both are batched: ten tenants cost one PutEvents call and one transaction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenkacloud.errors import PublishError
from tenkacloud.events import TenantOnboarding
from tenkacloud.events.bus import ENTRIES_MAX, EventBus
from tenkacloud.tenants import record as records
from tenkacloud.tenants.record import Tenant, Transition
from tenkacloud.tenants.repository import NotApplied, Outcome, TenantStore


@dataclass(frozen=True)
class OnboardingRequest:
    """A tenant to be asked for: publish `event`, then write `mark`."""

    tenant: Tenant
    event: TenantOnboarding
    mark: Transition


def request_onboarding(
    tenant: Tenant, correlation_id: str, now: str, *, resumed: bool = False
) -> OnboardingRequest:
    """Return what asks for a tenant's next attempt. `resumed`: by the reconciler."""
    return OnboardingRequest(
        tenant=tenant,
        event=request_of(tenant, tenant.next_attempt, correlation_id, now),
        mark=records.begin_attempt(tenant, now, correlation_id, resumed=resumed),
    )


def request_of(tenant: Tenant, attempt: int | None, correlation_id: str, now: str) -> TenantOnboarding:
    """Return the event that asks for one attempt of a tenant."""
    return TenantOnboarding(
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        tier=tenant.tier,
        slug=tenant.slug,
        timestamp=now,
        attempt=attempt,
        correlation_id=correlation_id,
    )


@dataclass(frozen=True)
class OnboardingRequester:
    """The tenant table and the bus, as those who ask for tenants use them."""

    store: TenantStore
    bus: EventBus

    def ask(self, asks: Sequence[OnboardingRequest]) -> list[Outcome | Exception]:
        """Ask for up to ten tenants; return what became of each mark, or why it was not asked for.

        A mark that was not applied is no failure: see `why_not_marked`.

        Raises:
            PublishError: EventBridge took none of them.
        """
        errors = self.bus.put([ask.event for ask in asks])
        published = [ask for ask, error in zip(asks, errors, strict=True) if not error]
        marks = iter(self.store.apply_all([ask.mark for ask in published]))
        return [PublishError(f"bus {self.bus.name}: {error}") if error else next(marks) for error in errors]


def chunks(asks: Sequence[OnboardingRequest]) -> Iterator[Sequence[OnboardingRequest]]:
    """Yield the asks in the portions that `ask` takes."""
    for start in range(0, len(asks), ENTRIES_MAX):
        yield asks[start : start + ENTRIES_MAX]


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
