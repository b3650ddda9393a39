"""What a transition is: a change of one tenant record, as data. Pure.

A `Transition` says what to write, the precondition under which it may be written, and what the tenant's
history says of it. `repository.TenantRepository` applies it. So each decision can be tested without AWS, no
write goes without its condition, and no change of the status without its entry in the history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import Is, Requirements, same
from tenkacloud.tenants.keys import FAILED, FAILED_PARTITION, HISTORY_PREFIX, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus, allowed_from
from tenkacloud.tenants.record import DECISIVE_ATTRIBUTES, Item, parse_provisioning_status

REASON_MAX: Final = 1000  # characters of a failureReason that are kept

#: Of two transitions at one time, the one that comes first.
_RANK: Final = {
    ProvisioningStatus.PENDING: 0,
    ProvisioningStatus.PROVISIONING: 1,
    ProvisioningStatus.FAILED: 2,
    ProvisioningStatus.COMPLETED: 3,
}


@dataclass(frozen=True)
class Precondition:
    """One state of the record in which a change is right: its status, and what else is required of it."""

    status: ProvisioningStatus
    requires: Requirements = field(default_factory=dict)


def as_read(status: ProvisioningStatus, item: Item) -> Precondition:
    """Return the state in which a record was read: each decisive attribute is still what it was."""
    return Precondition(status, {name: same(item.get(name)) for name in DECISIVE_ATTRIBUTES})


def of_status(item: Item) -> Precondition:
    """Return the state of a record that has the status which it was read with, whatever else it says.

    Raises:
        InvalidFieldError: it has no valid status.
    """
    status = parse_provisioning_status(item.get("provisioningStatus"))
    return Precondition(status, {"provisioningStatus": Is(status)})


@dataclass(frozen=True)
class HistoryEntry:
    """An entry in a tenant's history: one transition. `attempt` is None where the writer does not know it."""

    to: ProvisioningStatus
    at: datetime
    attempt: int | None
    reason: str | None = None
    correlation_id: str | None = None

    @property
    def sort_key(self) -> str:
        """SK of its item: in the order of time, then of the state machine."""
        return f"{HISTORY_PREFIX}{rfc3339(self.at)}#{self.attempt or 0:06d}#{_RANK[self.to]}{self.to}"

    def attributes(self, writer: str) -> dict[str, object]:
        """Return what its item holds besides its key. `writer` is who made the transition."""
        reason = None if self.reason is None else self.reason[:REASON_MAX]
        optional = {"attempt": self.attempt, "reason": reason, "correlationId": self.correlation_id}
        return {
            "EntityType": "HISTORY",
            "to": self.to,
            "at": rfc3339(self.at),
            "by": writer,
            **{name: value for name, value in optional.items() if value is not None},
        }


@dataclass(frozen=True)
class Transition:
    """A conditional update of one tenant record, and the entries of history that are written with it.

    Shapes: `sets` and `sets_if_absent` map attribute names to values (str, int, or a map of str);
    `removes` names attributes. The record must exist and be in one of the `expected` states. `history` has an
    entry for each transition that the change makes, in order: none for one that leaves the status alone.

    Raises:
        ValueError: a transition that `lifecycle.TRANSITIONS` does not have.
    """

    key: Key
    expected: tuple[Precondition, ...]
    sets: Mapping[str, object]
    history: tuple[HistoryEntry, ...]
    sets_if_absent: Mapping[str, object] = field(default_factory=dict)
    removes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for state in self.expected:
            source = state.status
            for entry in self.history:
                if source not in allowed_from(entry.to):
                    raise ValueError(f"no transition from {source} to {entry.to}")
                source = entry.to

    @property
    def to(self) -> ProvisioningStatus | None:
        """The status that the record then has; None if the change leaves it alone."""
        return self.history[-1].to if self.history else None


@dataclass(frozen=True)
class Applied:
    """The transition was written."""


@dataclass(frozen=True)
class NotApplied:
    """The condition failed. `item` is the record as it was then, None if there is none."""

    item: Item | None


#: What became of a transition.
Outcome = Applied | NotApplied


def failure(reason: str, now: datetime) -> dict[str, object]:
    """Return what each change to FAILED writes, whoever makes it."""
    return {
        "provisioningStatus": ProvisioningStatus.FAILED,
        "failureReason": reason[:REASON_MAX],
        "updatedAt": rfc3339(now),
        **FAILED.entry(FAILED_PARTITION, rfc3339(now)),
    }
