"""The isolation matrix: every tenant tries everything on its own data and on every other tenant's.

With sessions of both roles that act for one tenant, twice each: with the role's policies alone, and with a
session policy as well; and with sessions that may only read objects, of the services' role.
Beside it stand cases of the trusted functions themselves: starting sessions that they may not start, and
reaching data without one. Afterwards every tenant's data is compared with what it was.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError
from rich.table import Table

from scripts.local_aws.engine.process import EDITION
from scripts.tooling import reports
from scripts.tooling.aws import Clients, Endpoint
from scripts.tooling.deployment import MOVER, PROBLEM_DATA, Deployment
from scripts.tooling.project import LOCAL
from scripts.verification.flow.tenants import Tenant, new_item, onboarded
from scripts.verification.isolation import over_http
from scripts.verification.isolation.access_cases import (
    ACCESS_CASES,
    DENIED_CODES,
    AccessCase,
    Actor,
    DeniedError,
)
from scripts.verification.isolation.datasets import SEED_KEY, Dataset, scope_of
from scripts.verification.isolation.over_http import Check
from scripts.verification.isolation.probe import Denial, Probe, probing
from tenkacloud.isolation.places import pool_place, silo_place
from tenkacloud.isolation.policies import (
    MaintenanceScope,
    Policy,
    maintenance_session_policy,
    session_policy,
)

#: Ids that are prefixes of one another, and one that differs in case only; two pooled, two siloed.
OVERLAPPING: Final = {"a": "FREE", "ab": "PRO", "a-b": "ENTERPRISE", "A": "ENTERPRISE"}
ROLE_ALONE: Final = "role alone"
WITH_SESSION_POLICY: Final = "with session policy"
READ_ONLY: Final = "read-only session"
MAINTENANCE_ALONE: Final = "maintenance role alone"
MAINTENANCE: Final = "maintenance session"
NOT_ENFORCED: Final = "not enforced by this engine"
#: STS's own checks, for tags that hold what no tag may.
_INVALID_CODES: Final = {"ValidationError", "InvalidParameterValue", "ParamValidationError"}


class Outcome(Enum):
    """What came of a case. An error of any other kind shows nothing, so it is an exception."""

    ALLOWED = "allowed"
    DENIED = "denied"
    ERROR = "error"


@dataclass(frozen=True)
class Result:
    """One case, of one session on one dataset; `dataset` is empty where it is on nobody's in particular."""

    service: str
    name: str
    mode: str
    actor: str
    dataset: str
    expected: str
    outcome: str
    detail: str = ""

    @property
    def exception(self) -> bool:
        """Whether it went otherwise than it has to."""
        return self.expected != self.outcome


@dataclass
class Report:
    """All results; `checks` are of the HTTP API.

    `tampering` tells what of a tenant's data is not as it was, `skipped` why nothing was tried.
    """

    environment: str
    tenants: dict[str, str]
    results: list[Result] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    tampering: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def exceptions(self) -> list[Result]:
        """The results that should have been otherwise."""
        return [result for result in self.results if result.exception]

    @property
    def ok(self) -> bool:
        """Whether every case went as it has to, and nobody's data was changed by another."""
        return not any(self.problems())

    def problems(self) -> Iterator[str]:
        """Yield what is wrong, a line each."""
        for result in self.exceptions:
            on = f" on {result.dataset}" if result.dataset else ""
            case = f"{result.service} {result.name}"
            said = f"{case} is {result.outcome}, not {result.expected} {result.detail}"
            yield f"{result.actor} ({result.mode}){on}: {said}".rstrip()
        for check in self.checks:
            if check.problem:
                yield f"HTTP API: {check.name}: {check.problem}"
        yield from self.tampering

    def summary(self) -> str:
        """Return the verdict in one line."""
        if self.skipped:
            return f"isolation: {self.skipped}"
        return (
            f"isolation: {len(self.results)} access cases of {len(self.tenants)} tenants and "
            f"{len(self.checks)} checks of the HTTP API, {len(list(self.problems()))} exceptions"
        )

    def rows(self, modes: Sequence[str]) -> list[list[str]]:
        """Return the table of some modes: a case each, and how many of its tries went as they have to."""
        grouped: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            if result.mode in modes:
                grouped.setdefault((result.service, result.name), []).append(result)
        return [
            [service, name, *(_cell(results, mode, own) for mode in modes for own in (True, False))]
            for (service, name), results in grouped.items()
        ]

    def write(self, folder: Path = reports.REPORTS) -> list[Path]:
        """Write the report for programs and as text; return the paths, the one for people first."""
        as_json = {
            "environment": self.environment,
            "summary": self.summary(),
            "tenants": self.tenants,
            "tampering": self.tampering,
            "checks": [asdict(check) for check in self.checks],
            "results": [asdict(result) for result in self.results],
        }
        parts: list[Table | str] = [
            *self.tables(),
            self.summary(),
            *(f"  {tenant_id}: {tier}" for tenant_id, tier in self.tenants.items()),
            "HTTP API",
            *(f"  {check.name}" for check in self.checks),
            *(f"✗ {problem}" for problem in self.problems()),
        ]
        return reports.write(f"isolation-{self.environment}", as_json, parts, folder)

    def tables(self) -> list[Table]:
        """Return the tables for people, of what was tried."""
        tables = []
        for modes in _TABLES:
            if rows := self.rows(modes):
                table = Table(title="Isolation: tries that went as they have to, of those made")
                for column in (
                    "service",
                    "case",
                    *(f"{mode}: {whose}" for mode in modes for whose in ("own", "others")),
                ):
                    table.add_column(column)
                for row in rows:
                    table.add_row(*row)
                tables.append(table)
        return tables


MODES: Final = (ROLE_ALONE, WITH_SESSION_POLICY, READ_ONLY, MAINTENANCE_ALONE, MAINTENANCE)
#: Those of one role to a table, as far as they fit beside each other.
_TABLES: Final = ((ROLE_ALONE, WITH_SESSION_POLICY), (READ_ONLY,), (MAINTENANCE_ALONE, MAINTENANCE))


def _cell(results: list[Result], mode: str, own: bool) -> str:
    mine = [result for result in results if result.mode == mode and (result.actor == result.dataset) == own]
    if not mine:
        return ""
    outcomes = "/".join(sorted({result.expected for result in mine}))
    return f"{outcomes} {sum(not result.exception for result in mine)}/{len(mine)}"


def run(
    deployment: Deployment,
    clients: Clients,
    seconds: float,
    tenants: dict[str, str] | None = None,
    modes: Sequence[str] = MODES,
) -> Report:
    """Onboard tenants, run the matrix over them, and remove them.

    `tenants` maps ids to tiers; without it, four with overlapping ids of this run's own. `modes` are those of
    sessions.

    Raises:
        CommandError: a tenant can't be onboarded, or a session can't be started.
    """
    run_id = f"iso{uuid.uuid4().hex[:8]}"
    tiers = tenants or {f"{run_id}{name}": tier for name, tier in OVERLAPPING.items()}
    report = Report(deployment.environment, tiers)
    new = [Tenant(new_item(tenant_id, tier, f"Isolation {run_id}")) for tenant_id, tier in tiers.items()]
    with (
        probing(deployment, clients) as probe,
        probing(deployment, clients, MOVER, deployment.tenant_maintenance_role_arn) as maintaining,
        onboarded(deployment, clients, new, seconds) as onboard,
        ExitStack() as after,
    ):
        datasets: list[Dataset] = []
        for tenant in onboard:
            record = tenant.record(deployment, clients)
            datasets.append(Dataset(tenant, scope_of(deployment, record), record))
        if not _is_enforced(deployment, probe, datasets[0]):
            report.skipped = NOT_ENFORCED
            return report
        for dataset in datasets:
            after.callback(dataset.remove_exports, deployment, clients)
            dataset.seed(deployment, clients)
        for each in (probe, maintaining):
            report.results += _of_function(each, datasets)
        for mode in modes:
            by = maintaining if mode in _MAINTAINING else probe
            report.results += _of_sessions(by, datasets, mode)
        for dataset in datasets:
            report.tampering += dataset.tampering(deployment, clients)
        report.checks += over_http.run(deployment, clients, onboard)
    return report


def _is_enforced(deployment: Deployment, probe: Probe, dataset: Dataset) -> bool:
    """Tell whether IAM is enforced; on AWS and on our own engine it is, or the matrix has to say so."""
    if deployment.environment != LOCAL or Endpoint.configured().edition() == EDITION:
        return True
    try:
        probe.session(dataset.id).client("s3").list_buckets()
    except ClientError:
        return True
    return False


def _of_sessions(probe: Probe, datasets: list[Dataset], mode: str) -> Iterable[Result]:
    def of_actor(dataset: Dataset) -> list[Result]:
        policy = _policy(dataset, probe.deployment, mode)
        actor = Actor(dataset, probe.session(dataset.id, policy), probe.deployment, probe)
        # What a read-only session may do is a part of what the others may: only its own data tells.
        others = [dataset] if mode == READ_ONLY else datasets
        return [
            _tried(case, actor, at, mode)
            for case in ACCESS_CASES
            for at in ([dataset] if case.alone else others)
            if at.siloed or not case.silo_only
        ]

    with ThreadPoolExecutor(len(datasets)) as pool:
        return [result for results in pool.map(of_actor, datasets) for result in results]


_MAINTAINING: Final = (MAINTENANCE_ALONE, MAINTENANCE)


def _policy(dataset: Dataset, deployment: Deployment, mode: str) -> Policy | None:
    """Return the session policy of a mode, None where sessions have none."""
    if mode in (WITH_SESSION_POLICY, READ_ONLY):
        return session_policy(dataset.id, replace(dataset.scope, read_only=mode == READ_ONLY))
    if mode != MAINTENANCE:
        return None
    scope = dataset.scope
    bucket = scope.silo_bucket
    return maintenance_session_policy(
        dataset.id,
        MaintenanceScope(
            partition=scope.partition,
            region=scope.region,
            account_id=scope.account_id,
            data_table_name=scope.data_table_name,
            data_bucket=scope.data_bucket,
            places=(pool_place(dataset.id) if bucket is None else silo_place(bucket),),
            exports_bucket=deployment.exports_bucket_name,
        ),
    )


def _tried(case: AccessCase, actor: Actor, at: Dataset, mode: str) -> Result:
    allowed = case.allowed(actor.dataset, at, maintenance=mode in _MAINTAINING, read_only=mode == READ_ONLY)
    expected = Outcome.ALLOWED if allowed else Outcome.DENIED
    outcome, detail = _outcome(case, actor, at)
    return Result(
        service=case.service,
        name=case.name,
        mode=mode,
        actor=actor.dataset.id,
        dataset="" if case.alone else at.id,
        expected=expected.value,
        outcome=outcome.value,
        detail=detail,
    )


def _outcome(case: AccessCase, actor: Actor, at: Dataset) -> tuple[Outcome, str]:
    try:
        case.do(actor, at)
    except DeniedError:
        return Outcome.DENIED, ""
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED_CODES:
            return Outcome.DENIED, ""
        return Outcome.ERROR, str(error)
    return Outcome.ALLOWED, ""


def _of_function(probe: Probe, datasets: list[Dataset]) -> Iterator[Result]:
    """Yield what the trusted function tries with its own role; all of it has to be denied."""
    pooled, siloed = datasets[0], next(dataset for dataset in datasets if dataset.siloed)
    good = probe.request(pooled.id)
    tag = good["Tags"][0]
    other = {"Key": "other", "Value": "x"}
    own_source = f"tenkacloud-{probe.deployment.environment}"
    requests: dict[str, dict[str, Any]] = {
        "without a tag": {"Tags": [], "TransitiveTagKeys": []},
        "with an empty tag": {"Tags": [{**tag, "Value": ""}]},
        "with a second tag": {"Tags": [tag, other]},
        "with another tag": {"Tags": [other], "TransitiveTagKeys": ["other"]},
        "with a tag that is not transitive": {"TransitiveTagKeys": []},
        "without a source identity": {"SourceIdentity": None},
        "with a foreign source identity": {"SourceIdentity": f"x-{own_source}-problem-data"},
        **{
            f"with the tag {value!a}": {"Tags": [{**tag, "Value": value}]}
            for value in (
                f"{pooled.id}/seed", f"{pooled.id}.", f"{pooled.id}:", f"{pooled.id}=", f"{pooled.id}+",
                f"{pooled.id}@", f"{pooled.id} ", "*", "?", f"{pooled.id}\n", "${aws:username}",
            )
        },
    }  # fmt: skip
    for name, changes in requests.items():
        wanted = {name: value for name, value in {**good, **changes}.items() if value is not None}
        answer = probe.call("sts", "assume_role", wanted)
        yield _denied(probe, "sts", f"AssumeRole {name}", answer, DENIED_CODES | _INVALID_CODES)
    deployment, secret = probe.deployment, SEED_KEY
    items, records = deployment.data_table_name, deployment.table_name
    for name, service, method, arguments in (
        ("GetObject, pool", "s3", "get_object", {"Bucket": pooled.bucket, "Key": pooled.key(secret)}),
        ("GetObject, silo", "s3", "get_object", {"Bucket": siloed.bucket, "Key": siloed.key(secret)}),
        ("ListObjectsV2", "s3", "list_objects_v2", {"Bucket": pooled.bucket, "Prefix": pooled.prefix}),
        ("ListBuckets", "s3", "list_buckets", {}),
        ("GetItem", "dynamodb", "get_item", {"TableName": items, "Key": pooled.item_key()}),
        ("GetItem of a record", "dynamodb", "get_item",
         {"TableName": records, "Key": pooled.item_key("METADATA")}),
        ("Scan", "dynamodb", "scan", {"TableName": items}),
    ):  # fmt: skip
        yield _denied(probe, service, name, probe.call(service, method, arguments), DENIED_CODES)


def _denied(
    probe: Probe, service: str, name: str, answer: dict[str, str] | Denial, codes: Iterable[str]
) -> Result:
    outcome, detail = Outcome.ALLOWED, ""
    if isinstance(answer, Denial):
        denied = answer.code in codes
        outcome, detail = (Outcome.DENIED, "") if denied else (Outcome.ERROR, answer.message)
    return Result(
        service=service,
        name=f"{name} ({probe.service}'s own role)",
        mode=ROLE_ALONE if probe.service == PROBLEM_DATA else MAINTENANCE_ALONE,
        actor=probe.service,
        dataset="",
        expected=Outcome.DENIED.value,
        outcome=outcome.value,
        detail=detail,
    )
