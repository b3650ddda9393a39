"""Changing a tenant, as an operator wants it: one conditional write, and never an event.

A change that somebody else was faster than is decided anew, from the record as it then is.
"""

import getpass
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from scripts.operator.environment import Environment, Record, tenant_id_in
from scripts.operator.verifying import is_deleted
from scripts.tooling.project import CommandError, UsageError
from tenkacloud.errors import InvalidFieldError
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.operations import OPERATION
from tenkacloud.tenants.record import Tenant
from tenkacloud.tenants.transitions.transition import Applied, Transition
from tenkacloud.tenants.validation import TenantId

#: Makes a change of a tenant: at a time, and wanted by somebody (`operator:<user>`).
Decide = Callable[[Tenant, datetime, str], Transition]

_ROUNDS: Final = 5  # of a change that others keep being faster than
_RETENTION_MAX: Final = timedelta(days=400)


def user() -> str:
    """Return who is at it, as history and operations have it."""
    return f"operator:{getpass.getuser()}"


def new_id() -> str:
    """Return the id of a new operation, or of a new export."""
    return uuid.uuid4().hex


def change(
    environment: Environment, tenant_id: TenantId, decide: Decide, clock: Clock, *, dry_run: bool = False
) -> tuple[Record, Record]:
    """Make a change; return the record as it was read, and as it then is.

    `dry_run`: find out whether it could be made, and make none.

    Raises:
        CommandError: it can't be made: what the tenant is, and what to do, in one line.
    """
    by = user()
    repository = environment.repository(by, clock)
    for _ in range(_ROUNDS):
        before = environment.record(tenant_id)
        transition = _decided(environment, before, decide, clock.now(), by)
        if dry_run:
            return before, before
        if isinstance(repository.apply(transition), Applied):
            return before, environment.find(tenant_id) or before
    raise CommandError(f"{tenant_id} was changed by somebody else {_ROUNDS} times meanwhile: try again")


def _decided(environment: Environment, record: Record, decide: Decide, now: datetime, by: str) -> Transition:
    tenant_id = tenant_id_in(record)
    where = f"{tenant_id} --env {environment.name}"
    if is_deleted(record):
        raise CommandError(
            f"{tenant_id} was deleted, and its id is retired: tenkacloud tenants certificate {where}"
        )
    try:
        tenant = records.parse_any_tenant(Key(record["PK"]["S"]), records.read(record))
    except InvalidFieldError as error:
        raise CommandError(
            f"the record of {tenant_id} breaks a rule: {error}; correct it, then try again"
        ) from error
    try:
        return decide(tenant, now, by)
    except InvalidFieldError as error:
        next_step = "operations show" if OPERATION in record else "tenants show"
        raise CommandError(f"{tenant_id}: {error} (tenkacloud {next_step} {where})") from error


def retain_until(environment: Environment, days: int | None, now: datetime) -> datetime:
    """Return until when a tenant that is offboarded now can be restored.

    `days`: None is the environment's own number of them.

    Raises:
        UsageError: these are fewer than the environment allows, or more than anybody can mean.
    """
    lifecycle = environment.deployment.lifecycle
    least = int(lifecycle.get("retention_days_min", 0))
    chosen = int(lifecycle.get("retention_days_default", least)) if days is None else days
    if chosen < least:
        raise UsageError(
            f"--retention-days {chosen}: {environment.name} retains what is offboarded for {least} days at "
            "least (retention_days_min)"
        )
    if timedelta(days=chosen) > _RETENTION_MAX:
        raise UsageError(f"--retention-days {chosen}: at most {_RETENTION_MAX.days}")
    return now + timedelta(days=chosen)


def export_expires(environment: Environment, now: datetime) -> datetime:
    """Return when an export that is requested now expires."""
    days = int(environment.deployment.lifecycle.get("export_retention_days", 7))
    return now + timedelta(days=days)
