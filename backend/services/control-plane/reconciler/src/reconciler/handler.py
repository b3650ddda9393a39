"""Lambda handler of the `reconciler` function."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from reconciler.repository import TenantReader
from reconciler.requests import Repair, parse_request
from reconciler.service import Reconciler
from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.bus import EventBus
from tenkacloud.onboarding import OnboardingRequester
from tenkacloud.platform.runtime import CLIENT_CONFIG, METRICS_NAMESPACE, log_versions, now, required
from tenkacloud.tenants.repository import TenantStore

WRITER: Final = "reconciler"

logger = Logger(serialize_stacktrace=False)
metrics = Metrics(namespace=METRICS_NAMESPACE)


@cache
def _service() -> Reconciler:
    log_versions(logger)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    table_name = required(os.environ, "TABLE_NAME")
    return Reconciler(
        control_plane=OnboardingRequester(
            TenantStore(dynamodb, table_name, WRITER),
            EventBus(boto3.client("events", config=CLIENT_CONFIG), required(os.environ, "EVENT_BUS_NAME")),
        ),
        reader=TenantReader(dynamodb, table_name),
        stuck_after=int(required(os.environ, "STUCK_AFTER_SECONDS")),
        automatic_retries_max=int(required(os.environ, "RESUMPTIONS_MAX")),
        logger=logger,
        metrics=metrics,
        clock=now,
    )


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Sweep, or repair; return what was done.

    Raises:
        InvalidFieldError: the event asks for neither.
    """
    try:
        request = parse_request(event)
    except InvalidFieldError as error:
        # Whoever asked waits for the answer and gets it; this is for those who look at the function.
        logger.error("Request rejected", reason=str(error))  # noqa: TRY400 - the reason says it all
        metrics.add_metric("RequestRejected", MetricUnit.Count, 1)
        raise
    if isinstance(request, Repair):
        return _service().repair(request, context)
    return _service().sweep(request, context)
