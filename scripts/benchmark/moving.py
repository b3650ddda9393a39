"""Moving, exporting and purging a tenant's objects, beside bare loops of the same calls.

Ours and the loop take turns on one engine, with the same number of threads, and both run as functions of it.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from scripts.benchmark import counting
from scripts.benchmark.baseline import Baseline
from scripts.benchmark.measure import Summary
from scripts.local_aws.stack import Stack
from scripts.tooling.deployment import COMPLETION, PROVISIONING
from scripts.tooling.project import say
from scripts.tooling.waiting import wait_until
from scripts.verification.flow import tenant_data
from scripts.verification.flow.bus import Copy, Recording
from scripts.verification.flow.journal import Journal
from scripts.verification.flow.operating import Operator
from scripts.verification.flow.tenant_api import TenantApi, user_of
from scripts.verification.flow.tenants import Tenant, empty, new_item, remove, resources_on, status_of
from scripts.verification.flow.traffic import PROBLEM, Traffic
from tenkacloud.events.operation import OperationEvent
from tenkacloud.events.tenant_deprovisioned import TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import TenantStatus, Tier

OBJECTS: Final = 5000
ROUNDS: Final = 3
THREADS: Final = 32  # of the functions (`objects`), and so of the loops
MOVER: Final = "tenant-mover"
DEPROVISIONER: Final = "tenant-deprovisioner"
#: Of what the figures are, in the report's order.
WORKS: Final = ("mover", "exporter", "purger")
_SIZE: Final = 1000  # bytes of an object
_SECONDS: Final = 300.0
_TARGET: Final = "baseline-target"  # the bucket that the loops copy to


@dataclass
class Measured:
    """Seconds of each round, by what was done: `ours`, and those of the loop."""

    ours: dict[str, list[float]] = field(default_factory=lambda: {work: [] for work in WORKS})
    bare: dict[str, list[float]] = field(default_factory=lambda: {work: [] for work in WORKS})
    read_only: dict[str, list[float]] = field(default_factory=lambda: {"idle": [], "steady": []})

    def as_result(self, drain: float) -> dict[str, Any]:
        """Return it as the benchmark's result has it."""
        works = {}
        for work in WORKS:
            ours, bare = Summary.of(self.ours[work]), Summary.of(self.bare[work])
            works[work] = {
                "ours": ours,
                "baseline": bare,
                "ratio": ours.median / bare.median,
                "perSecond": OBJECTS / ours.median,
            }
        return {
            "objects": OBJECTS,
            "works": works,
            "readOnly": {name: Summary.of(seconds) for name, seconds in self.read_only.items() if seconds},
            "drainSeconds": drain,
        }


def run(stack: Stack, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure; return the part `data` of the benchmark's result."""
    deployment, clients = stack.deployment, stack.clients
    drain = float(deployment.lifecycle["drain_seconds"])
    loops = _Loops.deploy(stack)
    measured = Measured()
    with Recording(deployment, clients) as bus:
        bench = _Bench(stack, bus, Operator(deployment, clients))
        for number in range(rounds):
            say(f"{OBJECTS} objects, round {number + 1} of {rounds}")
            bench.round(loops, measured)
        say("counting calls of moves and deletions")
        counts = bench.count()
    return {**measured.as_result(drain), "counts": counts}


@dataclass(frozen=True)
class _Loops:
    """The bare loops, as functions of the engine."""

    stack: Stack

    @classmethod
    def deploy(cls, stack: Stack) -> "_Loops":
        """Deploy them, and the bucket that they copy to."""
        clients = stack.clients
        Baseline(stack.deployment, clients).deploy_functions(
            "data", ("move", "export", "purge"), {"THREADS": str(THREADS)}
        )
        clients.s3.create_bucket(
            Bucket=_TARGET,
            CreateBucketConfiguration={"LocationConstraint": stack.deployment.region},  # type: ignore[typeddict-item]
        )
        clients.s3.put_bucket_versioning(Bucket=_TARGET, VersioningConfiguration={"Status": "Enabled"})
        return cls(stack)

    def seconds(self, name: str, **arguments: str) -> float:
        """Run one; return what it took. It says so itself: calling it is not counted."""
        answer = self.stack.clients.lambda_once.invoke(
            FunctionName=f"baseline-{name}", Payload=json.dumps(arguments).encode()
        )
        content = json.loads(answer["Payload"].read())
        assert content["count"] >= OBJECTS, content  # noqa: S101 - else it measured something else
        return float(content["seconds"])


@dataclass(frozen=True)
class _Bench:
    stack: Stack
    bus: Recording
    operator: Operator

    def round(self, loops: _Loops, measured: Measured) -> None:
        """One tenant's life: moved while nobody writes, exported, moved under writes, purged."""
        with self._tenant(OBJECTS) as tenant:
            bucket, prefix = self._place(tenant)
            copied = {"source": bucket, "prefix": prefix, "target": _TARGET}
            measured.bare["mover"].append(loops.seconds("move", **copied, to="moved/"))
            measured.ours["mover"].append(self._move(tenant, Tier.ENTERPRISE, measured.read_only["idle"]))
            self._wait_until_retired(tenant)
            bucket, prefix = self._place(tenant)
            copied |= {"source": bucket, "prefix": prefix}
            measured.bare["exporter"].append(loops.seconds("export", **copied, to="exported/"))
            measured.ours["exporter"].append(self._export(tenant))
            self._move_under_writes(tenant, measured.read_only["steady"])
            self._wait_until_retired(tenant)
            measured.bare["purger"].append(loops.seconds("purge", source=_TARGET, prefix="moved/"))
            measured.ours["purger"].append(self._purge(tenant))
        empty(self.stack.clients, _TARGET, "")

    @contextmanager
    def _tenant(self, objects: int) -> Iterator[Tenant]:
        deployment, clients = self.stack.deployment, self.stack.clients
        tenant = Tenant(new_item(f"bench-{time.time_ns()}", Tier.FREE, "Bench"))
        tenant.write(deployment, clients)
        with ExitStack() as cleaning:
            cleaning.callback(remove, deployment, clients, tenant)
            self._until(
                tenant, "to be COMPLETED", lambda record: status_of(record) == ProvisioningStatus.COMPLETED
            )
            bucket, prefix = self._place(tenant)
            body = b"x" * _SIZE

            def put(number: int) -> None:
                clients.s3.put_object(Bucket=bucket, Key=f"{prefix}bench/{number:06}", Body=body)

            with ThreadPoolExecutor(10) as pool:
                list(pool.map(put, range(objects)))
            yield tenant

    def _place(self, tenant: Tenant) -> tuple[str, str]:
        record = tenant.record(self.stack.deployment, self.stack.clients)
        return tenant_data.place_of(self.stack.deployment, resources_on(record))

    def _until(self, tenant: Tenant, what: str, condition: Any) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            record = tenant.record(self.stack.deployment, self.stack.clients)
            if condition(record):
                return record
            self.operator.take_due(record)
            return None

        return wait_until(f"tenant {tenant.id} {what}", look, _SECONDS)

    def _wait_until_retired(self, tenant: Tenant) -> None:
        self._until(
            tenant,
            "to have no leftovers",
            lambda record: "operation" not in record and not record.get("leftovers", {}).get("L"),
        )

    def _event(self, tenant: Tenant, kind: type[OperationEvent], phase: Phase, since: float) -> Copy:
        """Return the first event of a phase after `since`; what is due meanwhile is taken."""

        def look() -> Copy | None:
            copies = self.bus.of(tenant.id, kind.DETAIL_TYPE, since)
            found = [copy for copy in copies if copy.detail["phase"] == phase]
            if not found:
                self.operator.take_due(tenant.record(self.stack.deployment, self.stack.clients))
            return found[0] if found else None

        return wait_until(f"{kind.DETAIL_TYPE} of {phase} of {tenant.id}", look, _SECONDS)

    def _move(self, tenant: Tenant, tier: Tier, read_only: list[float]) -> float:
        """Move a tenant; return the seconds that the mover worked: without waiting for requests in flight."""
        since = time.time()
        self.operator.change_tier(tenant.id, tier)
        asked, copied = (
            self._event(tenant, kind, Phase.COPY, since) for kind in (TenantTierChanging, TenantTierChanged)
        )
        fence, moved = (
            self._event(tenant, kind, Phase.CUTOVER, since)
            for kind in (TenantTierChanging, TenantTierChanged)
        )
        read_only.append(moved.detail["readOnlyMs"] / 1000)
        drained = datetime.fromisoformat(fence.detail["notBefore"].replace("Z", "+00:00")).timestamp()
        return (copied.arrived - asked.arrived) + (moved.arrived - drained)

    def _move_and_retire(self, tenant: Tenant) -> None:
        self._move(tenant, Tier.ENTERPRISE, [])
        self._wait_until_retired(tenant)

    def _move_under_writes(self, tenant: Tenant, read_only: list[float]) -> None:
        deployment, clients = self.stack.deployment, self.stack.clients
        api = TenantApi(deployment.problem_data_api_url)
        with user_of(deployment, clients, tenant.id) as token:
            api.call("PUT", f"/problems/{PROBLEM}", token, {"title": PROBLEM})
            with Traffic(api, token, Journal()):
                self._move(tenant, Tier.PRO, read_only)

    def _export(self, tenant: Tenant) -> float:
        since = time.time()
        self.operator.export(tenant.id)
        asked = self._event(tenant, TenantExporting, Phase.EXPORT, since)
        return self._event(tenant, TenantExported, Phase.EXPORT, since).arrived - asked.arrived

    def _purge(self, tenant: Tenant) -> float:
        since = time.time()
        self.operator.offboard(tenant.id, export=False)
        asked = self._event(tenant, TenantOffboarding, Phase.PURGE, since)
        seconds = self._event(tenant, TenantDeprovisioned, Phase.PURGE, since).arrived - asked.arrived
        self._until(
            tenant, "to be DELETED", lambda record: record.get("status") == {"S": TenantStatus.DELETED.value}
        )
        return seconds

    def _memory_gb(self, service: str) -> float:
        name = self.stack.deployment.lambda_function_names[service]
        found = self.stack.clients.lambda_.get_function_configuration(FunctionName=name)
        return found["MemorySize"] / 1024

    def count(self, objects: int = 1000) -> dict[str, Any]:
        """Return what the functions ask of AWS for a move with its retirement, an export and a deletion.

        By what was done: calls, Lambda milliseconds and memory, and for how many objects.
        """
        deployment, clients, endpoint = (
            self.stack.deployment,
            self.stack.clients,
            self.stack.engine.endpoint,
        )
        counts = {}
        services = (MOVER, DEPROVISIONER, COMPLETION, PROVISIONING)
        with self._tenant(objects) as tenant:
            works: Mapping[str, Any] = {
                "move": lambda: self._move_and_retire(tenant),
                "export": lambda: self._export(tenant),
                "deletion": lambda: self._purge(tenant),
            }
            for name, work in works.items():
                began = time.time()
                with counting.counted(deployment, clients, endpoint, services) as counted:
                    work()
                counts[name] = {
                    "objects": objects,
                    "calls": dict(sorted(Counter(counted.calls).items())),
                    "memoryGb": self._memory_gb(MOVER),
                    "lambdaMilliseconds": counting.lambda_milliseconds(deployment, clients, began, services),
                }
        return counts
