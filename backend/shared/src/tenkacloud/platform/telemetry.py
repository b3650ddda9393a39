"""Logs and metrics, one of each for all functions, and which versions a function runs on."""

import sys
from collections.abc import Mapping
from typing import Final

import boto3
import botocore
from aws_lambda_powertools import Logger, Metrics

from tenkacloud.platform.clients import BOTO3_FLOOR

METRICS_NAMESPACE: Final = "TenkaCloud/Tenants"

logger: Final = Logger(serialize_stacktrace=False)
metrics: Final = Metrics(namespace=METRICS_NAMESPACE)


def runtime_versions() -> dict[str, str]:
    """Return the versions of what the runtime brought."""
    return {
        "python": sys.version.split()[0],
        "boto3": boto3.__version__,
        "botocore": botocore.__version__,
    }


def log_versions(versions: Mapping[str, str]) -> None:
    """Log what the runtime brought (`runtime_versions`): once per cold start.

    A warning, if it is older than `BOTO3_FLOOR`: some calls will fail before they are sent.
    """
    if _older(versions["boto3"], BOTO3_FLOOR) or _older(versions["botocore"], BOTO3_FLOOR):
        logger.warning("The runtime's boto3 is too old", extra={**versions, "floor": BOTO3_FLOOR})
    else:
        logger.info("Cold start", extra=versions)


def _older(version: str, than: str) -> bool:
    one, other = ([int(part) for part in text.split(".")] for text in (version, than))
    return one < other
