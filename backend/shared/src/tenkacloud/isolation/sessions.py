"""Token vending: AWS sessions that can act for one tenant and for no other (`docs/isolation.md`).

    access = TenantAccess.from_environment(os.environ)

    def handler(event, context):
        session = access.session(from_jwt_authorizer(event, claim))
        session.s3.put_object(**session.bucket_arguments, Key=session.key("flag.txt"), Body=b"…")

IAM does the isolating: by the session's tag `tenantId`, which the role's policies and the silo buckets'
compare, and by a session policy that holds the id literally. This module asks for the session, keeps it
until shortly before it ends, and gives none for a tenant that is unknown, not ACTIVE, or has no resources.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.loaders
import botocore.session
from botocore.exceptions import ClientError
from cachetools import TLRUCache

from tenkacloud.errors import TenantDeniedError
from tenkacloud.isolation.context import TenantContext
from tenkacloud.isolation.policies import TENANT_TAG, SessionScope, session_policy
from tenkacloud.platform.runtime import CLIENT_CONFIG, required
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.record import METADATA, Key
from tenkacloud.tenants.validation import TenantId, TenantStatus, Tier, parse_tenant_id, truncated_repr

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

#: AWS gives a role assumed from another role's session one hour at most (role chaining).
SESSION_SECONDS: Final = 3600
#: A session is used no more when this little is left: far longer than a request may take.
MARGIN_SECONDS: Final = 300
#: Kept ready for use, with their clients: about 0.5 MB each. The least recently used goes first.
MAX_SESSIONS: Final = 50
#: Credentials kept, about 2 kB each, so that a tenant whose clients had to go costs no call of STS.
MAX_CREDENTIALS: Final = 5000
SESSION_NAME_MAX: Final = 64  # STS

_BUCKET_NAME: Final = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: What AWS answers to a session that was revoked or has ended. Worth one new session, unless the session is
#: this young: then it is the deployment that lacks something, and asking STS again and again mends nothing.
RENEW_AFTER_SECONDS: Final = 60
_STALE: Final = ("AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException")
_STRIPES: Final = 64


@dataclass(frozen=True)
class TenantSession:
    """A session that can act for one tenant only, and where that tenant's data is.

    `expires_at` is in seconds since the epoch. `boto3` is for what the two clients don't serve.
    """

    tenant_id: TenantId
    scope: SessionScope
    expires_at: float
    boto3: boto3.Session
    s3: "S3Client"
    dynamodb: "DynamoDBClient"

    @property
    def bucket_arguments(self) -> dict[str, Any]:
        """`Bucket` and `ExpectedBucketOwner`, for every S3 call: a squatter's bucket is refused."""
        return {"Bucket": self.scope.bucket, "ExpectedBucketOwner": self.scope.account_id}

    @property
    def table_name(self) -> str:
        """The table that holds the tenants' items."""
        return self.scope.data_table_name

    @property
    def partition_key(self) -> str:
        """`PK` of every item of the tenant."""
        return Key.of(self.tenant_id).pk

    def key(self, name: str) -> str:
        """Return the S3 key of an object of the tenant: `tenants/<id>/<name>`, or `<name>` in a silo."""
        return f"{self.scope.prefix(self.tenant_id)}{name}"


@dataclass(frozen=True)
class _Credentials:
    """What STS gave for one tenant and one scope. Not to be shown: `repr` leaves the secrets out."""

    scope: SessionScope
    expires_at: float
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True)
class Vendor:
    """Whose sessions are asked for, and who asks. `service` becomes the sessions' source identity."""

    role_arn: str
    service: str
    scope: SessionScope


class TenantAccess:
    """Gives sessions of the tenant access role. Thread-safe.

    Credentials are kept for their tenant until `MARGIN_SECONDS` before they end, so a process calls
    AssumeRole once in 55 minutes per pooled tenant it serves, and twice for a siloed one (first to read
    where its bucket is). STS allows 600 calls a second per account and region, shared by all.

    The tenant's record is read each time, with the tenant's own session: a suspended tenant is refused from
    the next request on.
    """

    def __init__(
        self,
        sts: "STSClient",
        vendor: Vendor,
        *,
        clock: Callable[[], float] = time.time,
        max_sessions: int = MAX_SESSIONS,
        max_credentials: int = MAX_CREDENTIALS,
    ) -> None:
        self._sts = sts
        self._vendor = vendor
        self._clock = clock
        self._sessions: TLRUCache[TenantId, TenantSession] = TLRUCache(
            maxsize=max_sessions, ttu=_end_of_use, timer=clock
        )
        self._credentials: TLRUCache[TenantId, _Credentials] = TLRUCache(
            maxsize=max_credentials, ttu=_end_of_use, timer=clock
        )
        self._caches_lock = Lock()
        # So that requests of one tenant that come together ask STS once. Few tenants share a lock.
        self._stripes: Final = tuple(Lock() for _ in range(_STRIPES))
        # Shared by all sessions: each would read the service models, megabytes of them, anew.
        self._loader = botocore.loaders.create_loader()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "TenantAccess":
        """Return the access that Terraform has set a function up for (module problem-data).

        Raises:
            RuntimeError: a setting is missing.
        """
        role_arn = required(environment, "TENANT_ACCESS_ROLE_ARN")
        scope = SessionScope(
            partition=role_arn.split(":")[1],
            region=required(environment, "AWS_REGION"),
            account_id=required(environment, "ACCOUNT_ID"),
            table_name=required(environment, "TABLE_NAME"),
            data_table_name=required(environment, "DATA_TABLE_NAME"),
            data_bucket=required(environment, "DATA_BUCKET_NAME"),
        )
        service = required(environment, "AWS_LAMBDA_FUNCTION_NAME")
        # The regional endpoint: the global one is far away, and its sessions don't hold everywhere.
        sts = boto3.client("sts", region_name=scope.region, config=CLIENT_CONFIG)
        return cls(sts, Vendor(role_arn, service, scope))

    def session(self, tenant: TenantContext) -> TenantSession:
        """Return a session that can act for this tenant only.

        Raises:
            TenantDeniedError: the tenant is unknown, not ACTIVE, or has no resources yet.
            InvalidFieldError: the context holds no valid tenant id; somebody made it by hand.
            botocore.exceptions.ClientError: STS or DynamoDB failed, or this service is not trusted.
        """
        tenant_id = parse_tenant_id("tenantId", tenant.tenant_id)
        session = self._any_session(tenant_id)
        try:
            bucket = _dedicated_bucket(session)
        except ClientError as error:
            age = SESSION_SECONDS - (session.expires_at - self._clock())
            if error.response["Error"]["Code"] not in _STALE or age < RENEW_AFTER_SECONDS:
                raise
            session = self._session(tenant_id, session.scope, instead_of=session)
            bucket = _dedicated_bucket(session)
        if bucket == session.scope.silo_bucket:
            return session
        # The first session of a siloed tenant, or the tenant has moved.
        return self._session(tenant_id, replace(self._vendor.scope, silo_bucket=bucket), instead_of=session)

    def _any_session(self, tenant_id: TenantId) -> TenantSession:
        with self._caches_lock:
            kept = self._sessions.get(tenant_id)
            credentials = self._credentials.get(tenant_id)
        if kept is not None:
            return kept
        scope = self._vendor.scope if credentials is None else credentials.scope
        return self._session(tenant_id, scope, instead_of=None)

    def _session(
        self, tenant_id: TenantId, scope: SessionScope, *, instead_of: TenantSession | None
    ) -> TenantSession:
        """Return the tenant's session of this scope, an older one than `instead_of` never."""
        with self._stripes[hash(tenant_id) % _STRIPES]:
            with self._caches_lock:
                if instead_of is not None and self._sessions.get(tenant_id) is instead_of:
                    del self._sessions[tenant_id]
                    self._credentials.pop(tenant_id, None)
                session = self._sessions.get(tenant_id)
                credentials = self._credentials.get(tenant_id)
            if session is not None and session.scope == scope:
                return session  # another thread was here first
            if credentials is None or credentials.scope != scope:
                credentials = self._assume(tenant_id, scope)
            session = self._open(tenant_id, credentials)
            with self._caches_lock:
                self._sessions[tenant_id] = session
                self._credentials[tenant_id] = credentials
            return session

    def _assume(self, tenant_id: TenantId, scope: SessionScope) -> _Credentials:
        credentials = self._sts.assume_role(
            RoleArn=self._vendor.role_arn,
            RoleSessionName=session_name(tenant_id),
            SourceIdentity=self._vendor.service,
            Tags=[{"Key": TENANT_TAG, "Value": tenant_id}],
            TransitiveTagKeys=[TENANT_TAG],
            Policy=json.dumps(session_policy(tenant_id, scope), separators=(",", ":")),
            DurationSeconds=SESSION_SECONDS,
        )["Credentials"]
        return _Credentials(
            scope=scope,
            expires_at=credentials["Expiration"].timestamp(),
            access_key_id=credentials["AccessKeyId"],
            secret_access_key=credentials["SecretAccessKey"],
            session_token=credentials["SessionToken"],
        )

    def _open(self, tenant_id: TenantId, credentials: _Credentials) -> TenantSession:
        core = botocore.session.Session()
        core.register_component("data_loader", self._loader)
        session = boto3.Session(
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            region_name=credentials.scope.region,
            botocore_session=core,
        )
        return TenantSession(
            tenant_id=tenant_id,
            scope=credentials.scope,
            expires_at=credentials.expires_at,
            boto3=session,
            # Made here, where one thread is: boto3 promises no thread-safety when a client is made.
            s3=session.client("s3", config=CLIENT_CONFIG),
            dynamodb=session.client("dynamodb", config=CLIENT_CONFIG),
        )


def _end_of_use(_tenant_id: TenantId, kept: TenantSession | _Credentials, _now: float) -> float:
    return kept.expires_at - MARGIN_SECONDS


def session_name(tenant_id: TenantId) -> str:
    """Return the role session name, which CloudTrail shows: `tenant=<id>`, or the bare id if too long.

    STS wants 2 characters at least, and an id may have one.
    """
    name = f"tenant={tenant_id}"
    return name if len(name) <= SESSION_NAME_MAX else tenant_id


def _dedicated_bucket(session: TenantSession) -> str | None:
    """Return the tenant's own bucket as its record names it, None if its objects are in the pool.

    Raises:
        TenantDeniedError: the record says that nobody may act for this tenant.
    """
    item = session.dynamodb.get_item(
        TableName=session.scope.table_name,
        Key={"PK": {"S": session.partition_key}, "SK": {"S": METADATA}},
        ProjectionExpression="#status, #tier, #provisioningStatus, #resources",
        ExpressionAttributeNames={
            "#status": "status",
            "#tier": "tier",
            "#provisioningStatus": "provisioningStatus",
            "#resources": "resources",
        },
        ConsistentRead=True,
    ).get("Item")
    if item is None:
        raise TenantDeniedError(f"tenant {session.tenant_id!r} is unknown")
    return _bucket_of(session.tenant_id, item)


def _bucket_of(tenant_id: TenantId, item: Mapping[str, Any]) -> str | None:
    """Return what a record says of its tenant's bucket. Whatever is in doubt is denied.

    A record may have no `status`: the design's has none. All else is on the record of every tenant that was
    ever provisioned. While a tenant is provisioned anew, its resources serve it, whatever tier was asked for.
    """
    status = _text(item, "status")
    if status not in (None, TenantStatus.ACTIVE):
        raise TenantDeniedError(f"tenant {tenant_id!r} is {truncated_repr(status)}, not ACTIVE")
    progress = _text(item, "provisioningStatus")
    for name, value, known in (
        ("tier", _text(item, "tier"), list(Tier)),
        ("provisioningStatus", progress, list(ProvisioningStatus)),
    ):
        if value not in known:
            raise TenantDeniedError(
                f"tenant {tenant_id!r} has a record in doubt: its {name} is {truncated_repr(value)}"
            )
    resources = item.get("resources", {}).get("M", {})
    prefix, bucket = _text(resources, "s3Prefix"), _text(resources, "dedicatedBucket")
    if bucket is None and isinstance(prefix, str) and prefix:
        return None
    if prefix is None and isinstance(bucket, str) and _BUCKET_NAME.fullmatch(bucket):
        return bucket
    raise TenantDeniedError(
        f"tenant {tenant_id!r} has no resources; its provisioningStatus is {truncated_repr(progress)}"
    )


def _text(item: Mapping[str, Any], name: str) -> object:
    """Return a string attribute, None if it is absent, and a value of any other type as DynamoDB gave it.

    So a NULL is not None: many SDKs write it for a value that their program had lost.
    """
    value = item.get(name)
    return None if value is None else value.get("S", value)
