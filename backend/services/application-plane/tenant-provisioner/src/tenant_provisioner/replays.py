"""Is what a replayed event asks for still wanted?

A replay brings events of any age from the archive: also of tenants that were deleted since, or deleted and
created anew with another tier or slug. What those would build would be nobody's.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3

from tenkacloud.events import TenantOnboarding, TenantProvisioned
from tenkacloud.platform.runtime import CLIENT_CONFIG
from tenkacloud.tenants.record import Item, Key, read
from tenkacloud.tenants.validation import TenantStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_WITH_RESOURCES = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)


def asks_for(record: Item, request: TenantOnboarding | TenantProvisioned) -> bool:
    """Tell whether a tenant's record asks for what a request of this tenant would build. Pure."""
    if record.get("status", TenantStatus.ACTIVE) not in _WITH_RESOURCES:
        return False
    if isinstance(request, TenantProvisioned):
        return True  # it builds nothing
    # A record has no slug until its first attempt is marked.
    return record.get("tier") == request.tier and record.get("slug", request.slug) == request.slug


@dataclass(frozen=True)
class TenantRecords:
    """The tenant table, as far as a replay needs it."""

    table_name: str

    def request_onboarding(self, request: TenantOnboarding | TenantProvisioned) -> bool:
        """Tell whether the tenant of a request is there, and its record asks for what the request does.

        Raises:
            botocore.exceptions.ClientError: the record can't be read; worth a retry.
        """
        key = Key.of(request.tenant_id)
        found = self._client.get_item(
            TableName=self.table_name,
            Key={"PK": {"S": key.pk}, "SK": {"S": key.sk}},
            # Deleted a moment ago is deleted.
            ConsistentRead=True,
            ProjectionExpression="#status, tier, slug, PK",
            ExpressionAttributeNames={"#status": "status"},
        )
        return "Item" in found and asks_for(read(found["Item"]), request)

    @cached_property
    def _client(self) -> "DynamoDBClient":
        # Made here, since hardly any process sees a replay, and a client costs a cold start some 50 ms.
        return boto3.client("dynamodb", config=CLIENT_CONFIG)
