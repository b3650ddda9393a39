"""Requesting tenants of the application plane: publish, then mark, ten at a time.

Publish first: a crash between the two publishes again, and every consumer bears that. The other way round it
would lose the tenant. Both are batched: ten tenants cost one PutEvents call and one transaction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenkacloud.errors import PublishError
from tenkacloud.events.bus import ENTRIES_MAX, EventBus
from tenkacloud.tenants.onboarding_request import OnboardingRequest
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.transition import Outcome


@dataclass(frozen=True)
class OnboardingRequester:
    """The tenant table and the bus, as those who request tenants use them."""

    repository: TenantRepository
    bus: EventBus

    def request(self, requests: Sequence[OnboardingRequest]) -> list[Outcome | Exception]:
        """Request up to ten tenants; return what became of each mark, or why it was not requested.

        A mark that was not applied is no failure: see `why_not_marked`.

        Raises:
            PublishError: EventBridge took none of them.
        """
        errors = self.bus.put([request.event for request in requests])
        published = [request for request, error in zip(requests, errors, strict=True) if not error]
        marks = iter(self.repository.apply_all([request.mark for request in published]))
        return [PublishError(f"bus {self.bus.name}: {error}") if error else next(marks) for error in errors]


def chunks(requests: Sequence[OnboardingRequest]) -> Iterator[Sequence[OnboardingRequest]]:
    """Yield the requests in the portions that `request` takes."""
    for start in range(0, len(requests), ENTRIES_MAX):
        yield requests[start : start + ENTRIES_MAX]
