"""What operators want of a tenant, as the API does it: read the record, decide, write under a condition."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.record import Tenant, parse_any_tenant
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions import offboarding, operation, status, tier
from tenkacloud.tenants.transitions.transition import Applied, Transition
from tenkacloud.tenants.validation import TenantId, Tier
from tests.simulation.simulator import Simulator

_BY: Final = "somebody"


@dataclass(frozen=True)
class Wish:
    """What was wanted, and granted."""

    step: int
    at: float
    what: str
    #: Of an operation: its id. Of the others nothing.
    operation_id: str | None = None
    argument: Any = None


@dataclass
class Operating:
    """The operators of one tenant. What they want and is denied is no error."""

    simulator: Simulator
    repository: TenantRepository
    tenant_id: str
    granted: list[Wish] = field(default_factory=list)
    numbers: int = 0

    def suspend(self) -> None:
        """Suspend the tenant."""
        self._change("suspend", lambda tenant, now: status.suspend(tenant, "unpaid", now, _BY))

    def reactivate(self) -> None:
        """Reactivate the tenant."""
        self._change("reactivate", lambda tenant, now: status.reactivate(tenant, now, _BY))

    def change_tier(self, to: str) -> None:
        """Change the tenant's tier."""
        number = self._number()
        self._change(
            "change tier",
            lambda tenant, now: tier.change_tier(tenant, Tier(to), number, now, _BY),
            number,
            to,
        )

    def cancel(self) -> None:
        """Cancel a move."""
        self._change("cancel", lambda tenant, now: tier.cancel(tenant, now, _BY))

    def export(self) -> None:
        """Export the tenant's data."""
        number = self._number()
        expires = timedelta(days=30)
        self._change(
            "export",
            lambda tenant, now: operation.request_export(tenant, number, now + expires, now, _BY),
            number,
        )

    def offboard(self, retain_seconds: float, export: bool) -> None:
        """Offboard the tenant."""
        number = self._number()
        retention = timedelta(seconds=retain_seconds)
        self._change(
            "offboard",
            lambda tenant, now: offboarding.offboard(
                tenant, now + retention, number, now, _BY, export=export
            ),
            number,
            export,
        )

    def restore(self) -> None:
        """Restore the tenant."""
        self._change("restore", lambda tenant, now: offboarding.restore(tenant, now, _BY))

    def retry(self) -> None:
        """Retry what FAILED of an operation."""
        self._change("retry", lambda tenant, now: operation.retry_phase(tenant, now, _BY))

    def _number(self) -> str:
        self.numbers += 1
        return f"{self.simulator.seed:012}{self.tenant_id:>8}{self.numbers:06}".replace(" ", "0")

    def _change(
        self,
        what: str,
        decide: Callable[[Tenant, Any], Transition],
        operation_id: str | None = None,
        argument: Any = None,
    ) -> None:
        key = Key.of(TenantId(self.tenant_id))
        item = self.repository.find(key)
        if item is None:
            return
        try:
            transition = decide(parse_any_tenant(key, item), self.simulator.now())
        except InvalidFieldError as denied:
            self.simulator.say(f"{what} {self.tenant_id}: denied, {denied}")
            return
        outcome = self.repository.apply(transition)
        self.simulator.say(f"{what} {self.tenant_id}: {type(outcome).__name__}")
        if isinstance(outcome, Applied):
            wish = Wish(self.simulator.step, self.simulator.seconds, what, operation_id, argument)
            self.granted.append(wish)
