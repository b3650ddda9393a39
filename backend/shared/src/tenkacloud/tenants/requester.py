"""Publishing what a record requests, and writing that it was: publish, then mark, ten at a time.

Publish first: a crash between the two publishes again, and every consumer bears that. The other way round it
would lose the request. Both are batched: ten requests cost one PutEvents call and one transaction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tenkacloud.errors import PublishError
from tenkacloud.events.bus import ENTRIES_MAX, EventBus
from tenkacloud.events.contract import Event
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.transition import Outcome, Transition

_T = TypeVar("_T")


class Request(Protocol):
    """An event to publish, and the change of a record that says it was published."""

    @property
    def event(self) -> Event:
        """What to publish."""
        ...

    @property
    def mark(self) -> Transition:
        """What to write then."""
        ...


@dataclass(frozen=True)
class Requester:
    """The tenant table and the bus, as those who publish what records request use them."""

    repository: TenantRepository
    bus: EventBus

    def request(self, requests: Sequence[Request]) -> list[Outcome | Exception]:
        """Publish and mark up to ten requests; return what became of each mark, or why there is none.

        A mark that was not applied is no failure: see `why_not_marked`.

        Raises:
            PublishError: EventBridge took none of them.
        """
        errors = self.bus.put([request.event for request in requests])
        published = [request for request, error in zip(requests, errors, strict=True) if not error]
        marks = iter(self.repository.apply_all([request.mark for request in published]))
        return [PublishError(f"bus {self.bus.name}: {error}") if error else next(marks) for error in errors]


def chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield requests, or what holds one each, in the portions that `request` takes."""
    for start in range(0, len(items), ENTRIES_MAX):
        yield items[start : start + ENTRIES_MAX]
