"""One slice of an operation: is it still wanted, is it alone, what comes of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError

from tenant_mover import decisions
from tenkacloud.errors import NotReadyError, PermanentError, PublishError, TenantDeniedError
from tenkacloud.events.bus import EventBus
from tenkacloud.events.operation import OperationEvent, OperationResult
from tenkacloud.events.queue_consumer import Slice
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.isolation.context import from_operation
from tenkacloud.isolation.maintenance import MaintenanceAccess, MaintenanceSession
from tenkacloud.isolation.places import Place, pool_place
from tenkacloud.isolation.resource_names import export_prefix
from tenkacloud.objects.lease import Answered, Busy, Lease, Leases, Superseded, Work
from tenkacloud.objects.listing import Location
from tenkacloud.platform.clock import Clock, rfc3339
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.record import Item
from tenkacloud.tenants.repository import TenantRepository

#: A slice ends about then: so it is not long until the record is looked at again.
SLICE: Final = timedelta(seconds=60)
#: Seconds before the function's time-out at which nothing more is begun.
RESERVE: Final = 25.0
PROGRESS_EVERY: Final = timedelta(seconds=5)
#: Seconds after which it is tried again whether somebody still holds the lease.
BUSY_DELAY_MAX: Final = 5


@dataclass(frozen=True)
class Next:
    """The work goes on: from a cursor, not before so many seconds."""

    cursor: Mapping[str, Any]
    delay_seconds: int = 0


@dataclass
class Step:
    """What a slice works with. `record` is the tenant's, as it was read under the lease."""

    runner: "SliceRunner"
    event: OperationEvent
    record: Item
    lease: Lease
    remaining: Callable[[], float]
    ends_at: datetime
    _reported: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._reported = self.runner.clock.now()

    @property
    def now(self) -> datetime:
        """The time."""
        return self.runner.clock.now()

    def has_time(self) -> bool:
        """Tell whether more may be begun in this slice."""
        return self.now < self.ends_at and self.remaining() > RESERVE

    def report(self, objects: int, size: int, total: int | None) -> None:
        """Publish how far the phase is, if that was some time ago."""
        if self.now - self._reported >= PROGRESS_EVERY:
            self.runner.report(self.event, objects, size, total)
            self._reported = self.now

    def timestamp(self) -> str:
        """Return the time as results carry it."""
        return rfc3339(self.now)


@dataclass(frozen=True)
class Failure:
    """How FAILED is answered: the class of the result, and what it has to say besides the reason."""

    result: type[OperationResult]
    fields: Mapping[str, Any] = field(default_factory=dict)


Do = Callable[[Step], Next | OperationResult]


@dataclass(frozen=True)
class SliceRunner:
    """Does slices of operations, one at a time of each tenant.

    `leases` gives the sessions that leases are kept with.
    """

    repository: TenantRepository
    leases: MaintenanceAccess
    bus: EventBus
    clock: Clock

    def run(
        self,
        event: OperationEvent,
        slice_: Slice,
        number: int,
        do: Do,
        failure: Failure,
    ) -> None:
        """Do one slice, and have the work go on, or publish its result.

        A slice of another operation, phase or attempt than the record is at is dropped. `number` is the
        slice's. `failure` says how FAILED is answered.

        Raises:
            PublishError: the result could not be published; the next delivery does that.
            NotReadyError: the lease has run out meanwhile.
            botocore.exceptions.ClientError: AWS failed in a way that a retry may mend.
        """
        logger.append_keys(operation_id=event.operation_id, phase=event.phase, attempt=event.attempt)
        if self._record(event) is None:
            return
        found = self._leases(event).acquire(Work.of(event, number), slice_.message_id)
        match found:
            case Busy(seconds):
                logger.info("Another slice is under way", seconds=seconds)
                slice_.send_slice(slice_.cursor, min(math.ceil(seconds), BUSY_DELAY_MAX))
            case Superseded():
                self._drop("a later slice has begun")
            case Answered(detail):
                self._publish(failure.result.parse(detail))
            case Lease():
                # Again, now that nobody else writes: what was read before may be over.
                record = self._record(event)
                if record is not None:
                    self._do(event, slice_, found, record, do, failure)
                else:
                    found.give_up()

    def _do(
        self,
        event: OperationEvent,
        slice_: Slice,
        lease: Lease,
        record: Item,
        do: Do,
        failure: Failure,
    ) -> None:
        step = Step(self, event, record, lease, slice_.remaining, self.clock.now() + SLICE)
        try:
            came = do(step)
        except (PermanentError, TenantDeniedError) as error:
            came = failure.result.answering(
                event, step.timestamp(), failure_reason=str(error), **failure.fields
            )
        except Exception:
            self._give_up_quietly(lease)
            raise
        if isinstance(came, Next):
            lease.give_up()
            slice_.send_slice(came.cursor, came.delay_seconds)
        else:
            lease.give_up(came.detail())
            self._publish(came)

    @staticmethod
    def _give_up_quietly(lease: Lease) -> None:
        """Let the next delivery begin at once. What failed is raised, and not this: the lease runs out."""
        try:
            lease.give_up()
        except (ClientError, NotReadyError) as error:
            logger.warning("Lease not given up", error=str(error))

    def report(self, event: OperationEvent, objects: int, size: int, total: int | None) -> None:
        """Publish a sign of life. One that is lost is no harm: the next follows."""
        progress = TenantOperationProgressed(
            tenant_id=event.tenant_id,
            operation_id=event.operation_id,
            phase=event.phase,
            attempt=event.attempt,
            timestamp=rfc3339(self.clock.now()),
            correlation_id=event.correlation_id,
            objects=objects,
            bytes=size,
            total_objects=total,
        )
        try:
            self.bus.publish(progress)
        except PublishError as error:
            logger.warning("Progress not published", error=str(error))

    def _record(self, event: OperationEvent) -> Item | None:
        """Return the tenant's record if it is at the attempt that the event is of, else None."""
        record = self.repository.find(Key.of(event.tenant_id), decisions.ATTRIBUTES)
        if record is not None and decisions.is_wanted(record, event):
            return record
        self._drop("the record is not at this attempt")
        return None

    @staticmethod
    def _drop(reason: str) -> None:
        metrics.add_metric("SliceDropped", MetricUnit.Count, 1)
        logger.info("Slice dropped", reason=reason)

    def _leases(self, event: OperationEvent) -> Leases:
        # A session is for one place at least: for this one, since every tenant has it.
        place = pool_place(event.tenant_id)
        session = self.leases.session(from_operation(event), [place], exports=True)
        return Leases(session.s3, exports_of(session), self.clock)

    def _publish(self, result: OperationResult) -> None:
        self.bus.publish(result)
        metrics.add_metric(f"{result.DETAIL_TYPE}{result.status.capitalize()}", MetricUnit.Count, 1)
        if result.failure_reason is None:
            logger.info("Phase completed")
        else:
            logger.error("Phase failed for good", reason=result.failure_reason)


def exports_of(session: MaintenanceSession) -> Location:
    """Return the tenant's prefix of the exports bucket.

    Raises:
        TenantDeniedError: the session was not requested for exports.
    """
    if session.exports_bucket is None:
        raise TenantDeniedError("the session may not export")
    return Location(session.exports_bucket, export_prefix(session.tenant_id), session.account_id)


def location_of(session: MaintenanceSession, place: Place) -> Location:
    """Return where the objects of a place are."""
    return Location(session.bucket_of(place), session.prefix_of(place), session.account_id)
