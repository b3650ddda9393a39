"""The main job, end to end.

`python -m scripts.verification.flow.e2e [--keep] [--json] [--timeout SECONDS] ENV`

Onboards one tenant of each tier and the design's own put-item, watches every hop on the bus and in the
table, checks the resources that came of it, and removes what it made. Then lets a pooled and a siloed tenant
live a whole life (`life`), from onboarding over moves between the tiers to a deletion that stays one, and
shows that no tenant reaches another's data (`scripts.verification.isolation`). Prints a summary; the tables
are in `build/reports/`.
"""

import argparse
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from scripts.tooling import project, reports
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING, Deployment
from scripts.tooling.project import LOCAL, exclusively
from scripts.tooling.terraform import Terraform
from scripts.tooling.waiting import is_reached
from scripts.verification import resources
from scripts.verification.flow import life
from scripts.verification.flow.afterlife import BEGINNING
from scripts.verification.flow.bus import Copy, listening, received
from scripts.verification.flow.life import Report as LifeReport
from scripts.verification.flow.tenants import DESIGN_ITEM, Tenant, new_item, remove, resources_on, status_of
from scripts.verification.isolation import matrix
from tenkacloud.events.results import ResultStatus
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.isolation.resource_names import pool_marker
from tenkacloud.tenants.lifecycle import ProvisioningStatus

TIMEOUT_LOCAL: Final = 120.0  # seconds for all tenants
TIMEOUT_AWS: Final = 300.0

#: The hops of a tenant, in order, each with the service that makes it happen.
HOPS: Final = {
    "record written": "",
    TenantOnboarding.DETAIL_TYPE: PROVISIONING,
    "resources made": PROVISIONER,
    ProvisioningResult.DETAIL_TYPE: PROVISIONER,
    ProvisioningStatus.COMPLETED: COMPLETION,
}


@dataclass
class TimedTenant(Tenant):
    """One tenant on its way. `timeline` maps hops to seconds since the epoch."""

    timeline: dict[str, float] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def missing_hop(self) -> str | None:
        """The first hop that has not happened."""
        return next((hop for hop in HOPS if hop not in self.timeline), None)


def main(arguments: list[str]) -> int:
    """Run the flow; return the exit code."""
    parser = argparse.ArgumentParser(prog="make e2e", description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("environment", metavar="ENV")
    parser.add_argument("--keep", action="store_true", help="leave the tenants in place")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--timeout", type=float, help="seconds until the tenants must be COMPLETED")
    options = parser.parse_args(arguments)

    deployment = Deployment.of(Terraform.of(options.environment))
    timeout = options.timeout or (TIMEOUT_LOCAL if options.environment == LOCAL else TIMEOUT_AWS)
    clients = Clients(options.environment, deployment.region)
    with exclusively(
        f"e2e-{options.environment}", f"testing {options.environment}"
    ):  # both write test-tenant
        report = run(deployment, clients, timeout, keep=options.keep)
        if report.ok:  # a flow that is broken onboards no tenants to try with
            # On AWS an archive may hold years of others' events.
            since = BEGINNING if options.environment == LOCAL else None
            report.life = life.run(deployment, clients, timeout, keep=options.keep, since=since)
            report.isolation = matrix.run(deployment, clients, timeout)
    files = report.write()
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        report.summary(files).print(Console(highlight=False))
    return 0 if report.ok else 1


@dataclass
class Report:
    """What came of a run.

    Keyed by service: `dead_letters` counts the messages that it left in the queues, `errors` holds what was
    logged about its tenants.
    """

    deployment: Deployment
    tenants: list[TimedTenant]
    dead_letters: dict[str, int]
    errors: dict[str, list[str]]
    help: dict[str, list[str]]
    kept: bool
    life: LifeReport | None = None
    isolation: matrix.Report | None = None
    isolation_files: list[Path] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every tenant is COMPLETED with the resources of its tier, and no function complained.

        A flow that gets there in spite of errors, by a retry or a race, has not passed.
        """
        return not any(self._problems())

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs. Times are milliseconds since the record was written."""
        return {
            "ok": self.ok,
            "environment": self.deployment.environment,
            "kept": self.kept,
            "deadLetters": self.dead_letters,
            "errors": self.errors,
            "life": None if self.life is None else self.life.as_json(),
            "isolation": self._isolation_as_json(),
            "tenants": [
                {
                    "tenantId": tenant.id,
                    "tier": tenant.tier,
                    "timelineMs": {hop: round(at, 1) for hop, at in _since_written(tenant).items()},
                    "resources": tenant.resources,
                    "found": tenant.found,
                    "problems": tenant.problems,
                }
                for tenant in self.tenants
            ],
            "whereToLook": self.help,
        }

    def _isolation_as_json(self) -> dict[str, Any] | None:
        if self.isolation is None:
            return None
        return {
            "ok": self.isolation.ok,
            "summary": self.isolation.summary(),
            "problems": list(self.isolation.problems()),
            "reports": [str(path) for path in self.isolation_files],
        }

    def write(self, folder: Path = reports.REPORTS) -> list[Path]:
        """Write the tables and the whole report into files; return their paths, the one for people first."""
        if self.isolation is not None:
            self.isolation_files = self.isolation.write(folder)
        found = [f"  {tenant.id}: {line}" for tenant in self.tenants for line in tenant.found]
        parts: list[Table | str] = [self._timelines(), "Resources found", *found]
        if self.life is not None:
            parts += self.life.tables()
        if self.isolation is not None:
            parts += [*self.isolation.tables(), self.isolation.summary()]
        parts += [f"✗ {problem}" for problem in self._problems()]
        parts += ["\n  ".join([f"Where to look: {service}", *lines]) for service, lines in self.help.items()]
        return reports.write(f"e2e-{self.deployment.environment}", self.as_json(), parts, folder)

    def summary(self, files: list[Path]) -> reports.Summary:
        """Return the summary; `files` hold the rest."""
        completed = sum(ProvisioningStatus.COMPLETED in tenant.timeline for tenant in self.tenants)
        figures = {
            f"{tenant.id}, {tenant.tier}": f"{taken:.0f} ms from the record written to COMPLETED"
            for tenant in self.tenants
            if (taken := _since_written(tenant).get(ProvisioningStatus.COMPLETED)) is not None
        }
        if self.life is not None:
            figures |= self.life.figures()
        if self.isolation is not None:
            figures["isolation"] = self.isolation.summary().removeprefix("isolation: ")
        return reports.Summary(
            passed=self.ok,
            verdict=f"{completed} of {len(self.tenants)} tenants COMPLETED in {self.deployment.environment}; "
            + self._left(),
            exceptions=list(self._problems()),
            figures=figures,
            advice=[line for service, lines in self.help.items() for line in (f"look at {service}:", *lines)],
            files=files,
        )

    def _left(self) -> str:
        before = [tenant.id for tenant in self.tenants if tenant.existed]
        if self.kept:
            return "kept"
        return f"removed again, but for {', '.join(before)}, there before" if before else "all removed again"

    def _timelines(self) -> Table:
        table = Table(title="Onboarding, ms since the record was written (+ms since the hop before)")
        table.add_column("tenant")
        table.add_column("tier")
        hops = list(HOPS)[1:]
        for hop in hops:
            table.add_column(hop, justify="right")
        for tenant in self.tenants:
            times = _since_written(tenant)
            cells, before = [], 0.0
            for hop in hops:
                at = times.get(hop)
                cells.append("-" if at is None else f"{at:.0f} (+{at - before:.0f})")
                before = before if at is None else at
            table.add_row(tenant.id, tenant.tier, *cells)
        return table

    def _problems(self) -> Iterator[str]:
        for tenant in self.tenants:
            yield from (f"{tenant.id}: {problem}" for problem in tenant.problems)
        for service, count in self.dead_letters.items():
            if count:
                yield f"{count} more messages in the dead-letter queue of {service}"
        for service, errors in self.errors.items():
            yield from (f"{service} logged: {error}" for error in errors)
        if self.life is not None:
            yield from self.life.problems()
        if self.isolation is not None:
            yield from (f"isolation: {problem}" for problem in self.isolation.problems())


def run(deployment: Deployment, clients: Clients, timeout: float, *, keep: bool) -> Report:
    """Onboard the tenants and return what came of it. What it made is removed, unless `keep`."""
    tenants = [TimedTenant(item) for item in [*_items(), DESIGN_ITEM]]
    before = deployment.dead_letters(clients)
    started = time.time()
    try:
        with listening(deployment, clients) as queue_url:
            for tenant in tenants:
                tenant.write(deployment, clients)
                tenant.timeline["record written"] = time.time()
            _watch(deployment, clients, tenants, queue_url, timeout)
        for tenant in tenants:
            _check(deployment, clients, tenant, timeout)
        after = deployment.dead_letters(clients)
        ids = {tenant.id for tenant in tenants}
        dead_letters = {service: max(0, after[service] - before[service]) for service in after}
        errors = {service: list(deployment.errors(clients, service, started, ids)) for service in after}
        in_trouble = {HOPS[hop] for tenant in tenants if (hop := tenant.missing_hop)}
        in_trouble |= {service for service in after if dead_letters[service] or errors[service]}
        advice = {service: deployment.where_to_look(clients, service) for service in sorted(in_trouble)}
        return Report(deployment, tenants, dead_letters, errors, advice, keep)
    finally:
        if not keep:
            for tenant in tenants:
                remove(deployment, clients, tenant)


def _items() -> list[dict[str, Any]]:
    run_id = uuid.uuid4().hex[:8]
    return [
        new_item(f"e2e-{tier.lower()}-{run_id}", tier, f"E2E {tier.title()}")
        for tier in ("FREE", "PRO", "ENTERPRISE")
    ]


def _watch(
    deployment: Deployment, clients: Clients, tenants: list[TimedTenant], queue_url: str, seconds: float
) -> None:
    """Fill the timelines until every tenant is through, has FAILED, or the time is up."""
    by_id = {str(tenant.id): tenant for tenant in tenants}

    def all_through() -> bool:
        for event in received(clients, queue_url):
            tenant = by_id.get(event.tenant_id)
            if tenant is not None:
                _note_event(tenant, event)
        for tenant in tenants:
            if tenant.missing_hop is not None and not tenant.problems:
                _note_record(deployment, clients, tenant)
        return all(tenant.missing_hop is None or tenant.problems for tenant in tenants)

    is_reached(all_through, seconds, poll=0)  # the queue waits for messages


def _note_event(tenant: TimedTenant, event: Copy) -> None:
    detail = event.detail
    if event.kind == TenantOnboarding.DETAIL_TYPE:
        tenant.timeline.setdefault(TenantOnboarding.DETAIL_TYPE, _seconds(detail["timestamp"]))
    elif event.kind == ProvisioningResult.DETAIL_TYPE and detail["status"] == ResultStatus.COMPLETED:
        # Its timestamp is taken when the resources stand, right before it is published.
        tenant.timeline.setdefault("resources made", _seconds(detail["timestamp"]))
        tenant.timeline.setdefault(ProvisioningResult.DETAIL_TYPE, event.arrived)


def _note_record(deployment: Deployment, clients: Clients, tenant: TimedTenant) -> None:
    item = tenant.record(deployment, clients)
    if status_of(item) == ProvisioningStatus.COMPLETED:
        completed = _seconds(item["updatedAt"]["S"])
        tenant.timeline[ProvisioningStatus.COMPLETED] = completed
        if (copied := tenant.timeline.get(ProvisioningResult.DETAIL_TYPE)) is not None:
            # Our copy of an event can arrive after the record has been written on its account.
            tenant.timeline[ProvisioningResult.DETAIL_TYPE] = min(copied, completed)
        tenant.resources = resources_on(item)
    elif status_of(item) == ProvisioningStatus.FAILED and not tenant.problems:
        tenant.problems.append(f"FAILED: {item.get('failureReason', {}).get('S')}")


def _check(deployment: Deployment, clients: Clients, tenant: TimedTenant, timeout: float) -> None:
    """Compare what a tenant has with what its tier promises."""
    if tenant.problems:
        return
    if hop := tenant.missing_hop:
        tenant.problems.append(f"hop {hop!r} did not happen within {timeout:.0f} s")
        return
    problems = resources.problems_of_resources(
        deployment, clients.s3, tenant.id, tenant.slug, tenant.tier, tenant.resources
    )
    tenant.problems += map(str, problems)
    if not tenant.problems:
        bucket = tenant.resources.get("dedicatedBucket")
        tenant.found.append(
            f"silo  s3://{bucket} ({', '.join(resources.HARDENING)})"
            if bucket
            else f"pool  s3://{deployment.data_bucket_name}/{pool_marker(tenant.id)}"
        )


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def _since_written(tenant: TimedTenant) -> dict[str, float]:
    start = tenant.timeline.get("record written", 0.0)
    return {hop: (tenant.timeline[hop] - start) * 1000 for hop in HOPS if hop in tenant.timeline}


if __name__ == "__main__":
    project.run(main)
