"""Create the S3 bucket that keeps Terraform's state: `python -m scripts.tooling.state_bucket`.

Settings: `STATE_BUCKET`, its name; `STATE_REGION`. Versioned, encrypted, not public, TLS only. Can be run
again: a bucket of this account is brought into the same shape, one of another account is refused.
"""

import json
import os
from typing import Any

import boto3
from botocore.exceptions import ClientError

from scripts.tooling.project import REGION, CommandError, UsageError, run, say


def main(_arguments: list[str]) -> None:
    """Create the bucket that the settings name."""
    bucket = os.environ.get("STATE_BUCKET")
    if not bucket:
        raise UsageError("say how the bucket is to be called: STATE_BUCKET=<globally unique name>")
    region = os.environ.get("STATE_REGION") or REGION
    create(bucket, region)
    say(f"state bucket {bucket} is ready in {region}")


def create(bucket: str, region: str) -> None:
    """Create and harden the bucket.

    Raises:
        CommandError: it is another account's.
    """
    session = boto3.Session(region_name=region)
    s3 = session.client("s3")
    account = session.client("sts").get_caller_identity()["Account"]
    # us-east-1 is S3's default, and the one region that it refuses by name.
    location: Any = (
        {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    try:
        s3.create_bucket(Bucket=bucket, **location)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "BucketAlreadyExists":
            raise CommandError(f"bucket {bucket} is another AWS account's; choose another name") from None
        if code != "BucketAlreadyOwnedByYou":
            raise
    mine: Any = {"Bucket": bucket, "ExpectedBucketOwner": account}
    s3.put_public_access_block(
        **mine,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_versioning(**mine, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(
        **mine,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    arn = f"arn:{session.get_partition_for_region(region)}:s3:::{bucket}"
    statement = {
        "Sid": "DenyInsecureTransport",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(**mine, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


if __name__ == "__main__":
    run(main)
