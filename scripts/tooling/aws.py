"""Clients of the AWS that an environment runs on: the local endpoint, or the caller's account."""

import json
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from localstack_client.session import Session as LocalSession

from scripts.tooling.project import LOCAL, REGION, UsageError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

DEFAULT_URL: Final = "http://127.0.0.1:4566"
_PROBE: Final = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
#: Root of the local engine.
_ROOT: Final[dict[str, Any]] = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "aws_session_token": None,
    "region_name": REGION,
}
#: Every client of scripts and tests.
CLIENT: Final = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"})
#: For calls that wait for what a function answers. Longer than any function that is called so may run (300
#: s), and sent once: a call that was sent again because nobody answered yet would do the work twice.
INVOKE: Final = Config(
    connect_timeout=5, read_timeout=310, retries={"total_max_attempts": 1}, tcp_keepalive=True
)


@dataclass(frozen=True)
class Endpoint:
    """The local AWS endpoint."""

    url: str

    @classmethod
    def configured(cls) -> "Endpoint":
        """Return the endpoint that `AWS_ENDPOINT_URL` names.

        Raises:
            UsageError: it is not a valid http(s) URL.
        """
        url = os.environ.get("AWS_ENDPOINT_URL") or DEFAULT_URL
        endpoint = cls(url.rstrip("/"))
        try:
            valid = urlsplit(url).scheme in ("http", "https") and bool(endpoint.host) and bool(endpoint.port)
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(f"AWS_ENDPOINT_URL={url} is not a valid http(s) URL with a host")
        return endpoint

    @property
    def host(self) -> str:
        """Host name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    def is_default(self) -> bool:
        """Tell whether this is the endpoint of those who configure none."""
        return self.is_loopback() and self.port == urlsplit(DEFAULT_URL).port

    def is_loopback(self) -> bool:
        """Tell whether it is plain HTTP on this machine, where an engine can be started."""
        return self.url.startswith("http://") and self.host in ("127.0.0.1", "localhost", "::1")

    def is_open(self) -> bool:
        """Tell whether anything listens there."""
        try:
            with socket.create_connection((self.host, self.port), timeout=2):
                return True
        except OSError:
            return False

    def edition(self) -> str | None:
        """Return what a MiniStack says of its edition, None if it is not a MiniStack."""
        try:
            with urlopen(f"{self.url}/_ministack/health", timeout=3) as answer:  # noqa: S310 - http(s) only
                return str(json.load(answer)["edition"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_aws(self) -> bool:
        """Tell whether what listens there speaks AWS: whether STS names an account."""
        # Not by `local_session`: a look at another endpoint must not become the choice of it.
        os.environ.pop("AWS_PROFILE", None)
        sts = boto3.client("sts", endpoint_url=self.url, config=_PROBE, **_ROOT)
        try:
            return bool(sts.get_caller_identity().get("Account"))
        except (BotoCoreError, ClientError, ResponseParserError, KeyError):
            return False


def local_session(endpoint: Endpoint) -> Any:
    """Return a session of the local endpoint, as root."""
    # localstack-client takes the endpoint from the environment before all else.
    os.environ["AWS_ENDPOINT_URL"] = endpoint.url
    # The engine knows no profiles, and boto3 fails on one that is configured elsewhere only.
    os.environ.pop("AWS_PROFILE", None)
    return LocalSession(**_ROOT)


def _session(environment: str, region: str) -> Any:
    if environment == LOCAL:
        return local_session(Endpoint.configured())
    return boto3.Session(region_name=region)


class Clients:
    """One client per service, made when first used."""

    def __init__(self, environment: str, region: str) -> None:
        self._session = _session(environment, region)
        self._made: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._session.client(service, config=CLIENT)
        return self._made[service]

    @property
    def cognito(self) -> "CognitoIdentityProviderClient":
        """Cognito user pools."""
        client: CognitoIdentityProviderClient = self._client("cognito-idp")
        return client

    @property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB."""
        client: DynamoDBClient = self._client("dynamodb")
        return client

    @property
    def events(self) -> "EventBridgeClient":
        """EventBridge."""
        client: EventBridgeClient = self._client("events")
        return client

    @property
    def iam(self) -> "IAMClient":
        """IAM."""
        client: IAMClient = self._client("iam")
        return client

    @property
    def lambda_(self) -> "LambdaClient":
        """Lambda."""
        client: LambdaClient = self._client("lambda")
        return client

    @property
    def lambda_once(self) -> "LambdaClient":
        """Lambda, to wait for a function's answer: one attempt, with time for the longest run."""
        if "lambda_once" not in self._made:
            self._made["lambda_once"] = self._session.client("lambda", config=INVOKE)
        client: LambdaClient = self._made["lambda_once"]
        return client

    @property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @property
    def s3(self) -> "S3Client":
        """S3."""
        client: S3Client = self._client("s3")
        return client

    @property
    def sqs(self) -> "SQSClient":
        """SQS."""
        client: SQSClient = self._client("sqs")
        return client

    @property
    def streams(self) -> "DynamoDBStreamsClient":
        """DynamoDB Streams."""
        client: DynamoDBStreamsClient = self._client("dynamodbstreams")
        return client

    @property
    def sts(self) -> "STSClient":
        """STS."""
        client: STSClient = self._client("sts")
        return client
