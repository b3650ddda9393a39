"""Token vending: AWS sessions that can act for one tenant and for no other (`docs/isolation.md`).

    access = TenantAccess(clients, Vendor.of(settings), clock)

    def handle(event, context):
        session = access.session(from_jwt_authorizer(event, claim))
        session.s3.put_object(**session.bucket_arguments, Key=session.key("flag.txt"), Body=b"…")

IAM does the isolating: by the session's tag `tenantId`, which the role's policies and the silo buckets'
compare, and by a session policy that holds the id literally. This module requests the session, keeps it
until shortly before it ends, and gives none for a tenant that is unknown, not ACTIVE, or has no resources.

While a move of the tenant's objects ends, the sessions it gives can't write objects: the fence is in the
session itself, so that no service can forget it. A session is compared with the record at each request, and
one of before is used no more.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from cachetools import TLRUCache

from tenkacloud.errors import TenantDeniedError, TenantReadOnlyError
from tenkacloud.isolation.context import TenantContext
from tenkacloud.isolation.places import is_bucket_name
from tenkacloud.isolation.policies import TENANT_TAG, SessionScope, session_policy
from tenkacloud.platform.clients import CLIENT_CONFIG, Clients, SessionCredentials
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.settings import variable
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import OPERATION, is_read_only
from tenkacloud.tenants.record import Item, read, record_request
from tenkacloud.tenants.validation import TenantId, TenantStatus, Tier, parse_tenant_id, truncated_repr

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

#: AWS gives a role assumed from another role's session one hour at most (role chaining).
SESSION_DURATION: Final = timedelta(hours=1)
#: A session is used no more when this little is left: far longer than a request may take.
MARGIN: Final = timedelta(minutes=5)
#: Kept ready for use, with their clients: about 0.5 MB each. The least recently used goes first.
MAX_SESSIONS: Final = 50
#: Credentials kept, about 2 kB each, so that a tenant whose clients had to go costs no call of STS.
MAX_CREDENTIALS: Final = 5000
SESSION_NAME_MAX: Final = 64  # STS

#: What AWS answers to a session that was revoked or has ended. Worth one new session, unless the session is
#: this young: then it is the deployment that lacks something, and asking STS again and again mends nothing.
RENEW_AFTER: Final = timedelta(minutes=1)
_STALE: Final = ("AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException")
_STRIPES: Final = 64
#: What a record says of whether its tenant may be acted for, where its objects are, and whether they may be
#: written.
_ATTRIBUTES: Final = ("status", "tier", "provisioningStatus", "resources", OPERATION)


@dataclass(frozen=True)
class TenantSession:
    """A session that can act for one tenant only, and where that tenant's data is.

    `expires_at` is in UTC. `boto3` is for what the two clients don't serve.
    """

    tenant_id: TenantId
    scope: SessionScope
    expires_at: datetime
    boto3: "boto3.Session"
    s3: "S3Client"
    dynamodb: "DynamoDBClient"

    @property
    def bucket_arguments(self) -> dict[str, Any]:
        """`Bucket` and `ExpectedBucketOwner`, for every S3 call: a squatter's bucket is denied."""
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

    def require_writable(self) -> None:
        """Do nothing if the tenant's objects may be written. IAM denies it anyway, less clearly.

        Raises:
            TenantReadOnlyError: they are being moved.
        """
        if self.scope.read_only:
            raise TenantReadOnlyError(
                f"the files of tenant {self.tenant_id!r} are being moved and can only be read; "
                "this ends within minutes"
            )


@dataclass(frozen=True)
class _Vended:
    """What STS gave for one tenant and one scope."""

    scope: SessionScope
    expires_at: datetime
    credentials: SessionCredentials


@dataclass(frozen=True, kw_only=True)
class VendorSettings:
    """What Terraform and Lambda give a function that acts for tenants (module problem-data)."""

    account_id: str
    table_name: str
    data_table_name: str
    data_bucket_name: str
    tenant_access_role_arn: str
    region: str = variable("AWS_REGION")
    function_name: str = variable("AWS_LAMBDA_FUNCTION_NAME")


@dataclass(frozen=True)
class Vendor:
    """Whose sessions are requested, and by whom. `service` becomes the sessions' source identity."""

    role_arn: str
    service: str
    scope: SessionScope

    @classmethod
    def of(cls, settings: VendorSettings) -> "Vendor":
        """Return the vendor that a function is by its settings."""
        scope = SessionScope(
            partition=settings.tenant_access_role_arn.split(":")[1],
            region=settings.region,
            account_id=settings.account_id,
            table_name=settings.table_name,
            data_table_name=settings.data_table_name,
            data_bucket=settings.data_bucket_name,
        )
        return cls(settings.tenant_access_role_arn, settings.function_name, scope)


class TenantAccess:
    """Gives sessions of the tenant access role. Thread-safe.

    Credentials are kept for their tenant until `MARGIN` before they end, so a process calls
    AssumeRole once in 55 minutes per pooled tenant it serves, and twice for a siloed one (first to read
    where its bucket is). STS allows 600 calls a second per account and region, shared by all.

    The tenant's record is read each time, with the tenant's own session: a suspended tenant is denied from
    the next request on, and a tenant whose objects are read-only gets a session that can't write them.
    """

    def __init__(
        self,
        clients: Clients,
        vendor: Vendor,
        clock: Clock,
        *,
        max_sessions: int = MAX_SESSIONS,
        max_credentials: int = MAX_CREDENTIALS,
    ) -> None:
        self._clients = clients
        self._sts = clients.sts(vendor.scope.region)
        self._vendor = vendor
        self._clock = clock

        def timer() -> float:
            return clock.now().timestamp()

        self._sessions: TLRUCache[TenantId, TenantSession] = TLRUCache(
            maxsize=max_sessions, ttu=_end_of_use, timer=timer
        )
        self._vended: TLRUCache[TenantId, _Vended] = TLRUCache(
            maxsize=max_credentials, ttu=_end_of_use, timer=timer
        )
        self._caches_lock = Lock()
        # So that requests of one tenant that come together call STS once. Few tenants share a lock.
        self._stripes: Final = tuple(Lock() for _ in range(_STRIPES))

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
            scope = self._scope(session)
        except ClientError as error:
            age = SESSION_DURATION - (session.expires_at - self._clock.now())
            if error.response["Error"]["Code"] not in _STALE or age < RENEW_AFTER:
                raise
            session = self._session(tenant_id, session.scope, instead_of=session)
            scope = self._scope(session)
        if scope == session.scope:
            return session
        # The first session of a siloed tenant, or the tenant moves or has moved.
        return self._session(tenant_id, scope, instead_of=session)

    def _scope(self, session: TenantSession) -> SessionScope:
        """Return what a session of this tenant has to be for, by its record as it is now.

        Raises:
            TenantDeniedError: the record says that nobody may act for this tenant.
        """
        found = session.dynamodb.get_item(
            **record_request(session.scope.table_name, Key.of(session.tenant_id), _ATTRIBUTES)
        )
        if "Item" not in found:
            raise TenantDeniedError(f"tenant {session.tenant_id!r} is unknown")
        item = read(found["Item"], _ATTRIBUTES)
        bucket = _bucket_of(session.tenant_id, item)
        return replace(self._vendor.scope, silo_bucket=bucket, read_only=is_read_only(item))

    def _any_session(self, tenant_id: TenantId) -> TenantSession:
        with self._caches_lock:
            kept = self._sessions.get(tenant_id)
            vended = self._vended.get(tenant_id)
        if kept is not None:
            return kept
        scope = self._vendor.scope if vended is None else vended.scope
        return self._session(tenant_id, scope, instead_of=None)

    def _session(
        self, tenant_id: TenantId, scope: SessionScope, *, instead_of: TenantSession | None
    ) -> TenantSession:
        """Return the tenant's session of this scope, an older one than `instead_of` never."""
        with self._stripes[hash(tenant_id) % _STRIPES]:
            with self._caches_lock:
                if instead_of is not None and self._sessions.get(tenant_id) is instead_of:
                    del self._sessions[tenant_id]
                    self._vended.pop(tenant_id, None)
                session = self._sessions.get(tenant_id)
                vended = self._vended.get(tenant_id)
            if session is not None and session.scope == scope:
                return session  # another thread was here first
            if vended is None or vended.scope != scope:
                vended = self._assume(tenant_id, scope)
            session = self._open(tenant_id, vended)
            with self._caches_lock:
                self._sessions[tenant_id] = session
                self._vended[tenant_id] = vended
            return session

    def _assume(self, tenant_id: TenantId, scope: SessionScope) -> _Vended:
        given = self._sts.assume_role(
            RoleArn=self._vendor.role_arn,
            RoleSessionName=session_name(tenant_id),
            SourceIdentity=self._vendor.service,
            Tags=[{"Key": TENANT_TAG, "Value": tenant_id}],
            TransitiveTagKeys=[TENANT_TAG],
            Policy=json.dumps(session_policy(tenant_id, scope), separators=(",", ":")),
            DurationSeconds=int(SESSION_DURATION.total_seconds()),
        )["Credentials"]
        return _Vended(
            scope=scope,
            expires_at=given["Expiration"],
            credentials=SessionCredentials(
                given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
            ),
        )

    def _open(self, tenant_id: TenantId, vended: _Vended) -> TenantSession:
        session = self._clients.session(vended.credentials, vended.scope.region)
        return TenantSession(
            tenant_id=tenant_id,
            scope=vended.scope,
            expires_at=vended.expires_at,
            boto3=session,
            # Made here, where one thread is: boto3 promises no thread-safety when a client is made.
            s3=session.client("s3", config=CLIENT_CONFIG),
            dynamodb=session.client("dynamodb", config=CLIENT_CONFIG),
        )


def _end_of_use(_tenant_id: TenantId, kept: TenantSession | _Vended, _now: float) -> float:
    return (kept.expires_at - MARGIN).timestamp()


def session_name(tenant_id: TenantId) -> str:
    """Return the role session name, which CloudTrail shows: `tenant=<id>`, or the bare id if too long.

    STS wants 2 characters at least, and an id may have one.
    """
    name = f"tenant={tenant_id}"
    return name if len(name) <= SESSION_NAME_MAX else tenant_id


def _bucket_of(tenant_id: TenantId, item: Item) -> str | None:
    """Return the tenant's own bucket as its record names it, None if its objects are in the pool.

    Whatever is in doubt is denied. A record may have no `status`: the design's has none. All else is on the
    record of every tenant that was ever provisioned. While a tenant is provisioned anew, its resources serve
    it, whatever tier it then gets. What `resources` hold beside the place is no matter here.
    """
    status = item.get("status")
    if "status" in item and status != TenantStatus.ACTIVE:
        raise TenantDeniedError(f"tenant {tenant_id!r} is {truncated_repr(status)}, not ACTIVE")
    progress = item.get("provisioningStatus")
    for name, value, known in (
        ("tier", item.get("tier"), list(Tier)),
        ("provisioningStatus", progress, list(ProvisioningStatus)),
    ):
        if value not in known:
            raise TenantDeniedError(
                f"tenant {tenant_id!r} has a record in doubt: its {name} is {truncated_repr(value)}"
            )
    resources = item.get("resources")
    named = resources if isinstance(resources, Mapping) else {}
    prefix, bucket = named.get("s3Prefix"), named.get("dedicatedBucket")
    if bucket is None and isinstance(prefix, str) and prefix:
        return None
    if prefix is None and isinstance(bucket, str) and is_bucket_name(bucket):
        return bucket
    raise TenantDeniedError(
        f"tenant {tenant_id!r} has no resources; its provisioningStatus is {truncated_repr(progress)}"
    )
