"""The state of the simulated AWS: moto's DynamoDB and S3, emptied for each seed, with a stream to watch."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from moto import mock_aws
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.s3.models import s3_backends

from tests.settings import ACCOUNT, DATA_BUCKET, REGION, TABLE


@dataclass(frozen=True)
class State:
    """The clients of the simulated AWS. Calls through these are never disturbed."""

    dynamodb: Any
    s3: Any

    def create_table(self, definition: dict[str, Any]) -> None:
        """Create the tenant table as its layout defines it, with a stream."""
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        self.dynamodb.create_table(**definition, StreamSpecification=stream)
        tables = dynamodb_backends[ACCOUNT][REGION].tables
        tables[TABLE] = _TenantTable.of(tables[TABLE])

    def clear(self) -> None:
        """Empty the table and the stream, and leave the data bucket alone, empty."""
        table = self._table
        table.items.clear()
        table.stream_shard.items.clear()
        backend = s3_backends[ACCOUNT]["aws"]
        for name in self.buckets():
            # moto keeps the tags apart, and gives them to the next bucket of the name.
            backend.tagger.delete_all_tags_for_resource(backend.buckets[name].arn)
            del backend.buckets[name]
            s3_backends.bucket_accounts.pop(name, None)
        backend.buckets[DATA_BUCKET].keys.clear()

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
def simulated_aws() -> Iterator[State]:
    """Run a simulated AWS, without a table as yet."""
    with mock_aws():
        dynamodb = _client("dynamodb", signature_version=UNSIGNED)
        # Signed: moto refuses to read objects for nobody.
        s3 = _client("s3")
        s3.create_bucket(Bucket=DATA_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield State(dynamodb, s3)


def _client(service: Any, **options: Any) -> Any:
    # Whatever endpoint the environment names: calls must come to moto.
    settings: Any = {"parameter_validation": False, "ignore_configured_endpoint_urls": True, **options}
    return boto3.client(
        service,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(**settings),
    )


class _TenantTable(Table):
    """A table of moto's that is cheap to copy.

    For a transaction's rollback moto copies the whole table, stream and all, at each write of the
    transaction: that would be most of a run's time.
    """

    @classmethod
    def of(cls, table: Table) -> "_TenantTable":
        """Return a table that takes the place of one of moto's."""
        twin = object.__new__(cls)
        vars(twin).update(vars(table))
        shard: Any = twin.stream_shard
        shard.table = twin
        return twin

    def __deepcopy__(self, _memo: dict[int, Any]) -> "_TenantTable":
        twin: Any = copy.copy(self)
        twin.items = type(self.items)(dict)
        for partition, rows in self.items.items():
            # Lines of history are never changed, so they can be shared.
            twin.items[partition] = {
                key: copy.deepcopy(item) if key.value == "METADATA" else item for key, item in rows.items()
            }
        twin.stream_shard = copy.copy(self.stream_shard)
        twin.stream_shard.table = twin
        twin.stream_shard.items = list(twin.stream_shard.items)
        return twin  # type: ignore[no-any-return]
