"""Do a tenant's record, its resources and their policies agree? And putting right what does not."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from scripts.operator.environment import Environment
from scripts.operator.tenants import misfit, named_resources, seconds_in_flight
from scripts.verification import resources
from scripts.verification.flow import reconciling
from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import METADATA, TENANT_PREFIX, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.record import Tenant
from tenkacloud.tenants.validation import TenantId, parse_tenant_id

WORKERS: Final = 8
WINDOW: Final = 4 * WORKERS  # tenants taken ahead of the one whose finding is next
NO_RECORD: Final = "NO RECORD"
REPAIRED: Final = "repaired"
#: How long a repair may bring nothing new, in seconds. Each tenant that is repaired begins it anew.
REPAIR_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5
_POOL: Final = names.pool_prefix(TenantId("")).removesuffix("//")  # where the prefixes of tenants are
_REQUESTED: Final = ("asked", "requested")  # the reconciler's answers where a repair was begun


@dataclass(frozen=True)
class Finding:
    """What was found of a tenant. `problems` is empty if all agrees; a FAILED tenant agrees with itself.

    `repair` says what became of a repair: `REPAIRED`, or why not; None if none was wanted.
    """

    tenant_id: str
    status: str
    problems: list[str] = field(default_factory=list)
    repair: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        repair = {} if self.repair is None else {"repair": self.repair}
        return {"tenantId": self.tenant_id, "status": self.status, "problems": self.problems, **repair}


def verify(environment: Environment, item: dict[str, Any], stuck_after: float) -> Finding:
    """Compare one record, in DynamoDB's JSON, with what there is. `stuck_after`: seconds."""
    tenant_id = item["PK"]["S"].removeprefix(TENANT_PREFIX)
    read = records.read(item)
    status = str(read.get("provisioningStatus"))
    problems = [*_of_indexes(item, status), *_of_age(item, stuck_after)]
    try:
        tenant = records.parse_tenant(Key(item["PK"]["S"]), read)
    except InvalidFieldError as error:
        # Known already where it is the reason of the failure.
        if status != ProvisioningStatus.FAILED:
            problems.append(f"record: {error}")
        return Finding(tenant_id, status, problems)
    problems += _of_history(environment, tenant)
    if status == ProvisioningStatus.COMPLETED:
        problems += _of_resources(environment, tenant, item)
    elif status == ProvisioningStatus.FAILED and not item.get("failureReason", {}).get("S"):
        problems.append("record: FAILED without a failureReason")
    return Finding(tenant_id, status, problems)


def verify_all(
    environment: Environment, items: Iterator[dict[str, Any]], stuck_after: float
) -> Iterator[Finding]:
    """Verify several at once; yield what is found, in their order.

    At most `WINDOW` items are taken before their findings are: the records of all tenants are never held.
    """
    under_way: deque[Future[Finding]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        for item in items:
            under_way.append(pool.submit(_verified, environment, item, stuck_after))
            if len(under_way) == WINDOW:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _verified(environment: Environment, item: dict[str, Any], stuck_after: float) -> Finding:
    """Verify one; what can't be read of it is a problem of this tenant, and stops none of the others."""
    try:
        return verify(environment, item, stuck_after)
    except ClientError as error:
        problem = error.response["Error"]["Code"]
    except BotoCoreError as error:
        problem = str(error)
    status = str(records.read(item).get("provisioningStatus"))
    return Finding(item["PK"]["S"].removeprefix(TENANT_PREFIX), status, [f"could not be verified: {problem}"])


def repair(
    environment: Environment, findings: Sequence[Finding], stuck_after: float, tell: Callable[[str], None]
) -> list[Finding]:
    """Have completed tenants put right; return each finding, with what became of its repair.

    Each repair is followed until its tenant is COMPLETED and all agrees. `tell` is called with one line when
    the repairs were requested, and for each tenant when it is known what became of it.

    Raises:
        CommandError: the reconciler can't be called.
    """
    outcomes: dict[str, str] = {}

    def end(tenant_id: str, outcome: str) -> None:
        outcomes[tenant_id] = outcome
        tell(f"{tenant_id}: {outcome}")

    wanted = [finding for finding in findings if finding.status == ProvisioningStatus.COMPLETED]
    ids = [finding.tenant_id for finding in wanted if _is_valid(finding.tenant_id)]
    answers = reconciling.repair(environment.deployment, environment.clients, ids)
    for finding in findings:
        answer = answers.get(finding.tenant_id) or _why_not_repairable(finding)
        if answer not in _REQUESTED:
            end(finding.tenant_id, f"not repaired: {answer}")
    under_way = {
        finding.tenant_id: finding for finding in findings if answers.get(finding.tenant_id) in _REQUESTED
    }
    if under_way:
        tell(f"{len(under_way)} repairs requested, waiting for them")
    quiet_until = time.monotonic() + REPAIR_SECONDS
    while under_way and time.monotonic() < quiet_until:
        time.sleep(_POLL_SECONDS)
        keys = [{"PK": {"S": f"{TENANT_PREFIX}{each}"}, "SK": {"S": METADATA}} for each in under_way]
        items = list(environment.records(keys))
        for item, now in zip(items, verify_all(environment, iter(items), stuck_after), strict=True):
            outcome = _outcome(item, now)
            under_way[now.tenant_id] = now
            if outcome:
                end(now.tenant_id, outcome)
                del under_way[now.tenant_id]
                quiet_until = time.monotonic() + REPAIR_SECONDS
    for tenant_id, last in under_way.items():
        still = "; ".join(last.problems) or f"it is {last.status}"
        end(tenant_id, f"not repaired within {REPAIR_SECONDS:.0f} s: {still}")
    return [replace(finding, repair=outcomes[finding.tenant_id]) for finding in findings]


def _is_valid(tenant_id: str) -> bool:
    try:
        parse_tenant_id("id", tenant_id)
    except InvalidFieldError:
        return False
    return True


def _why_not_repairable(finding: Finding) -> str:
    if finding.status == ProvisioningStatus.COMPLETED:
        return "the record is invalid"
    return f"it is {finding.status}, and only COMPLETED tenants are repaired"


def _outcome(item: dict[str, Any], now: Finding) -> str | None:
    """Say what became of a repair, by the record and what is found of it now; None while it goes on."""
    if now.status == ProvisioningStatus.FAILED:
        return f"not repaired: FAILED: {item.get('failureReason', {}).get('S')}"
    return REPAIRED if now.status == ProvisioningStatus.COMPLETED and not now.problems else None


def orphans(environment: Environment) -> Iterator[Finding]:
    """Yield resources that no record names: of tenants without a record, or whose record names others.

    Looks at the buckets whose names are those of silo buckets of this environment, and at the prefixes in the
    data bucket. Nothing is ever deleted here: after a restore of the table they may be all that is left of a
    tenant.

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
    return next((tag["Value"] for tag in tags if tag["Key"] == resources.TENANT_TAG), "")


def _unnamed(environment: Environment, kind: str, owners: dict[str, str]) -> Iterator[Finding]:
    """Yield those places that the records of their tenants do not name. `owners`: place → tenant id."""
    valid = sorted({owner for owner in owners.values() if _is_valid(owner)})
    keys = [{"PK": {"S": f"{TENANT_PREFIX}{owner}"}, "SK": {"S": METADATA}} for owner in valid]
    items = {item["PK"]["S"].removeprefix(TENANT_PREFIX): item for item in environment.records(keys)}
    what = "bucket" if kind == "dedicatedBucket" else f"prefix {environment.deployment.data_bucket_name}:"
    for place, owner in owners.items():
        item = items.get(owner)
        if not owner:
            yield Finding("", NO_RECORD, [f"{what} {place}: no tag names its tenant"])
        elif item is None:
            yield Finding(owner, NO_RECORD, [f"{what} {place}: its tenant has no record"])
        else:
            status = str(records.read(item).get("provisioningStatus"))
            named = named_resources(item)
            settled = status in (ProvisioningStatus.COMPLETED, ProvisioningStatus.FAILED)
            # A record that names nothing is on its way, or FAILED half-way: a retry takes the place.
            if settled and named and named.get(kind) != place:
                yield Finding(owner, status, [f"{what} {place}: its tenant's record names {named}"])


def _of_indexes(item: dict[str, Any], status: str) -> Iterator[str]:
    in_flight, failed = "GSI3PK" in item, "GSI4PK" in item
    pending = status == ProvisioningStatus.PENDING
    if (in_flight and not pending) != (status == ProvisioningStatus.PROVISIONING):
        yield f"index: in flight is {in_flight} of a tenant that is {status}"
    if failed != (status == ProvisioningStatus.FAILED) and not pending:
        yield f"index: failed is {failed} of a tenant that is {status}"


def _of_age(item: dict[str, Any], stuck_after: float) -> Iterator[str]:
    age = seconds_in_flight(item, datetime.now(UTC))
    if age is not None and age > stuck_after:
        yield f"stuck: in flight for {age:.0f} s"


def _of_history(environment: Environment, tenant: Tenant) -> Iterator[str]:
    lines = environment.history(tenant.id)
    # Whoever writes PENDING by hand leaves no line.
    last = lines[-1].get("to") if lines else None
    if lines and tenant.provisioning_status not in (last, ProvisioningStatus.PENDING):
        yield f"history: ends with {last}, the record is {tenant.provisioning_status}"


def _of_resources(environment: Environment, tenant: Tenant, item: dict[str, Any]) -> Iterator[str]:
    problem = misfit(item)
    if problem:
        yield problem
        return
    found = resources.problems_of_resources(
        environment.deployment,
        environment.clients.s3,
        tenant.id,
        tenant.slug,
        tenant.tier,
        named_resources(item),
    )
    yield from map(str, found)
