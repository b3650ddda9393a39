"""Silo: a bucket of its own for each ENTERPRISE tenant."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tenant_provisioner.types import Resources
from tenkacloud import names, policies
from tenkacloud.errors import PermanentFailure
from tenkacloud.events import TenantOnboarding
from tenkacloud.policies import TENANT_TAG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NO_LOCATION: Final = "us-east-1"  # S3 refuses this region as a LocationConstraint

#: CreateBucket's answers that a retry can't change, and what an operator is told.
_PERMANENT: Final = {
    "BucketAlreadyExists": "bucket {bucket} is owned by another AWS account",
    "InvalidBucketName": "S3 does not accept the bucket name {bucket}",
    "TooManyBuckets": "this AWS account is at its limit of buckets; raise the quota, then retry",
}


@dataclass(frozen=True)
class SiloProvisioner:
    """Creates and hardens a tenant's bucket.

    The bucket is tagged first: the tag is what says, after a crash between any two calls, whose it is.
    """

    s3: "S3Client"
    environment: str
    account_id: str
    region: str
    tenant_access_role_arn: str

    def provision(self, tenant: TenantOnboarding) -> Resources:
        """Create the bucket, or adopt it if it is this tenant's; then harden it."""
        bucket = names.silo_bucket(
            self.environment, tenant.slug, tenant.tenant_id, self.account_id, self.region
        )
        target: dict[str, Any] = {"Bucket": bucket, "ExpectedBucketOwner": self.account_id}
        if self._create(bucket) or self._is_unclaimed(target, tenant.tenant_id):
            self.s3.put_bucket_tagging(
                **target, Tagging={"TagSet": [{"Key": TENANT_TAG, "Value": tenant.tenant_id}]}
            )
        self.s3.put_public_access_block(
            **target,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self.s3.put_bucket_encryption(
            **target,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self.s3.put_bucket_versioning(**target, VersioningConfiguration={"Status": "Enabled"})
        policy = policies.silo_bucket_policy(bucket, tenant.tenant_id, self.tenant_access_role_arn)
        self.s3.put_bucket_policy(**target, Policy=json.dumps(policy))
        return {"dedicatedBucket": bucket}

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
                raise PermanentFailure(_PERMANENT[code].format(bucket=bucket)) from error
            if code != "BucketAlreadyOwnedByYou":
                raise
            return False
        # There S3 also says yes to a bucket that this account has had before.
        return self.region != _NO_LOCATION

    def _is_unclaimed(self, target: dict[str, Any], tenant_id: str) -> bool:
        """Tell whether a bucket of this account is still to be tagged; False if it is this tenant's.

        Raises:
            PermanentFailure: it is somebody else's.
        """
        try:
            tags = self.s3.get_bucket_tagging(**target)["TagSet"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                raise
            tags = []
        owner = next((tag["Value"] for tag in tags if tag["Key"] == TENANT_TAG), None)
        if owner == tenant_id:
            return False
        # A crash right after CreateBucket leaves one without tags and contents. Any other is not ours.
        if tags or self.s3.list_objects_v2(**target, MaxKeys=1)["KeyCount"]:
            raise PermanentFailure(
                f"bucket {target['Bucket']} exists in this AWS account, but its tag {TENANT_TAG} "
                f"is {owner!r}, not {tenant_id!r}"
            )
        return True
