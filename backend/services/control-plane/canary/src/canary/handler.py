"""Lambda handler of the `canary` function."""

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from canary.repository import CanaryRepository
from canary.service import Canary
from tenkacloud.platform.runtime import CLIENT_CONFIG, METRICS_NAMESPACE, log_versions, now, required

logger = Logger(serialize_stacktrace=False)
metrics = Metrics(namespace=METRICS_NAMESPACE)


@cache
def _service() -> Canary:
    log_versions(logger)
    return Canary(
        repository=CanaryRepository(
            boto3.client("dynamodb", config=CLIENT_CONFIG), required(os.environ, "TABLE_NAME")
        ),
        s3=boto3.client("s3", config=CLIENT_CONFIG),
        data_bucket=required(os.environ, "DATA_BUCKET_NAME"),
        account_id=required(os.environ, "ACCOUNT_ID"),
        logger=logger,
        metrics=metrics,
        clock=now,
    )


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(clear_state=True)
def handler(_event: Any, _context: LambdaContext) -> dict[str, Any]:
    """Run once, for the schedule or for whoever invokes it; return what was done."""
    return _service().run()
