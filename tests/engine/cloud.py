"""Somebody with credentials of an engine, and what they are refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from scripts.tooling.project import REGION

ACCOUNT = "000000000000"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
OPEN_TRUST: dict[str, Any] = {
    "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    "Principal": ROOT,
}


@dataclass
class Caller:
    """Somebody with credentials: root, or the session of a role."""

    url: str
    access_key: str = "test"
    secret: str = "test"
    token: str | None = None
    clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret,
                aws_session_token=self.token,
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
        return self.clients[service]

    def assume(self, role: str, **request: Any) -> "Caller":
        """Start a session of a role. Tags are given as a mapping."""
        given = self.sts.assume_role(**assume(role, **request))["Credentials"]
        return Caller(self.url, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def assume(role: str, *, tags: dict[str, str] | None = None, **request: Any) -> dict[str, Any]:
    named = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
    arn = role if role.startswith("arn:") else f"arn:aws:iam::{ACCOUNT}:role/{role}"
    return {"RoleArn": arn, "RoleSessionName": "session", **({"Tags": named} if named else {}), **request}


@dataclass
class Cloud(Caller):
    """Root, who makes roles."""

    def role(
        self,
        name: str,
        *statements: dict[str, Any],
        trust: dict[str, Any] | None = None,
        version: str = "2012-10-17",
        path: str = "/",
        tags: dict[str, str] | None = None,
    ) -> str:
        """Make a role with one policy of these statements (Allow unless they say Deny); return its ARN."""
        arn: str = self.iam.create_role(
            RoleName=name,
            Path=path,
            AssumeRolePolicyDocument=policy(trust or OPEN_TRUST),
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        )["Role"]["Arn"]
        if statements:
            self.iam.put_role_policy(
                RoleName=name, PolicyName="own", PolicyDocument=policy(*statements, version=version)
            )
        return arn


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps(
        {"Version": version, "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
    )


def is_allowed(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "403"}:
            return False
        raise
    return True


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return f"{refused.value.response['Error']['Code']}: {refused.value.response['Error']['Message']}"
