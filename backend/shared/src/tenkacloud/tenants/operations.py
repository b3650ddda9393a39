"""What is under way of a tenant after its onboarding: at most one operation, in phases. Pure.

```
CHANGE_TIER  COPY → CUTOVER → (the switch: the operation ends, the old place is a leftover)
               ↘ ROLLBACK ↙   (given up before the switch)
             RETIRE           (of a leftover that is due: an operation of its own)
EXPORT       EXPORT
OFFBOARD     RETAIN → EXPORT → PURGE ⇄ VERIFY → VERIFY → (the tombstone)
```

Each phase is REQUESTED (to be published), RUNNING (published, as a numbered attempt), WAITING (it goes on
later, by the index of what is due) or FAILED (it goes on when an operator retries it).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, SupportsInt, TypeVar

from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.places import Place
from tenkacloud.tenants.validation import (
    Slug,
    Tier,
    parse_attempt,
    parse_object,
    parse_slug,
    parse_text,
    parse_tier,
    truncated_repr,
)

OPERATION: Final = "operation"
LEFTOVERS: Final = "leftovers"
#: What the stream is to publish besides onboarding; absent when nothing is.
OUTBOX: Final = "outbox"
#: In the place of a digest: an operator has looked, and whatever is in the place goes.
ANY_DIGEST: Final = "any"

Item = Mapping[str, object]
_E = TypeVar("_E", bound=StrEnum)


class OperationKind(StrEnum):
    """What is done to a tenant."""

    CHANGE_TIER = "CHANGE_TIER"
    EXPORT = "EXPORT"
    OFFBOARD = "OFFBOARD"


class Phase(StrEnum):
    """A part of an operation, which one event requests and one result ends."""

    COPY = "COPY"
    CUTOVER = "CUTOVER"
    ROLLBACK = "ROLLBACK"
    RETIRE = "RETIRE"
    EXPORT = "EXPORT"
    RETAIN = "RETAIN"
    PURGE = "PURGE"
    VERIFY = "VERIFY"


class PhaseState(StrEnum):
    """How far a phase is."""

    REQUESTED = "REQUESTED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    FAILED = "FAILED"


class Outbox(StrEnum):
    """What the record's change requests to be published."""

    OPERATION = "OPERATION"
    STATUS = "STATUS"
    BOTH = "BOTH"


#: Of each kind: its phases, and by which others each may be followed. None: the operation ends there.
PHASES: Final[Mapping[OperationKind, Mapping[Phase | None, frozenset[Phase | None]]]] = {
    OperationKind.CHANGE_TIER: {
        None: frozenset({Phase.COPY, Phase.RETIRE}),
        Phase.COPY: frozenset({Phase.CUTOVER, Phase.ROLLBACK}),
        Phase.CUTOVER: frozenset({None, Phase.ROLLBACK, Phase.COPY}),
        Phase.ROLLBACK: frozenset({None}),
        Phase.RETIRE: frozenset({None}),
    },
    OperationKind.EXPORT: {
        None: frozenset({Phase.EXPORT}),
        Phase.EXPORT: frozenset({None}),
    },
    OperationKind.OFFBOARD: {
        None: frozenset({Phase.RETAIN, Phase.PURGE}),
        Phase.RETAIN: frozenset({None, Phase.EXPORT, Phase.PURGE}),
        Phase.EXPORT: frozenset({None, Phase.PURGE}),
        Phase.PURGE: frozenset({Phase.VERIFY, Phase.PURGE}),
        Phase.VERIFY: frozenset({None, Phase.PURGE, Phase.VERIFY}),
    },
}

#: Somebody is at the phase, or has to be.
UNDER_WAY: Final = frozenset({PhaseState.REQUESTED, PhaseState.RUNNING})


@dataclass(frozen=True)
class Progress:
    """How much of a phase is done: objects and their bytes, of how many objects where that is known."""

    objects: int
    bytes: int
    total_objects: int | None = None


@dataclass(frozen=True)
class Operation:
    """A tenant's operation, as its record has it. Times are RFC 3339 UTC, as they are written.

    `attempt` is the last one begun, 0 if none was; attempts are counted over all phases. `due` is when it
    goes on, while it is WAITING. `drain_seconds` is for how long requests may be in flight that began before
    the tenant was read-only, `not_before` when they have ended. `purges` counts those that were begun; `slug`
    is what something was made by of a tenant that was deleted, and has none any more. Attributes that the
    kind has not are None, or empty.
    """

    id: str
    kind: OperationKind
    phase: Phase
    state: PhaseState
    attempt: int
    automatic_retries: int = 0
    requested_at: str = ""
    requested_by: str = ""
    reason: str | None = None
    failure_reason: str | None = None
    progress: Progress | None = None
    due: str | None = None
    from_tier: Tier | None = None
    to_tier: Tier | None = None
    from_: Place | None = None
    to: Place | None = None
    drain_seconds: int = 0
    not_before: str | None = None
    digest: str | None = None
    retain_until: str | None = None
    export_requested: bool = False
    export_id: str | None = None
    expires_at: str | None = None
    purges: int = 0
    verifications: int = 0
    places: tuple[Place, ...] = ()
    slug: Slug | None = None
    evidence: Mapping[str, object] | None = None

    @property
    def next_attempt(self) -> int:
        """The attempt to begin next; the same for every delivery of one change."""
        return self.attempt + 1

    @property
    def is_under_way(self) -> bool:
        """Whether its phase is REQUESTED or RUNNING."""
        return self.state in UNDER_WAY

    @property
    def is_read_only(self) -> bool:
        """Whether its tenant may read its objects only: while the last changes move."""
        return self.phase is Phase.CUTOVER and self.is_under_way

    def attributes(self) -> dict[str, object]:
        """Return the attribute `operation` of the record."""
        values: dict[str, object] = {
            "id": self.id,
            "kind": self.kind,
            "phase": self.phase,
            "state": self.state,
            "attempt": self.attempt,
            "automaticRetries": self.automatic_retries,
            "requestedAt": self.requested_at,
            "requestedBy": self.requested_by,
            "reason": self.reason,
            "failureReason": self.failure_reason,
            "progress": None if self.progress is None else progress_attributes(self.progress),
            "due": self.due,
            "fromTier": self.from_tier,
            "toTier": self.to_tier,
            "from": self.from_ and self.from_.as_resources(),
            "to": self.to and self.to.as_resources(),
            "drainSeconds": self.drain_seconds or None,
            "notBefore": self.not_before,
            "digest": self.digest,
            "retainUntil": self.retain_until,
            "exportId": self.export_id,
            "expiresAt": self.expires_at,
            "evidence": self.evidence and dict(self.evidence),
        }
        if self.kind is OperationKind.OFFBOARD:
            values |= {
                "exportRequested": self.export_requested,
                "purges": self.purges,
                "verifications": self.verifications,
                "places": [place.as_resources() for place in self.places],
                "slug": self.slug,
            }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Leftover:
    """A place that a tenant's objects were in, and that is still to be retired.

    `retire_after` is RFC 3339 UTC, None where it is kept; `kept` then says why. `digest` is that of what was
    in it at the switch, `ANY_DIGEST` where that does not matter any more, None where nobody knows.
    """

    place: Place
    operation_id: str
    tier: Tier | None = None
    retire_after: str | None = None
    digest: str | None = None
    kept: str | None = None

    def attributes(self) -> dict[str, object]:
        """Return its entry in the attribute `leftovers`."""
        values = {
            "tier": self.tier,
            "retireAfter": self.retire_after,
            "operationId": self.operation_id,
            "digest": self.digest,
            "kept": self.kept,
        }
        return {
            **self.place.as_resources(),
            **{name: value for name, value in values.items() if value is not None},
        }


def progress_attributes(progress: Progress) -> dict[str, object]:
    """Return the attribute `operation.progress` of the record."""
    total = {} if progress.total_objects is None else {"totalObjects": progress.total_objects}
    return {"objects": progress.objects, "bytes": progress.bytes, **total}


def parse_operation(item: Item) -> Operation | None:
    """Return a record's operation, None if it has none.

    Raises:
        InvalidFieldError: what it has is not one that our writers write.
    """
    value = item.get(OPERATION)
    if value is None:
        return None
    fields = parse_object(OPERATION, value)
    kind = _choice(OperationKind, "kind", fields)
    phase = _choice(Phase, "phase", fields)
    if phase not in PHASES[kind]:
        raise InvalidFieldError(f"{OPERATION}.phase", f"{phase} is not a phase of {kind}")
    places = fields.get("places", [])
    evidence = fields.get("evidence")
    return Operation(
        id=parse_text(f"{OPERATION}.id", fields.get("id")),
        kind=kind,
        phase=phase,
        state=_choice(PhaseState, "state", fields),
        attempt=parse_attempt(f"{OPERATION}.attempt", fields.get("attempt"), minimum=0),
        automatic_retries=_number(fields, "automaticRetries"),
        requested_at=_text(fields, "requestedAt") or "",
        requested_by=_text(fields, "requestedBy") or "",
        reason=_text(fields, "reason"),
        failure_reason=_text(fields, "failureReason"),
        progress=_progress(fields.get("progress")),
        due=_text(fields, "due"),
        from_tier=_tier(fields, "fromTier"),
        to_tier=_tier(fields, "toTier"),
        from_=_place(fields, "from"),
        to=_place(fields, "to"),
        drain_seconds=_number(fields, "drainSeconds"),
        not_before=_text(fields, "notBefore"),
        digest=_text(fields, "digest"),
        retain_until=_text(fields, "retainUntil"),
        export_requested=fields.get("exportRequested") is True,
        export_id=_text(fields, "exportId"),
        expires_at=_text(fields, "expiresAt"),
        purges=_number(fields, "purges"),
        verifications=_number(fields, "verifications"),
        places=tuple(
            Place.of(parse_object("operation.places", each)) for each in _list("operation.places", places)
        ),
        slug=parse_slug("operation.slug", fields["slug"]) if "slug" in fields else None,
        evidence=parse_object("operation.evidence", evidence) if evidence is not None else None,
    )


def parse_leftovers(item: Item) -> tuple[Leftover, ...]:
    """Return the places that a record's tenant left and that are still there.

    Raises:
        InvalidFieldError: what it has is not what our writers write.
    """
    found = []
    for each in _list(LEFTOVERS, item.get(LEFTOVERS, [])):
        fields = parse_object(LEFTOVERS, each)
        found.append(
            Leftover(
                place=Place.of(fields),
                operation_id=_text(fields, "operationId") or "",
                tier=_tier(fields, "tier"),
                retire_after=_text(fields, "retireAfter"),
                digest=_text(fields, "digest"),
                kept=_text(fields, "kept"),
            )
        )
    return tuple(found)


def is_read_only(item: Item) -> bool:
    """Tell whether a record says that its tenant may read its objects only. What is in doubt counts as so."""
    if OPERATION not in item:
        return False
    try:
        operation = parse_operation(item)
    except InvalidFieldError:
        return True
    return operation is not None and operation.is_read_only


def is_time(text: object) -> bool:
    """Tell whether this is a time as our writers write it."""
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def moment(text: str) -> datetime:
    """Return a time of a record, in UTC.

    Raises:
        InvalidFieldError: it is not a time.
    """
    if not is_time(text):
        raise InvalidFieldError("time", f"{truncated_repr(text)} is not RFC 3339")
    return datetime.fromisoformat(text).astimezone(UTC)


def _choice(choices: type[_E], name: str, fields: Mapping[str, object]) -> _E:
    text = parse_text(f"{OPERATION}.{name}", fields.get(name))
    try:
        return choices(text)
    except ValueError:
        raise InvalidFieldError(
            f"{OPERATION}.{name}", f"{truncated_repr(text)} is unknown: one of {', '.join(choices)}"
        ) from None


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else parse_text(f"{OPERATION}.{name}", value)


def _number(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name)
    return 0 if value is None else int(parse_attempt(f"{OPERATION}.{name}", value, minimum=0))


def _tier(fields: Mapping[str, object], name: str) -> Tier | None:
    value = fields.get(name)
    return None if value is None else parse_tier(f"{OPERATION}.{name}", value)


def _place(fields: Mapping[str, object], name: str) -> Place | None:
    value = fields.get(name)
    return None if value is None else Place.of(parse_object(f"{OPERATION}.{name}", value))


def _list(field: str, value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise InvalidFieldError(field, f"{truncated_repr(value)} is not a list")
    return value


def _progress(value: object) -> Progress | None:
    if value is None:
        return None
    fields = parse_object("operation.progress", value)
    total = fields.get("totalObjects")
    return Progress(
        _whole(fields.get("objects")), _whole(fields.get("bytes")), None if total is None else _whole(total)
    )


def _whole(value: object) -> int:
    """Return a number that only our own writers write; a bad one counts as none."""
    return int(value) if isinstance(value, SupportsInt) else 0
