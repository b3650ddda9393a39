"""Lambda handler of the `provisioning` function."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from provisioning.service import Provisioning
from tenkacloud.events.bus import EventBus
from tenkacloud.onboarding import OnboardingRequester
from tenkacloud.platform.runtime import CLIENT_CONFIG, METRICS_NAMESPACE, log_versions, required, utc_now
from tenkacloud.tenants.repository import TenantStore

WRITER: Final = "provisioning"

logger = Logger(serialize_stacktrace=False)
metrics = Metrics(namespace=METRICS_NAMESPACE)


@cache
def _service() -> Provisioning:
    log_versions(logger)
    return Provisioning(
        control_plane=OnboardingRequester(
            TenantStore(
                boto3.client("dynamodb", config=CLIENT_CONFIG), required(os.environ, "TABLE_NAME"), WRITER
            ),
            EventBus(boto3.client("events", config=CLIENT_CONFIG), required(os.environ, "EVENT_BUS_NAME")),
        ),
        logger=logger,
        metrics=metrics,
    )


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Take a batch of the tenant table's stream; return `batchItemFailures`."""
    return _service().handle(event, context, utc_now())
