"""Settings, AWS clients and time, for the places that wire a function together."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import boto3
import botocore
from botocore.config import Config

from tenkacloud.platform.clock import rfc3339

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

#: The oldest boto3 and botocore that know every parameter the functions use: 1.35.2 brought `IfNoneMatch` of
#: S3. Lambda's runtime brings its own, which AWS changes. `requirements/runtime-floor.txt` pins this version,
#: and `tests/packaging` runs the handlers' tests with it.
BOTO3_FLOOR: Final = "1.35.2"

METRICS_NAMESPACE: Final = "TenkaCloud/Tenants"

#: Every client: 3 tries of at most 2 + 5 s each, with waits between, end well before the functions'
#: time-out of 60 s (Terraform, module lambda-function); so a function sees its client's error, not its end.
CLIENT_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)


def log_versions(logger: "Logger") -> None:
    """Log what the runtime brought, for the place that wires a function together: once per cold start.

    A warning, if it is older than `BOTO3_FLOOR`: some calls will fail before they are sent.
    """
    versions = {
        "python": sys.version.split()[0],
        "boto3": boto3.__version__,
        "botocore": botocore.__version__,
    }
    if _older(boto3.__version__, BOTO3_FLOOR) or _older(botocore.__version__, BOTO3_FLOOR):
        logger.warning("The runtime's boto3 is too old", extra={**versions, "floor": BOTO3_FLOOR})
    else:
        logger.info("Cold start", extra=versions)


def _older(version: str, than: str) -> bool:
    one, other = ([int(part) for part in text.split(".")] for text in (version, than))
    return one < other


def required(environment: Mapping[str, str], name: str) -> str:
    """Return a setting.

    Raises:
        RuntimeError: it is missing or empty, which is a mistake in the deployment.
    """
    value = environment.get(name)
    if not value:
        raise RuntimeError(f"environment variable {name} is not set")
    return value


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def utc_now() -> str:
    """Return the time as `rfc3339` writes it."""
    return rfc3339(now())
