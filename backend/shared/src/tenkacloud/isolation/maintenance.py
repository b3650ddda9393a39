"""Sessions that may move, export and delete one tenant's data, and no other's (`docs/isolation.md`).

    access = MaintenanceAccess(clients, MaintenanceVendor.of(settings), clock)
    session = access.session(from_operation(event), [source, target])
    session.s3.list_object_versions(**session.target_of(source), Prefix=session.prefix_of(source))

They are of a second role, `tenkacloud-<env>-tenant-maintenance`, which is tagged with one tenant like the
first, may do more (versions, deletions for good), and is trusted by the functions that carry out operations.
Whether the tenant is ACTIVE does not matter here: a tenant that leaves is not. Whether the operation is still
the one on the record is for the caller to see, with its own role.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

from tenkacloud.errors import TenantDeniedError
from tenkacloud.isolation.context import TenantContext
from tenkacloud.isolation.places import Place, pool_place
from tenkacloud.isolation.policies import TENANT_TAG, MaintenanceScope, maintenance_session_policy
from tenkacloud.isolation.sessions import SESSION_DURATION, VendorSettings, session_name
from tenkacloud.platform.clients import CLIENT_CONFIG, Clients, SessionCredentials
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants.validation import TenantId, parse_tenant_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

#: Objects are copied and deleted by so many threads at most, each with a connection of its own.
CONNECTIONS_MAX: Final = 32
#: S3 answers a copy of up to 5 GB when it is done with it, not before.
CONFIG: Final = CLIENT_CONFIG.merge(Config(max_pool_connections=CONNECTIONS_MAX, read_timeout=60))
#: A session is used for another slice while it has this much left: more than a function may run (15 minutes).
MARGIN: Final = timedelta(minutes=20)
#: One session policy has 2,048 characters (STS): with the longest names, room for so many places. Of an
#: operation with more, each session is for some of them.
PLACES_MAX: Final = 3
#: An export is of the one place that the tenant's objects are in.
EXPORTED_PLACES_MAX: Final = 1


@dataclass(frozen=True, kw_only=True)
class MaintenanceSettings(VendorSettings):
    """What Terraform and Lambda give a function that carries out operations on tenants' data."""

    tenant_maintenance_role_arn: str
    exports_bucket_name: str


@dataclass(frozen=True)
class MaintenanceVendor:
    """Whose sessions are requested, and by whom. `service` becomes the sessions' source identity."""

    role_arn: str
    service: str
    scope: MaintenanceScope

    @classmethod
    def of(cls, settings: MaintenanceSettings) -> "MaintenanceVendor":
        """Return the vendor that a function is by its settings."""
        scope = MaintenanceScope(
            partition=settings.tenant_maintenance_role_arn.split(":")[1],
            region=settings.region,
            account_id=settings.account_id,
            data_table_name=settings.data_table_name,
            data_bucket=settings.data_bucket_name,
            places=(),
            exports_bucket=settings.exports_bucket_name,
        )
        return cls(settings.tenant_maintenance_role_arn, settings.function_name, scope)


@dataclass(frozen=True)
class MaintenanceSession:
    """A session that can maintain the data of one tenant only, in the places that it was requested for.

    `expires_at` is in UTC. `exports_bucket` is None where it was not requested for exports.
    """

    tenant_id: TenantId
    scope: MaintenanceScope
    expires_at: datetime
    s3: "S3Client"
    dynamodb: "DynamoDBClient"

    @property
    def data_table_name(self) -> str:
        """The table that holds the tenants' items."""
        return self.scope.data_table_name

    @property
    def exports_bucket(self) -> str | None:
        """The bucket that holds the tenants' exports, None where the session may not export."""
        return self.scope.exports_bucket

    @property
    def account_id(self) -> str:
        """The account that owns all buckets: every S3 call expects it (`ExpectedBucketOwner`)."""
        return self.scope.account_id

    def bucket_of(self, place: Place) -> str:
        """Return the bucket that a place is, or is in."""
        return self.scope.bucket(place)

    def prefix_of(self, place: Place) -> str:
        """Return what the keys of a place's objects begin with: nothing in a bucket of the tenant's own."""
        return self.scope.prefix(place)

    def target_of(self, place: Place) -> dict[str, Any]:
        """Return `Bucket` and `ExpectedBucketOwner`, for every S3 call: a squatter's bucket is denied."""
        return {"Bucket": self.bucket_of(place), "ExpectedBucketOwner": self.account_id}


class MaintenanceAccess:
    """Gives sessions of the tenant maintenance role. Thread-safe.

    The last one is kept, for the next slice of the same operation.
    """

    def __init__(self, clients: Clients, vendor: MaintenanceVendor, clock: Clock) -> None:
        self._clients = clients
        self._vendor = vendor
        self._clock = clock
        self._last: MaintenanceSession | None = None
        self._lock = Lock()

    def session(
        self, tenant: TenantContext, places: Sequence[Place], *, exports: bool = False
    ) -> MaintenanceSession:
        """Return a session for this tenant's places, its items, and its exports if asked for.

        Raises:
            TenantDeniedError: no place is given, more than `PLACES_MAX` (`EXPORTED_PLACES_MAX` with exports),
                or the prefix of another tenant.
            InvalidFieldError: the context holds no valid tenant id; somebody made it by hand.
            botocore.exceptions.ClientError: STS failed, or this service is not trusted.
        """
        tenant_id = parse_tenant_id("tenantId", tenant.tenant_id)
        wanted = tuple(sorted(set(places)))
        room = EXPORTED_PLACES_MAX if exports else PLACES_MAX
        if not 1 <= len(wanted) <= room:
            raise TenantDeniedError(
                f"a session for tenant {tenant_id!r} is for at least 1 and at most {room} places, "
                f"not for {len(wanted)}"
            )
        for place in wanted:
            if not place.is_silo and place != pool_place(tenant_id):
                raise TenantDeniedError(f"tenant {tenant_id!r} has no place {place.name!a}")
        scope = replace(
            self._vendor.scope,
            places=wanted,
            exports_bucket=self._vendor.scope.exports_bucket if exports else None,
        )
        with self._lock:
            kept = self._last
            if (
                kept is None
                or (kept.tenant_id, kept.scope) != (tenant_id, scope)
                or kept.expires_at - self._clock.now() < MARGIN
            ):
                self._last = kept = self._open(tenant_id, scope)
            return kept

    def _open(self, tenant_id: TenantId, scope: MaintenanceScope) -> MaintenanceSession:
        policy = maintenance_session_policy(tenant_id, scope)
        given = self._clients.sts(scope.region).assume_role(
            RoleArn=self._vendor.role_arn,
            RoleSessionName=session_name(tenant_id),
            SourceIdentity=self._vendor.service,
            Tags=[{"Key": TENANT_TAG, "Value": tenant_id}],
            TransitiveTagKeys=[TENANT_TAG],
            Policy=json.dumps(policy, separators=(",", ":")),
            DurationSeconds=int(SESSION_DURATION.total_seconds()),
        )["Credentials"]
        credentials = SessionCredentials(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        )
        session = self._clients.session(credentials, scope.region)
        return MaintenanceSession(
            tenant_id=tenant_id,
            scope=scope,
            expires_at=given["Expiration"],
            s3=session.client("s3", config=CONFIG),
            dynamodb=session.client("dynamodb", config=CONFIG),
        )
