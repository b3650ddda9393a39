"""The main job, end to end.

`python -m scripts.verification.flow.e2e [--keep] [--json] [--timeout SECONDS] ENV`

Onboards one tenant of each tier and the design's own put-item, watches every hop on the bus and in the
table, checks the resources that came of it, prints a timeline, and removes what it made. Then shows that no
tenant reaches another's data (`scripts.verification.isolation`).
"""

import argparse
import json
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from scripts.tooling import project
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING, Deployment
from scripts.tooling.project import LOCAL, CommandError, exclusively
from scripts.tooling.terraform import Terraform
from scripts.verification.flow.tenants import Tenant, new_item, remove
from scripts.verification.isolation import matrix
from tenkacloud.isolation.resource_names import pool_marker, pool_prefix

#: The design's test step 1, word for word (`docs/design/phase2-sbt-tenant-isolation.md`).
DESIGN_ITEM: Final[dict[str, Any]] = {
    "PK": {"S": "TENANT#test-tenant"},
    "SK": {"S": "METADATA"},
    "id": {"S": "test-tenant"},
    "name": {"S": "Test Tenant"},
    "tier": {"S": "ENTERPRISE"},
    "provisioningStatus": {"S": "PENDING"},
}
TIMEOUT_LOCAL: Final = 120.0  # seconds for all tenants
TIMEOUT_AWS: Final = 300.0

#: The hops of a tenant, in order, each with the service that makes it happen.
HOPS: Final = {
    "record written": "",
    "TenantOnboarding": PROVISIONING,
    "resources made": PROVISIONER,
    "TenantProvisioned": PROVISIONER,
    "COMPLETED": COMPLETION,
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
    console = Console(stderr=options.json, highlight=False, width=None if sys.stdout.isatty() else 120)
    clients = Clients(options.environment, deployment.region)
    with exclusively(
        f"e2e-{options.environment}", f"testing {options.environment}"
    ):  # both write test-tenant
        report = run(deployment, clients, timeout, keep=options.keep)
        if report.ok:  # a flow that is broken onboards no tenants to try with
            report.isolation = matrix.run(deployment, clients, timeout)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        report.print(console)
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
    isolation: matrix.Report | None = None

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
            "reports": [str(path) for path in self.isolation.write()],
        }

    def print(self, console: Console) -> None:
        """Print the report for people."""
        console.print(self._timelines())
        console.print("Resources found")
        for line in (f"  {tenant.id}: {line}" for tenant in self.tenants for line in tenant.found):
            console.print(line, soft_wrap=True, markup=False)
        if self.isolation is not None:
            self.isolation.print(console)
            for path in self.isolation.write():
                console.print(f"  {path}", soft_wrap=True, markup=False)
        for problem in self._problems():
            console.print(f"✗ {problem}", style="red", soft_wrap=True, markup=False)
        for service, lines in self.help.items():
            console.print("\n  ".join([f"Where to look: {service}", *lines]), soft_wrap=True, markup=False)
        completed = sum("COMPLETED" in tenant.timeline for tenant in self.tenants)
        verdict = "[green]✓ passed[/green]" if self.ok else "[red]✗ failed[/red]"
        console.print(
            f"{verdict}: {completed} of {len(self.tenants)} tenants COMPLETED in "
            f"{self.deployment.environment}; {self._left()}"
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
        if self.isolation is not None:
            yield from (f"isolation: {problem}" for problem in self.isolation.problems())


def run(deployment: Deployment, clients: Clients, timeout: float, *, keep: bool) -> Report:
    """Onboard the tenants and return what came of it. What it made is removed, unless `keep`."""
    tenants = [TimedTenant(item) for item in [*_items(), DESIGN_ITEM]]
    before = deployment.dead_letters(clients)
    started = time.time()
    try:
        with _listening(deployment, clients) as queue_url:
            for tenant in tenants:
                tenant.write(deployment, clients)
                tenant.timeline["record written"] = time.time()
            _watch(deployment, clients, tenants, queue_url, time.monotonic() + timeout)
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


@contextmanager
def _listening(deployment: Deployment, clients: Clients) -> Iterator[str]:
    """Copy the bus into a queue of our own for a while; yield the queue's URL once copies arrive."""
    name = f"tenkacloud-{deployment.environment}-e2e-{uuid.uuid4().hex[:8]}"
    rule_arn = f"{deployment.event_bus_arn.replace(':event-bus/', ':rule/')}/{name}"
    bus = deployment.event_bus_name
    partition = deployment.event_bus_arn.split(":")[1]
    queue_arn = f"arn:{partition}:sqs:{deployment.region}:{deployment.account_id}:{name}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
            }
        ],
    }
    queue_url = clients.sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})[
        "QueueUrl"
    ]
    try:
        pattern = {"source": ["tenkacloud.control-plane", "tenkacloud.application-plane", "tenkacloud.e2e"]}
        clients.events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        clients.events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "e2e", "Arn": queue_arn}])
        _wait_for_probe(clients, bus, queue_url)
        yield queue_url
    finally:
        clients.events.remove_targets(Rule=name, EventBusName=bus, Ids=["e2e"])
        clients.events.delete_rule(Name=name, EventBusName=bus)
        clients.sqs.delete_queue(QueueUrl=queue_url)


def _wait_for_probe(clients: Clients, bus: str, queue_url: str, seconds: float = 120) -> None:
    """Wait until the new rule is in force: on AWS that takes a while."""
    deadline = time.monotonic() + seconds
    entry: Any = {"EventBusName": bus, "Source": "tenkacloud.e2e", "DetailType": "Probe", "Detail": "{}"}
    while time.monotonic() < deadline:
        clients.events.put_events(Entries=[entry])
        if clients.sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=2).get("Messages"):
            return
    raise CommandError(f"bus {bus} did not deliver a probe to a rule of ours within {seconds:.0f} s")


def _watch(
    deployment: Deployment, clients: Clients, tenants: list[TimedTenant], queue_url: str, deadline: float
) -> None:
    """Fill the timelines until every tenant is through, has FAILED, or the time is up."""
    by_id = {str(tenant.id): tenant for tenant in tenants}
    open_tenants = set(by_id)
    while open_tenants and time.monotonic() < deadline:
        messages = clients.sqs.receive_message(
            QueueUrl=queue_url,
            WaitTimeSeconds=1,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        for message in messages:
            event = json.loads(message["Body"])
            tenant = by_id.get(event["detail"].get("tenantId"))
            if tenant is not None:
                _note_event(tenant, event, int(message["Attributes"]["SentTimestamp"]) / 1000)
        for tenant_id in list(open_tenants):
            tenant = by_id[tenant_id]
            _note_record(deployment, clients, tenant)
            if tenant.missing_hop is None or tenant.problems:
                open_tenants.remove(tenant_id)


def _note_event(tenant: TimedTenant, event: dict[str, Any], arrived: float) -> None:
    detail = event["detail"]
    if event["detail-type"] == "TenantOnboarding":
        tenant.timeline.setdefault("TenantOnboarding", _seconds(detail["timestamp"]))
    elif event["detail-type"] == "TenantProvisioned" and detail["status"] == "COMPLETED":
        # Its timestamp is taken when the resources stand, right before it is published.
        tenant.timeline.setdefault("resources made", _seconds(detail["timestamp"]))
        tenant.timeline.setdefault("TenantProvisioned", arrived)


def _note_record(deployment: Deployment, clients: Clients, tenant: TimedTenant) -> None:
    item = clients.dynamodb.get_item(
        TableName=deployment.table_name, Key=tenant.key, ConsistentRead=True
    ).get("Item", {})
    status = item.get("provisioningStatus", {}).get("S")
    if status == "COMPLETED":
        completed = _seconds(item["updatedAt"]["S"])
        tenant.timeline["COMPLETED"] = completed
        if (copied := tenant.timeline.get("TenantProvisioned")) is not None:
            # Our copy of an event can arrive after the record has been written on its account.
            tenant.timeline["TenantProvisioned"] = min(copied, completed)
        tenant.resources = {name: value["S"] for name, value in item["resources"]["M"].items()}
    elif status == "FAILED" and not tenant.problems:
        tenant.problems.append(f"FAILED: {item.get('failureReason', {}).get('S')}")


def _check(deployment: Deployment, clients: Clients, tenant: TimedTenant, timeout: float) -> None:
    """Compare what a tenant has with what its tier promises."""
    if tenant.problems:
        return
    if hop := tenant.missing_hop:
        tenant.problems.append(f"hop {hop!r} did not happen within {timeout:.0f} s")
        return
    if tenant.tier == "ENTERPRISE":
        bucket = tenant.resources.get("dedicatedBucket")
        if bucket is None:
            tenant.problems.append(f"the record names no dedicatedBucket: {tenant.resources}")
            return
        _check_silo(deployment, clients, tenant, bucket)
        return
    if tenant.resources != {"s3Prefix": pool_prefix(tenant.id)}:
        tenant.problems.append(f"the record names {tenant.resources}")
        return
    marker = pool_marker(tenant.id)
    try:
        clients.s3.head_object(Bucket=deployment.data_bucket_name, Key=marker)
    except ClientError as error:
        tenant.problems.append(f"s3://{deployment.data_bucket_name}/{marker}: {error}")
        return
    tenant.found.append(f"pool  s3://{deployment.data_bucket_name}/{marker}")


def _check_silo(deployment: Deployment, clients: Clients, tenant: TimedTenant, bucket: str) -> None:
    s3 = clients.s3
    mine: Any = {"Bucket": bucket, "ExpectedBucketOwner": deployment.account_id}
    try:
        tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(**mine)["TagSet"]}
        access = s3.get_public_access_block(**mine)["PublicAccessBlockConfiguration"]
        rules = s3.get_bucket_encryption(**mine)["ServerSideEncryptionConfiguration"]["Rules"]
        versioning = s3.get_bucket_versioning(**mine).get("Status")
        sids = {
            statement["Sid"] for statement in json.loads(s3.get_bucket_policy(**mine)["Policy"])["Statement"]
        }
    except ClientError as error:
        tenant.problems.append(f"bucket {bucket}: {error}")
        return
    checks = {
        f"tagged tenantId={tenant.id}": tags.get("tenantId") == tenant.id,
        "public access blocked": all(access.values()),
        "encrypted": bool(rules),
        "versioned": versioning == "Enabled",
        "TLS only": "DenyInsecureTransport" in sids,
        "closed to other tenants": "DenyOtherTenants" in sids,
    }
    tenant.problems += [f"bucket {bucket} is not {check}" for check, passed in checks.items() if not passed]
    tenant.found.append(
        f"silo  s3://{bucket} ({', '.join(check for check, passed in checks.items() if passed)})"
    )


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def _since_written(tenant: TimedTenant) -> dict[str, float]:
    start = tenant.timeline.get("record written", 0.0)
    return {hop: (tenant.timeline[hop] - start) * 1000 for hop in HOPS if hop in tenant.timeline}


if __name__ == "__main__":
    project.run(main)
