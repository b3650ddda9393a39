"""Where the tenant table keeps what: keys and indexes, declared once. Pure.

| item    | PK                  | SK                                          |
|---------|---------------------|---------------------------------------------|
| tenant  | `TENANT#<tenantId>` | `METADATA`                                  |
| history | `TENANT#<tenantId>` | `HISTORY#<at>#<attempt>#<rank><status>`     |
| certif. | `TENANT#<tenantId>` | `CERTIFICATE`: of the tenant's deletion     |

| index          | partition key                        | sort key            | holds                        |
|----------------|--------------------------------------|---------------------|------------------------------|
| by-slug        | GSI1PK `SLUG#<slug>`                 | GSI1SK `createdAt`  | tenants once requested       |
| by-status-tier | GSI2PK `STATUS#<status>#TIER#<tier>` | GSI2SK `createdAt`  | tenants once requested, and  |
|                |                                      |                     | rejected ones: `UNKNOWN`     |
|                |                                      |                     | stands for what is invalid   |
| in-flight      | GSI3PK `IN_FLIGHT`                   | GSI3SK last sign of | tenants PROVISIONING,        |
|                |                                      | life                | PENDING ones not requested,  |
|                |                                      |                     | and those with an operation  |
|                |                                      |                     | or a fact to be published    |
| failed         | GSI4PK `FAILED`                      | GSI4SK since when   | only tenants FAILED, or with |
|                |                                      |                     | an operation that FAILED     |
| due            | GSI5PK `DUE`                         | GSI5SK when         | only tenants of whom         |
|                |                                      |                     | something is due later       |

The indexes project keys only: an index entry costs a write when its keys change, and no other time.
"""

from dataclasses import dataclass
from typing import Any, Final

from tenkacloud.tenants.validation import Slug, TenantId, TenantStatus, Tier

TENANT_PREFIX: Final = "TENANT#"
METADATA: Final = "METADATA"
HISTORY_PREFIX: Final = "HISTORY#"
CERTIFICATE: Final = "CERTIFICATE"

PARTITION: Final = "PK"
SORT: Final = "SK"


@dataclass(frozen=True)
class Key:
    """Primary key of a tenant record, as the table holds it: maybe with a bad id in it."""

    pk: str
    sk: str = METADATA

    @classmethod
    def of(cls, tenant_id: TenantId) -> "Key":
        """Return the key of a valid tenant id."""
        return cls(f"{TENANT_PREFIX}{tenant_id}")

    @property
    def tenant_id(self) -> str:
        """The id in it, valid or not."""
        return self.pk.removeprefix(TENANT_PREFIX)

    @property
    def attributes(self) -> dict[str, Any]:
        """The key in DynamoDB's JSON."""
        return {PARTITION: {"S": self.pk}, SORT: {"S": self.sk}}


@dataclass(frozen=True)
class Index:
    """A global secondary index: its name, and the attributes that are its partition and its sort key."""

    name: str
    partition: str
    sort: str

    @property
    def attributes(self) -> tuple[str, str]:
        """The names of its two attributes."""
        return self.partition, self.sort

    def entry(self, partition: str, sort: str) -> dict[str, str]:
        """Return the attributes by which a record is in the index."""
        return {self.partition: partition, self.sort: sort}


BY_SLUG: Final = Index("by-slug", "GSI1PK", "GSI1SK")
BY_STATUS_TIER: Final = Index("by-status-tier", "GSI2PK", "GSI2SK")
IN_FLIGHT: Final = Index("in-flight", "GSI3PK", "GSI3SK")
FAILED: Final = Index("failed", "GSI4PK", "GSI4SK")
DUE: Final = Index("due", "GSI5PK", "GSI5SK")
INDEXES: Final = (BY_SLUG, BY_STATUS_TIER, IN_FLIGHT, FAILED, DUE)

#: The one partition of each of the three sparse indexes.
IN_FLIGHT_PARTITION: Final = "IN_FLIGHT"
FAILED_PARTITION: Final = "FAILED"
DUE_PARTITION: Final = "DUE"
#: In the index by status and tier: what stands for a status or a tier that is not valid.
UNKNOWN: Final = "UNKNOWN"


def slug_partition(slug: Slug) -> str:
    """Return the partition key in the index by slug."""
    return f"SLUG#{slug}"


def status_tier_partition(status: TenantStatus | None, tier: Tier | None) -> str:
    """Return the partition key in the index by status and tier; None: it is not a valid one."""
    return f"STATUS#{status or UNKNOWN}#TIER#{tier or UNKNOWN}"


def table_definition(table_name: str) -> dict[str, Any]:
    """Return the arguments of CreateTable for a table of this layout."""
    keys = (PARTITION, SORT, *(name for index in INDEXES for name in index.attributes))
    return {
        "TableName": table_name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in keys],
        "KeySchema": _schema(PARTITION, SORT),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index.name,
                "KeySchema": _schema(*index.attributes),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index in INDEXES
        ],
    }


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
