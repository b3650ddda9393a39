"""The state of the simulated AWS: moto's DynamoDB and S3, emptied for each seed, with a stream to watch."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from moto import mock_aws
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.s3.models import s3_backends

from tests.settings import ACCOUNT, DATA_BUCKET, REGION, TABLE

#: Not from the sources: mutants of those are loaded after this.
PARTITION: Final = "PK"
SORT: Final = "SK"
_ASSIGNMENT: Final = re.compile(r"(#\w+) = (?:if_not_exists\(\1, (:\w+)\)|(:\w+))")


@dataclass(frozen=True)
class State:
    """The clients of the simulated AWS. Calls through these are never disturbed."""

    dynamodb: Any
    s3: Any

    def create_table(self, definition: dict[str, Any]) -> None:
        """Create the tenant table as its layout defines it, with a stream."""
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        self.dynamodb.create_table(**definition, StreamSpecification=stream)

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
        """Do a TransactWriteItems of updates and puts: the call that a run makes most.

        Conditions are moto's to decide. The rest is done here, since moto's own way takes most of a run's
        time: it copies the table for each write, and reads expressions of any shape. These have one
        (`tenkacloud.tenants.repository`). A test compares the two.

        Raises:
            botocore.exceptions.ClientError: as boto3 would.
            ValueError: an expression has another shape.
        """
        reasons = [self._reason_against(write) for write in writes]
        if any(reason["Code"] != "None" for reason in reasons):
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
                "CancellationReasons": reasons,
            }
            raise self.dynamodb.exceptions.TransactionCanceledException(answer, "TransactWriteItems")
        for write in writes:
            if "Put" in write:
                self._table.put_item(write["Put"]["Item"])
            else:
                update = write["Update"]
                self._table.put_item(_updated(self._row(update["Key"]).to_json()["Attributes"], update))
        return {}

    def _reason_against(self, write: dict[str, Any]) -> dict[str, Any]:
        """Return what speaks against a write, as a cancelled transaction tells it."""
        update = write.get("Update")
        if update is None:
            return {"Code": "None"}
        row = self._row(update["Key"])
        condition = get_filter_expression(
            update["ConditionExpression"],
            update["ExpressionAttributeNames"],
            update["ExpressionAttributeValues"],
        )
        if condition.expr(row):
            return {"Code": "None"}
        return {"Code": "ConditionalCheckFailed", **({"Item": row.to_json()["Attributes"]} if row else {})}

    def _row(self, key: dict[str, Any]) -> Any:
        return self._table.get_item(DynamoType(key[PARTITION]), DynamoType(key[SORT]))

    @property
    def _table(self) -> Any:
        return dynamodb_backends[ACCOUNT][REGION].get_table(TABLE)


def _updated(attributes: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Return a record's attributes after an update."""
    names, values = update["ExpressionAttributeNames"], update["ExpressionAttributeValues"]
    sets, _, removes = update["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
    after = dict(attributes)
    for assignment in sets.split(", #"):
        found = _ASSIGNMENT.fullmatch(f"#{assignment.removeprefix('#')}")
        if not found:
            raise ValueError(f"an assignment of another shape: {assignment}")
        name, if_absent, value = found.groups()
        if if_absent is None or names[name] not in attributes:
            after[names[name]] = values[if_absent or value]
    for name in removes.split(", ") if removes else ():
        after.pop(names[name], None)
    return after


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
