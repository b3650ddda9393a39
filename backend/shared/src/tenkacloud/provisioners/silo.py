"""Silo: a bucket of its own for each ENTERPRISE tenant."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from botocore.exceptions import ClientError

from tenkacloud.errors import NotEmptyError, PermanentError
from tenkacloud.isolation import hardening, policies
from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.places import SILO_PLACE, Place, silo_place
from tenkacloud.isolation.policies import TENANT_TAG, Policy
from tenkacloud.platform.clients import Call, one_by_one
from tenkacloud.provisioners.bucket import Bucket
from tenkacloud.provisioners.types import Parts, Provisioner, ProvisionerSettings, TenantSpec
from tenkacloud.tenants.validation import Tier

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NO_LOCATION: Final = "us-east-1"  # S3 does not take this region as a LocationConstraint
_CONFLICT: Final = "OperationAborted"  # S3's answer to two changes of one bucket at the same time
_MISSING: Final = "NoSuchBucket"
_DENIED: Final = "AccessDenied"  # also S3's answer where the owner is another than expected
#: The statement of our bucket policy that names the tenant, whoever else the policy lets in.
_NAMES_TENANT: Final = "DenyOtherTenants"

#: CreateBucket's answers that a retry can't change, and what an operator is told.
_PERMANENT: Final = {
    "BucketAlreadyExists": "bucket {bucket} is owned by another AWS account",
    "InvalidBucketName": "S3 does not accept the bucket name {bucket}",
    "TooManyBuckets": "this AWS account is at its limit of buckets; raise the quota, then retry",
}


@dataclass(frozen=True)
class SiloBucket(Provisioner):
    """Creates and hardens a tenant's bucket (`docs/decisions/0004-silo-buckets.md`).

    `together` makes calls that do not depend on each other. `defaults` holds the settings that a new bucket
    of this account was seen to begin with, and that need not be made: each process of the function looks
    once.
    """

    name: ClassVar[str] = "silo-bucket"
    tiers: ClassVar[frozenset[Tier]] = frozenset({Tier.ENTERPRISE})
    stores: ClassVar[tuple[str, ...]] = ("bucket tenkacloud-<environment>-silo-<slug>-<hash>",)

    s3: "S3Client"
    settings: ProvisionerSettings
    together: Callable[[Sequence[Call]], list[BaseException | None]]
    defaults: set[str] = field(default_factory=set)

    def ensure(self, tenant: TenantSpec) -> Mapping[str, str]:
        """Create the bucket, or adopt it if it is this tenant's; then harden it."""
        name = self._derived_name(tenant)
        if name is None:
            raise ValueError("a bucket's name is made of the tenant's slug")
        bucket = self._bucket(name)
        settings: list[Call] = [
            bucket.keep_versions,
            partial(bucket.set_policy, self._policy(tenant, name)),
        ]
        if self._create(name):
            tags: dict[str, str] = {}
            settings += self._unless_default(bucket)
        else:
            tags = self._tags_of_own(bucket, tenant)
            # Whatever it began with, somebody may have changed it.
            settings += [bucket.close, bucket.encrypt]
        if tags.get(TENANT_TAG) != tenant.tenant_id:
            # Setting tags replaces them all, and some may be others'.
            settings.insert(0, partial(bucket.set_tags, {**tags, TENANT_TAG: tenant.tenant_id}))
        self._make(settings)
        return {SILO_PLACE: name}

    def verify(self, tenant: TenantSpec) -> list[str]:
        """Compare the bucket's tag and settings with those that `ensure` makes."""
        name = self._derived_name(tenant)
        if name is None:
            return ["the tenant's slug is not known, so neither is its bucket"]
        bucket = self._bucket(name)
        try:
            right = {
                f"tag {TENANT_TAG}": bucket.tags().get(TENANT_TAG) == tenant.tenant_id,
                "versioning": bucket.versioning() == hardening.VERSIONING["Status"],
                "policy": bucket.policy() == self._policy(tenant, name),
                "public access": bucket.is_closed(),
                "encryption": bucket.is_encrypted(),
            }
        except ClientError as error:
            _expect(error, _MISSING)
            return [f"bucket {name} is absent"]
        return [f"bucket {name}: {setting} is not as wanted" for setting, good in right.items() if not good]

    def open(self, tenant: TenantSpec, resources: Mapping[str, str]) -> None:
        """Let the tenant's sessions in."""
        name = resources[SILO_PLACE]
        self._bucket(name).set_policy(self._policy(tenant, name))

    def remove(self, tenant: TenantSpec, resources: Mapping[str, str]) -> int:
        """Delete each bucket of the tenant that is tagged with it.

        Raises:
            NotEmptyError: something was put into it since it was purged.
        """
        return sum(
            self._delete(tenant, bucket, tags) for bucket, tags in self._own_buckets(tenant, resources)
        )

    def remains(self, tenant: TenantSpec, resources: Mapping[str, str]) -> list[str]:
        """Return the names of the tenant's buckets that exist."""
        return [f"bucket {bucket.name}" for bucket, _tags in self._own_buckets(tenant, resources)]

    def places_to_purge(self, tenant: TenantSpec, resources: Mapping[str, str]) -> tuple[Place, ...]:
        """Return the tenant's buckets that exist, tagged with it and under the policy of a tenant that goes.

        Buckets of before the maintenance role let only the tenant in; and one that a crash left right after
        its creation has neither tag nor policy.
        """
        leaving = TenantSpec(tenant.tenant_id, tenant.slug, tenant.tier, open_to_tenant=False)
        found = []
        for bucket, tags in self._own_buckets(tenant, resources):
            if tags.get(TENANT_TAG) != tenant.tenant_id:
                bucket.set_tags({**tags, TENANT_TAG: tenant.tenant_id})
            bucket.set_policy(self._policy(leaving, bucket.name))
            found.append(silo_place(bucket.name))
        return tuple(found)

    def _own_buckets(
        self, tenant: TenantSpec, resources: Mapping[str, str]
    ) -> Iterator[tuple[Bucket, dict[str, str]]]:
        """Yield the buckets that exist and are this tenant's, with their tags: the recorded, and the derived.

        Raises:
            PermanentError: the one that the record names is not this tenant's.
        """
        named = resources.get(SILO_PLACE)
        for name in dict.fromkeys((named, self._derived_name(tenant))):
            if name is None:
                continue
            bucket = self._bucket(name)
            try:
                tags = self._tags_of_own(bucket, tenant)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == _DENIED and name != named:
                    continue  # another account has the name: then onboarding has failed for it
                if code == _DENIED:
                    raise PermanentError(
                        f"bucket {name} is not this AWS account's, or its policy keeps us out; "
                        "nothing in it is deleted"
                    ) from error
                _expect(error, _MISSING)
                continue
            except PermanentError:
                if name == named:
                    raise
                continue  # somebody else's: then onboarding has failed for it
            yield bucket, tags

    def _delete(self, tenant: TenantSpec, bucket: Bucket, tags: Mapping[str, str]) -> int:
        if tags.get(TENANT_TAG) != tenant.tenant_id:
            raise PermanentError(
                f"bucket {bucket.name} is not tagged with {tenant.tenant_id!r}; it is not deleted"
            )
        try:
            bucket.delete()
        except ClientError as error:
            if error.response["Error"]["Code"] == "BucketNotEmpty":
                raise NotEmptyError(f"bucket {bucket.name} is not empty any more") from error
            _expect(error, _MISSING)
            return 0  # another delivery was here first
        return 1

    def _bucket(self, name: str) -> Bucket:
        return Bucket(self.s3, name, self.settings.account_id)

    def _derived_name(self, tenant: TenantSpec) -> str | None:
        if tenant.slug is None:
            return None
        return names.silo_bucket(
            self.settings.environment,
            tenant.slug,
            tenant.tenant_id,
            self.settings.account_id,
            self.settings.region,
        )

    def _policy(self, tenant: TenantSpec, bucket: str) -> Policy:
        return policies.silo_bucket_policy(
            bucket,
            tenant.tenant_id,
            self.settings.tenant_access_role_arn,
            self.settings.tenant_maintenance_role_arn,
            open_to_tenant=tenant.open_to_tenant,
        )

    def _create(self, bucket: str) -> bool:
        """Create the bucket; return whether it is certainly new."""
        region = self.settings.region
        location: dict[str, Any] = (
            {} if region == _NO_LOCATION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
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
        return region != _NO_LOCATION

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

    def _tags_of_own(self, bucket: Bucket, tenant: TenantSpec) -> dict[str, str]:
        """Return the tags of a bucket of this account that is this tenant's, or nobody's yet.

        Raises:
            PermanentError: it is somebody else's, or nothing says whose.
        """
        tags = bucket.tags()
        owner = tags.get(TENANT_TAG)
        if owner == tenant.tenant_id:
            return tags
        if owner is not None:
            raise PermanentError(
                f"bucket {bucket.name} exists in this AWS account, but its tag {TENANT_TAG} is {owner!r}, "
                f"not {tenant.tenant_id!r}"
            )
        # A crash right after CreateBucket leaves one without tags and objects. Of any other that has lost its
        # tag, our policy still says whose it is: it names the tenant.
        if (not tags and bucket.is_empty()) or self._names_tenant(bucket, tenant):
            return tags
        raise PermanentError(
            f"bucket {bucket.name} exists in this AWS account, but neither its tag {TENANT_TAG} nor its "
            f"policy says whose it is; if it is this tenant's, add the tag {TENANT_TAG}={tenant.tenant_id} "
            "to it, then retry"
        )

    def _names_tenant(self, bucket: Bucket, tenant: TenantSpec) -> bool:
        """Tell whether a bucket has a policy of ours that names this tenant, whomever else it lets in."""
        return _naming(self._policy(tenant, bucket.name)) in _statements(bucket.policy())


def provisioner(parts: Parts) -> SiloBucket:
    """Make the step."""
    return SiloBucket(parts.clients.s3, parts.settings, parts.clients.together)


def _naming(policy: Policy) -> object:
    (statement,) = [each for each in policy["Statement"] if each["Sid"] == _NAMES_TENANT]
    return statement


def _statements(policy: object) -> list[object]:
    found = policy.get("Statement", []) if isinstance(policy, Mapping) else []
    return found if isinstance(found, list) else [found]


def _is_conflict(error: BaseException | None) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == _CONFLICT


def _expect(error: ClientError, code: str) -> None:
    """Raise an S3 error again unless it has this code."""
    if error.response["Error"]["Code"] != code:
        raise error
