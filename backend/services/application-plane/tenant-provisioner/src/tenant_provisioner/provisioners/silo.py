"""Silo: a bucket of its own for each ENTERPRISE tenant."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tenant_provisioner.provisioners.bucket import Bucket
from tenant_provisioner.types import Resources
from tenkacloud.errors import PermanentError
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.isolation import policies
from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.policies import TENANT_TAG, Policy
from tenkacloud.platform.clients import Call, one_by_one
from tenkacloud.tenants.validation import TenantId

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NO_LOCATION: Final = "us-east-1"  # S3 does not take this region as a LocationConstraint
_CONFLICT: Final = "OperationAborted"  # S3's answer to two changes of one bucket at the same time

#: CreateBucket's answers that a retry can't change, and what an operator is told.
_PERMANENT: Final = {
    "BucketAlreadyExists": "bucket {bucket} is owned by another AWS account",
    "InvalidBucketName": "S3 does not accept the bucket name {bucket}",
    "TooManyBuckets": "this AWS account is at its limit of buckets; raise the quota, then retry",
}


@dataclass(frozen=True)
class SiloProvisioner:
    """Creates and hardens a tenant's bucket (`docs/decisions/0004-silo-buckets.md`).

    `together` makes calls that do not depend on each other. `defaults` holds the settings that a new bucket
    of this account was seen to begin with, and that need not be made: each process of the function looks
    once.
    """

    s3: "S3Client"
    environment: str
    account_id: str
    region: str
    tenant_access_role_arn: str
    tenant_maintenance_role_arn: str
    together: Callable[[Sequence[Call]], list[BaseException | None]]
    defaults: set[str] = field(default_factory=set)

    def provision(self, tenant: TenantOnboarding) -> Resources:
        """Create the bucket, or adopt it if it is this tenant's; then harden it."""
        name = names.silo_bucket(
            self.environment, tenant.slug, tenant.tenant_id, self.account_id, self.region
        )
        bucket = Bucket(self.s3, name, self.account_id)
        policy = policies.silo_bucket_policy(
            name, tenant.tenant_id, self.tenant_access_role_arn, self.tenant_maintenance_role_arn
        )
        settings: list[Call] = [bucket.keep_versions, partial(bucket.set_policy, policy)]
        if self._create(name):
            tags: dict[str, str] = {}
            settings += self._unless_default(bucket)
        else:
            tags = _tags_of_own(bucket, tenant.tenant_id, policy)
            # Whatever it began with, somebody may have changed it.
            settings += [bucket.close, bucket.encrypt]
        if tags.get(TENANT_TAG) != tenant.tenant_id:
            # Setting tags replaces them all, and some may be others'.
            settings.insert(0, partial(bucket.set_tags, {**tags, TENANT_TAG: tenant.tenant_id}))
        self._make(settings)
        return {"dedicatedBucket": name}

    def _create(self, bucket: str) -> bool:
        """Create the bucket; return whether it is certainly new."""
        location: dict[str, Any] = (
            {}
            if self.region == _NO_LOCATION
            else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        )
        try:
            self.s3.create_bucket(Bucket=bucket, **location)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _PERMANENT:
                raise PermanentError(_PERMANENT[code].format(bucket=bucket)) from error
            if code != "BucketAlreadyOwnedByYou":
                raise
            return False
        # There S3 also says yes to a bucket that this account has had before.
        return self.region != _NO_LOCATION

    def _unless_default(self, bucket: Bucket) -> Iterator[Call]:
        """Yield the calls that make a new bucket have what S3 has given all new ones since 2023."""

        def see(name: str, is_set: Callable[[], bool], setting: Call) -> None:
            if is_set():
                self.defaults.add(name)
            else:
                setting()

        for name, is_set, setting in (
            ("closed", bucket.is_closed, bucket.close),
            ("encrypted", bucket.is_encrypted, bucket.encrypt),
        ):
            if name not in self.defaults:
                yield partial(see, name, is_set, setting)

    def _make(self, settings: Sequence[Call]) -> None:
        """Make the settings, whatever becomes of the others; raise the first error, once all have ended."""
        errors = self.together(settings)
        # S3 may deny a change while it makes another of the same bucket, the policy's above all.
        conflicting = [call for call, error in zip(settings, errors, strict=True) if _is_conflict(error)]
        failed = [error for error in errors if not _is_conflict(error)] + one_by_one(conflicting)
        for error in failed:
            if error is not None:
                raise error


def _tags_of_own(bucket: Bucket, tenant_id: TenantId, policy: Policy) -> dict[str, str]:
    """Return the tags of a bucket of this account that is this tenant's, or nobody's yet.

    Raises:
        PermanentError: it is somebody else's, or nothing says whose.
    """
    tags = bucket.tags()
    owner = tags.get(TENANT_TAG)
    if owner == tenant_id:
        return tags
    if owner is not None:
        raise PermanentError(
            f"bucket {bucket.name} exists in this AWS account, but its tag {TENANT_TAG} is {owner!r}, "
            f"not {tenant_id!r}"
        )
    # A crash right after CreateBucket leaves one without tags and objects. Of any other that has lost its
    # tag, our policy still says whose it is: it names the tenant.
    if (not tags and bucket.is_empty()) or bucket.policy() == policy:
        return tags
    raise PermanentError(
        f"bucket {bucket.name} exists in this AWS account, but neither its tag {TENANT_TAG} nor its policy "
        f"says whose it is; if it is this tenant's, add the tag {TENANT_TAG}={tenant_id} to it, then retry"
    )


def _is_conflict(error: BaseException | None) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == _CONFLICT
