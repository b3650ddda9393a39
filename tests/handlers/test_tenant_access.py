"""Token vending: who gets a session, how it is requested, and how long it is kept.

What a session may do is IAM's to say: `make prove`, and the isolation matrix of `make e2e`.
"""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.errors import InvalidFieldError, TenantDeniedError, TenantReadOnlyError
from tenkacloud.isolation.context import TenantContext
from tenkacloud.isolation.maintenance import MaintenanceAccess, MaintenanceSettings, MaintenanceVendor
from tenkacloud.isolation.places import Place, pool_place, silo_place
from tenkacloud.isolation.policies import (
    MaintenanceScope,
    SessionScope,
    maintenance_session_policy,
    session_policy,
)
from tenkacloud.isolation.sessions import (
    MARGIN,
    SESSION_DURATION,
    TenantAccess,
    TenantSession,
    Vendor,
    session_name,
)
from tenkacloud.platform.clients import CLIENT_CONFIG, Clients, SessionCredentials
from tenkacloud.platform.settings import read
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.validation import TENANT_ID_PATTERN, TenantId, Tier
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, DATA_TABLE, REGION, ROLE, TABLE, Cloud
from tests.handlers.faults import error
from tests.settings import ENVIRONMENT, EXPORTS_BUCKET, FUNCTION_NAME, MAINTENANCE_ROLE
from tests.support import Context

SCOPE = SessionScope(
    partition="aws",
    region=REGION,
    account_id=ACCOUNT,
    table_name=TABLE,
    data_table_name=DATA_TABLE,
    data_bucket=DATA_BUCKET,
)
POOLED = {"M": {"s3Prefix": {"S": "tenants/whatever/"}}}


class Sts:
    """STS with a clock of our own, which keeps what was requested of it."""

    def __init__(self, client: Any) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.requests: list[dict[str, Any]] = []
        self._client = client
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def assume_role(self, **request: Any) -> Any:
        answer: Any = self._client.assume_role(**request)
        answer["Credentials"]["Expiration"] = self.time + timedelta(seconds=request["DurationSeconds"])
        with self._lock:
            self.requests.append(request)
        return answer


class AccessClients(Clients):
    """Clients of moto, with an STS of ours; the DynamoDB of a session that was revoked denies all."""

    def __init__(self, sts: Sts) -> None:
        self.fake: Any = sts
        self.regions: list[str] = []
        self.revoked: set[str] = set()  # access keys
        self.reads: list[dict[str, Any]] = []

    def sts(self, region: str) -> Any:
        self.regions.append(region)
        return self.fake

    def session(self, credentials: SessionCredentials, region: str) -> boto3.Session:
        session = super().session(credentials, region)
        session.events.register("provide-client-params.dynamodb.GetItem", self._read(credentials))
        return session

    def _read(self, credentials: SessionCredentials) -> Callable[..., None]:
        def read(params: dict[str, Any], **_: Any) -> None:
            self.reads.append(params)
            if credentials.access_key_id in self.revoked:
                raise error("AccessDeniedException", "GetItem")

        return read


@pytest.fixture
def sts(cloud: Cloud) -> Sts:
    return Sts(cloud.clients.sts(REGION))


@pytest.fixture
def vending(sts: Sts) -> AccessClients:
    return AccessClients(sts)


def access_of(sts: Sts, clients: AccessClients | None = None, **arguments: Any) -> TenantAccess:
    return TenantAccess(clients or AccessClients(sts), Vendor(ROLE, "the-service", SCOPE), sts, **arguments)


@pytest.fixture
def access(sts: Sts, vending: AccessClients) -> TenantAccess:
    return access_of(sts, vending)


def revoke(clients: AccessClients, session: TenantSession) -> None:
    """Let AWS deny what this session requests from now on."""
    credentials = session.boto3.get_credentials()
    assert credentials is not None
    clients.revoked.add(credentials.access_key)


def tenant(tenant_id: str) -> TenantContext:
    return TenantContext(TenantId(tenant_id))


def test_a_session_is_requested_with_the_tag_and_the_literal_policy(
    cloud: Cloud, sts: Sts, access: TenantAccess
) -> None:
    cloud.put("a", resources=POOLED)
    session = access.session(tenant("a"))
    (request,) = sts.requests
    policy = request.pop("Policy")
    assert json.loads(policy) == session_policy(TenantId("a"), SCOPE)
    assert " " not in policy  # STS counts blanks, too
    assert request == {
        "RoleArn": ROLE,
        "RoleSessionName": "tenant=a",
        "SourceIdentity": "the-service",
        "Tags": [{"Key": "tenantId", "Value": "a"}],
        "TransitiveTagKeys": ["tenantId"],
        "DurationSeconds": 3600,
    }
    assert session.tenant_id == "a"
    assert session.key("x") == "tenants/a/x"
    assert session.bucket_arguments == {"Bucket": DATA_BUCKET, "ExpectedBucketOwner": ACCOUNT}
    assert (session.table_name, session.partition_key) == (DATA_TABLE, "TENANT#a")
    caller = session.boto3.client("sts").get_caller_identity()["Arn"]
    assert caller == f"arn:aws:sts::{ACCOUNT}:assumed-role/tenkacloud-test-tenant-access/tenant=a"


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov"])
def test_a_function_vends_by_its_settings(
    cloud: Cloud, sts: Sts, vending: AccessClients, partition: str
) -> None:
    cloud.put("a", resources=POOLED)
    role = ROLE.replace("arn:aws:", f"arn:{partition}:")
    function = cloud.function(
        "problem-data", vending, TENANT_ACCESS_ROLE_ARN=role, AWS_LAMBDA_FUNCTION_NAME="the-service"
    )
    claims = {"authorizer": {"jwt": {"claims": {"custom:tenantId": "a"}}}}
    event = {"version": "2.0", "routeKey": "GET /problems", "requestContext": claims}
    assert function(event, Context())["statusCode"] == 200
    assert vending.regions == [REGION]
    (request,) = sts.requests
    scope = replace(SCOPE, partition=partition)
    assert (request["RoleArn"], request["SourceIdentity"]) == (role, "the-service")
    assert json.loads(request["Policy"]) == session_policy(TenantId("a"), scope)


def test_the_clients_of_a_session_are_of_its_region_and_give_up_in_time(cloud: Cloud, sts: Sts) -> None:
    cloud.put("a", resources=POOLED)
    elsewhere = replace(SCOPE, region="eu-west-1")
    vended = TenantAccess(AccessClients(sts), Vendor(ROLE, "the-service", elsewhere), sts)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):  # no table is there
        vended.session(tenant("a"))
    session = access_of(sts).session(tenant("a"))
    assert session.boto3.region_name == REGION
    clients: list[Any] = [session.s3, session.dynamodb]
    wanted: Any = CLIENT_CONFIG
    for client in clients:
        assert client.meta.region_name == REGION
        assert client.meta.config.connect_timeout == wanted.connect_timeout
        assert client.meta.config.read_timeout == wanted.read_timeout
        assert client.meta.config.retries["total_max_attempts"] == 3


def test_service_models_are_read_once_for_all_sessions(cloud: Cloud, access: TenantAccess) -> None:
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id, resources=POOLED)
    one, other = (
        access.session(tenant(tenant_id)).boto3._session.get_component("data_loader")
        for tenant_id in ("a", "b")
    )
    # A loader keeps what it has read
    assert one is other


def test_the_record_is_read_as_it_is_now(cloud: Cloud, access: TenantAccess, vending: AccessClients) -> None:
    cloud.put("a", resources=POOLED)
    for _ in range(2):
        access.session(tenant("a"))
    assert [read["ConsistentRead"] for read in vending.reads] == [True, True]


def test_the_resources_of_the_record_do_not_choose_the_prefix(cloud: Cloud, access: TenantAccess) -> None:
    cloud.put("a", resources={"M": {"s3Prefix": {"S": "tenants/b/"}}})
    assert access.session(tenant("a")).key("x") == "tenants/a/x"


def test_a_siloed_tenant_gets_its_own_bucket(cloud: Cloud, sts: Sts, access: TenantAccess) -> None:
    cloud.put("s", resources={"M": {"dedicatedBucket": {"S": "the-silo"}}})
    session = access.session(tenant("s"))
    assert session.key("x") == "x"
    assert session.bucket_arguments["Bucket"] == "the-silo"
    objects = json.loads(sts.requests[-1]["Policy"])["Statement"][0]
    assert objects["Resource"] == "arn:aws:s3:::the-silo/*"
    # The first call only finds out where its bucket is; after that, none is needed.
    access.session(tenant("s"))
    assert len(sts.requests) == 2


def test_a_tenant_that_moves_gets_a_session_for_its_new_place(
    cloud: Cloud, sts: Sts, access: TenantAccess
) -> None:
    cloud.put("m", resources=POOLED)
    access.session(tenant("m"))
    cloud.update("m", resources={"M": {"dedicatedBucket": {"S": "the-silo"}}})
    assert access.session(tenant("m")).scope.bucket == "the-silo"
    cloud.update("m", resources=POOLED)
    assert access.session(tenant("m")).scope.bucket == DATA_BUCKET
    assert len(sts.requests) == 3


def test_a_session_is_kept_until_shortly_before_it_ends(cloud: Cloud, sts: Sts, access: TenantAccess) -> None:
    cloud.put("a", resources=POOLED)
    first = access.session(tenant("a"))
    sts.time += SESSION_DURATION - MARGIN - timedelta(seconds=1)
    assert access.session(tenant("a")) is first
    sts.time += timedelta(seconds=1)
    second = access.session(tenant("a"))
    assert second is not first
    assert second.expires_at - sts.time == SESSION_DURATION
    assert len(sts.requests) == 2


def test_what_is_kept_is_bounded_and_the_least_used_goes_first(cloud: Cloud, sts: Sts) -> None:
    access = access_of(sts, max_sessions=1, max_credentials=2)
    for tenant_id in ("a", "b", "c"):
        cloud.put(tenant_id, resources=POOLED)

    def requested(*wanted: str) -> list[str]:
        before = len(sts.requests)
        for tenant_id in wanted:
            assert access.session(tenant(tenant_id)).tenant_id == tenant_id
        return [request["RoleSessionName"].removeprefix("tenant=") for request in sts.requests[before:]]

    assert requested("a", "b") == ["a", "b"]
    # The clients of a had to go, its credentials did not
    first = access.session(tenant("b"))
    assert requested("a") == []
    assert access.session(tenant("b")) is not first
    assert requested("a", "c") == ["c"]  # b goes
    assert requested("a", "b") == ["b"]


def test_a_siloed_tenant_whose_clients_had_to_go_costs_no_call(cloud: Cloud, sts: Sts) -> None:
    access = access_of(sts, max_sessions=1, max_credentials=2)
    cloud.put("s", resources={"M": {"dedicatedBucket": {"S": "the-silo"}}})
    cloud.put("a", resources=POOLED)
    for tenant_id in ("s", "a"):
        access.session(tenant(tenant_id))
    before = len(sts.requests)
    assert access.session(tenant("s")).scope.bucket == "the-silo"
    assert len(sts.requests) == before


def test_a_tenant_that_moves_is_served_though_its_credentials_had_to_go(cloud: Cloud, sts: Sts) -> None:
    access = access_of(sts, max_sessions=2, max_credentials=1)
    for tenant_id in ("m", "a"):
        cloud.put(tenant_id, resources=POOLED)
        access.session(tenant(tenant_id))
    cloud.update("m", resources={"M": {"dedicatedBucket": {"S": "the-silo"}}})
    assert access.session(tenant("m")).scope.bucket == "the-silo"


def test_no_thread_gets_a_session_of_another_tenant(cloud: Cloud, sts: Sts) -> None:
    access = access_of(
        sts, max_sessions=2, max_credentials=3
    )  # fewer than tenants, so that they push each other out
    ids = ["a", "ab", "a-b", "A", "aa"]
    for tenant_id in ids:
        cloud.put(tenant_id, resources=POOLED)
    barrier = threading.Barrier(len(ids) * 2)

    def ask(number: int) -> list[tuple[str, str]]:
        barrier.wait(30)
        wanted = [ids[(number + step) % len(ids)] for step in range(20)]
        return [(tenant_id, access.session(tenant(tenant_id)).tenant_id) for tenant_id in wanted]

    with ThreadPoolExecutor(len(ids) * 2) as pool:
        for pairs in pool.map(ask, range(len(ids) * 2)):
            assert all(wanted == got for wanted, got in pairs)
    for request in sts.requests:
        (tag,) = request["Tags"]
        assert request["RoleSessionName"] == f"tenant={tag['Value']}"
        assert f"tenants/{tag['Value']}/*" in request["Policy"]


def test_requests_of_one_tenant_that_come_together_call_sts_once(
    cloud: Cloud, sts: Sts, access: TenantAccess
) -> None:
    cloud.put("a", resources=POOLED)
    barrier = threading.Barrier(8)

    def ask(_: int) -> object:
        barrier.wait(30)
        return access.session(tenant("a"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1
    assert len(sts.requests) == 1


@pytest.mark.parametrize("status", ["SUSPENDED", "OFFBOARDING", "DELETED", "active", "A\nB"])
def test_a_tenant_that_is_not_active_is_denied_from_the_next_request_on(
    cloud: Cloud, access: TenantAccess, status: str
) -> None:
    cloud.put("a", resources=POOLED, status={"S": "ACTIVE"})
    access.session(tenant("a"))
    cloud.update("a", status={"S": status})
    with pytest.raises(TenantDeniedError, match=re.escape(f"tenant 'a' is {status!r}, not ACTIVE")):
        access.session(tenant("a"))
    cloud.update("a", status={"S": "ACTIVE"})
    access.session(tenant("a"))


def test_an_unknown_tenant_is_denied(access: TenantAccess) -> None:
    with pytest.raises(TenantDeniedError, match="tenant 'nobody' is unknown"):
        access.session(tenant("nobody"))


#: A value of every type that DynamoDB has, but the strings.
WRONG_TYPES = [
    {"NULL": True},
    {"BOOL": True},
    {"BOOL": False},
    {"N": "1"},
    {"B": b"ACTIVE"},
    {"SS": ["ACTIVE"]},
    {"NS": ["1"]},
    {"BS": [b"ACTIVE"]},
    {"L": []},
    {"L": [{"S": "ACTIVE"}]},
    {"M": {}},
    {"M": {"S": {"S": "ACTIVE"}}},
]


def denial(access: TenantAccess, tenant_id: str) -> str | None:
    """Return why a tenant is denied, None if it is let in."""
    try:
        access.session(tenant(tenant_id))
    except TenantDeniedError as error:
        return str(error)
    return None


@pytest.mark.parametrize("attribute", ["status", "tier", "provisioningStatus"])
def test_a_record_with_an_attribute_of_the_wrong_type_lets_nobody_in(
    cloud: Cloud, access: TenantAccess, attribute: str
) -> None:
    cloud.put("a", resources=POOLED)
    assert denial(access, "a") is None
    let_in = []
    for value in [*WRONG_TYPES, {"S": ""}, {"S": "GOLD"}, {"S": "active"}, {"S": "pro"}, {"S": "completed"}]:
        cloud.put("a", **{"resources": POOLED, attribute: value})
        if denial(access, "a") is None:
            let_in.append(value)
    assert let_in == []


def test_a_record_in_doubt_is_told_by_the_attribute(cloud: Cloud, access: TenantAccess) -> None:
    cloud.put("a", resources=POOLED, tier={"S": "GOLD"})
    assert denial(access, "a") == "tenant 'a' has a record in doubt: its tier is 'GOLD'"
    cloud.put("a", resources=POOLED, provisioningStatus={"NULL": True})
    assert denial(access, "a") == "tenant 'a' has a record in doubt: its provisioningStatus is null"
    cloud.put("a", resources=POOLED, status={"N": "1"})
    assert denial(access, "a") == "tenant 'a' is Decimal('1'), not ACTIVE"


def test_a_record_that_lacks_what_every_provisioned_tenant_has_lets_nobody_in(
    cloud: Cloud, access: TenantAccess
) -> None:
    for attribute in ("tier", "provisioningStatus", "resources"):
        cloud.put("a", **{"resources": POOLED, attribute: None})
        assert denial(access, "a"), attribute


def test_a_tenant_with_resources_is_served_while_it_is_provisioned_anew(
    cloud: Cloud, access: TenantAccess
) -> None:
    for tier in Tier:
        for status in ProvisioningStatus:
            cloud.put("a", resources=POOLED, tier={"S": tier}, provisioningStatus={"S": status})
            assert access.session(tenant("a")).key("x") == "tenants/a/x"


def test_resources_in_doubt_let_nobody_in(cloud: Cloud, access: TenantAccess) -> None:
    prefix, bucket = {"S": "tenants/a/"}, {"S": "the-silo"}
    doubtful: list[Any] = [
        None,
        *WRONG_TYPES,
        prefix,
        *({"M": {name: value}} for name in ("s3Prefix", "dedicatedBucket") for value in WRONG_TYPES),
        # Which of the two it is
        *({"M": {"s3Prefix": prefix, "dedicatedBucket": value}} for value in [*WRONG_TYPES, bucket]),
        *({"M": {"s3Prefix": value, "dedicatedBucket": bucket}} for value in WRONG_TYPES),
        {"M": {"s3Prefix": {"S": ""}}},
        # No names of buckets
        *(
            {"M": {"dedicatedBucket": {"S": name}}}
            for name in (
                "",
                "ab",
                "a" * 64,
                "*",
                "a/b",
                "a b",
                "Abc",
                "-abc",
                "abc-",
                "abc\n",
                "abc*",
                "${x}",
            )
        ),
    ]
    let_in = []
    for resources in doubtful:
        cloud.put("a", resources=resources)
        why = denial(access, "a")
        if why != "tenant 'a' has no resources; its provisioningStatus is 'PENDING'":
            let_in.append((resources, why))
    assert let_in == []


def test_what_provisioners_put_beside_the_place_is_no_matter(cloud: Cloud, access: TenantAccess) -> None:
    cloud.put("s", resources={"M": {"dedicatedBucket": {"S": "the-silo"}, "logGroup": {"S": "/x"}}})
    assert access.session(tenant("s")).scope.bucket == "the-silo"
    cloud.put("a", resources={"M": {**POOLED["M"], "logGroup": {"NULL": True}}})
    assert access.session(tenant("a")).key("x") == "tenants/a/x"


def operation(phase: str, state: str, kind: str = "CHANGE_TIER") -> dict[str, Any]:
    """Return an operation as a record has it."""
    texts = {"id": "0" * 32, "kind": kind, "phase": phase, "state": state, "requestedBy": "somebody"}
    return {"M": {**{name: {"S": text} for name, text in texts.items()}, "attempt": {"N": "1"}}}


@pytest.mark.parametrize("resources", [POOLED, {"M": {"dedicatedBucket": {"S": "the-silo"}}}])
@pytest.mark.parametrize("state", ["REQUESTED", "RUNNING"])
def test_while_a_move_ends_sessions_cannot_write_objects_and_no_older_one_is_used(
    cloud: Cloud, sts: Sts, access: TenantAccess, resources: Any, state: str
) -> None:
    cloud.put("a", resources=resources)
    before = access.session(tenant("a"))
    before.require_writable()
    cloud.update("a", operation=operation("CUTOVER", state))
    fenced = access.session(tenant("a"))
    assert fenced is not before
    assert fenced.scope == replace(before.scope, read_only=True)
    assert json.loads(sts.requests[-1]["Policy"]) == session_policy(TenantId("a"), fenced.scope)
    with pytest.raises(TenantReadOnlyError, match="the files of tenant 'a' are being moved"):
        fenced.require_writable()
    # Kept like any other, and gone as soon as the fence is
    requested = len(sts.requests)
    assert access.session(tenant("a")) is fenced
    assert len(sts.requests) == requested
    cloud.update("a", operation=operation("ROLLBACK", "REQUESTED"))
    after = access.session(tenant("a"))
    assert after is not fenced
    after.require_writable()


def test_credentials_of_before_the_fence_are_not_used_though_their_clients_had_to_go(
    cloud: Cloud, sts: Sts
) -> None:
    access = access_of(sts, max_sessions=1, max_credentials=5)
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id, resources=POOLED)
        access.session(tenant(tenant_id))
    cloud.update("a", operation=operation("CUTOVER", "RUNNING"))
    assert access.session(tenant("a")).scope.read_only
    assert '"s3:PutObject"' not in sts.requests[-1]["Policy"]


@pytest.mark.parametrize(
    ("kind", "phase", "state"),
    [
        *(("CHANGE_TIER", phase, "RUNNING") for phase in ("COPY", "ROLLBACK", "RETIRE")),
        *(("CHANGE_TIER", "CUTOVER", state) for state in ("FAILED", "WAITING")),
        ("EXPORT", "EXPORT", "RUNNING"),
        ("OFFBOARD", "RETAIN", "WAITING"),
    ],
)
def test_no_other_operation_keeps_a_tenant_from_writing(
    cloud: Cloud, access: TenantAccess, kind: str, phase: str, state: str
) -> None:
    cloud.put("a", resources=POOLED, operation=operation(phase, state, kind))
    access.session(tenant("a")).require_writable()


def test_an_operation_in_doubt_keeps_a_tenant_from_writing(cloud: Cloud, access: TenantAccess) -> None:
    doubtful: list[Any] = [
        *WRONG_TYPES,
        operation("CUTOVER", "running"),
        operation("MOVING", "RUNNING"),
        operation("CUTOVER", "RUNNING", "MOVE"),
    ]
    for value in doubtful:
        cloud.put("a", resources=POOLED, operation=value)
        assert access.session(tenant("a")).scope.read_only, value


@pytest.mark.parametrize("tenant_id", ["", "a/b", "a\n", "*", "a,b"])
def test_a_context_made_by_hand_with_a_bad_id_is_denied(
    sts: Sts, access: TenantAccess, tenant_id: str
) -> None:
    with pytest.raises(InvalidFieldError, match=r"^tenantId "):
        access.session(tenant(tenant_id))
    assert not sts.requests


@pytest.mark.parametrize(("age", "renewed"), [(61, True), (60, True), (59, False)])
def test_a_session_that_was_revoked_is_replaced_once_it_has_worked_for_a_while(
    cloud: Cloud, sts: Sts, access: TenantAccess, vending: AccessClients, age: int, renewed: bool
) -> None:
    cloud.put("a", resources=POOLED)
    revoked = access.session(tenant("a"))
    revoke(vending, revoked)
    sts.sleep(age)
    if renewed:
        assert access.session(tenant("a")) is not revoked
        assert len(sts.requests) == 2
    else:  # the deployment lacks a permission, most likely: no storm of AssumeRole on top of it
        with pytest.raises(ClientError):
            access.session(tenant("a"))
        assert len(sts.requests) == 1


@pytest.mark.parametrize(("length", "prefix"), [(1, "tenant="), (57, "tenant="), (58, ""), (64, "")])
def test_a_session_name_is_cut_to_the_id_if_it_were_too_long(length: int, prefix: str) -> None:
    tenant_id = TenantId("x" * length)
    assert session_name(tenant_id) == f"{prefix}{tenant_id}"


@given(st.from_regex(TENANT_ID_PATTERN, fullmatch=True).map(TenantId))
def test_every_session_name_is_one_that_sts_takes_and_names_one_tenant(tenant_id: TenantId) -> None:
    name = session_name(tenant_id)
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", name)
    assert name.removeprefix("tenant=") == tenant_id


def test_a_session_that_is_renewed_is_of_the_record_as_it_is_now(
    cloud: Cloud, sts: Sts, access: TenantAccess, vending: AccessClients
) -> None:
    cloud.put("s", resources={"M": {"dedicatedBucket": {"S": "the-silo"}}})
    first = access.session(tenant("s"))
    revoke(vending, first)
    sts.sleep(61)
    session = access.session(tenant("s"))
    assert (session is not first, session.scope.bucket) == (True, "the-silo")
    revoke(vending, session)
    sts.sleep(61)
    cloud.update("s", status={"S": "SUSPENDED"})
    assert denial(access, "s") == "tenant 's' is 'SUSPENDED', not ACTIVE"


@given(st.from_regex(TENANT_ID_PATTERN, fullmatch=True).map(TenantId), st.none() | st.just("b" * 63))
def test_every_session_policy_fits(tenant_id: TenantId, silo: str | None) -> None:
    scope = SessionScope(
        partition="aws-us-gov",
        region="ap-northeast-1",
        account_id=ACCOUNT,
        table_name="TenkaCloud-abcdefghijkl",
        data_table_name="TenkaCloud-abcdefghijkl-tenant-data",
        data_bucket=f"tenkacloud-data-abcdefghijkl-{ACCOUNT}",
        silo_bucket=silo,
    )
    # STS: 2,048 characters
    assert len(json.dumps(session_policy(tenant_id, scope), separators=(",", ":"))) <= 2048


def test_nothing_of_a_session_shows_its_credentials(cloud: Cloud, access: TenantAccess) -> None:
    cloud.put("a", resources=POOLED)
    session = access.session(tenant("a"))
    credentials = session.boto3.get_credentials()
    assert credentials is not None
    for secret in (credentials.secret_key, credentials.token):
        assert secret
        assert secret not in repr(session)
        assert secret not in repr(vars(access)["_vended"])


# --- maintenance --------------------------------------------------------------------------------------------

MAINTENANCE_SCOPE = MaintenanceScope(
    partition="aws",
    region=REGION,
    account_id=ACCOUNT,
    data_table_name=DATA_TABLE,
    data_bucket=DATA_BUCKET,
    places=(),
    exports_bucket=EXPORTS_BUCKET,
)
POOL, SILO = pool_place(TenantId("a")), silo_place("the-silo")


@pytest.fixture
def maintenance(sts: Sts, vending: AccessClients) -> MaintenanceAccess:
    return MaintenanceAccess(
        vending, MaintenanceVendor(MAINTENANCE_ROLE, "the-mover", MAINTENANCE_SCOPE), sts
    )


def test_a_maintenance_session_is_for_one_tenant_and_the_places_of_its_operation(
    sts: Sts, maintenance: MaintenanceAccess
) -> None:
    session = maintenance.session(tenant("a"), [SILO, POOL, POOL])
    (request,) = sts.requests
    policy = request.pop("Policy")
    scope = replace(MAINTENANCE_SCOPE, places=(SILO, POOL), exports_bucket=None)
    assert json.loads(policy) == maintenance_session_policy(TenantId("a"), scope)
    assert " " not in policy
    assert request == {
        "RoleArn": MAINTENANCE_ROLE,
        "RoleSessionName": "tenant=a",
        "SourceIdentity": "the-mover",
        "Tags": [{"Key": "tenantId", "Value": "a"}],
        "TransitiveTagKeys": ["tenantId"],
        "DurationSeconds": 3600,
    }
    assert (session.bucket_of(POOL), session.prefix_of(POOL)) == (DATA_BUCKET, "tenants/a/")
    assert (session.bucket_of(SILO), session.prefix_of(SILO)) == ("the-silo", "")
    assert session.target_of(SILO) == {"Bucket": "the-silo", "ExpectedBucketOwner": ACCOUNT}
    assert (session.tenant_id, session.data_table_name, session.account_id) == ("a", DATA_TABLE, ACCOUNT)
    assert session.exports_bucket is None
    clients: list[Any] = [session.s3, session.dynamodb]
    for client in clients:
        assert client.meta.region_name == REGION
        assert client.meta.config.max_pool_connections >= 32  # threads that copy and delete


def test_exports_are_reached_only_where_they_are_asked_for(sts: Sts, maintenance: MaintenanceAccess) -> None:
    session = maintenance.session(tenant("a"), [SILO], exports=True)
    assert session.exports_bucket == EXPORTS_BUCKET
    assert f"arn:aws:s3:::{EXPORTS_BUCKET}/a/*" in sts.requests[-1]["Policy"]
    maintenance.session(tenant("a"), [SILO])
    assert EXPORTS_BUCKET not in sts.requests[-1]["Policy"]


def test_whether_a_tenant_is_active_does_not_matter_for_its_maintenance(
    cloud: Cloud, maintenance: MaintenanceAccess
) -> None:
    cloud.put("a", status={"S": "OFFBOARDING"})
    assert maintenance.session(tenant("a"), [POOL]).tenant_id == "a"
    assert maintenance.session(tenant("nobody"), [SILO]).tenant_id == "nobody"


@pytest.mark.parametrize(
    ("places", "exports", "said"),
    [
        ([], False, "for at least 1 and at most 3 places, not for 0"),
        ([silo_place(f"silo-{number}") for number in range(4)], False, "at most 3 places, not for 4"),
        ([POOL, SILO], True, "at most 1 places, not for 2"),
        ([pool_place(TenantId("ab"))], False, "tenant 'a' has no place 'tenants/ab/'"),
        ([SILO, pool_place(TenantId("A"))], False, "tenant 'a' has no place 'tenants/A/'"),
    ],
)
def test_a_maintenance_session_for_other_places_is_denied(
    sts: Sts, maintenance: MaintenanceAccess, places: Any, exports: bool, said: str
) -> None:
    with pytest.raises(TenantDeniedError, match=re.escape(said)):
        maintenance.session(tenant("a"), places, exports=exports)
    assert not sts.requests


@pytest.mark.parametrize("tenant_id", ["", "a/b", "*"])
def test_a_maintenance_session_needs_a_valid_id(
    sts: Sts, maintenance: MaintenanceAccess, tenant_id: str
) -> None:
    with pytest.raises(InvalidFieldError, match=r"^tenantId "):
        maintenance.session(tenant(tenant_id), [SILO])
    assert not sts.requests


def test_the_next_slice_of_an_operation_uses_the_session_while_it_lasts_long_enough(
    sts: Sts, maintenance: MaintenanceAccess
) -> None:
    first = maintenance.session(tenant("a"), [POOL, SILO])
    sts.sleep(39 * 60)
    assert maintenance.session(tenant("a"), [SILO, POOL]) is first
    sts.sleep(2 * 60)
    # A function may run for 15 minutes: it would end in the middle of a slice
    second = maintenance.session(tenant("a"), [POOL, SILO])
    assert second is not first
    assert second.expires_at - sts.time == SESSION_DURATION


def test_no_session_is_used_for_another_tenant_or_other_places(
    sts: Sts, maintenance: MaintenanceAccess
) -> None:
    wanted: list[tuple[str, list[Place], bool]] = [
        ("a", [SILO], False),
        ("ab", [SILO], False),
        ("ab", [SILO], True),
        ("ab", [silo_place("other-silo")], True),
    ]
    for tenant_id, places, exports in wanted:
        assert maintenance.session(tenant(tenant_id), places, exports=exports).tenant_id == tenant_id
    assert len(sts.requests) == len(wanted)
    assert [request["Tags"][0]["Value"] for request in sts.requests] == ["a", "ab", "ab", "ab"]


def test_a_maintaining_function_vends_by_its_settings() -> None:
    settings = read(MaintenanceSettings, ENVIRONMENT)
    vendor = MaintenanceVendor.of(settings)
    assert vendor == MaintenanceVendor(MAINTENANCE_ROLE, FUNCTION_NAME, MAINTENANCE_SCOPE)


def test_nothing_of_a_maintenance_session_shows_its_credentials(maintenance: MaintenanceAccess) -> None:
    session = maintenance.session(tenant("a"), [POOL])
    client: Any = session.s3
    credentials = client._request_signer._credentials
    for secret in (credentials.secret_key, credentials.token):
        assert secret
        assert secret not in repr(session)
