"""Publishing what records request, and writing that it was: publish, then mark, ten events at a time.

Publish first: a crash between the two publishes again, and every consumer bears that. The other way round it
would lose the request. Both are batched: ten events cost one PutEvents call and one transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from tenkacloud.errors import PublishError
from tenkacloud.events.bus import ENTRIES_MAX, EventBus
from tenkacloud.events.contract import Event
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.transition import Outcome, Transition

_T = TypeVar("_T")


class Request(Protocol):
    """What a record requests: events to publish, and the change that says they were published."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What to publish; nothing, if there is only something to write."""
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
        """Publish and mark requests of up to ten events; return what became of each mark, or why not.

        A mark that was not applied is no failure: see `why_not_marked`.

        Raises:
            PublishError: EventBridge took none of them.
        """
        events = [event for request in requests for event in request.events]
        codes = iter(self.bus.put(events) if events else ())
        errors = [next(filter(None, list(islice(codes, len(request.events)))), None) for request in requests]
        published = [request for request, error in zip(requests, errors, strict=True) if not error]
        marks = iter(self.repository.apply_all([request.mark for request in published]))
        return [PublishError(f"bus {self.bus.name}: {error}") if error else next(marks) for error in errors]


def chunks(items: Sequence[_T], events_of: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Yield requests, or what holds one each, in the portions that `request` takes.

    `events_of` says how many events one of them has: at most ten.
    """
    chunk: list[_T] = []
    total = 0
    for item in items:
        count = events_of(item)
        if chunk and (total + count > ENTRIES_MAX or len(chunk) == ENTRIES_MAX):
            yield chunk
            chunk, total = [], 0
        chunk.append(item)
        total += count
    if chunk:
        yield chunk
