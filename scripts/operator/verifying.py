"""Do a tenant's record, its resources and their policies agree? And putting right what does not."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from scripts.operator import remains, steps
from scripts.operator.environment import Environment, Record, plain, tenant_id_in
from scripts.operator.tenants import FAILURES, misfit, named_resources, seconds_in_flight, why_failed
from scripts.verification import resources
from scripts.verification.flow import reconciling
from scripts.verification.resources import Problem, told
from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation import policies
from tenkacloud.isolation import resource_names as names
from tenkacloud.platform.clock import Clock
from tenkacloud.provisioners.log_group import OUTPUT as LOG_GROUP
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import BY_SLUG, DUE, FAILED, IN_FLIGHT, Key
from tenkacloud.tenants.lifecycle import FINAL, ProvisioningStatus
from tenkacloud.tenants.operations import (
    LEFTOVERS,
    OPERATION,
    OUTBOX,
    Operation,
    PhaseState,
    is_time,
    moment,
    parse_leftovers,
    parse_operation,
)
from tenkacloud.tenants.record import Tenant
from tenkacloud.tenants.validation import TenantId, TenantStatus, parse_tenant_id

WORKERS: Final = 8
WINDOW: Final = 4 * WORKERS  # tenants taken ahead of the one whose finding is next
NO_RECORD: Final = "NO RECORD"
REPAIRED: Final = "repaired"
NOT_REPAIRED: Final = "not repaired"
#: How long a repair may bring nothing new, in seconds. Each tenant that is repaired begins it anew.
REPAIR_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5
#: What a tombstone does not say any more.
_PERSONAL: Final = frozenset(
    {"name", "slug", "resources", "statusReason", "failureReason", LEFTOVERS, *BY_SLUG.attributes}
)
_POOL: Final = names.pool_prefix(TenantId("")).removesuffix("//")  # where the prefixes of tenants are
_REQUESTED: Final = ("asked", "requested")  # the answers where a repair was begun


@dataclass(frozen=True)
class Finding:
    """What was found of a tenant. `problems` is empty if all agrees; a FAILED tenant agrees with itself.

    `repair` says what became of a repair: `REPAIRED` or `NOT_REPAIRED`, `did` what it did or why not; None if
    none was wanted.
    """

    tenant_id: str
    status: str
    problems: list[Problem] = field(default_factory=list)
    repair: str | None = None
    did: str = ""

    def as_item(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        repair = {} if self.repair is None else {"repair": self.repair, "repairDetail": self.did}
        return {
            "tenantId": self.tenant_id or None,
            "provisioningStatus": self.status,
            "problems": [problem.as_json() for problem in self.problems],
            **repair,
        }


def verify(environment: Environment, item: Record, stuck_after: float | None, now: datetime) -> Finding:
    """Compare one record with what there is. `stuck_after`: seconds; None: nothing is stuck or overdue."""
    tenant_id = tenant_id_in(item)
    read = records.read(item)
    status = str(read.get("provisioningStatus"))
    problems, operation = list[Problem](), None
    try:
        operation = parse_operation(records.read(item, (OPERATION,)))
    except InvalidFieldError as error:
        problems.append(Problem("operation", text=str(error)))
    problems += [
        *_of_indexes(item, status, operation),
        *_of_age(item, stuck_after, now),
        *_of_leftovers(item),
    ]
    if _is_valid(tenant_id):
        problems += _of_deletion(environment, TenantId(tenant_id), item, operation)
    if is_deleted(item):
        return Finding(tenant_id, status, problems)
    try:
        tenant = records.parse_any_tenant(Key(item["PK"]["S"]), read)
    except InvalidFieldError as error:
        # Known already where it is the reason of the failure.
        if status != ProvisioningStatus.FAILED:
            problems.append(Problem("record", text=str(error)))
        return Finding(tenant_id, status, problems)
    problems += _of_history(environment, tenant)
    if status == ProvisioningStatus.COMPLETED:
        problems += _of_resources(environment, tenant, item)
    elif status in FAILURES and not why_failed(plain(item)):
        problems.append(Problem("record", text=f"{status} without a failureReason"))
    return Finding(tenant_id, status, problems)


def is_deleted(item: Record) -> bool:
    """Tell whether a record is that of a tenant that was deleted: its id is retired."""
    return item.get("status") == {"S": TenantStatus.DELETED.value}


def verify_all(
    environment: Environment, items: Iterator[Record], stuck_after: float | None, clock: Clock
) -> Iterator[Finding]:
    """Verify several at once; yield what is found, in their order.

    At most `WINDOW` items are taken before their findings are: the records of all tenants are never held.
    """
    under_way: deque[Future[Finding]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        for item in items:
            under_way.append(pool.submit(_verified, environment, item, stuck_after, clock.now()))
            if len(under_way) == WINDOW:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _verified(environment: Environment, item: Record, stuck_after: float | None, now: datetime) -> Finding:
    """Verify one; what can't be read of it is a problem of this tenant, and stops none of the others."""
    try:
        return verify(environment, item, stuck_after, now)
    except ClientError as error:
        problem = error.response["Error"]["Code"]
    except BotoCoreError as error:
        problem = str(error)
    status = str(records.read(item).get("provisioningStatus"))
    return Finding(tenant_id_in(item), status, [Problem("could not be verified", text=problem)])


def repairable(findings: Sequence[Finding]) -> list[Finding]:
    """Return those that a repair can put right."""
    return [finding for finding in findings if _why_not_repairable(finding) is None]


def repair(
    environment: Environment,
    findings: Sequence[Finding],
    stuck_after: float | None,
    clock: Clock,
    tell: Callable[[str], None],
) -> list[Finding]:
    """Have completed tenants put right; return each finding, with what became of its repair.

    Each repair is followed until its tenant is COMPLETED and all agrees. `tell` is called with one line when
    the repairs were requested, and for each tenant when it is known what became of it.

    Raises:
        CommandError: the function that repairs can't be called.
    """
    outcomes: dict[str, tuple[str, str]] = {}

    def end(tenant_id: str, outcome: str, did: str) -> None:
        outcomes[tenant_id] = outcome, did
        tell(f"{tenant_id}: {outcome}: {did}")

    ids = [finding.tenant_id for finding in repairable(findings)]
    answers = reconciling.repair(environment.deployment, environment.clients, ids)
    under_way: dict[str, Finding] = {}
    before = {finding.tenant_id: finding for finding in findings}
    for finding in findings:
        answer = _why_not_repairable(finding) or answers.get(
            finding.tenant_id, "the function that repairs did not answer"
        )
        if answer in _REQUESTED:
            under_way[finding.tenant_id] = finding
        else:
            end(finding.tenant_id, NOT_REPAIRED, answer)
    if under_way:
        tell(f"{len(under_way)} repairs requested, waiting for them")
    quiet_until = clock.now() + timedelta(seconds=REPAIR_SECONDS)
    while under_way and clock.now() < quiet_until:
        clock.sleep(_POLL_SECONDS)
        items = list(environment.records([Key.of(TenantId(tenant_id)) for tenant_id in under_way]))
        for item, now in zip(items, verify_all(environment, iter(items), stuck_after, clock), strict=True):
            under_way[now.tenant_id] = now
            ended = _ended(item, before[now.tenant_id], now)
            if ended:
                end(now.tenant_id, *ended)
                del under_way[now.tenant_id]
                quiet_until = clock.now() + timedelta(seconds=REPAIR_SECONDS)
    for tenant_id, last in under_way.items():
        still = "; ".join(map(str, last.problems)) or f"it is {last.status}"
        end(tenant_id, NOT_REPAIRED, f"within {REPAIR_SECONDS:.0f} s: {still}")
    return [
        replace(finding, repair=outcomes[finding.tenant_id][0], did=outcomes[finding.tenant_id][1])
        for finding in findings
    ]


def _is_valid(tenant_id: str) -> bool:
    try:
        parse_tenant_id("id", tenant_id)
    except InvalidFieldError:
        return False
    return True


def _why_not_repairable(finding: Finding) -> str | None:
    if finding.status != ProvisioningStatus.COMPLETED:
        return f"it is {finding.status}, and only COMPLETED tenants are repaired"
    return None if _is_valid(finding.tenant_id) else "the record is invalid"


def _ended(item: Record, before: Finding, now: Finding) -> tuple[str, str] | None:
    """Say what became of a repair, by the record and what is found of it now; None while it goes on."""
    if now.status == ProvisioningStatus.FAILED:
        return NOT_REPAIRED, f"FAILED: {item.get('failureReason', {}).get('S')}"
    if now.status != ProvisioningStatus.COMPLETED or now.problems:
        return None
    return REPAIRED, "; ".join(_mended(problem) for problem in before.problems)


def _mended(problem: Problem) -> str:
    """Say what was done about a problem that is no longer there."""
    if problem.wanted is None or problem.text:
        return f"{problem.what} put right"
    return f"{problem.what}: {told(problem.actual)} → {told(problem.wanted)}"


def orphans(environment: Environment) -> Iterator[Finding]:
    """Yield resources that no record names: of tenants without a record, or whose record names others.

    Looks at the buckets whose names are those of silo buckets of this environment, at the prefixes in the
    data bucket, and at the tenants' log groups. Nothing is ever deleted here: after a restore of the table
    they may be all that is left of a tenant.

    Raises:
        botocore.exceptions.ClientError: they can't be listed.
    """
    for page in _silo_buckets(environment):
        yield from _unnamed(environment, "dedicatedBucket", page)
    pages = environment.clients.s3.get_paginator("list_objects_v2").paginate(
        Bucket=environment.deployment.data_bucket_name,
        Prefix=f"{_POOL}/",
        Delimiter="/",
        ExpectedBucketOwner=environment.deployment.account_id,
    )
    for found in pages:
        prefixes = [each["Prefix"] for each in found.get("CommonPrefixes", [])]
        owners = {prefix: prefix.removeprefix(f"{_POOL}/").removesuffix("/") for prefix in prefixes}
        yield from _unnamed(environment, "s3Prefix", owners)
    start = f"/tenkacloud/{environment.name}/tenants/"
    for groups in environment.clients.logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=start
    ):
        names_of_groups = [each["logGroupName"] for each in groups["logGroups"]]
        yield from _unnamed(
            environment, LOG_GROUP, {name: name.removeprefix(start) for name in names_of_groups}
        )


def _silo_buckets(environment: Environment) -> Iterator[dict[str, str]]:
    """Yield the silo buckets of the environment in pages, each with the tenant that its tag names, or ""."""
    s3 = environment.clients.s3
    start = f"tenkacloud-{environment.deployment.environment}-silo-"
    for page in s3.get_paginator("list_buckets").paginate(Prefix=start, PaginationConfig={"PageSize": 1000}):
        # An endpoint that knows no Prefix lists all.
        buckets = [each["Name"] for each in page["Buckets"] if each["Name"].startswith(start)]
        with ThreadPoolExecutor(WORKERS) as pool:
            owners = pool.map(lambda bucket: _tagged(environment, bucket), buckets)
            yield dict(zip(buckets, owners, strict=True))


def _tagged(environment: Environment, bucket: str) -> str:
    try:
        tags = environment.clients.s3.get_bucket_tagging(
            Bucket=bucket, ExpectedBucketOwner=environment.deployment.account_id
        )["TagSet"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchTagSet", "NoSuchBucket", "AccessDenied"):
            raise
        return ""
    return next((tag["Value"] for tag in tags if tag["Key"] == policies.TENANT_TAG), "")


def _unnamed(environment: Environment, kind: str, owners: dict[str, str]) -> Iterator[Finding]:
    """Yield those places that the records of their tenants do not name. `owners`: place → tenant id."""
    valid = sorted({owner for owner in owners.values() if _is_valid(owner)})
    keys = [Key.of(TenantId(owner)) for owner in valid]
    items = {tenant_id_in(item): item for item in environment.records(keys)}
    kinds = {"dedicatedBucket": "bucket", LOG_GROUP: "log group"}
    what = kinds.get(kind, f"prefix {environment.deployment.data_bucket_name}:")
    for place, owner in owners.items():
        item = items.get(owner)
        if not owner:
            yield Finding("", NO_RECORD, [Problem(f"{what} {place}", text="no tag names its tenant")])
        elif item is None:
            yield Finding(owner, NO_RECORD, [Problem(f"{what} {place}", text="its tenant has no record")])
        elif problem := _why_unnamed(item, kind, place, f"{what} {place}"):
            yield Finding(owner, str(records.read(item).get("provisioningStatus")), [problem])


def _why_unnamed(item: Record, kind: str, place: str, what: str) -> Problem | None:
    """Return what is wrong with a place, by the record of its tenant; None if that names it."""
    if is_deleted(item) and OPERATION not in item:
        return Problem(what, {kind: place}, text="its tenant was deleted")
    named = named_resources(item)
    # A record that names nothing is on its way, or FAILED half-way: a retry takes the place.
    at_rest = records.read(item).get("provisioningStatus") in FINAL
    if not at_rest or not named or (kind, place) in places_named(item):
        return None
    return Problem(what, {kind: place}, named, text=f"its tenant's record names {named}")


def places_named(item: Record) -> set[tuple[str, str]]:
    """Return all that a record names as its tenant's, as name and value: also places on the way."""
    record = plain(item)
    operation = record.get(OPERATION)
    maps = [record.get("resources"), *_listed(record.get(LEFTOVERS))]
    if isinstance(operation, dict):
        maps += [operation.get("from"), operation.get("to"), *_listed(operation.get("places"))]
    return {
        (name, value)
        for each in maps
        if isinstance(each, dict)
        for name, value in each.items()
        if isinstance(value, str)
    }


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _of_indexes(item: Record, status: str, operation: Operation | None) -> Iterator[Problem]:
    pending = status == ProvisioningStatus.PENDING
    under_way = operation is not None and operation.is_under_way
    failed = status in FAILURES or (operation is not None and operation.state is PhaseState.FAILED)
    provisioning = status == ProvisioningStatus.PROVISIONING
    what = f"a tenant that is {status}"
    if operation is not None:
        what = f"{what}, with {operation.kind} {operation.phase} {operation.state}"
    # A PENDING tenant may be there or not, and what is still to be published always is.
    wanted = {
        IN_FLIGHT: provisioning or under_way or OUTBOX in item,
        FAILED: failed,
        DUE: _is_due(item, operation),
    }
    for index, expected in wanted.items():
        there = index.partition in item
        if there != expected and not (pending and index is not DUE):
            yield Problem(f"index {index.name}, for {what}", there, expected)


def _is_due(item: Record, operation: Operation | None) -> bool:
    """Tell whether something of a tenant is due later. Leftovers wait until no operation is there."""
    if operation is not None:
        return operation.state is PhaseState.WAITING
    leftovers = item.get(LEFTOVERS, {}).get("L", [])
    return any("retireAfter" in each.get("M", {}) for each in leftovers)


def _of_age(item: Record, stuck_after: float | None, now: datetime) -> Iterator[Problem]:
    if stuck_after is None:
        return
    age = seconds_in_flight(item, now)
    if age is not None and age > stuck_after:
        text = f"in flight for {age:.0f} s, wanted at most {stuck_after:.0f} s"
        yield Problem("stuck", round(age), round(stuck_after), text=text)
    due = item.get(DUE.sort, {}).get("S")
    if due is None:
        return
    if not is_time(due):
        yield Problem("due", due, text=f"{due!r} is no time")
    elif (late := (now - moment(due)).total_seconds()) > stuck_after:
        yield Problem("overdue", due, text=f"due since {due}, {late:.0f} s ago: does the reconciler run?")


def _of_deletion(
    environment: Environment, tenant_id: TenantId, item: Record, operation: Operation | None
) -> Iterator[Problem]:
    """Yield what is wrong with a tombstone, or with a record that took the place of one."""
    certificate = environment.certificate(tenant_id)
    if not is_deleted(item):
        if certificate is not None:
            text = "its id is retired: the tenant was deleted, and there is a certificate of that"
            yield Problem("record over a tombstone", str(item.get("status", {}).get("S")), "DELETED", text)
        return
    if certificate is None:
        yield Problem("certificate of the deletion", None, "present")
    # Of what came back and can't be purged, the record says why.
    allowed = set() if operation is None else {"failureReason"}
    personal = sorted(_PERSONAL & item.keys() - allowed)
    if personal:
        yield Problem("tombstone", personal, [], text=f"still has {', '.join(personal)}")
    # While a purge is under way again, something may be there.
    if operation is None:
        yield from remains.of(environment, tenant_id, certificate or {})


def _of_leftovers(item: Record) -> Iterator[Problem]:
    try:
        leftovers = parse_leftovers(records.read(item, (LEFTOVERS,)))
    except InvalidFieldError as error:
        yield Problem("leftovers", text=str(error))
        return
    for leftover in leftovers:
        if leftover.kept is not None:
            what = f"place {leftover.place.name}, which the tenant has left"
            yield Problem(what, leftover.place.as_resources(), text=f"kept: {leftover.kept}")


def _of_history(environment: Environment, tenant: Tenant) -> Iterator[Problem]:
    # Others tell of the status, the tier and the phases of operations.
    lines = [line for line in environment.history(tenant.id) if "attribute" not in line]
    # Whoever writes PENDING by hand leaves no line.
    last = lines[-1].get("to") if lines else None
    if lines and tenant.provisioning_status not in (last, ProvisioningStatus.PENDING):
        yield Problem("last status in the history", last, tenant.provisioning_status.value)


def _of_resources(environment: Environment, tenant: Tenant, item: Record) -> Iterator[Problem]:
    problem = misfit(item)
    if problem:
        what, _, text = problem.partition(": ")
        yield Problem(what, named_resources(item), text=text)
        return
    found = list(
        resources.problems_of_resources(
            environment.deployment,
            environment.clients.s3,
            tenant.id,
            tenant.slug,
            tenant.tier,
            named_resources(item),
        )
    )
    yield from found
    # Of the place itself it is told once, with what there is beside what is wanted.
    of_place = ("step pool-prefix", "step silo-bucket")
    yield from (
        problem
        for problem in steps.problems(environment, tenant)
        if not found or problem.what not in of_place
    )
