"""What a slice is to do, from what it carries and what the record says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.operation import OperationEvent
from tenkacloud.isolation.places import Place
from tenkacloud.objects.comparison import StoredObject
from tenkacloud.tenants.operations import OPERATION, parse_operation
from tenkacloud.tenants.record import Item
from tenkacloud.tenants.transitions.operation import is_answer_to
from tenkacloud.tenants.validation import truncated_repr

#: What `is_wanted` and `is_in_use` look at.
ATTRIBUTES: Final = (OPERATION, "resources")
#: A first copy is followed by others while so much changed meanwhile: what is done then need not be done
#: while the tenant cannot write.
CHANGES_MAX: Final = 1000
PASSES_MAX: Final = 3
#: How often the last changes are copied before something is said to be wrong.
FINAL_PASSES_MAX: Final = 5
#: Seconds that a slice waits for the drain itself: a message that is held back comes by the second.
WAIT_MAX: Final = 10


class Stage(StrEnum):
    """How far a phase is.

    CUTOVER: BEFORE and AFTER the end of the drain. EXPORT: OBJECTS, ITEMS, MANIFEST. Other phases have one.
    """

    ONLY = "ONLY"
    BEFORE = "BEFORE"
    AFTER = "AFTER"
    OBJECTS = "OBJECTS"
    ITEMS = "ITEMS"
    MANIFEST = "MANIFEST"


@dataclass(frozen=True)
class MoveCursor:
    """Where a phase of a move goes on: in a run over both places, behind a key.

    `number` counts the slices. `objects` and `bytes` are those that this run came by, `changes` what it found
    to do, `total` the number of objects where it is known. `passes` counts the runs that ended. `resources`
    are those of the tenant in its new tier. `is_prepared`: what can be done before the end of the drain is.
    """

    number: int = 0
    stage: Stage = Stage.ONLY
    after: str = ""
    objects: int = 0
    bytes: int = 0
    changes: int = 0
    passes: int = 0
    total: int | None = None
    is_prepared: bool = False
    resources: Mapping[str, str] | None = None

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None) -> Self:
        """Return the cursor of a slice; of the first, one that begins.

        Raises:
            InvalidFieldError: it is not one of ours.
        """
        try:
            return cls(**{**(cursor or {}), "stage": Stage((cursor or {}).get("stage", Stage.ONLY))})
        except (TypeError, ValueError):
            raise InvalidFieldError("cursor", "is not one of a move") from None

    def onward(self) -> dict[str, Any]:
        """Return it as the message of the next slice carries it."""
        return asdict(replace(self, number=self.number + 1))

    def next_pass(self, stage: Stage) -> Self:
        """Return the cursor of another run over everything."""
        return replace(self, stage=stage, after="", objects=0, bytes=0, changes=0, passes=self.passes + 1)


@dataclass(frozen=True)
class ExportCursor:
    """Where an export goes on.

    `after` is the last object's key, `ancestors` are those of the keys before it that are a folder's name for
    what may follow. `start` is where the items go on, None at their begin. `objects`, `bytes` and `items`
    count what is done. `parts` and `item_parts` are the files of the export that name the objects and hold
    the items, as the manifest lists them.
    """

    number: int = 0
    stage: Stage = Stage.OBJECTS
    after: str = ""
    ancestors: Sequence[str] = ()
    start: Mapping[str, Any] | None = None
    objects: int = 0
    bytes: int = 0
    items: int = 0
    total: int | None = None
    parts: Sequence[Mapping[str, Any]] = ()
    item_parts: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None) -> Self:
        """Return the cursor of a slice; of the first, one that begins.

        Raises:
            InvalidFieldError: it is not one of ours.
        """
        try:
            return cls(**{**(cursor or {}), "stage": Stage((cursor or {}).get("stage", Stage.OBJECTS))})
        except (TypeError, ValueError):
            raise InvalidFieldError("cursor", "is not one of an export") from None

    def onward(self) -> dict[str, Any]:
        """Return it as the message of the next slice carries it."""
        return asdict(replace(self, number=self.number + 1))


def is_wanted(record: Item | None, event: OperationEvent) -> bool:
    """Tell whether a tenant's record, None if there is none, is at the attempt that an event is of."""
    if record is None:
        return False
    try:
        return is_answer_to(event, parse_operation(record))
    except InvalidFieldError:
        return False


def is_in_use(record: Item, place: Place) -> bool:
    """Tell whether a record names a place as its tenant's: what is in it is then never deleted."""
    try:
        return Place.of(record.get("resources")) == place
    except InvalidFieldError:
        return True


def needs_another_pass(cursor: MoveCursor) -> bool:
    """Tell whether another copy before the cutover is worth it: so much was copied, in several slices.

    In one slice, of a minute, not much can have changed.
    """
    return cursor.number > 0 and cursor.changes > CHANGES_MAX and cursor.passes + 1 < PASSES_MAX


def seconds_until(moment: datetime, now: datetime) -> float:
    """Return the seconds that are left until a time, 0 if it is over."""
    return max(0.0, (moment - now).total_seconds())


def written_too_late(newest: datetime | None, not_before: datetime) -> bool:
    """Tell whether something was written in the source after the drain.

    `newest` is S3's, in whole seconds on AWS, cut off.
    """
    return newest is not None and newest > not_before


def milliseconds(time: timedelta) -> int:
    """Return a time in whole milliseconds, never below 0."""
    return max(0, round(time / timedelta(milliseconds=1)))


def difference(source: StoredObject | None, target: StoredObject | None) -> str:
    """Say how an object of the old place, None if it is not there, is not what is in the new one."""
    if source is None:
        return f"{truncated_repr(target and target.key)} is in the new place only"
    if target is None:
        return f"{truncated_repr(source.key)} is not in the new place"
    return (
        f"{truncated_repr(source.key)} has {source.size} bytes and ETag {source.etag}, "
        f"in the new place {target.size} and {target.etag}"
    )
