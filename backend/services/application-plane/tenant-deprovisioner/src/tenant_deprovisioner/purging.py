"""Deleting what a tenant has, store by store: objects, items, then what was provisioned to hold them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tenant_deprovisioner.decisions import ROUNDS_MAX, Counts, PurgeCursor, Stage
from tenkacloud.errors import NotEmptyError, PermanentError
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.isolation.context import from_operation
from tenkacloud.isolation.maintenance import MaintenanceAccess, MaintenanceSession
from tenkacloud.isolation.places import pool_place
from tenkacloud.objects.purging import Purge
from tenkacloud.platform.clients import Call
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger
from tenkacloud.provisioners.catalogue import Catalogue, resources_naming
from tenkacloud.provisioners.silo import SiloBucket
from tenkacloud.provisioners.types import TenantSpec
from tenkacloud.tenants.keys import PARTITION, SORT, Key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Items that one BatchWriteItem takes: DynamoDB's limit.
BATCH_MAX: Final = 25
#: Batches that are deleted at the same time.
BATCHES_TOGETHER: Final = 4
#: Seconds before a purge begins anew, since something was written meanwhile.
AGAIN_AFTER: Final = 5
_FIRST_WAIT: Final = 0.05  # seconds, doubled at each round, until DynamoDB takes what it put off
_ROUNDS: Final = 6


@dataclass(frozen=True)
class Onward:
    """What comes after a slice: another from `cursor`, after a while, or, if that is None, nothing."""

    counts: Counts
    cursor: PurgeCursor | None = None
    delay_seconds: int = 0


@dataclass(frozen=True)
class Purger:
    """Deletes a tenant. `s3` returns the client of the function's own role, which reaches no tenant's data.

    `together` makes calls that do not depend on each other.
    """

    access: MaintenanceAccess
    catalogue: Catalogue
    s3: "Callable[[], S3Client]"
    together: Callable[[Sequence[Call]], list[BaseException | None]]
    clock: Clock

    def purge(self, event: TenantOffboarding, cursor: PurgeCursor, has_time: Callable[[], bool]) -> Onward:
        """Delete on from a cursor until nothing is left or the time is up.

        Raises:
            PermanentError: something is recorded as the tenant's and is not, or can't be removed.
            TenantDeniedError: the operation names a place that is not the tenant's.
            botocore.exceptions.ClientError: AWS failed in a way that a retry may mend.
        """
        tenant = TenantSpec(event.tenant_id, event.slug, event.tier, open_to_tenant=False)
        if cursor.places is None:
            places = self.catalogue.places_to_purge(tenant, event.places)
            cursor = replace(cursor, places=places)
        try:
            for stage in (self._objects, self._items, partial(self._resources, tenant)):
                cursor, done = stage(event, cursor, has_time)
                if not done:
                    return Onward(cursor.counts, cursor)
        except NotEmptyError as error:
            if cursor.rounds >= ROUNDS_MAX:
                raise PermanentError(f"{error}; this was purged {ROUNDS_MAX} times") from error
            logger.warning("Something was written during the purge", reason=str(error))
            return Onward(cursor.counts, cursor.anew(), AGAIN_AFTER)
        return Onward(cursor.counts)

    def _objects(
        self, event: TenantOffboarding, cursor: PurgeCursor, has_time: Callable[[], bool]
    ) -> tuple[PurgeCursor, bool]:
        """Empty the places, one after another."""
        if cursor.stage is not Stage.OBJECTS:
            return cursor, True
        for place in cursor.places or ():
            # A session for each: of many places, one session policy has no room.
            session = self.access.session(from_operation(event), [place])
            found = Purge(session, place, self.together, has_time, self.s3()).run()
            counts = cursor.counts.plus(
                object_versions=found.versions,
                delete_markers=found.markers,
                uploads=found.uploads,
                bytes=found.bytes,
            )
            cursor = replace(cursor, counts=counts)
            if not found.done:
                return cursor, False
            cursor = replace(cursor, places=(cursor.places or ())[1:])
        return replace(cursor, stage=Stage.ITEMS), True

    def _items(
        self, event: TenantOffboarding, cursor: PurgeCursor, has_time: Callable[[], bool]
    ) -> tuple[PurgeCursor, bool]:
        """Delete the tenant's items of the data table."""
        if cursor.stage is not Stage.ITEMS:
            return cursor, True
        session = self.access.session(from_operation(event), [pool_place(event.tenant_id)])
        keys = self._keys(session)
        # Those that are found are deleted, so whoever goes on finds the others.
        while has_time():
            batches = [batch for _ in range(BATCHES_TOGETHER) if (batch := list(islice(keys, BATCH_MAX)))]
            if not batches:
                return replace(cursor, stage=Stage.RESOURCES), True
            errors = self.together([partial(self._delete_items, session, batch) for batch in batches])
            deleted = sum(len(batch) for batch, error in zip(batches, errors, strict=True) if error is None)
            cursor = replace(cursor, counts=cursor.counts.plus(items=deleted))
            for error in errors:
                if error is not None:
                    if deleted and isinstance(error, ClientError):
                        return cursor, False  # what went is counted; the next slice meets the error again
                    raise error
        return cursor, False

    def _resources(
        self,
        tenant: TenantSpec,
        event: TenantOffboarding,
        cursor: PurgeCursor,
        _has_time: Callable[[], bool],
    ) -> tuple[PurgeCursor, bool]:
        """Remove what was provisioned."""
        for resources in resources_naming(event.places):
            removed = self.catalogue.remove(tenant, resources)
            counts = cursor.counts.plus(buckets_deleted=removed[SiloBucket.name])
            cursor = replace(cursor, counts=counts)
        return cursor, True

    def _keys(self, session: MaintenanceSession) -> Iterator[dict[str, Any]]:
        """Yield the keys of the tenant's items."""
        pages = session.dynamodb.get_paginator("query").paginate(
            TableName=session.data_table_name,
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames={"#pk": PARTITION, "#sk": SORT},
            ExpressionAttributeValues={":pk": {"S": Key.of(session.tenant_id).pk}},
            ProjectionExpression="#pk, #sk",
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _delete_items(self, session: MaintenanceSession, keys: Sequence[dict[str, Any]]) -> None:
        """Delete a batch of items.

        Raises:
            botocore.exceptions.ClientError: DynamoDB failed, or puts some of them off again and again.
        """
        table = session.data_table_name
        request: Any = {table: [{"DeleteRequest": {"Key": key}} for key in keys]}
        for round_ in range(_ROUNDS):
            request = session.dynamodb.batch_write_item(RequestItems=request)["UnprocessedItems"]
            if not request:
                return
            self.clock.sleep(_FIRST_WAIT * 2**round_)
        error: Any = {"Code": "ProvisionedThroughputExceededException", "Message": "some items are left"}
        raise ClientError({"Error": error}, "BatchWriteItem")
