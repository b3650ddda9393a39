"""Looking for what may be left of a tenant: with nothing of what purges it.

The prefix and the key of the items are written down here anew, and other listings are read: a mistake in the
purge that overlooks something must not overlook it here as well.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.isolation.context import from_operation
from tenkacloud.isolation.maintenance import MaintenanceAccess, MaintenanceSession
from tenkacloud.isolation.places import Place
from tenkacloud.provisioners.catalogue import Catalogue, resources_naming
from tenkacloud.provisioners.types import TenantSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

#: Of each kind it is counted to about so many: more is not told more precisely.
COUNT_MAX: Final = 10_000
_NO_BUCKET: Final = ("404", "NoSuchBucket")  # HeadBucket has no body, so no code of S3's own


@dataclass(frozen=True)
class Verifier:
    """Counts what is left. `s3` returns the client of the function's own role."""

    access: MaintenanceAccess
    catalogue: Catalogue
    s3: "Callable[[], S3Client]"
    account_id: str

    def remaining(self, event: TenantOffboarding) -> dict[str, int]:
        """Return what there is of the tenant and how much of it; nothing if nothing is left.

        Raises:
            botocore.exceptions.ClientError: AWS failed in a way that a retry may mend.
        """
        tenant_id = event.tenant_id
        prefix = f"tenants/{tenant_id}/"
        session = self.access.session(from_operation(event), [Place("s3Prefix", prefix)])
        tenant = TenantSpec(tenant_id, event.slug, event.tier, open_to_tenant=False)
        named = resources_naming(event.places)
        names = {name for resources in named for name in self.catalogue.remains(tenant, resources)}
        names |= {f"bucket {place.name}" for place in event.places if place.is_silo and self._is_there(place)}
        found = {
            # The versions have the objects among them, if both listings are right.
            "objects": max(self._objects(session, prefix), self._versions(session, prefix)),
            "uploads": self._uploads(session, prefix),
            "items": self._items(session, f"TENANT#{tenant_id}"),
            **dict.fromkeys(sorted(names), 1),
        }
        return {what: number for what, number in found.items() if number}

    def _objects(self, session: MaintenanceSession, prefix: str) -> int:
        listed = session.s3.list_objects_v2(**_data_bucket(session), Prefix=prefix)
        return listed["KeyCount"]

    def _versions(self, session: MaintenanceSession, prefix: str) -> int:
        count = 0
        pages = session.s3.get_paginator("list_object_versions").paginate(
            **_data_bucket(session), Prefix=prefix
        )
        for page in pages:
            count += len(page.get("Versions", ())) + len(page.get("DeleteMarkers", ()))
            if count >= COUNT_MAX:
                break
        return count

    def _uploads(self, session: MaintenanceSession, prefix: str) -> int:
        # Not with the session: AWS does not let IAM bound this listing by a prefix.
        listed = self.s3().list_multipart_uploads(**_data_bucket(session), Prefix=prefix)
        return len(listed.get("Uploads", ()))

    def _items(self, session: MaintenanceSession, partition: str) -> int:
        count = 0
        start: dict[str, Any] = {}
        while count < COUNT_MAX:
            found = session.dynamodb.query(
                TableName=session.data_table_name,
                Select="COUNT",
                ConsistentRead=True,
                KeyConditions={"PK": {"AttributeValueList": [{"S": partition}], "ComparisonOperator": "EQ"}},
                **start,
            )
            count += found["Count"]
            if "LastEvaluatedKey" not in found:
                break
            start = {"ExclusiveStartKey": found["LastEvaluatedKey"]}
        return count

    def _is_there(self, place: Place) -> bool:
        try:
            self.s3().head_bucket(Bucket=place.name, ExpectedBucketOwner=self.account_id)
        except ClientError as error:
            # Denied counts as there: better somebody looks than that it is forgotten.
            return error.response["Error"]["Code"] not in _NO_BUCKET
        return True


def _data_bucket(session: MaintenanceSession) -> dict[str, Any]:
    return {"Bucket": session.scope.data_bucket, "ExpectedBucketOwner": session.account_id}
