"""What happens in a run: tenants arrive, operators interfere, faults end, and all has to come right."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING
from scripts.verification.flow import reconciling
from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.resource_names import silo_bucket
from tenkacloud.tenants.keys import DUE, IN_FLIGHT, METADATA, Index, Key
from tenkacloud.tenants.lifecycle import DEPROVISION, FINAL, ProvisioningStatus
from tenkacloud.tenants.record import parse_tenant, read
from tenkacloud.tenants.repository import TenantRepository
from tenkacloud.tenants.transitions.offboarding import TOMBSTONE, is_protected
from tenkacloud.tenants.transitions.retry import request_again
from tenkacloud.tenants.validation import Slug, TenantId
from tests.settings import ACCOUNT, ENVIRONMENT, REGION, STUCK_AFTER, TABLE
from tests.simulation.delivery import event_for, redrive
from tests.simulation.life import TIERS, Life
from tests.simulation.operating import Operating
from tests.simulation.simulator import OPERATOR, Changed, Simulator
from tests.simulation.traffic import Traffic

#: Ids chosen to overlap.
IDS: Final = ("a", "ab", "a-b", "A")
_BAD: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    ({"tier": {"S": "GOLD"}}, "tier 'GOLD' is unknown"),
    ({"name": None}, "name is missing"),
    ({"id": {"S": "other"}}, "id 'other' differs"),
)
#: Events that nobody should send, and results of an attempt that there is not; by the service that takes
#: them. `?` is the first tenant's id.
_STRAY: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (COMPLETION, {"status": "COMPLETED"}),
    (COMPLETION, {"tenantId": "nobody", "status": "FAILED", "resources": {}, "timestamp": "t"}),
    (PROVISIONER, {"tenantName": "No Id"}),
    *(
        (
            COMPLETION,
            {
                "tenantId": "?",
                "status": status,
                "resources": {"s3Prefix": "tenants/elsewhere/"},
                "timestamp": "t",
                "provisioningAttempt": 77,
            },
        )
        for status in sorted(FINAL)
    ),
)
_SWEEPS_MAX: Final = 50
_RETRIES: Final = 2
#: Things that happen until all is quiet, at most: more come from each other, for ever.
_EVENTS_MAX: Final = 1000


@dataclass
class Tenant:
    """A tenant of a run, as it was written last. `reason`: how the failure reason of a bad one begins.

    `wanted`: every (tier, slug) that it was ever written with, since each may have been requested.
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
    #: Whether somebody changed it by hand where that requests nothing: only a repair then puts it right.
    touched: bool = False

    def __post_init__(self) -> None:
        self.name = self.name or f"Tenant {self.id}"

    @property
    def key(self) -> dict[str, Any]:
        return Key.of(TenantId(self.id)).attributes

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

    def request(self, item: dict[str, Any]) -> None:
        """Take note of what the record now wants, if that can be requested."""
        try:
            tenant = parse_tenant(Key(self.key["PK"]["S"]), read(item))
        except InvalidFieldError:
            return
        self.wanted.add((tenant.tier, tenant.slug))


class Workload:
    """One seed's story."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        rng = simulator.rng
        chosen = rng.sample(IDS, rng.choice((1, 1, 1, 2, 2, 3)))
        self.tenants = [Tenant(tenant_id, rng.choice(TIERS)) for tenant_id in chosen]
        for tenant in self.tenants:
            if rng.random() < 0.2:
                tenant.overrides, tenant.reason = rng.choice(_BAD)
        self.dynamodb = simulator.clients.dynamodb
        self.operator = TenantRepository(self.dynamodb, TABLE, OPERATOR, simulator)
        #: Calls that wrote a record over by hand, and the tenants that thereby became others.
        self.raw: set[int] = set()
        self.by_hand: set[int] = set()
        self.undone: set[str] = set()
        self.restless = False
        self.overwritten: set[str] = set()
        #: Of some tenants more is told than how they are onboarded.
        self.lives = {tenant.id: self._life_of(tenant) for tenant in self.good if rng.random() < 0.6}

    @property
    def good(self) -> list[Tenant]:
        return [tenant for tenant in self.tenants if tenant.reason is None]

    def _life_of(self, tenant: Tenant) -> Life:
        simulator = self.simulator
        return Life(
            simulator,
            tenant.id,
            Operating(simulator, self.operator, tenant.id),
            Traffic(simulator, tenant.id),
            partial(self.record, tenant),
            partial(self.put, tenant),
            partial(self._may_come_to, tenant),
        )

    def _may_come_to(self, tenant: Tenant, tier: str) -> None:
        """Take note that a tenant may have what another tier gives it."""
        if slug := self.record(tenant).get("slug"):
            tenant.wanted.add((tier, slug["S"]))

    def play(self) -> None:
        """Play it to its end: everything redriven, retried, repaired and replayed."""
        simulator = self.simulator
        self._begin()
        simulator.run(until=simulator.faults.until)
        simulator.say("--- nothing goes wrong any more ---")
        self.come_to_rest()
        self.listed = self._listed(IN_FLIGHT)
        self.lost = [tenant.id for tenant in self.tenants if not self._is_accounted_for(tenant)]
        simulator.say("--- the queues are redriven ---")
        redrive(simulator)
        self.come_to_rest()
        simulator.say("--- who FAILED is retried ---")
        for _ in range(_RETRIES):
            for tenant in self.good:
                self.retry(tenant)
            for life in self.lives.values():
                life.operating.retry()
            self.come_to_rest()
        simulator.say("--- who was changed by hand is repaired ---")
        for tenant in self.good:
            if tenant.touched:
                simulator.invoke(reconciling.SERVICE, {"action": "repair", "tenantIds": [tenant.id]})
        self.come_to_rest()
        if any(self.is_gone(tenant) for tenant in self.tenants):
            simulator.say("--- everything is replayed ---")
            self.replay()
            self.come_to_rest()

    def _begin(self) -> None:
        """Put on the agenda how everything begins."""
        simulator, rng = self.simulator, self.simulator.rng
        together = rng.random() < 0.3
        for tenant in self.tenants:
            simulator.later(
                0.0 if together else rng.uniform(0, 5), f"put {tenant.id}", partial(self.put, tenant)
            )
            if rng.random() < 0.2:
                # The design's put-item once more: an operator who is not sure that it worked
                simulator.later(rng.uniform(0, 60), f"put {tenant.id} again", partial(self.put, tenant))
            if rng.random() < 0.3:
                simulator.later(
                    rng.uniform(1, simulator.faults.until), f"retry {tenant.id}", partial(self.retry, tenant)
                )
            if simulator.no_retries and rng.random() < 0.05:
                simulator.silenced.add(tenant.id)
            if tenant.id in self.lives:
                begin = self.lives[tenant.id].begin
                simulator.later(rng.uniform(1, 60), f"the life of {tenant.id} begins", begin)
            else:
                self._change_its_mind(tenant)
        if rng.random() < 0.2:
            self._send_a_stray_event()
        for _ in range(rng.choice((0, 1, 2, 8))):
            simulator.later(rng.uniform(0, simulator.faults.until), "sweep", simulator.sweep)

    def _send_a_stray_event(self) -> None:
        rng = self.simulator.rng
        service, detail = rng.choice(_STRAY)
        event = event_for(service)
        named = {**detail, "tenantId": self.tenants[0].id} if detail.get("tenantId") == "?" else detail
        stray = partial(self.simulator.accept, event.SOURCE, event.DETAIL_TYPE, named)
        self.simulator.later(rng.uniform(0, 20), "a stray event", stray)

    def replay(self) -> None:
        """Deliver every event once more, as a replay or as a dead letter does; write over tombstones."""
        simulator, rng = self.simulator, self.simulator.rng
        known = {tenant.id for tenant in self.tenants}
        for event in list(simulator.published):
            if event.detail.get("tenantId") in known:
                simulator.bus.deliver_again(event.source, event.detail_type, event.detail)
        for tenant in self.tenants:
            if self.is_gone(tenant):
                if rng.random() < 0.3:
                    simulator.later(rng.uniform(0, 1), f"put {tenant.id} again", partial(self.put, tenant))
                simulator.later(rng.uniform(0, 5), "request", self.lives[tenant.id].traffic.send_some)

    def is_gone(self, tenant: Tenant) -> bool:
        """Whether a tenant was offboarded for good."""
        return self.record(tenant).get("EntityType") == {"S": TOMBSTONE}

    def _change_its_mind(self, tenant: Tenant) -> None:
        """Let the tenant be changed, mostly soon: before its turn, or with the first attempt under way."""
        simulator, rng = self.simulator, self.simulator.rng
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            at = rng.choice((rng.uniform(0, 3), rng.uniform(0, 60), rng.uniform(0, simulator.faults.until)))
            simulator.later(at, f"change {tenant.id}", partial(self.change, tenant))

    def come_to_rest(self) -> None:
        """Let everything happen that is to happen, with sweeps in between."""
        simulator = self.simulator
        if self.restless:
            return
        for _ in range(_SWEEPS_MAX):
            for _ in range(_EVENTS_MAX):
                if simulator.idle:
                    break
                simulator.run(simulator.next_at())
            else:
                self.restless = True
                return
            if not self._listed(IN_FLIGHT, DUE):
                return
            simulator.sleep(STUCK_AFTER + 60.0)
            simulator.say("sweep")
            simulator.sweep()

    def put(self, tenant: Tenant) -> None:
        """Write the tenant's record, whatever is there."""
        if tenant.gone:
            return
        before = self.record(tenant)
        self.dynamodb.put_item(TableName=TABLE, Item=tenant.item())
        self.raw.add(self.simulator.step)
        life = self.lives.get(tenant.id)
        if is_protected(read(before, ("status", "operation"))):
            self.undone.add(tenant.id)
            return
        if life and life.operating.granted:
            self.overwritten.add(tenant.id)
        tenant.request(tenant.item())

    def change(self, tenant: Tenant) -> None:
        """Write the tenant anew with something else in it, or change that alone, or delete it for a while."""
        rng = self.simulator.rng
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
                self.simulator.later(
                    rng.uniform(0.01, 100), f"put {tenant.id}", partial(self._recreate, tenant)
                )

    def _recreate(self, tenant: Tenant) -> None:
        tenant.gone = False
        self.put(tenant)

    def _set(self, tenant: Tenant, what: str) -> None:
        """Change one attribute and no other, which requests nothing."""
        self.dynamodb.update_item(
            TableName=TABLE,
            Key=tenant.key,
            UpdateExpression="SET #what = :value",
            ExpressionAttributeNames={"#what": what},
            ExpressionAttributeValues={":value": {"S": getattr(tenant, what)}},
        )
        self.by_hand.add(self.simulator.step)
        tenant.touched = True
        tenant.request(self.record(tenant))

    def retry(self, tenant: Tenant) -> None:
        """Set a FAILED tenant to PENDING."""
        item = self.record(tenant)
        if item.get("provisioningStatus") != {"S": ProvisioningStatus.FAILED}:
            return
        if item.get("status") in ({"S": "OFFBOARDING"}, {"S": "DELETED"}):
            return  # denied
        key, now = Key.of(TenantId(tenant.id)), self.simulator.now()
        self.operator.apply(request_again(key, read(item), "tried", now))

    def undoes(self, change: Changed) -> bool:
        """Whether a change writes back what somebody's put-item replaced."""
        return self.restores(change) or self.buries_again(change)

    def restores(self, change: Changed) -> bool:
        """Whether it does that, and nothing else."""
        if change.writer != PROVISIONING:
            return False
        written_over = (change.pk, change.new)
        return any(
            each.step in self.raw and each.step < change.step and (each.pk, each.old) == written_over
            for each in self.simulator.changes
        )

    def buries_again(self, change: Changed) -> bool:
        """Whether it does that, and has what was made meanwhile purged."""
        old, new = change.old or {}, change.new or {}
        tombstone = {"S": TOMBSTONE}
        undone = change.writer == PROVISIONING and new.get("EntityType") == tombstone != old.get("EntityType")
        return undone and not self.restores(change)

    def is_by_hand(self, change: Changed) -> bool:
        """Whether somebody changed one attribute."""
        return change.step in self.by_hand

    def record(self, tenant: Tenant) -> dict[str, Any]:
        """Return the record as it is; no call of the run."""
        return self.simulator.state.record(tenant.key["PK"]["S"])

    def _listed(self, *indexes: Index) -> set[str]:
        return {
            item["id"]["S"]
            for item in self.simulator.state.items()
            if item["SK"] == {"S": METADATA}
            and "id" in item
            and any(index.partition in item for index in indexes)
        }

    def _is_accounted_for(self, tenant: Tenant) -> bool:
        """Whether the tenant is final, listed as in flight, or in a queue that an operator redrives."""
        status = self.record(tenant).get("provisioningStatus", {}).get("S")
        if status in FINAL or tenant.id in self.listed:
            return True
        if status in DEPROVISION:
            return True  # what becomes of operations is another invariant's
        return not self.record(tenant) or any(
            tenant.key["PK"] == record["dynamodb"]["Keys"]["PK"]
            for message in self.simulator.dead_letters
            if message.kind == "stream"
            for record in message.payload
        )


def silos(tenant: Tenant) -> set[str]:
    """Return the names of the buckets of a tenant: one for each slug with which a silo was ever wanted."""
    environment = ENVIRONMENT["TENKACLOUD_ENVIRONMENT"]
    return {
        silo_bucket(environment, Slug(slug), TenantId(tenant.id), ACCOUNT, REGION)
        for tier, slug in tenant.wanted
        if tier == "ENTERPRISE"
    }
