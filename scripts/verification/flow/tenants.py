"""Tenants that scripts and tests put on the stack, and take off it again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import CommandError
from scripts.tooling.waiting import wait_until
from tenkacloud.isolation.resource_names import export_prefix, pool_prefix, silo_bucket
from tenkacloud.tenants.keys import TENANT_PREFIX, Key
from tenkacloud.tenants.lifecycle import FINAL, ProvisioningStatus
from tenkacloud.tenants.validation import Slug, TenantId, derive_slug

#: The design's test step 1, word for word (`docs/design/phase2-sbt-tenant-isolation.md`).
DESIGN_ITEM: Final[dict[str, Any]] = {
    "PK": {"S": "TENANT#test-tenant"},
    "SK": {"S": "METADATA"},
    "id": {"S": "test-tenant"},
    "name": {"S": "Test Tenant"},
    "tier": {"S": "ENTERPRISE"},
    "provisioningStatus": {"S": "PENDING"},
}


@dataclass
class Tenant:
    """A tenant, by the record that it was written with. `existed`: there was one of its id before."""

    item: dict[str, Any]
    existed: bool = False

    @property
    def id(self) -> TenantId:
        """Tenant id."""
        return TenantId(self.item["id"]["S"])

    @property
    def slug(self) -> Slug:
        """The slug that the flow derives: the items have none."""
        return derive_slug(self.item["name"]["S"], self.id)

    @property
    def tier(self) -> str:
        """Tier."""
        return str(self.item["tier"]["S"])

    @property
    def key(self) -> dict[str, Any]:
        """Primary key, in DynamoDB's JSON."""
        return {"PK": self.item["PK"], "SK": self.item["SK"]}

    def write(self, deployment: Deployment, clients: Clients) -> None:
        """Write the record, and take note whether it replaces one."""
        written = clients.dynamodb.put_item(
            TableName=deployment.table_name, Item=self.item, ReturnValues="ALL_OLD"
        )
        self.existed = bool(written.get("Attributes"))

    def record(self, deployment: Deployment, clients: Clients) -> dict[str, Any]:
        """Return the record as it is now, empty if there is none."""
        return read(clients, deployment.table_name, self.key)


def key_of(tenant_id: str) -> dict[str, Any]:
    """Return the primary key of a tenant's record, in DynamoDB's JSON; the id may be an invalid one."""
    return Key(f"{TENANT_PREFIX}{tenant_id}").attributes


def new_item(tenant_id: str, tier: str, name: str) -> dict[str, Any]:
    """Return a record as the design writes it: PENDING, with what nobody could derive."""
    return {
        **key_of(tenant_id),
        "id": {"S": tenant_id},
        "name": {"S": name},
        "tier": {"S": tier},
        "provisioningStatus": {"S": ProvisioningStatus.PENDING},
    }


def read(clients: Clients, table_name: str, key: dict[str, Any]) -> dict[str, Any]:
    """Return an item as it is now, empty if there is none."""
    answer = clients.dynamodb.get_item(TableName=table_name, Key=key, ConsistentRead=True)
    return dict(answer.get("Item", {}))


def write_all(clients: Clients, table_name: str, items: list[dict[str, Any]]) -> None:
    """Write items, at most 25 of them, in one call; those that DynamoDB puts off, in the next."""
    requests: Any = [{"PutRequest": {"Item": item}} for item in items]
    while requests:
        answer = clients.dynamodb.batch_write_item(RequestItems={table_name: requests})
        requests = answer.get("UnprocessedItems", {}).get(table_name)


def status_of(record: dict[str, Any]) -> str:
    """Return the provisioning status on a record in DynamoDB's JSON; "None" if there is none."""
    return str(record.get("provisioningStatus", {}).get("S"))


def resources_on(record: dict[str, Any]) -> dict[str, str]:
    """Return the resources that a record names; nothing if it names none."""
    return {name: value["S"] for name, value in record.get("resources", {}).get("M", {}).items()}


@contextmanager
def onboarded(
    deployment: Deployment, clients: Clients, tenants: Iterable[Tenant], seconds: float
) -> Iterator[list[Tenant]]:
    """Onboard tenants by the flow; yield them once they are COMPLETED, and remove them afterwards.

    Raises:
        CommandError: one of them is not COMPLETED in time.
    """
    found = list(tenants)
    try:
        for tenant in found:
            tenant.write(deployment, clients)
        statuses: dict[str, str] = {}

        def all_final() -> bool:
            statuses.update({each.id: status_of(each.record(deployment, clients)) for each in found})
            return FINAL.issuperset(statuses.values())

        wait_until(lambda: f"tenants to be COMPLETED (they are {statuses})", all_final, seconds)
        if failed := [each for each in found if statuses[each.id] != ProvisioningStatus.COMPLETED]:
            reason = failed[0].record(deployment, clients).get("failureReason", {}).get("S")
            raise CommandError(f"tenant {failed[0].id} is FAILED, not COMPLETED: {reason}")
        yield found
    finally:
        for tenant in found:
            remove(deployment, clients, tenant)


def remove(deployment: Deployment, clients: Clients, tenant: Tenant) -> None:
    """Remove a tenant's record and resources; not one that was there before this run."""
    if tenant.existed:
        return
    # The record first: without it no function writes any more history.
    clients.dynamodb.delete_item(TableName=deployment.table_name, Key=tenant.key)
    for table_name in (deployment.table_name, deployment.data_table_name):
        _remove_partition(clients, table_name, tenant)
    empty(clients, deployment.data_bucket_name, pool_prefix(tenant.id))
    if deployment.exports_bucket_name:
        empty(clients, deployment.exports_bucket_name, export_prefix(tenant.id))
    with suppress(clients.logs.exceptions.ResourceNotFoundException):
        clients.logs.delete_log_group(logGroupName=log_group_of(deployment, tenant.id))
    # Not from the record: a flow that broke off has made resources that no record names.
    bucket = silo_bucket(
        deployment.environment, tenant.slug, tenant.id, deployment.account_id, deployment.region
    )
    try:
        empty(clients, bucket, "")
        clients.s3.delete_bucket(Bucket=bucket)
    except clients.s3.exceptions.NoSuchBucket:
        return


def log_group_of(deployment: Deployment, tenant_id: TenantId) -> str:
    """Return the name of the log group that a tenant of the tier ENTERPRISE has."""
    return f"/tenkacloud/{deployment.environment}/tenants/{tenant_id}"


def _remove_partition(clients: Clients, table_name: str, tenant: Tenant) -> None:
    pages = clients.dynamodb.get_paginator("query").paginate(
        TableName=table_name,
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": tenant.key["PK"]},
        ProjectionExpression="PK, SK",
    )
    for page in pages:
        for key in page["Items"]:
            clients.dynamodb.delete_item(TableName=table_name, Key=key)


def empty(clients: Clients, bucket: str, prefix: str) -> None:
    """Delete every version of every object below a prefix, and the unfinished uploads."""
    for page in clients.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if versions:
            doomed: Any = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            clients.s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
    uploads = clients.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    for upload in (upload for under_way in uploads for upload in under_way.get("Uploads", [])):
        clients.s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
