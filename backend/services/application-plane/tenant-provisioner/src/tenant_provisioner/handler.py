"""Lambda handler of the `tenant-provisioner` function."""

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from tenant_provisioner.provisioners.pool import PoolProvisioner
from tenant_provisioner.provisioners.silo import SiloProvisioner
from tenant_provisioner.replays import TenantRecords
from tenant_provisioner.requests import parse_request
from tenant_provisioner.service import TenantProvisioner
from tenant_provisioner.side_by_side import side_by_side
from tenkacloud.events import CONTROL_PLANE_SOURCE, TENANT_ONBOARDING, Event
from tenkacloud.events.bus import EventBus
from tenkacloud.events.consumer import EventConsumer
from tenkacloud.platform.runtime import CLIENT_CONFIG, METRICS_NAMESPACE, log_versions, required, utc_now
from tenkacloud.tenants.validation import Tier

logger = Logger(serialize_stacktrace=False)
metrics = Metrics(namespace=METRICS_NAMESPACE)


@cache
def _consumer() -> EventConsumer[Event]:
    log_versions(logger)
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    account_id = required(os.environ, "ACCOUNT_ID")
    pool = PoolProvisioner(s3, required(os.environ, "DATA_BUCKET_NAME"), account_id)
    silo = SiloProvisioner(
        s3=s3,
        environment=required(os.environ, "TENKACLOUD_ENVIRONMENT"),
        account_id=account_id,
        region=required(os.environ, "AWS_REGION"),
        tenant_access_role_arn=required(os.environ, "TENANT_ACCESS_ROLE_ARN"),
        run_all=side_by_side,
    )
    service = TenantProvisioner(
        provisioners={Tier.FREE: pool, Tier.PRO: pool, Tier.ENTERPRISE: silo},
        bus=EventBus(boto3.client("events", config=CLIENT_CONFIG), required(os.environ, "EVENT_BUS_NAME")),
        logger=logger,
        metrics=metrics,
        clock=utc_now,
    )
    records = TenantRecords(required(os.environ, "TABLE_NAME"))
    return EventConsumer(
        source=CONTROL_PLANE_SOURCE,
        detail_type=TENANT_ONBOARDING,
        parse=lambda detail: parse_request(detail, utc_now()),
        handle=service.onboard,
        queue_url=required(os.environ, "DEAD_LETTER_QUEUE_URL"),
        logger=logger,
        metrics=metrics,
        is_wanted=records.request_onboarding,
    )


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take one `TenantOnboarding` event."""
    _consumer().consume(event, context)
