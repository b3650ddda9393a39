"""Lambda handler of the `provisioning-completion` function."""

import os
from functools import cache
from typing import Any, Final

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from provisioning_completion.service import Completion
from tenkacloud.events import APPLICATION_PLANE_SOURCE, TENANT_PROVISIONED, TenantProvisioned
from tenkacloud.events.consumer import EventConsumer
from tenkacloud.platform.runtime import CLIENT_CONFIG, METRICS_NAMESPACE, log_versions, required, utc_now
from tenkacloud.tenants.repository import TenantStore

WRITER: Final = "provisioning-completion"

logger = Logger(serialize_stacktrace=False)
metrics = Metrics(namespace=METRICS_NAMESPACE)


@cache
def _consumer() -> EventConsumer[TenantProvisioned]:
    log_versions(logger)
    service = Completion(
        store=TenantStore(
            boto3.client("dynamodb", config=CLIENT_CONFIG), required(os.environ, "TABLE_NAME"), WRITER
        ),
        logger=logger,
        metrics=metrics,
        clock=utc_now,
    )
    return EventConsumer(
        source=APPLICATION_PLANE_SOURCE,
        detail_type=TENANT_PROVISIONED,
        parse=TenantProvisioned.parse,
        handle=service.record,
        queue_url=required(os.environ, "DEAD_LETTER_QUEUE_URL"),
        logger=logger,
        metrics=metrics,
    )


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take one `TenantProvisioned` event."""
    _consumer().consume(event, context)
