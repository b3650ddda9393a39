"""The bucket for Terraform's state."""

import json

import boto3
import pytest
from moto import mock_aws

from scripts.tooling import state_bucket
from scripts.tooling.project import CommandError


@pytest.mark.parametrize("region", ["ap-northeast-1", "us-east-1"])
def test_it_is_versioned_encrypted_private_and_for_tls_only(
    monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("STATE_BUCKET", "the-state")
    monkeypatch.setenv("STATE_REGION", region)
    with mock_aws():
        for _ in range(2):
            state_bucket.main([])
        s3 = boto3.client("s3", region_name=region)
        assert s3.get_bucket_versioning(Bucket="the-state")["Status"] == "Enabled"
        assert s3.get_bucket_encryption(Bucket="the-state")["ServerSideEncryptionConfiguration"]["Rules"]
        assert all(s3.get_public_access_block(Bucket="the-state")["PublicAccessBlockConfiguration"].values())
        (statement,) = json.loads(s3.get_bucket_policy(Bucket="the-state")["Policy"])["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_name_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
        state_bucket.create("the-state", "ap-northeast-1")
        monkeypatch.setenv("MOTO_ACCOUNT_ID", "123456789012")
        with pytest.raises(CommandError, match="bucket the-state is another AWS account's"):
            state_bucket.create("the-state", "ap-northeast-1")


def test_a_missing_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_BUCKET", raising=False)
    with pytest.raises(CommandError, match="STATE_BUCKET=<globally unique name>"):
        state_bucket.main([])
