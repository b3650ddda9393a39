"""What each tenant has: its data in S3 and DynamoDB, seeded, and checked for tampering afterwards."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import CommandError
from scripts.verification.flow.tenants import Tenant
from tenkacloud.isolation.policies import SessionScope
from tenkacloud.isolation.resource_names import POOL_MARKER, export_prefix
from tenkacloud.tenants.validation import TenantId

SEED_KEY: Final = "seed/secret.txt"
SEED_ITEM: Final = "SEED"
#: What a session writes of its own, on purpose; nothing else may appear.
OWN: Final = "own"


def scope_of(deployment: Deployment, record: dict[str, Any]) -> SessionScope:
    """Return where a COMPLETED tenant's data is."""
    return SessionScope(
        partition=deployment.event_bus_arn.split(":")[1],
        region=deployment.region,
        account_id=deployment.account_id,
        table_name=deployment.table_name,
        data_table_name=deployment.data_table_name,
        data_bucket=deployment.data_bucket_name,
        silo_bucket=record["resources"]["M"].get("dedicatedBucket", {}).get("S"),
    )


def _exports_bucket(deployment: Deployment) -> str:
    if not deployment.exports_bucket_name:
        raise CommandError(f"environment {deployment.environment} names no exports bucket: apply it anew")
    return deployment.exports_bucket_name


@dataclass
class Dataset:
    """One tenant's data. Seeded by the operator: an object, an unfinished upload, and an item."""

    tenant: Tenant
    scope: SessionScope
    record: dict[str, Any]
    version_id: str = ""
    upload_id: str = ""
    item: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> TenantId:
        """Tenant id."""
        return self.tenant.id

    @property
    def siloed(self) -> bool:
        """Whether the tenant has a bucket of its own."""
        return self.scope.silo_bucket is not None

    @property
    def bucket(self) -> str:
        """The bucket that holds its objects."""
        return self.scope.bucket

    @property
    def prefix(self) -> str:
        """What their keys begin with."""
        return self.scope.prefix(self.id)

    @property
    def secret(self) -> bytes:
        """Content of the seeded object."""
        return f"secret of {self.id}".encode()

    @property
    def partition(self) -> dict[str, str]:
        """`PK` of its record and items, in DynamoDB's JSON."""
        return {"S": f"TENANT#{self.id}"}

    def key(self, name: str) -> str:
        """Return the key of an object."""
        return f"{self.prefix}{name}"

    def item_key(self, name: str = SEED_ITEM) -> dict[str, Any]:
        """Return the primary key of an item."""
        return {"PK": self.partition, "SK": {"S": name}}

    @property
    def exports(self) -> str:
        """What the keys of its exports begin with."""
        return export_prefix(self.id)

    def seed(self, deployment: Deployment, clients: Clients) -> None:
        """Put what others are to try for."""
        s3 = clients.s3
        exported = f"{self.exports}{SEED_KEY}"
        s3.put_object(Bucket=_exports_bucket(deployment), Key=exported, Body=self.secret)
        seeded = s3.put_object(Bucket=self.bucket, Key=self.key(SEED_KEY), Body=self.secret)
        self.version_id = seeded["VersionId"]
        upload = s3.create_multipart_upload(Bucket=self.bucket, Key=self.key("seed/unfinished"))
        self.upload_id = upload["UploadId"]
        self.item = {**self.item_key(), "secret": {"S": f"secret of {self.id}"}}
        clients.dynamodb.put_item(TableName=self.scope.data_table_name, Item=self.item)

    def tampering(self, deployment: Deployment, clients: Clients) -> list[str]:
        """Return what is not as it was seeded, for people; what the tenant did itself is left out."""
        found = []
        s3 = clients.s3
        if s3.get_object(Bucket=self.bucket, Key=self.key(SEED_KEY))["Body"].read() != self.secret:
            found.append("its object was changed")
        exports = s3.list_objects_v2(Bucket=_exports_bucket(deployment), Prefix=self.exports)
        found += [
            f"there is an export {entry['Key']}"
            for entry in exports.get("Contents", [])
            if not entry["Key"].startswith((f"{self.exports}{SEED_KEY}", f"{self.exports}{OWN}/"))
        ]
        if not exports.get("Contents"):
            found.append("its export is gone")
        known = {self.key(SEED_KEY), self.key(POOL_MARKER)}
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self.prefix)
        for page in pages:
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                key = version["Key"]
                if key not in known and not key.startswith(self.key(f"{OWN}/")):
                    found.append(f"there is an object {key}")
        uploads = s3.list_multipart_uploads(Bucket=self.bucket, Prefix=self.prefix).get("Uploads", [])
        if self.upload_id not in {upload["UploadId"] for upload in uploads}:
            found.append("its unfinished upload is gone")
        items = clients.dynamodb.query(
            TableName=self.scope.data_table_name,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues={":pk": self.partition},
            ConsistentRead=True,
        )["Items"]
        others = [item for item in items if not item["SK"]["S"].startswith(OWN)]
        if others != [self.item]:
            found.append(f"its items are {json.dumps(others)}")
        if self.tenant.record(deployment, clients) != self.record:
            found.append("its record was changed")
        return [f"{self.id}: {line}" for line in found]

    def remove_exports(self, deployment: Deployment, clients: Clients) -> None:
        """Delete what was put into the exports bucket: no removal of a tenant does that."""
        bucket = _exports_bucket(deployment)
        pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=self.exports)
        for page in pages:
            for entry in page.get("Contents", []):
                clients.s3.delete_object(Bucket=bucket, Key=entry["Key"])
