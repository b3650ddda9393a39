"""A silo bucket: its settings, as calls to S3."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tenkacloud.isolation.hardening import ENCRYPTION, PUBLIC_ACCESS_BLOCK, VERSIONING, is_encrypted
from tenkacloud.isolation.policies import Policy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Bucket:
    """One bucket. Every call names the owner it expects: names are global.

    All methods raise `botocore.exceptions.ClientError` where S3 does.
    """

    s3: "S3Client"
    name: str
    account_id: str

    def tags(self) -> dict[str, str]:
        """Return its tags."""
        try:
            found = self.s3.get_bucket_tagging(**self._target)["TagSet"]
        except ClientError as error:
            _expect(error, "NoSuchTagSet")
            return {}
        return {tag["Key"]: tag["Value"] for tag in found}

    def set_tags(self, tags: dict[str, str]) -> None:
        """Replace all its tags."""
        self.s3.put_bucket_tagging(
            **self._target,
            Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]},
        )

    def is_empty(self) -> bool:
        """Tell whether it holds no objects."""
        return not self.s3.list_objects_v2(**self._target, MaxKeys=1)["KeyCount"]

    def policy(self) -> object:
        """Return its policy, None if it has none."""
        try:
            return json.loads(self.s3.get_bucket_policy(**self._target)["Policy"])
        except ClientError as error:
            _expect(error, "NoSuchBucketPolicy")
            return None

    def set_policy(self, policy: Policy) -> None:
        """Replace its policy."""
        self.s3.put_bucket_policy(**self._target, Policy=json.dumps(policy))

    def keep_versions(self) -> None:
        """Turn versioning on."""
        self.s3.put_bucket_versioning(**self._target, VersioningConfiguration=VERSIONING)

    def versioning(self) -> str | None:
        """Return whether versions are kept: `Enabled`, `Suspended`, or None, which they never were."""
        return self.s3.get_bucket_versioning(**self._target).get("Status")

    def delete(self) -> None:
        """Delete it; it has to be empty."""
        self.s3.delete_bucket(**self._target)

    def is_closed(self) -> bool:
        """Tell whether all public access is blocked."""
        try:
            answer = self.s3.get_public_access_block(**self._target)
        except ClientError as error:
            _expect(error, "NoSuchPublicAccessBlockConfiguration")
            return False
        return bool(answer["PublicAccessBlockConfiguration"] == PUBLIC_ACCESS_BLOCK)

    def close(self) -> None:
        """Block all public access."""
        self.s3.put_public_access_block(**self._target, PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK)

    def is_encrypted(self) -> bool:
        """Tell whether new objects are encrypted as `encrypt` has it."""
        try:
            answer = self.s3.get_bucket_encryption(**self._target)
        except ClientError as error:
            _expect(error, "ServerSideEncryptionConfigurationNotFoundError")
            return False
        return is_encrypted(answer["ServerSideEncryptionConfiguration"])

    def encrypt(self) -> None:
        """Have new objects encrypted."""
        self.s3.put_bucket_encryption(
            **self._target,
            ServerSideEncryptionConfiguration=ENCRYPTION,
        )

    @property
    def _target(self) -> dict[str, Any]:
        return {"Bucket": self.name, "ExpectedBucketOwner": self.account_id}


def _expect(error: ClientError, code: str) -> None:
    """Raise an S3 error again unless it has this code."""
    if error.response["Error"]["Code"] != code:
        raise error
