"""The state of the simulated AWS: moto's DynamoDB and S3, emptied for each seed, with a stream to watch."""

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from moto import mock_aws
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.s3.models import s3_backends

ACCOUNT: Final = "123456789012"
REGION: Final = "ap-northeast-1"
TABLE: Final = "TenkaCloud-test"
DATA_BUCKET: Final = "tenkacloud-data-test"
STUCK_AFTER: Final = 900
RESUMPTIONS_MAX: Final = 5
SETTINGS: Final = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "TABLE_NAME": TABLE,
    "EVENT_BUS_NAME": "tenkacloud-test-tenant-events",
    "DATA_BUCKET_NAME": DATA_BUCKET,
    "TENKACLOUD_ENVIRONMENT": "test",
    "TENANT_ACCESS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/tenkacloud-test-tenant-access",
    "ACCOUNT_ID": ACCOUNT,
    "DEAD_LETTER_QUEUE_URL": "https://queue.example/dlq",
    "STUCK_AFTER_SECONDS": str(STUCK_AFTER),
    "RESUMPTIONS_MAX": str(RESUMPTIONS_MAX),
    "AWS_LAMBDA_FUNCTION_NAME": "tenkacloud-test-function",
}
INDEXES: Final = ("by-slug", "by-status-tier", "in-flight", "failed")


@dataclass(frozen=True)
class State:
    """The clients of the simulated AWS. Calls through these are never disturbed."""

    dynamodb: Any
    s3: Any

    def clear(self) -> None:
        """Empty the table and the stream, and leave the data bucket alone, empty."""
        table = self._table
        table.items.clear()
        table.stream_shard.items.clear()
        buckets = s3_backends[ACCOUNT]["aws"].buckets
        for name in [name for name in buckets if name != DATA_BUCKET]:
            del buckets[name]
            s3_backends.bucket_accounts.pop(name, None)
        buckets[DATA_BUCKET].keys.clear()

    def stream(self, start: int) -> list[dict[str, Any]]:
        """Return the stream's records from a position."""
        return [each.to_json() for each in self._table.stream_shard.items[start:]]

    def items(self) -> list[dict[str, Any]]:
        """Return all items of the table."""
        rows = [row for partition in self._table.items.values() for row in partition.values()]
        return [row.to_json()["Attributes"] for row in rows]

    def buckets(self) -> list[str]:
        """Return the names of the silo buckets."""
        return [name for name in s3_backends[ACCOUNT]["aws"].buckets if name != DATA_BUCKET]

    def bucket(self, name: str) -> Any:
        """Return a bucket as moto keeps it, None if there is none."""
        return s3_backends[ACCOUNT]["aws"].buckets.get(name)

    def tags(self, name: str) -> dict[str, str]:
        """Return a bucket's tags."""
        bucket = self.bucket(name)
        tags: dict[str, str] = s3_backends[ACCOUNT]["aws"].tagger.get_tag_dict_for_resource(bucket.arn)
        return tags

    def pool(self) -> set[str]:
        """Return the keys of the data bucket's objects."""
        return set(s3_backends[ACCOUNT]["aws"].buckets[DATA_BUCKET].keys)

    def record(self, pk: str) -> dict[str, Any]:
        """Return a tenant's record, empty if there is none."""
        row = self._table.items.get(DynamoType({"S": pk}), {}).get(DynamoType({"S": "METADATA"}))
        return dict(row.to_json()["Attributes"]) if row else {}

    def transact(self, writes: list[dict[str, Any]]) -> dict[str, Any]:
        """Do a TransactWriteItems as moto does, without its way through HTTP: the call that a run makes most.

        Raises:
            botocore.exceptions.ClientError: as boto3 would.
        """
        try:
            dynamodb_backends[ACCOUNT][REGION].transact_write_items(writes)
        except TransactionCanceledException as cancelled:
            body = json.loads(cancelled.description)
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": body["Message"]},
                "CancellationReasons": body["CancellationReasons"],
            }
            raise self.dynamodb.exceptions.TransactionCanceledException(
                answer, "TransactWriteItems"
            ) from cancelled
        return {}

    @property
    def _table(self) -> Any:
        return dynamodb_backends[ACCOUNT][REGION].get_table(TABLE)


@contextmanager
def state() -> Iterator[State]:
    """Run a simulated AWS."""
    before = dict(os.environ)
    os.environ.pop("AWS_ENDPOINT_URL", None)
    os.environ.update(SETTINGS)
    config = Config(signature_version=UNSIGNED, parameter_validation=False)
    try:
        with mock_aws(), _cheap_transactions():
            dynamodb: Any = boto3.client("dynamodb", config=config)
            # Signed: moto refuses to read objects for nobody.
            s3: Any = boto3.client("s3", config=Config(parameter_validation=False))
            names = ["PK", "SK", *(f"GSI{n}{part}" for n in range(1, 5) for part in ("PK", "SK"))]
            dynamodb.create_table(
                TableName=TABLE,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
                KeySchema=_schema("PK", "SK"),
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
                GlobalSecondaryIndexes=[
                    {
                        "IndexName": index,
                        "KeySchema": _schema(f"GSI{n}PK", f"GSI{n}SK"),
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                    for n, index in enumerate(INDEXES, start=1)
                ],
            )
            s3.create_bucket(Bucket=DATA_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
            yield State(dynamodb, s3)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


@contextmanager
def _cheap_transactions() -> Iterator[None]:
    """Have moto keep, for a transaction's rollback, copies of the items only.

    It copies the whole table, stream and all, for each write of a transaction: most of a run's time.
    """

    def copied(table: Any, _memo: dict[int, Any]) -> Any:
        twin = copy.copy(table)
        twin.items = type(table.items)(dict)
        for partition, rows in table.items.items():
            # Lines of history are never changed, so they can be shared.
            twin.items[partition] = {
                key: copy.deepcopy(item) if key.value == "METADATA" else item for key, item in rows.items()
            }
        twin.stream_shard = copy.copy(table.stream_shard)
        twin.stream_shard.table = twin
        twin.stream_shard.items = list(table.stream_shard.items)
        return twin

    Table.__deepcopy__ = copied  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del Table.__deepcopy__  # type: ignore[attr-defined]
