"""The canary's items in the tenant table, and no others."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from canary.decisions import CANARY_ID, MARKER, Record
from tenkacloud.tenants.keys import HISTORY_PREFIX, Key
from tenkacloud.tenants.operations import OPERATION
from tenkacloud.tenants.validation import TenantStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = Key.of(CANARY_ID)


@dataclass(frozen=True)
class CanaryRepository:
    """The canary's record and history. Errors of AWS are raised: the next run tries again."""

    client: "DynamoDBClient"
    table_name: str

    def record(self) -> Record | None:
        """Return the record that has the canary's id, None if there is none."""
        found = self.client.get_item(TableName=self.table_name, Key=_KEY.attributes, ConsistentRead=True)
        return found.get("Item")

    def remove(self, record: Record) -> bool:
        """Remove the record if it is still the canary's, with the same status; say whether that was so.

        Not one that something is under way of: that would be lost with it.
        """
        try:
            self.client.delete_item(
                TableName=self.table_name,
                Key=_KEY.attributes,
                ConditionExpression=(
                    "#marker = :true AND provisioningStatus = :provisioning "
                    "AND attribute_not_exists(#operation) "
                    "AND (attribute_not_exists(#status) OR NOT #status IN (:offboarding, :deleted))"
                ),
                ExpressionAttributeNames={
                    "#marker": MARKER,
                    "#operation": OPERATION,
                    "#status": "status",
                },
                ExpressionAttributeValues={
                    ":true": {"BOOL": True},
                    ":provisioning": record.get("provisioningStatus", {"NULL": True}),
                    ":offboarding": {"S": TenantStatus.OFFBOARDING},
                    ":deleted": {"S": TenantStatus.DELETED},
                },
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def remove_history(self) -> None:
        """Remove the history that the canary left."""
        start: dict[str, Any] = {}
        while True:
            page = self.client.query(
                TableName=self.table_name,
                KeyConditionExpression="PK = :pk AND begins_with(SK, :history)",
                ExpressionAttributeValues={":pk": {"S": _KEY.pk}, ":history": {"S": HISTORY_PREFIX}},
                ProjectionExpression="SK",
                **start,
            )
            for item in page["Items"]:
                self.client.delete_item(
                    TableName=self.table_name, Key=Key(_KEY.pk, item["SK"]["S"]).attributes
                )
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def add(self, record: dict[str, Any]) -> bool:
        """Write the record unless there is one; say whether it was written."""
        try:
            self.client.put_item(
                TableName=self.table_name, Item=record, ConditionExpression="attribute_not_exists(PK)"
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True
