"""What a transition is: a change of one tenant record, as data. Pure.

A `Transition` says what to write, the precondition under which it may be written, and what the tenant's
history says of it. `repository.TenantRepository` applies it. So each decision can be tested without AWS, no
write goes without its condition, and no change of the status without its entry in the history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import Is, Requirements, same
from tenkacloud.tenants.keys import FAILED, FAILED_PARTITION, HISTORY_PREFIX, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus, allowed_from, status_allowed_from
from tenkacloud.tenants.operations import Operation, Phase, PhaseState
from tenkacloud.tenants.record import DECISIVE_ATTRIBUTES, Item, parse_provisioning_status
from tenkacloud.tenants.validation import TenantStatus, Tier

REASON_MAX: Final = 1000  # characters of a failureReason that are kept

#: Of two transitions at one time, the one that comes first.
_RANK: Final[Mapping[StrEnum, int]] = {
    ProvisioningStatus.PENDING: 0,
    ProvisioningStatus.PROVISIONING: 1,
    ProvisioningStatus.FAILED: 2,
    ProvisioningStatus.COMPLETED: 3,
    ProvisioningStatus.DEPROVISIONING: 4,
    ProvisioningStatus.DEPROVISION_FAILED: 5,
    ProvisioningStatus.DEPROVISIONED: 6,
}
#: The rank of what is no provisioning status.
_LAST: Final = 7
#: The states of a phase, as they follow each other within one millisecond.
_STATES: Final = (*PhaseState, "COMPLETED")
#: The attribute that a history entry is about, by what it then was.
_ATTRIBUTE: Final[Mapping[type[StrEnum], str]] = {
    ProvisioningStatus: "provisioningStatus",
    TenantStatus: "status",
    Tier: "tier",
    Phase: "operation",
}


@dataclass(frozen=True)
class Precondition:
    """One state of the record in which a change is right: its statuses, and what else is required of it.

    `tenant_status` is the value of `status`, None where the change does not touch it.
    """

    status: ProvisioningStatus
    requires: Requirements = field(default_factory=dict)
    tenant_status: TenantStatus | None = None


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
    """An entry in a tenant's history: one transition. `attempt` is None where the writer does not know it.

    `to` is the provisioning status, the status, the tier or the phase that was entered. Of a phase,
    `operation` is the operation as it then is, and `ended` says that it is over. `requested_by` is the person
    who wanted it.
    """

    to: ProvisioningStatus | TenantStatus | Tier | Phase
    at: datetime
    attempt: int | None
    reason: str | None = None
    correlation_id: str | None = None
    operation: Operation | None = None
    ended: bool = False
    requested_by: str | None = None

    @property
    def _state(self) -> str | None:
        if self.operation is None:
            return None
        return "COMPLETED" if self.ended else self.operation.state

    @property
    def sort_key(self) -> str:
        """SK of its item: in the order of time, then of the state machine."""
        state = "" if self._state is None else f".{_STATES.index(self._state)}{self._state}"
        rank = _RANK.get(self.to, _LAST)
        return f"{HISTORY_PREFIX}{rfc3339(self.at)}#{self.attempt or 0:06d}#{rank}{self.to}{state}"

    def attributes(self, writer: str) -> dict[str, object]:
        """Return what its item holds besides its key. `writer` is who made the transition."""
        reason = None if self.reason is None else self.reason[:REASON_MAX]
        operation = self.operation
        optional = {
            "attempt": self.attempt,
            "reason": reason,
            "correlationId": self.correlation_id,
            "attribute": None if isinstance(self.to, ProvisioningStatus) else _ATTRIBUTE[type(self.to)],
            "operationId": operation and operation.id,
            "kind": operation and operation.kind,
            "state": self._state,
            "requestedBy": self.requested_by,
        }
        return {
            "EntityType": "HISTORY",
            "to": self.to,
            "at": rfc3339(self.at),
            "by": writer,
            **{name: value for name, value in optional.items() if value is not None},
        }


@dataclass(frozen=True)
class Image:
    """A whole record as the table's stream has it: in DynamoDB's JSON."""

    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Transition:
    """A conditional update of one tenant record, and the entries of history that are written with it.

    Shapes: `sets` and `sets_if_absent` map attribute names, or paths such as `operation.progress`, to values
    (str, int, bool, or maps and lists of these); `removes` names attributes. The record must exist and be in
    one of the `expected` states. `history` has an entry for each transition that the change makes, in order:
    none for one that leaves the status alone. `replacement` is a whole record that takes the place of the one
    there; nothing else is then set or removed. `puts` are further items of the tenant, by their sort keys.

    Raises:
        ValueError: a transition that `lifecycle` does not have.
    """

    key: Key
    expected: tuple[Precondition, ...]
    sets: Mapping[str, object]
    history: tuple[HistoryEntry, ...]
    sets_if_absent: Mapping[str, object] = field(default_factory=dict)
    removes: tuple[str, ...] = ()
    replacement: Mapping[str, object] | Image | None = None
    puts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for state in self.expected:
            source, tenant_status = state.status, state.tenant_status
            for entry in self.history:
                if isinstance(entry.to, ProvisioningStatus):
                    if source not in allowed_from(entry.to):
                        raise ValueError(f"no transition from {source} to {entry.to}")
                    source = entry.to
                if isinstance(entry.to, TenantStatus):
                    if tenant_status not in status_allowed_from(entry.to):
                        raise ValueError(f"no transition from {tenant_status} to {entry.to}")
                    tenant_status = entry.to

    @property
    def to(self) -> ProvisioningStatus | None:
        """The provisioning status that the record then has; None if the change leaves it alone."""
        entered = [entry.to for entry in self.history if isinstance(entry.to, ProvisioningStatus)]
        return entered[-1] if entered else None


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
