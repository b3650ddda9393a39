"""A put-item over a tenant's record: what it must not take away. Pure.

Whoever may write the table can put a record anew, as the design's onboarding does. Over a record that is
being offboarded, is a tombstone, or has an operation under way, that would lose what is known of data that is
still to be moved or deleted, or let a deleted tenant live again: the stream's old image is written back. Over
any other the tenant is onboarded anew, and the places that only the old image names become leftovers.
"""

from dataclasses import replace
from typing import Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.places import Place
from tenkacloud.tenants.conditions import same
from tenkacloud.tenants.keys import DUE, DUE_PARTITION, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import LEFTOVERS, Leftover, parse_leftovers
from tenkacloud.tenants.record import REVISION, Item, revision, status_and_tier
from tenkacloud.tenants.transitions.offboarding import is_protected
from tenkacloud.tenants.transitions.operation import due_at
from tenkacloud.tenants.transitions.transition import Precondition, Transition, as_read
from tenkacloud.tenants.validation import TenantStatus

KEPT: Final = "a put-item over the record lost it, so nobody knows whether it is still wanted"


def is_overwritten(old: Item, new: Item) -> bool:
    """Tell whether a record that nobody may put anew was put anew, or requested anew.

    No writer of ours sets such a record to PENDING, each of them makes its revision greater, and what is
    DELETED stays so.
    """
    if not is_protected(old):
        return False
    if old.get("status") == TenantStatus.DELETED != new.get("status"):
        return True
    return new.get("provisioningStatus") == ProvisioningStatus.PENDING or revision(new) < revision(old)


def lost_places(old: Item, new: Item, operation_id: str) -> tuple[Leftover, ...]:
    """Return the places that a record named and, put anew, does not name any more, as leftovers.

    The one that the tenant was in is kept: nobody knows what was in it when it was left.
    """
    tier = status_and_tier(old)[1]
    of_place = [Leftover(place, operation_id or "a put-item", tier, kept=KEPT) for place in _place(old)]
    left = [*_leftovers(old), *of_place]
    return still_lost(new, tuple({each.place: each for each in left}.values()))


def still_lost(item: Item, lost: tuple[Leftover, ...]) -> tuple[Leftover, ...]:
    """Return those of some places that a record does not name."""
    if not lost:
        return ()
    named = {leftover.place for leftover in _leftovers(item)} | {*_place(item)}
    return tuple(each for each in lost if each.place not in named)


def carry(key: Key, item: Item, lost: tuple[Leftover, ...]) -> Transition:
    """Return what names lost places on a record, as it was read, that needs nothing else."""
    # No transition, so whatever the status is.
    status = ProvisioningStatus.PENDING
    requires = {**as_read(status, item).requires, REVISION: same(item.get(REVISION))}
    return carrying(Transition(key, (Precondition(status, requires),), {}, ()), item, lost)


def carrying(change: Transition, item: Item, lost: tuple[Leftover, ...]) -> Transition:
    """Return a change of a record, as it was read, that also names places which its put-item lost."""
    if not lost:
        return change
    named = _leftovers(item)
    known = {leftover.place for leftover in named}
    leftovers = (*named, *(each for each in lost if each.place not in known))
    due = due_at(None, leftovers)
    return replace(
        change,
        sets={
            **change.sets,
            LEFTOVERS: [each.attributes() for each in leftovers],
            **({} if due is None else DUE.entry(DUE_PARTITION, due)),
        },
    )


def _place(item: Item) -> tuple[Place, ...]:
    if "resources" not in item:
        return ()
    try:
        return (Place.of(item.get("resources")),)
    except InvalidFieldError:
        return ()


def _leftovers(item: Item) -> tuple[Leftover, ...]:
    try:
        return parse_leftovers(item)
    except InvalidFieldError:
        return ()
