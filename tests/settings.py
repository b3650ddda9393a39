"""What the functions are run with, where tests run them without a stack."""

from collections.abc import Mapping
from typing import Final

ACCOUNT: Final = "123456789012"
REGION: Final = "ap-northeast-1"
TABLE: Final = "TenkaCloud-test"
DATA_TABLE: Final = "TenkaCloud-test-tenant-data"
BUS: Final = "tenkacloud-test-tenant-events"
DATA_BUCKET: Final = "tenkacloud-data-test"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-access"
MAINTENANCE_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-maintenance"
EXPORTS_BUCKET: Final = "tenkacloud-test-exports"
MULTIPART_THRESHOLD: Final = 5 * 1024**3
QUEUE_URL: Final = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/work"
STUCK_AFTER: Final = 900
AUTOMATIC_RETRIES_MAX: Final = 5
DRAIN: Final = 35
RETIRE_AFTER: Final = 3600
VERIFY_AGAIN_AFTER: Final = 1800
EXPORT_RETENTION_DAYS: Final = 7
FUNCTION_NAME: Final = "tenkacloud-test-function"

#: What Terraform and Lambda would give the functions; each takes what its settings name.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "ACCOUNT_ID": ACCOUNT,
    "AUTOMATIC_RETRIES_MAX": str(AUTOMATIC_RETRIES_MAX),
    "AWS_LAMBDA_FUNCTION_NAME": FUNCTION_NAME,
    "AWS_REGION": REGION,
    "DATA_BUCKET_NAME": DATA_BUCKET,
    "DATA_TABLE_NAME": DATA_TABLE,
    "DRAIN_SECONDS": str(DRAIN),
    "DEAD_LETTER_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/dlq",
    "EVENT_BUS_NAME": BUS,
    "EXPORT_RETENTION_DAYS": str(EXPORT_RETENTION_DAYS),
    "EXPORTS_BUCKET_NAME": EXPORTS_BUCKET,
    "MULTIPART_THRESHOLD_BYTES": str(MULTIPART_THRESHOLD),
    "QUEUE_URL": QUEUE_URL,
    "RETIRE_AFTER_SECONDS": str(RETIRE_AFTER),
    "STUCK_AFTER_SECONDS": str(STUCK_AFTER),
    "TABLE_NAME": TABLE,
    "TENANT_ACCESS_ROLE_ARN": ROLE,
    "TENANT_MAINTENANCE_ROLE_ARN": MAINTENANCE_ROLE,
    "TENANT_CLAIM": "custom:tenantId",
    "TENKACLOUD_ENVIRONMENT": "test",
    "VERIFY_AGAIN_AFTER_SECONDS": str(VERIFY_AGAIN_AFTER),
}
