"""A put-item over a tenant's record: what it must not take away. Pure.

Whoever may write the table can put a record anew, as the design's onboarding does. Over a record that is
being offboarded, is a tombstone, or has an operation under way, that would lose what is known of data that is
still to be moved or deleted, or let a deleted tenant live again: the stream's old image is written back. Over
any other the tenant is onboarded anew, and the places that only the old image names become leftovers.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.places import Place
from tenkacloud.tenants.conditions import Requirements, same
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import LEFTOVERS, OPERATION, Leftover, parse_leftovers
from tenkacloud.tenants.record import DECISIVE_ATTRIBUTES, REVISION, Item, revision, status_and_tier
from tenkacloud.tenants.transitions.transition import HistoryEntry, Transition
from tenkacloud.tenants.validation import TenantStatus

#: A record in DynamoDB's JSON, as the stream shows it: binary as text.
Image = Mapping[str, Any]

KEPT: Final = "a put-item over the record lost it, so nobody knows whether it is still wanted"


@dataclass(frozen=True)
class Restoration:
    """Put `image` (DynamoDB's JSON) in the place of the record, if that is still what `requires` says."""

    key: Key
    image: Image
    requires: Requirements
    history: tuple[HistoryEntry, ...] = ()


def may_be_overwritten(old: Item) -> bool:
    """Tell whether a record may be put anew: no operation is under way, and the tenant is not to go or gone."""
    return OPERATION not in old and old.get("status") not in (TenantStatus.OFFBOARDING, TenantStatus.DELETED)


def is_overwritten(old: Item, new: Item) -> bool:
    """Tell whether a record that nobody may put anew was put anew, or requested anew.

    No writer of ours sets such a record to PENDING, and each of them makes its revision greater.
    """
    if may_be_overwritten(old):
        return False
    return new.get("provisioningStatus") == ProvisioningStatus.PENDING or revision(new) < revision(old)


def restoration(key: Key, image: Image, overwriting: Item) -> Restoration:
    """Return what writes an old image back over the record that was put over it, as that was read."""
    names = (*DECISIVE_ATTRIBUTES, OPERATION, REVISION)
    return Restoration(key, _as_written(image), {name: same(overwriting.get(name)) for name in names})


def lost_places(old: Item, new: Item, operation_id: str) -> tuple[Leftover, ...]:
    """Return the places that a record named and, put anew, does not name any more, as leftovers.

    The one that the tenant was in is kept: nobody knows what was in it when it was left.
    """
    named = {leftover.place for leftover in _leftovers(new)} | {*_place(new)}
    tier = status_and_tier(old)[1]
    left = [*_leftovers(old), *(Leftover(place, operation_id, tier, kept=KEPT) for place in _place(old))]
    return tuple({each.place: each for each in left if each.place not in named}.values())


def carrying(change: Transition, item: Item, lost: tuple[Leftover, ...]) -> Transition:
    """Return a change of a record, as it was read, that also names places which its put-item lost."""
    if not lost:
        return change
    named = _leftovers(item)
    known = {leftover.place for leftover in named}
    leftovers = (*named, *(each for each in lost if each.place not in known))
    return replace(change, sets={**change.sets, LEFTOVERS: [each.attributes() for each in leftovers]})


def _place(item: Item) -> tuple[Place, ...]:
    try:
        return (Place.of(item.get("resources")),)
    except InvalidFieldError:
        return ()


def _leftovers(item: Item) -> tuple[Leftover, ...]:
    try:
        return parse_leftovers(item)
    except InvalidFieldError:
        return ()


def _as_written(image: Image) -> dict[str, Any]:
    """Return an image of the stream as DynamoDB's client takes it: text of a binary as bytes."""
    return {name: _attribute(value) for name, value in image.items()}


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {kind: _bytes(content)}
        case "BS":
            return {kind: [_bytes(each) for each in content]}
        case "M":
            return {kind: _as_written(content)}
        case "L":
            return {kind: [_attribute(each) for each in content]}
    return {kind: content}


def _bytes(content: object) -> object:
    return b64decode(content) if isinstance(content, str) else content
