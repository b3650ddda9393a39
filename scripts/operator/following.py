"""Following an operation until it has ended, and saying what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from scripts.operator.environment import Environment, Record, plain, tenant_id_in
from scripts.operator.operations import told_operation
from scripts.operator.verifying import is_deleted
from scripts.tooling.project import CommandError
from tenkacloud.errors import InvalidFieldError
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import DUE
from tenkacloud.tenants.operations import (
    OPERATION,
    Operation,
    OperationKind,
    Phase,
    PhaseState,
    is_time,
    moment,
    parse_operation,
)
from tenkacloud.tenants.validation import TenantId, TenantStatus

_ENDED: Final = "COMPLETED"  # what the history says of a phase that is over, and well


class Ending(StrEnum):
    """What became of an operation that was followed."""

    COMPLETED = "completed"
    DELETED = "deleted"
    CANCELLED = "cancelled"
    RESTORED = "restored"
    FAILED = "failed"
    WAITING = "waiting"  # until after the deadline
    UNDER_WAY = "under way"  # at the deadline


@dataclass(frozen=True)
class Followed:
    """What became of an operation. `detail` says it in words; `record` is the tenant's, as it then is."""

    operation_id: str | None
    ending: Ending
    detail: str
    record: Record

    @property
    def is_well(self) -> bool:
        """Whether it is what its beginner wanted."""
        return self.ending in (Ending.COMPLETED, Ending.DELETED)


def follow(
    environment: Environment,
    tenant_id: TenantId,
    clock: Clock,
    *,
    seconds: float,
    interval: float,
    tell: Callable[[Operation], None],
    operation_id: str | None = None,
) -> Followed:
    """Follow a tenant's operation for at most `seconds`; say what became of it.

    `operation_id`: the one to follow; None: the one that is under way, or else the last there was. It ends at
    once where the operation waits for a time that is later than the deadline. `tell` is called at each look.

    Raises:
        CommandError: there is no tenant, or it never had an operation.
    """
    deadline = clock.now() + timedelta(seconds=seconds)
    while True:
        record = environment.record(tenant_id)
        operation = operation_on(record)
        if operation is None or operation_id not in (None, operation.id):
            return _became(environment, record, operation_id)
        operation_id = operation.id
        tell(operation)
        if ended := _stands(record, operation, deadline, clock.now()):
            return ended
        clock.sleep(interval)


def operation_on(record: Record) -> Operation | None:
    """Return the operation on a record.

    Raises:
        CommandError: it is none that our writers write.
    """
    try:
        return parse_operation(records.read(record, (OPERATION,)))
    except InvalidFieldError as error:
        raise CommandError(f"the record of {tenant_id_in(record)} breaks a rule: {error}") from error


def _stands(record: Record, operation: Operation, deadline: datetime, now: datetime) -> Followed | None:
    """Return how an operation ends, as far as its follower goes; None while it goes on."""
    told = told_operation(plain(record)[OPERATION])
    if operation.state is PhaseState.FAILED:
        return Followed(operation.id, Ending.FAILED, told, record)
    due = record.get(DUE.sort, {}).get("S")
    if operation.state is PhaseState.WAITING and is_time(due) and moment(str(due)) > deadline:
        return Followed(operation.id, Ending.WAITING, f"{told}: it goes on after {due}", record)
    if now >= deadline:
        return Followed(operation.id, Ending.UNDER_WAY, told, record)
    return None


def _became(environment: Environment, record: Record, operation_id: str | None) -> Followed:
    """Say what became of an operation that the record has no more, by its history."""
    tenant_id = TenantId(tenant_id_in(record))
    if is_deleted(record) and OPERATION not in record:
        where = f"{tenant_id} --env {environment.name}"
        return Followed(operation_id, Ending.DELETED, f"tenkacloud tenants certificate {where}", record)
    history = environment.history(tenant_id)
    lines = [line for line in history if "operationId" in line]
    if operation_id is not None:
        lines = [line for line in lines if line["operationId"] == operation_id]
    if not lines:
        raise CommandError(f"nothing is under way of {tenant_id}, and nothing was")
    last = next((line for line in reversed(lines) if line.get("state") == _ENDED), lines[-1])
    return Followed(str(last["operationId"]), _ending(last, record), _told(last), record)


def _ending(last: dict[str, Any], record: Record) -> Ending:
    if last.get("kind") == OperationKind.OFFBOARD:
        restored = record.get("status") != {"S": TenantStatus.OFFBOARDING.value}
        return Ending.RESTORED if restored else Ending.UNDER_WAY
    return Ending.CANCELLED if last.get("to") == Phase.ROLLBACK else Ending.COMPLETED


def _told(last: dict[str, Any]) -> str:
    words = [last.get(name) for name in ("kind", "to", "state")]
    said = " ".join(str(each) for each in words if each)
    return f"{said}: {last['reason']}" if "reason" in last else said
