"""Is every statement needed? `make least-privilege` takes each away in turn and sees the flow fail.

Local only: it changes the roles of the stack. Each statement is put back, whatever happens. A statement that
the engine does not enforce, or that denies, is told apart; a statement without which everything still works
is a failure. That no statement is missing is what the flow itself shows; that none allows an action too many
is compared in `tests/contract`.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from canary.decisions import new_record
from scripts.tooling import project, reports
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import (
    CANARY,
    COMPLETION,
    DEPROVISIONER,
    MOVER,
    PROBLEM_DATA,
    PROVISIONER,
    PROVISIONING,
    Deployment,
)
from scripts.tooling.project import LOCAL, CommandError, UsageError, exclusively, say
from scripts.tooling.terraform import Terraform
from scripts.tooling.waiting import DeadlineError, wait_until
from scripts.verification.flow import canary_run, reconciling
from scripts.verification.flow.operating import Operator
from scripts.verification.flow.tenant_api import TenantApi, user_of
from scripts.verification.flow.tenants import Tenant, new_item, onboarded, remove, status_of
from scripts.verification.least_privilege.permissions import statements, without_statement
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.isolation.resource_names import pool_prefix
from tenkacloud.tenants.keys import IN_FLIGHT, IN_FLIGHT_PARTITION
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.validation import Tier

#: Statements that the local engine does not ask for (`docs/local-engine.md`).
NOT_ENFORCED: Final = {"WriteLogs", "WriteTraces", "SendToDeadLetterQueue", "ReadTenantStream"}
_SECONDS: Final = 60
#: Uses a service; returns what went wrong, nothing if nothing did.
Flow = Callable[[Deployment, Clients, str], str]
NEEDED: Final = "needed"
NOT_NEEDED: Final = "NOT NEEDED"
DENIES: Final = "denies"
UNTRIED: Final = "not enforced by this engine"


@dataclass(frozen=True)
class Finding:
    """What became of the flow without one statement."""

    role: str
    statement: str
    verdict: str
    said: str = ""


def main(arguments: list[str]) -> int:
    """Run it; return the exit code."""
    if arguments != [LOCAL]:
        raise UsageError("least-privilege changes the roles of the stack: it runs locally only")
    deployment = Deployment.of(Terraform.of(LOCAL))
    with exclusively(f"e2e-{LOCAL}", f"testing {LOCAL}"):
        findings = list(run(deployment, Clients(LOCAL, deployment.region), {**SHORT, **LONG}))
    table = Table(title="Without the statement")
    for column in ("role", "statement", "verdict", "what was said"):
        table.add_column(column)
    for finding in findings:
        table.add_row(finding.role, finding.statement, finding.verdict, finding.said)
    files = reports.write("least-privilege", [vars(finding) for finding in findings], [table])
    summary = summary_of(findings, files)
    summary.print(Console(highlight=False))
    return 0 if summary.passed else 1


def summary_of(findings: list[Finding], files: list[Path]) -> reports.Summary:
    """Return the summary; `files` hold the rest."""
    counts = Counter(finding.verdict for finding in findings)
    needless = [finding for finding in findings if finding.verdict == NOT_NEEDED]
    return reports.Summary(
        passed=not needless,
        verdict=f"{len(findings)} statements of {len({finding.role for finding in findings})} roles, "
        f"{len(needless)} of them not needed",
        exceptions=[f"{each.role} does its work without {each.statement}" for each in needless],
        figures={
            "needed": f"{counts[NEEDED]} statements: without one the flow fails",
            "denies": f"{counts[DENIES]} statements take permissions away: `make prove` has them",
            "not enforced": f"{counts[UNTRIED]} statements that this engine ignores: plan tests have them",
        },
        files=files,
    )


def run(deployment: Deployment, clients: Clients, flows: Mapping[str, Flow]) -> Iterator[Finding]:
    """Yield what happens without each statement of the roles that some flows are of, by service.

    Raises:
        CommandError: the flow fails with all of them in place, so nothing can be told.
    """
    acting = {
        PROBLEM_DATA: deployment.tenant_access_role_arn,
        MOVER: deployment.tenant_maintenance_role_arn,
    }
    roles = {
        **{deployment.function_role_names[service]: service for service in flows},
        **{arn.rsplit("/", 1)[1]: service for service, arn in acting.items() if service in flows},
    }
    for service, flow in flows.items():
        if said := flow(deployment, clients, service):
            raise CommandError(f"{service} fails with every statement in place: {said}")
    for role, service in roles.items():
        for statement in statements(clients, role):
            sid = statement["Sid"]
            if statement["Effect"] == "Deny":
                yield Finding(role, sid, DENIES, "a lock of its own: make prove")
                continue
            if sid in NOT_ENFORCED:
                yield Finding(role, sid, UNTRIED, "plan tests hold it")
                continue
            say(f"{role} without {sid}")
            with without_statement(clients, role, sid):
                said = flows[service](deployment, clients, service)
            yield Finding(role, sid, NEEDED if said else NOT_NEEDED, said)


def _onboarding(deployment: Deployment, clients: Clients, service: str) -> str:
    """Onboard a pooled and a siloed tenant; return what the service complained of, nothing if it did not."""
    tenants = _new("FREE", "ENTERPRISE")
    try:
        for tenant in tenants:
            tenant.write(deployment, clients)
        return _complaint(deployment, clients, service, tenants)
    finally:
        for tenant in tenants:
            remove(deployment, clients, tenant)


def _complaint(deployment: Deployment, clients: Clients, service: str, tenants: list[Tenant]) -> str:
    ids = {tenant.id for tenant in tenants}
    errors: list[str] = []

    def is_over() -> bool:
        errors.extend(deployment.errors(clients, service, tenant_ids=ids))
        return bool(errors) or all(
            status_of(tenant.record(deployment, clients)) == ProvisioningStatus.COMPLETED
            for tenant in tenants
        )

    try:
        wait_until("a tenant to be COMPLETED", is_over, _SECONDS)
    except DeadlineError as error:
        return str(error)
    return errors[0].replace("\n", " ")[:90] if errors else ""


def _onboarding_and_replay(deployment: Deployment, clients: Clients, service: str) -> str:
    """Onboard, and then have the onboarding of a pooled tenant replayed."""
    if said := _onboarding(deployment, clients, service):
        return said
    (tenant,) = _new("FREE")
    try:
        # On the record as COMPLETED, so that nobody else takes it up.
        tenant.item["provisioningStatus"] = {"S": ProvisioningStatus.COMPLETED}
        tenant.write(deployment, clients)
        detail = {
            "tenantId": tenant.id,
            "tenantName": tenant.item["name"]["S"],
            "tier": tenant.tier,
            "slug": tenant.slug,
            "timestamp": "2026-01-01T00:00:00Z",
        }
        event = {
            "id": uuid.uuid4().hex,
            "replay-name": "least-privilege",
            "source": TenantOnboarding.SOURCE,
            "detail-type": TenantOnboarding.DETAIL_TYPE,
            "detail": detail,
        }
        answer = clients.lambda_.invoke(
            FunctionName=deployment.lambda_function_names[service], Payload=json.dumps(event).encode()
        )
        said = answer["Payload"].read().decode() if answer.get("FunctionError") else ""
        return said.replace("\n", " ")[:90]
    finally:
        remove(deployment, clients, tenant)


def _automatic_retry(deployment: Deployment, clients: Clients, _service: str) -> str:
    """Have a stuck tenant resumed; return what went wrong, nothing if nothing did."""
    (tenant,) = _new("FREE")
    tenant.item |= {
        "provisioningStatus": {"S": ProvisioningStatus.PROVISIONING},
        "provisioningAttempt": {"N": "1"},
        IN_FLIGHT.partition: {"S": IN_FLIGHT_PARTITION},
        IN_FLIGHT.sort: {"S": "2026-01-01T00:00:00.000Z"},
    }
    try:
        tenant.write(deployment, clients)
        counts = reconciling.sweep(deployment, clients)
        if counts["errors"] or not counts["resumed"]:
            return f"the sweep's counts are {counts}"
        return _complaint(deployment, clients, reconciling.SERVICE, [tenant])
    except CommandError as error:
        return str(error)
    finally:
        remove(deployment, clients, tenant)


def _canary(deployment: Deployment, clients: Clients, _service: str) -> str:
    """Onboard the canary, and have it replaced; return what went wrong, nothing if nothing did."""
    tenant = Tenant(new_record(datetime(2026, 1, 1, tzinfo=UTC)))
    try:
        canary_run.invoke(deployment, clients)
        if said := _complaint(deployment, clients, CANARY, [tenant]):
            return said
        answer = canary_run.invoke(deployment, clients)
    except CommandError as error:
        return str(error)
    else:
        return "" if answer == {"completed": 1, "onboarded": True} else f"the answer is {answer}"
    finally:
        remove(deployment, clients, tenant)


def _requests(deployment: Deployment, clients: Clients, _service: str) -> str:
    """Use the HTTP API as a pooled tenant; return the first request that fails, nothing if none does."""
    with onboarded(deployment, clients, _new("FREE"), _SECONDS) as tenants:
        api = TenantApi(deployment.problem_data_api_url)
        with user_of(deployment, clients, tenants[0].id) as token:
            for method, path, body in (
                ("PUT", "/problems/p", {"title": "t"}),
                ("GET", "/problems", None),
                ("PUT", "/problems/p/files/f", b"x"),
                ("GET", "/problems/p/files/f", None),
                ("GET", "/problems/p/files", None),
                ("DELETE", "/problems/p", None),
            ):
                answer = api.call(method, path, token, body)
                if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                    return f"{method} {path}: {answer.status}"
    return ""


def _life(deployment: Deployment, clients: Clients, service: str) -> str:
    """Move a tenant with data to a bucket of its own and back, export it, and offboard it.

    Return what went wrong, nothing if nothing did.
    """
    (tenant,) = _new("PRO")
    operator = Operator(deployment, clients)
    try:
        with onboarded(deployment, clients, [tenant], _SECONDS):
            clients.s3.put_object(
                Bucket=deployment.data_bucket_name, Key=f"{pool_prefix(tenant.id)}f", Body=b"x"
            )
            clients.dynamodb.put_item(
                TableName=deployment.data_table_name,
                Item={"PK": tenant.key["PK"], "SK": {"S": "PROBLEM#p"}},
            )
            steps: tuple[Callable[[], None], ...] = (
                lambda: operator.change_tier(tenant.id, Tier.ENTERPRISE),
                lambda: operator.change_tier(tenant.id, Tier.FREE),
                lambda: operator.export(tenant.id),
                lambda: operator.offboard(tenant.id, export=False),
            )
            for begin in steps:
                begin()
                if said := _operation_ends(deployment, clients, service, tenant, operator):
                    return said
    except CommandError as error:
        return str(error)
    return ""


def _operation_ends(
    deployment: Deployment, clients: Clients, service: str, tenant: Tenant, operator: Operator
) -> str:
    """Wait for a tenant's operation and what it left to be retired; return what went wrong."""
    errors: list[str] = []
    ended: dict[str, Any] = {}

    def is_over() -> bool:
        record = tenant.record(deployment, clients)
        operator.take_due(record)
        ended.update(operation=record.get("operation"), leftovers=record.get("leftovers"))
        errors.extend(deployment.errors(clients, service, tenant_ids={tenant.id}))
        under_way = record.get("operation", {}).get("M", {})
        errors.extend(reason["S"] for reason in [under_way.get("failureReason")] if reason)
        kept = [each["M"].get("kept") for each in record.get("leftovers", {}).get("L", [])]
        errors.extend(f"a leftover is kept: {each['S']}" for each in kept if each)
        return bool(errors) or not (under_way or kept)

    try:
        wait_until(lambda: f"an operation to end ({ended})", is_over, _SECONDS)
    except DeadlineError as error:
        return str(error)[:90]
    return errors[0].replace("\n", " ")[:90] if errors else ""


#: What shows in seconds whether a service works.
SHORT: Final[Mapping[str, Flow]] = {
    PROVISIONING: _onboarding,
    PROVISIONER: _onboarding_and_replay,
    COMPLETION: _onboarding,
    reconciling.SERVICE: _automatic_retry,
    CANARY: _canary,
    PROBLEM_DATA: _requests,
}
#: What waits: for the drain, for what is due. Of these, the functions' code says that no action is needless
#: (`tests/contract`), and the flow itself that none is missing.
LONG: Final[Mapping[str, Flow]] = {MOVER: _life, DEPROVISIONER: _life}


def _new(*tiers: str) -> list[Tenant]:
    """Return a new tenant of each tier."""
    return [Tenant(new_item(f"lp-{uuid.uuid4().hex[:12]}", tier, "Least Privilege")) for tier in tiers]


if __name__ == "__main__":
    project.run(main)
