"""AWS clients: the one place that makes them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

#: The oldest boto3 and botocore that know every parameter the functions use: 1.35.2 brought `IfNoneMatch` of
#: S3. Lambda's runtime brings its own, which AWS changes. `requirements/runtime-floor.txt` pins this version,
#: and `tests/packaging` runs the handlers' tests with it.
BOTO3_FLOOR: Final = "1.35.2"

#: Every client: 3 tries of at most 2 + 5 s each, with waits between, end well before the functions'
#: time-out of 60 s (Terraform, module lambda-function); so a function sees its client's error, not its end.
CLIENT_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)
#: More at a time than one silo bucket needs would only open more connections.
_THREADS_MAX: Final = 5

Call = Callable[[], None]


@dataclass(frozen=True)
class SessionCredentials:
    """What STS gives for a session. `repr` leaves the secrets out."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


class Clients:
    """The clients of one function, each made when it is first used: one costs a cold start some 50 ms."""

    #: boto3 promises no thread-safety when a client is made, and steps that go together may each make one.
    _making: ClassVar[Lock] = Lock()

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB."""
        client: DynamoDBClient = self._make("dynamodb")
        return client

    @cached_property
    def events(self) -> "EventBridgeClient":
        """EventBridge."""
        client: EventBridgeClient = self._make("events")
        return client

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        client: CloudWatchLogsClient = self._make("logs")
        return client

    @cached_property
    def s3(self) -> "S3Client":
        """S3."""
        client: S3Client = self._make("s3")
        return client

    @cached_property
    def sqs(self) -> "SQSClient":
        """SQS."""
        client: SQSClient = self._make("sqs")
        return client

    def sts(self, region: str) -> "STSClient":
        """Return a client of a region's own STS.

        The global endpoint is far away, and its sessions don't hold everywhere.
        """
        client: STSClient = self._make("sts", region_name=region)
        return client

    def session(self, credentials: SessionCredentials, region: str) -> boto3.Session:
        """Return a session of vended credentials.

        All of them share a loader: each would read the service models, megabytes of them, anew.
        """
        core = botocore.session.Session()
        core.register_component("data_loader", self._loader)
        return boto3.Session(
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            region_name=region,
            botocore_session=core,
        )

    def together(self, calls: Sequence[Call], threads: int = _THREADS_MAX) -> list[BaseException | None]:
        """Make calls that do not depend on each other; return the error of each, None for success.

        At the same time, as many as there are threads. They have all ended then: Lambda would freeze a thread
        that outlives the function in the middle of a call.
        """
        with ThreadPoolExecutor(threads) as pool:
            return [future.exception() for future in [pool.submit(call) for call in calls]]

    @cached_property
    def _loader(self) -> botocore.loaders.Loader:
        return botocore.loaders.create_loader()

    def _make(self, service: Any, **options: Any) -> Any:
        with self._making:
            return boto3.client(service, config=CLIENT_CONFIG, **options)


def one_by_one(calls: Sequence[Call]) -> list[BaseException | None]:
    """Make calls in their order, all of them; return the error of each, None for success."""
    return [_error_of(call) for call in calls]


def _error_of(call: Call) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - returned, for the caller to raise
        return error
    return None
