"""The rest of a tenant's life, as one seed tells it: what is done to it, while it is used."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tenkacloud.isolation.places import Place
from tenkacloud.isolation.resource_names import pool_prefix
from tenkacloud.tenants.operations import Phase, PhaseState, parse_leftovers, parse_operation
from tenkacloud.tenants.record import read
from tenkacloud.tenants.validation import TenantId
from tests.settings import DATA_BUCKET
from tests.simulation.operating import Operating
from tests.simulation.simulator import Simulator
from tests.simulation.traffic import Traffic

TIERS: Final = ("FREE", "PRO", "ENTERPRISE")
_TRIES: Final = 12
#: What may be done, and how often.
_ACTIONS: Final[dict[str, int]] = {
    "move": 8,
    "suspend": 3,
    "export": 3,
    "offboard": 6,
    "retry": 2,
    "put again": 1,
}


@dataclass
class Life:
    """One tenant's. `put_again` writes its record anew, as the design's put-item does."""

    simulator: Simulator
    tenant_id: str
    operating: Operating
    traffic: Traffic
    record: Callable[[], dict[str, Any]]
    put_again: Callable[[], None]
    #: Takes note that the tenant may come to have what a tier gives it.
    wants: Callable[[str], None]
    #: Objects that somebody put into a place that the tenant had left, and the place: nobody may delete them.
    strays: list[tuple[Place, str]] = field(default_factory=list)

    def begin(self, tries: int = 0) -> None:
        """Begin, as soon as the tenant has its resources."""
        rng = self.simulator.rng
        if self.record().get("provisioningStatus") != {"S": "COMPLETED"}:
            if tries < _TRIES:
                begin = partial(self.begin, tries + 1)
                self.simulator.later(rng.uniform(1, 200), f"wait for {self.tenant_id}", begin)
            return
        self.traffic.write_first()
        for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
            action = rng.choices(list(_ACTIONS), list(_ACTIONS.values()))[0]
            at = rng.choice((rng.uniform(0, 5), rng.uniform(0, 150), rng.uniform(0, 1500)))
            self._later(at, action, partial(self._do, action))
            for _ in range(rng.choice((0, 1, 3, 6))):
                self._later(at + rng.uniform(0, 90), "request", self.traffic.send_some)

    def _later(self, seconds: float, what: str, action: Callable[[], None]) -> None:
        self.simulator.later(seconds, f"{what} {self.tenant_id}", action)

    def _do(self, action: str) -> None:
        match action:
            case "move":
                self._move()
            case "suspend":
                self.operating.suspend()
                at = self.simulator.rng.uniform(0, 300)
                self._later(at, "reactivate", self.operating.reactivate)
            case "export":
                self.operating.export()
            case "offboard":
                self._offboard()
            case "retry":
                self.operating.retry()
            case "put again":
                self.put_again()

    def _move(self) -> None:
        rng = self.simulator.rng
        tier = self.record().get("tier", {}).get("S")
        to = rng.choice([each for each in (*TIERS, TIERS[2]) if each != tier])
        self.wants(to)
        self.operating.change_tier(to)
        # While it is copied, and while the last changes are awaited.
        for longest in (2.0, 2.0, 4.0, 45.0):
            if rng.random() < 0.7:
                self._later(rng.uniform(0, longest), "request", self.traffic.change_something)
        if rng.random() < 0.2:
            self._later(rng.uniform(0, 100), "cancel", self.operating.cancel)
        if rng.random() < 0.3:
            self._later(rng.uniform(30, 1500), "stray", self._put_stray)

    def _offboard(self) -> None:
        rng = self.simulator.rng
        retention = rng.choice((0.0, rng.uniform(0, 60), rng.uniform(0, 2000)))
        self.operating.offboard(retention, export=rng.random() < 0.5)
        if rng.random() < 0.4:
            at = rng.choice((retention + rng.uniform(0, 10), rng.uniform(0, retention + 60)))
            self._later(at, "restore", self.operating.restore)
        if rng.random() < 0.5:
            # A sweep just then: it takes what is due.
            self._later(retention + rng.uniform(0, 10), "sweep", self.simulator.sweep)
        if rng.random() < 0.5:
            self._later(retention + rng.uniform(0, 1500), "late upload", self._upload_late)

    def _upload_late(self) -> None:
        """Upload an object while the tenant is purged, by a URL that was signed before."""
        operation = parse_operation(read(self.record(), ("operation",)))
        if operation is None or operation.phase not in (Phase.PURGE, Phase.VERIFY):
            return
        if operation.verifications and operation.state is not PhaseState.WAITING:
            return  # nobody looks again
        key = f"{pool_prefix(TenantId(self.tenant_id))}late"
        self.simulator.state.s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=b"late")
        self.simulator.say(f"  an object comes to {DATA_BUCKET}/{key}")

    def _put_stray(self) -> None:
        """Put an object into a place that the tenant has left: somebody's old tool does.

        Not once its retirement was begun. That is when every session of before has ended; what came between
        its look at the place and the deletion, nothing could tell.
        """
        operation = parse_operation(read(self.record(), ("operation",)))
        if operation is not None and operation.phase is Phase.RETIRE:
            return
        for leftover in parse_leftovers(read(self.record(), ("leftovers",))):
            bucket = leftover.place.name if leftover.place.is_silo else DATA_BUCKET
            prefix = "" if leftover.place.is_silo else leftover.place.name
            if self.simulator.state.bucket(bucket) is None or leftover.kept:
                continue
            key = f"{prefix}stray {len(self.strays)}"
            self.simulator.state.s3.put_object(Bucket=bucket, Key=key, Body=b"stray")
            self.simulator.say(f"  an object comes to {bucket}/{key}")
            self.strays.append((leftover.place, key))
