"""What a slice of an offboarding is to do, from what it carries and what the record says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.tenant_deprovisioned import Evidence
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.isolation.places import Place, pool_place
from tenkacloud.tenants.operations import OPERATION, parse_operation
from tenkacloud.tenants.record import Item
from tenkacloud.tenants.transitions.operation import is_answer_to
from tenkacloud.tenants.validation import TenantId, parse_count, parse_object, parse_text, truncated_repr

#: What `is_wanted` looks at.
ATTRIBUTES: Final = (OPERATION,)
#: Purges that begin anew since something was written meanwhile. A tenant that leaves has no sessions, so more
#: of them say that somebody else writes there.
ROUNDS_MAX: Final = 10
#: Errors of AWS in a row after which a slice is left to the queue, which delivers it much later.
FAILURES_MAX: Final = 5
_FIRST_DELAY: Final = 5  # seconds, doubled with each error


class Stage(StrEnum):
    """How far a purge is. Objects come before the buckets that they are in."""

    OBJECTS = "OBJECTS"
    ITEMS = "ITEMS"
    RESOURCES = "RESOURCES"


@dataclass(frozen=True)
class Counts:
    """What was deleted so far. `bytes` are those of the object versions."""

    object_versions: int = 0
    delete_markers: int = 0
    uploads: int = 0
    items: int = 0
    buckets_deleted: int = 0
    bytes: int = 0

    def plus(self, **more: int) -> Self:
        """Return these and more."""
        return replace(self, **{name: getattr(self, name) + number for name, number in more.items()})

    def evidence(self, checked_at: str) -> Evidence:
        """Return it as the result of a purge has it."""
        return Evidence(
            object_versions=self.object_versions,
            delete_markers=self.delete_markers,
            uploads=self.uploads,
            items=self.items,
            buckets_deleted=self.buckets_deleted,
            checked_at=checked_at,
        )


@dataclass(frozen=True)
class PurgeCursor:
    """Where a purge goes on. `places` are those that still hold objects, None until somebody has looked.

    What was deleted counts once its slice has ended: what an interrupted one deleted is not in `counts`.
    `rounds` counts the purges that began anew, `failures` the slices in a row that ended in an error.
    """

    stage: Stage = Stage.OBJECTS
    places: tuple[Place, ...] | None = None
    counts: Counts = Counts()
    rounds: int = 0
    failures: int = 0

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None, tenant_id: TenantId) -> Self:
        """Return the cursor of a slice; of the first, one that begins.

        Raises:
            InvalidFieldError: it is not one of ours, or names the prefix of another tenant.
        """
        if cursor is None:
            return cls()
        stage = parse_text("cursor.stage", cursor.get("stage"))
        if stage not in (*Stage,):
            raise InvalidFieldError("cursor.stage", f"{truncated_repr(stage)} is unknown")
        counts = parse_object("cursor.counts", cursor.get("counts"))
        return cls(
            stage=Stage(stage),
            places=_places(cursor.get("places"), tenant_id),
            counts=Counts(
                **{
                    name: parse_count(f"cursor.counts.{name}", counts.get(name))
                    for name in Counts.__dataclass_fields__
                }
            ),
            rounds=parse_count("cursor.rounds", cursor.get("rounds")),
            failures=parse_count("cursor.failures", cursor.get("failures")),
        )

    def onward(self) -> dict[str, Any]:
        """Return it as the message of the next slice carries it."""
        return {
            "stage": self.stage,
            "places": None if self.places is None else [place.as_resources() for place in self.places],
            "counts": {name: getattr(self.counts, name) for name in Counts.__dataclass_fields__},
            "rounds": self.rounds,
            "failures": self.failures,
        }

    def after_failure(self) -> tuple[Self, int] | None:
        """Return the cursor to try again with, and after how many seconds; None after too many errors.

        Most errors pass within seconds: throttling, and a bucket policy that has not come everywhere yet.
        """
        if self.failures >= FAILURES_MAX:
            return None
        return replace(self, failures=self.failures + 1), _FIRST_DELAY * 2**self.failures

    def anew(self) -> Self:
        """Return the cursor of a purge that begins again, with what was counted."""
        return type(self)(counts=self.counts, rounds=self.rounds + 1)


def is_wanted(record: Item | None, event: TenantOffboarding) -> bool:
    """Tell whether a tenant's record, None if there is none, is at the attempt that an event is of.

    A replay or a late delivery of another operation, phase or attempt deletes nothing.
    """
    if record is None:
        return False
    try:
        return is_answer_to(event, parse_operation(record))
    except InvalidFieldError:
        return False


def _places(value: object, tenant_id: TenantId) -> tuple[Place, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidFieldError("cursor.places", "must be a list")
    places = tuple(Place.of(each) for each in value)
    if any(not place.is_silo and place != pool_place(tenant_id) for place in places):
        raise InvalidFieldError("cursor.places", "names the prefix of another tenant")
    return places
