"""What an operator does with a tenant: the same conditional writes as the operator's tool makes."""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scripts.operator.environment import plain
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import CommandError
from scripts.tooling.waiting import wait_until
from scripts.verification.flow import reconciling
from scripts.verification.flow.tenants import read
from tenkacloud.errors import InvalidFieldError, OperationInProgressError
from tenkacloud.platform.clock import SystemClock, rfc3339
from tenkacloud.tenants.keys import CERTIFICATE, DUE, Key
from tenkacloud.tenants.record import Tenant, parse_any_tenant
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.offboarding import offboard
from tenkacloud.tenants.transitions.operation import request_export
from tenkacloud.tenants.transitions.status import reactivate, suspend
from tenkacloud.tenants.transitions.tier import change_tier
from tenkacloud.tenants.transitions.transition import Applied, Transition
from tenkacloud.tenants.validation import TenantId, Tier

_BY: Final = "e2e"
#: Seconds that an operation which is under way may take, before the next one is requested.
_PATIENCE: Final = 60.0
#: Seconds between two sweeps: what is due is taken at once, and the function is not called in vain.
_SWEEP_SECONDS: Final = 1.0


class Operator:
    """Changes tenants, and has taken what is due. Thread-safe."""

    def __init__(self, deployment: Deployment, clients: Clients) -> None:
        self._deployment = deployment
        self._clients = clients
        self._repository = TenantRepository(clients.dynamodb, deployment.table_name, _BY, SystemClock())
        self._lock = threading.Lock()
        self._swept = float("-inf")

    def change_tier(self, tenant_id: TenantId, to: Tier) -> None:
        """Begin a change of tier."""
        self._change(tenant_id, lambda tenant, now: change_tier(tenant, to, _new_id(), now, _BY))

    def suspend(self, tenant_id: TenantId, reason: str) -> None:
        """Suspend a tenant; it is in force when this returns."""
        self._change(tenant_id, lambda tenant, now: suspend(tenant, reason, now, _BY))

    def reactivate(self, tenant_id: TenantId) -> None:
        """Let a suspended tenant in again."""
        self._change(tenant_id, lambda tenant, now: reactivate(tenant, now, _BY))

    def export(self, tenant_id: TenantId) -> None:
        """Begin an export."""
        days = float(self._deployment.lifecycle["export_retention_days"])
        self._change(
            tenant_id,
            lambda tenant, now: request_export(tenant, _new_id(), now + timedelta(days=days), now, _BY),
        )

    def offboard(self, tenant_id: TenantId, *, export: bool) -> None:
        """Begin an offboarding whose retention is over at once."""
        self._change(
            tenant_id,
            lambda tenant, now: offboard(tenant, now, _new_id(), now, _BY, export=export),
        )

    def certificate(self, tenant_id: TenantId) -> dict[str, Any]:
        """Return the certificate of a tenant's deletion, as plain values.

        Raises:
            CommandError: there is none.
        """
        key = Key(Key.of(tenant_id).pk, CERTIFICATE)
        found = read(self._clients, self._deployment.table_name, key.attributes)
        if not found:
            raise CommandError(f"tenant {tenant_id} has no certificate")
        return plain(found)

    def take_due(self, record: dict[str, Any]) -> None:
        """Have a sweep take what is due by now of a record, as the schedule would within a minute."""
        due = record.get(DUE.sort, {}).get("S")
        if due is None or due > rfc3339(datetime.now(UTC)):
            return
        with self._lock:
            if time.monotonic() - self._swept < _SWEEP_SECONDS:
                return
            reconciling.sweep(self._deployment, self._clients)
            self._swept = time.monotonic()

    def _change(self, tenant_id: TenantId, make: Callable[[Tenant, datetime], Transition]) -> None:
        """Write a transition of the record as it is, once no other operation is under way.

        Raises:
            CommandError: it is not allowed, there is no such tenant, or others are in the way all the time.
        """
        key = Key.of(tenant_id)

        def is_written() -> bool:
            item = self._repository.find(key)
            if item is None:
                raise CommandError(f"there is no tenant {tenant_id}")
            try:
                transition = make(parse_any_tenant(key, item), datetime.now(UTC))
            except OperationInProgressError:
                return False
            except InvalidFieldError as error:
                raise CommandError(f"tenant {tenant_id}: {error}") from error
            return isinstance(self._repository.apply(transition), Applied)

        wait_until(f"a change of {tenant_id} to be written", is_written, _PATIENCE)


def _new_id() -> str:
    return uuid.uuid4().hex
