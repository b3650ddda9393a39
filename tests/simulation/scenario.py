"""What happens in a run: tenants arrive, operators interfere, faults end, and all has to come right."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants import record as records
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.record import Key
from tenkacloud.tenants.repository import TenantStore
from tenkacloud.tenants.validation import TenantId
from tests.simulation.cloud import STUCK_AFTER, TABLE
from tests.simulation.world import OPERATOR, RECONCILER, Client, Simulator

TIERS: Final = ("FREE", "PRO", "ENTERPRISE")
#: Ids chosen to overlap.
IDS: Final = ("a", "ab", "a-b", "A")
_BAD: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    ({"tier": {"S": "GOLD"}}, "tier 'GOLD' is unknown"),
    ({"name": None}, "name is missing"),
    ({"id": {"S": "other"}}, "id 'other' differs"),
)
#: Events that nobody should send, and results of an attempt that there is not; `?`: the first tenant's.
_STRAY: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("tenkacloud.application-plane", "TenantProvisioned", {"status": "COMPLETED"}),
    (
        "tenkacloud.application-plane",
        "TenantProvisioned",
        {"tenantId": "nobody", "status": "FAILED", "resources": {}, "timestamp": "t"},
    ),
    ("tenkacloud.control-plane", "TenantOnboarding", {"tenantName": "No Id"}),
    *(
        (
            "tenkacloud.application-plane",
            "TenantProvisioned",
            {
                "tenantId": "?",
                "status": status,
                "resources": {"s3Prefix": "tenants/elsewhere/"},
                "timestamp": "t",
                "provisioningAttempt": 77,
            },
        )
        for status in ("COMPLETED", "FAILED")
    ),
)
_SWEEPS_MAX: Final = 60


@dataclass
class Tenant:
    """A tenant of a run, as it was written last. `reason`: how the refusal of a bad one begins.

    `wanted`: every (tier, slug) that it was ever written with, since each may have been asked for.
    """

    id: str
    tier: str
    reason: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    slug: str | None = None
    status: str | None = None
    gone: bool = False
    wanted: set[tuple[str, str]] = field(default_factory=set)
    #: Whether somebody changed it by hand where nothing is asked for: only a repair then puts it right.
    touched: bool = False

    def __post_init__(self) -> None:
        self.name = self.name or f"Tenant {self.id}"

    @property
    def key(self) -> dict[str, Any]:
        return {"PK": {"S": f"TENANT#{self.id}"}, "SK": {"S": "METADATA"}}

    def item(self) -> dict[str, Any]:
        """Return the record as the design writes it, with what is bad about it."""
        merged: dict[str, Any] = {
            **self.key,
            "id": {"S": self.id},
            "name": {"S": self.name},
            "tier": {"S": self.tier},
            "slug": self.slug and {"S": self.slug},
            "status": self.status and {"S": self.status},
            "provisioningStatus": {"S": "PENDING"},
            **self.overrides,
        }
        return {name: value for name, value in merged.items() if value is not None}

    def asked(self, item: dict[str, Any]) -> None:
        """Take note of what the record now wants, if that can be asked for."""
        try:
            tenant = records.parse_tenant(Key(self.key["PK"]["S"]), records.read(item))
        except InvalidFieldError:
            return
        self.wanted.add((tenant.tier, tenant.slug))


class Workload:
    """One seed's story."""

    def __init__(self, world: Simulator) -> None:
        self.world = world
        rng = world.rng
        chosen = rng.sample(IDS, rng.choice((1, 1, 1, 2, 2, 3)))
        self.tenants = [Tenant(tenant_id, rng.choice(TIERS)) for tenant_id in chosen]
        for tenant in self.tenants:
            if rng.random() < 0.2:
                tenant.overrides, tenant.reason = rng.choice(_BAD)
        self.dynamodb = Client("dynamodb", world.state.dynamodb, lambda: world)
        self.operator = TenantStore(self.dynamodb, TABLE, OPERATOR)  # type: ignore[arg-type]

    @property
    def good(self) -> list[Tenant]:
        return [tenant for tenant in self.tenants if tenant.reason is None]

    def play(self) -> None:
        """Play it to its end: everything settled, redriven and retried."""
        world, rng = self.world, self.world.rng
        together = rng.random() < 0.3
        for tenant in self.tenants:
            world.later(0.0 if together else rng.uniform(0, 5), f"put {tenant.id}", partial(self.put, tenant))
            if rng.random() < 0.2:
                # The design's put-item once more: an operator who is not sure that it worked
                world.later(rng.uniform(0, 60), f"put {tenant.id} again", partial(self.put, tenant))
            if rng.random() < 0.3:
                world.later(
                    rng.uniform(1, world.faults.until), f"retry {tenant.id}", partial(self.retry, tenant)
                )
            if world.bare and rng.random() < 0.05:
                world.silenced.add(tenant.id)
            self._change_its_mind(tenant)
        if rng.random() < 0.2:
            source, detail_type, detail = rng.choice(_STRAY)
            named = {**detail, "tenantId": self.tenants[0].id} if detail.get("tenantId") == "?" else detail
            stray = partial(world.accept, source, detail_type, named)
            world.later(rng.uniform(0, 20), "a stray event", stray)
        for _ in range(rng.choice((0, 1, 2, 8))):
            world.later(rng.uniform(0, world.faults.until), "sweep", self.sweep)
        world.run(until=world.faults.until)
        world.say("--- nothing goes wrong any more ---")
        self.come_to_rest()
        self.listed = self._listed()
        self.lost = [tenant.id for tenant in self.tenants if not self._is_accounted_for(tenant)]
        world.say("--- the queues are redriven ---")
        world.redrive()
        self.come_to_rest()
        world.say("--- who FAILED is retried ---")
        for tenant in self.good:
            self.retry(tenant)
        self.come_to_rest()
        world.say("--- who was changed by hand is repaired ---")
        for tenant in self.good:
            if tenant.touched:
                world.invoke(RECONCILER, {"action": "repair", "tenantIds": [tenant.id]})
        self.come_to_rest()

    def _change_its_mind(self, tenant: Tenant) -> None:
        """Let the tenant be changed, mostly soon: before its turn, or with the first attempt under way."""
        world, rng = self.world, self.world.rng
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
            at = rng.choice((rng.uniform(0, 3), rng.uniform(0, 60), rng.uniform(0, world.faults.until)))
            world.later(at, f"change {tenant.id}", partial(self.change, tenant))

    def come_to_rest(self) -> None:
        """Let everything happen that is to happen, with the reconciler at work."""
        world = self.world
        for _ in range(_SWEEPS_MAX):
            while not world.idle:
                world.run(world.next_at())
            if not self._listed():
                return
            world.now += STUCK_AFTER + 60.0
            world.say("sweep")
            self.sweep()

    def sweep(self) -> None:
        """Run the reconciler, as its schedule does."""
        self.world.invoke(RECONCILER, {"detail-type": "Scheduled Event"})

    def put(self, tenant: Tenant) -> None:
        """Write the tenant's record, whatever is there."""
        if tenant.gone:
            return
        self.dynamodb.put_item(TableName=TABLE, Item=tenant.item())
        tenant.asked(tenant.item())

    def change(self, tenant: Tenant) -> None:
        """Write the tenant anew with something else in it, or change that alone, or delete it for a while."""
        rng = self.world.rng
        if tenant.reason or tenant.gone or not self.record(tenant):
            return
        what = rng.choice(("tier", "tier", "slug", "name", "status"))
        match what:
            case "tier":
                tenant.tier = rng.choice([tier for tier in TIERS if tier != tenant.tier])
            case "slug":
                tenant.slug = f"slug-{rng.randint(0, 9)}"
            case "name":
                tenant.name = f"Other {tenant.id} {rng.randint(0, 9)}"
            case "status":
                tenant.status = rng.choice(("ACTIVE", "SUSPENDED", "DELETED"))
        match rng.choice(("put", "update", "update", "delete")):
            case "put":
                self.put(tenant)
            case "update":
                self._set(tenant, what)
            case "delete":
                tenant.gone = True
                self.dynamodb.delete_item(TableName=TABLE, Key=tenant.key)
                self.world.later(rng.uniform(0.01, 100), f"put {tenant.id}", partial(self._recreate, tenant))

    def _recreate(self, tenant: Tenant) -> None:
        tenant.gone = False
        self.put(tenant)

    def _set(self, tenant: Tenant, what: str) -> None:
        """Change one attribute and no other: nothing more is asked for by that."""
        self.dynamodb.update_item(
            TableName=TABLE,
            Key=tenant.key,
            UpdateExpression="SET #what = :value",
            ExpressionAttributeNames={"#what": what},
            ExpressionAttributeValues={":value": {"S": getattr(tenant, what)}},
        )
        tenant.touched = True
        tenant.asked(self.record(tenant))

    def retry(self, tenant: Tenant) -> None:
        """Set a FAILED tenant to PENDING."""
        item = self.record(tenant)
        if item.get("provisioningStatus") != {"S": ProvisioningStatus.FAILED}:
            return
        now = rfc3339(self.world.clock())
        self.operator.apply(
            records.request_again(Key.of(TenantId(tenant.id)), records.read(item), "tried", now)
        )

    def record(self, tenant: Tenant) -> dict[str, Any]:
        """Return the record as it is; no call of the run."""
        return self.world.state.record(tenant.key["PK"]["S"])

    def _listed(self) -> set[str]:
        return {
            item["id"]["S"]
            for item in self.world.state.items()
            if item["SK"] == {"S": "METADATA"} and "GSI3PK" in item and "id" in item
        }

    def _is_accounted_for(self, tenant: Tenant) -> bool:
        """Whether the tenant is settled, listed as in flight, or in a queue that an operator redrives."""
        status = self.record(tenant).get("provisioningStatus", {}).get("S")
        if status in (ProvisioningStatus.COMPLETED, ProvisioningStatus.FAILED) or tenant.id in self.listed:
            return True
        return not self.record(tenant) or any(
            tenant.key["PK"] == record["dynamodb"]["Keys"]["PK"]
            for _, kind, payload in self.world.letters
            if kind == "stream"
            for record in payload
        )
