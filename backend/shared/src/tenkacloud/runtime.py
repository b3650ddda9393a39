"""Settings, AWS clients and time, for the places that wire a function together."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from botocore.config import Config

from tenkacloud.clock import rfc3339

METRICS_NAMESPACE: Final = "TenkaCloud/Tenants"

#: Every client: 3 tries of at most 2 + 5 s each, with waits between, end well before the functions'
#: time-out of 60 s (Terraform, module lambda-function); so a function sees its client's error, not its end.
CLIENT_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)


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
