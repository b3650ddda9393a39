"""Sessions of the roles that act for one tenant, without any change to who may start one.

Each role trusts its functions, and nobody else. So a function is made for a moment that
runs with the role of one of them, and that makes the calls it is told to. It is for whoever may create
functions in the account; it gives a tenant nothing.
"""

import io
import json
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import PROBLEM_DATA, Deployment
from scripts.tooling.project import LOCAL, CommandError
from tenkacloud.isolation.policies import TENANT_TAG, Policy
from tenkacloud.isolation.sessions import session_name
from tenkacloud.tenants.validation import TenantId

#: Runs in Lambda. Credentials leave it in its answer only; nothing is logged.
_SOURCE: Final = """
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

def handler(event, context):
    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3})
    try:
        client = boto3.client(event["service"], config=config)
        answer = getattr(client, event["method"])(**event["arguments"])
    except ClientError as error:
        return {"error": error.response["Error"]["Code"], "message": str(error)}
    except BotoCoreError as error:
        return {"error": type(error).__name__, "message": str(error)}
    credentials = answer.get("Credentials", {})
    return {"credentials": {name: str(credentials[name]) for name in credentials}}
"""


@dataclass(frozen=True)
class Denial:
    """AWS said no: its error code, and what it said."""

    code: str
    message: str


@dataclass(frozen=True)
class Probe:
    """The temporary function."""

    deployment: Deployment
    clients: Clients
    name: str
    #: Whose role it has, and the role whose sessions it starts.
    service: str
    role_arn: str

    def call(self, service: str, method: str, arguments: dict[str, Any]) -> dict[str, str] | Denial:
        """Make a call with the function's own role; return the credentials in the answer, if any.

        Raises:
            CommandError: the function itself failed.
        """
        request = {"service": service, "method": method, "arguments": arguments}
        answer = self.clients.lambda_.invoke(FunctionName=self.name, Payload=json.dumps(request).encode())
        payload = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise CommandError(f"function {self.name} failed: {payload.get('errorMessage')}")
        if "error" in payload:
            return Denial(payload["error"], payload["message"])
        credentials: dict[str, str] = payload["credentials"]
        return credentials

    def request(self, tenant_id: str, policy: Policy | None = None) -> dict[str, Any]:
        """Return the arguments of AssumeRole with which services start a tenant's session."""
        return {
            "RoleArn": self.role_arn,
            "RoleSessionName": session_name(TenantId(tenant_id)),
            "SourceIdentity": self.name,
            "Tags": [{"Key": TENANT_TAG, "Value": tenant_id}],
            "TransitiveTagKeys": [TENANT_TAG],
            **({} if policy is None else {"Policy": json.dumps(policy)}),
        }

    def session(self, tenant_id: str, policy: Policy | None = None) -> boto3.Session:
        """Return a session for a tenant; without `policy`, with the role's own policies alone.

        Raises:
            CommandError: AWS gives none.
        """
        credentials = self.call("sts", "assume_role", self.request(tenant_id, policy))
        if isinstance(credentials, Denial):
            raise CommandError(f"no session for tenant {tenant_id}: {credentials.message}")
        return boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=self.deployment.region,
        )


@contextmanager
def probing(
    deployment: Deployment, clients: Clients, service: str = PROBLEM_DATA, role_arn: str | None = None
) -> Iterator[Probe]:
    """Yield a probe that has the role of a service; its function and logs are deleted afterwards.

    It starts sessions of `role_arn`, by default of the tenant access role.
    """
    role = clients.iam.get_role(RoleName=deployment.function_role_names[service])["Role"]["Arn"]
    name = f"tenkacloud-{deployment.environment}-e2e-probe-{secrets.token_hex(4)}"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        entry = zipfile.ZipInfo("probe.py")
        entry.external_attr = 0o644 << 16  # else Lambda may not read it
        archive.writestr(entry, _SOURCE)
    clients.lambda_.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="probe.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=60,
        MemorySize=256,
        Architectures=["arm64"],
    )
    try:
        clients.lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
        yield Probe(deployment, clients, name, service, role_arn or deployment.tenant_access_role_arn)
    finally:
        clients.lambda_.delete_function(FunctionName=name)
        if deployment.environment == LOCAL:  # on AWS the role may not create a log group
            _delete_logs(clients, f"/aws/lambda/{name}")


def _delete_logs(clients: Clients, group: str) -> None:
    try:
        clients.logs.delete_log_group(logGroupName=group)
    except clients.logs.exceptions.ResourceNotFoundException:
        return
