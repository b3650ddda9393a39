"""Chaos under load: `make chaos TENANTS=2000`. Local only: it takes permissions and settings away.

While tenants onboard, roles lose statements and get them back, the bus name of a function is broken and
mended, and functions get their code anew. Then all faults end, sweeps and a retry of whoever FAILED do their
work, and every tenant has to be COMPLETED, once.
"""

import argparse
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress

from scripts.operator import retrying
from scripts.operator.environment import Environment
from scripts.tooling import project, reports
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING, Deployment
from scripts.tooling.project import LOCAL, ZIPS, CommandError, exclusively
from scripts.tooling.terraform import Terraform
from scripts.tooling.waiting import is_reached
from scripts.verification.flow import reconciling
from scripts.verification.flow.tenants import new_item, resources_on, status_of, write_all
from scripts.verification.least_privilege.permissions import statements, without_statement
from tenkacloud.isolation.resource_names import pool_marker
from tenkacloud.platform.clock import SystemClock
from tenkacloud.tenants.keys import IN_FLIGHT, Key
from tenkacloud.tenants.lifecycle import FINAL, ProvisioningStatus
from tenkacloud.tenants.validation import TenantId, Tier

SERVICES: Final = (PROVISIONING, PROVISIONER, COMPLETION, reconciling.SERVICE)
_FAULT_SECONDS: Final = (0.5, 3.0)
_STUCK_SECONDS: Final = 8  # without another tenant COMPLETED or FAILED: an attempt of this age is stuck
_TIERS: Final = (Tier.FREE, Tier.FREE, Tier.FREE, Tier.PRO, Tier.ENTERPRISE)
_BATCH: Final = 25  # items that BatchWriteItem takes


@dataclass
class Outcome:
    """What came of it: ids of tenants, and counts."""

    tenants: int
    faults: int = 0
    resumed: int = 0
    retried: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)  # neither final nor listed in flight, when faults ended
    unexplained: list[str] = field(default_factory=list)  # FAILED without a reason
    twice: list[str] = field(default_factory=list)  # more than one marker or bucket
    not_completed: list[str] = field(default_factory=list)  # at the very end

    @property
    def ok(self) -> bool:
        """Whether nobody was lost, and everybody ended COMPLETED, once."""
        return not any(self.problems())

    def problems(self) -> Iterator[str]:
        """Yield what is wrong, a line for each tenant."""
        yield from (f"{each}: neither COMPLETED, FAILED nor listed in flight" for each in self.lost)
        yield from (f"{each}: FAILED without a reason" for each in self.unexplained)
        yield from (f"{each}: provisioned more than once" for each in self.twice)
        yield from (f"{each}: not COMPLETED at the end" for each in self.not_completed)


def main(arguments: list[str]) -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description="Onboard tenants while the stack is broken and mended.")
    parser.add_argument("--tenants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=900)
    options = parser.parse_args(arguments)
    deployment = Deployment.of(Terraform.of(LOCAL))
    clients = Clients(LOCAL, deployment.region)
    with exclusively(f"e2e-{LOCAL}", f"testing {LOCAL}"):
        outcome = run(deployment, clients, options.tenants, options.seconds, options.seed, True)
    summary = summary_of(outcome, reports.write("chaos", vars(outcome), list(outcome.problems())))
    summary.print(Console(highlight=False))
    return 0 if outcome.ok else 1


def summary_of(outcome: Outcome, files: list[Path]) -> reports.Summary:
    """Return the summary; `files` hold all ids."""
    completed = outcome.tenants - len(outcome.not_completed)
    return reports.Summary(
        passed=outcome.ok,
        verdict=f"{completed} of {outcome.tenants} tenants COMPLETED through {outcome.faults} faults",
        exceptions=list(outcome.problems()),
        figures={
            "time": f"{outcome.seconds:.0f} s until nobody was in flight",
            "retried": f"{outcome.resumed} times by a sweep, {outcome.retried} times by an operator",
        },
        files=files,
    )


def run(
    deployment: Deployment,
    clients: Clients,
    tenants: int,
    seconds: float,
    seed: int,
    visible: bool = False,
) -> Outcome:
    """Onboard `tenants` while faults are injected; return what came of it.

    `seconds`: until all must be COMPLETED.

    Raises:
        CommandError: the stack is not local.
    """
    if deployment.environment != LOCAL:
        raise CommandError("chaos breaks the stack on purpose: it runs locally only")
    rng = random.Random(seed)  # noqa: S311 - to be repeatable
    environment = Environment(deployment, clients)
    name = uuid.uuid4().hex[:8]
    items = [new_item(f"load-{name}-{n}", rng.choice(_TIERS), "Load") for n in range(tenants)]
    ids = [item["id"]["S"] for item in items]
    outcome = Outcome(tenants)
    began = time.monotonic()
    with Progress(console=Console(stderr=True), disable=not visible) as progress:
        task = progress.add_task("tenants COMPLETED or FAILED", total=tenants)
        with _faults(deployment, clients, rng, outcome):
            _write(environment, items)
            # Long enough for faults to meet every hop, also of the last tenants.
            is_reached(
                lambda: _count_final(environment, ids, progress, task) > 0.7 * tenants,
                tenants * 0.06,
                poll=0.5,
            )
        _come_to_rest(
            environment, ids, outcome, began + seconds, lambda: _count_final(environment, ids, progress, task)
        )
    records = {tenant_id: environment.record(TenantId(tenant_id)) for tenant_id in ids}
    outcome.lost = [
        tenant_id
        for tenant_id, record in records.items()
        if status_of(record) not in FINAL and IN_FLIGHT.partition not in record
    ]
    failed = [record for record in records.values() if status_of(record) == ProvisioningStatus.FAILED]
    outcome.unexplained = [
        record["id"]["S"] for record in failed if not record.get("failureReason", {}).get("S")
    ]
    clock = SystemClock()
    outcome.retried = sum(retrying.retry(environment, record, clock).is_under_way for record in failed)
    _come_to_rest(environment, ids, outcome, began + seconds, lambda: None)
    outcome.twice = list(_twice(environment, items))
    outcome.not_completed = [
        tenant_id
        for tenant_id in ids
        if status_of(environment.record(TenantId(tenant_id))) != ProvisioningStatus.COMPLETED
    ]
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


@contextmanager
def _faults(deployment: Deployment, clients: Clients, rng: random.Random, outcome: Outcome) -> Iterator[None]:
    """Make one fault after the other until the block ends; each is mended, whatever happens."""
    over = threading.Event()
    kinds = (_without_statement, _with_another_bus, _with_new_code)

    def break_and_mend() -> None:
        while not over.is_set():
            with rng.choice(kinds)(deployment, clients, rng):
                outcome.faults += 1
                over.wait(rng.uniform(*_FAULT_SECONDS))
            over.wait(rng.uniform(*_FAULT_SECONDS) / 2)

    with ThreadPoolExecutor(1) as pool:
        breaking = pool.submit(break_and_mend)
        try:
            yield
        finally:
            over.set()
            breaking.result()


@contextmanager
def _without_statement(deployment: Deployment, clients: Clients, rng: random.Random) -> Iterator[None]:
    """Take one statement from a role."""
    role = deployment.function_role_names[rng.choice(SERVICES)]
    with without_statement(clients, role, rng.choice(statements(clients, role))["Sid"]):
        yield


@contextmanager
def _with_another_bus(deployment: Deployment, clients: Clients, rng: random.Random) -> Iterator[None]:
    """Let a function publish to a bus that there is not."""
    function = deployment.lambda_function_names[rng.choice((PROVISIONING, PROVISIONER))]
    found = clients.lambda_.get_function_configuration(FunctionName=function)
    variables = dict(found["Environment"]["Variables"])
    broken = {**variables, "EVENT_BUS_NAME": "tenkacloud-local-no-such-bus"}
    _configure(clients, function, broken)
    try:
        yield
    finally:
        _configure(clients, function, variables)


def _configure(clients: Clients, function: str, variables: dict[str, str]) -> None:
    clients.lambda_.update_function_configuration(FunctionName=function, Environment={"Variables": variables})


@contextmanager
def _with_new_code(deployment: Deployment, clients: Clients, rng: random.Random) -> Iterator[None]:
    """Give a function its code once more, as a deployment under way does."""
    service = rng.choice(SERVICES)
    clients.lambda_.update_function_code(
        FunctionName=deployment.lambda_function_names[service], ZipFile=(ZIPS / f"{service}.zip").read_bytes()
    )
    yield


def _write(environment: Environment, items: list[dict[str, Any]]) -> None:
    for start in range(0, len(items), _BATCH):
        write_all(environment.clients, environment.deployment.table_name, items[start : start + _BATCH])
        time.sleep(0.2)  # so that faults meet some of the puts, too


def _come_to_rest(
    environment: Environment, ids: list[str], outcome: Outcome, deadline: float, look: Callable[[], object]
) -> None:
    """Sweep until everybody is COMPLETED or FAILED, as the schedule would."""
    final, since = -1, time.monotonic()

    def at_rest() -> bool:
        nonlocal final, since
        look()
        now = sum(status_of(record) in FINAL for record in _records(environment, ids))
        if now != final:
            final, since = now, time.monotonic()
        elif time.monotonic() - since > _STUCK_SECONDS:
            # Nothing moves any more: whoever is in flight is stuck, and not only waiting for its turn.
            counts = reconciling.sweep(environment.deployment, environment.clients, older_than=_STUCK_SECONDS)
            outcome.resumed += counts["resumed"]
            since = time.monotonic()
        return now == len(ids)

    is_reached(at_rest, deadline - time.monotonic(), poll=1)


def _count_final(environment: Environment, ids: list[str], progress: Progress, task: Any) -> int:
    final = sum(status_of(record) in FINAL for record in _records(environment, ids))
    progress.update(task, completed=final)
    return final


def _records(environment: Environment, ids: list[str]) -> Iterator[dict[str, Any]]:
    keys = [Key.of(TenantId(tenant_id)) for tenant_id in ids]
    for start in range(0, len(keys), 100):
        yield from environment.records(keys[start : start + 100])


def _twice(environment: Environment, items: list[dict[str, Any]]) -> Iterator[str]:
    """Yield tenants with more than one version of their marker, and names of buckets that no record has."""
    s3, bucket = environment.clients.s3, environment.deployment.data_bucket_name
    named = set()
    for item in items:
        tenant_id = TenantId(item["id"]["S"])
        if item["tier"]["S"] == Tier.ENTERPRISE:
            named.add(resources_on(environment.record(tenant_id)).get("dedicatedBucket"))
            continue
        found = s3.list_object_versions(Bucket=bucket, Prefix=pool_marker(tenant_id))
        if len(found.get("Versions", [])) != 1:
            yield tenant_id
    silos = sum(item["tier"]["S"] == Tier.ENTERPRISE for item in items)
    if len(named) != silos:
        yield f"{silos} siloed tenants have {len(named)} buckets"


if __name__ == "__main__":
    project.run(main)
