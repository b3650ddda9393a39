"""One slice of an offboarding: is it still wanted, what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from tenant_deprovisioner import decisions
from tenant_deprovisioner.decisions import PurgeCursor
from tenant_deprovisioner.purging import Purger
from tenant_deprovisioner.verifying import Verifier
from tenkacloud.errors import PermanentError, PublishError, TenantDeniedError
from tenkacloud.events.bus import EventBus
from tenkacloud.events.queue_consumer import Slice
from tenkacloud.events.tenant_deprovisioned import Evidence, TenantDeprovisioned
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.platform.clock import Clock, rfc3339
from tenkacloud.platform.telemetry import logger, metrics
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.repository import TenantRepository

#: A slice ends about then: so what it counted is soon kept, and the record is looked at again.
SLICE: Final = timedelta(seconds=60)
#: Seconds before the function's time-out at which nothing more is begun.
RESERVE: Final = 30.0


@dataclass(frozen=True)
class TenantDeprovisioner:
    """Purges a tenant in slices, or looks whether anything is left of it, and reports."""

    repository: TenantRepository
    purger: Purger
    verifier: Verifier
    bus: EventBus
    clock: Clock

    def handle(self, event: TenantOffboarding, slice_: Slice) -> None:
        """Do one slice, and have the work go on, or publish its result.

        One of another operation, phase or attempt than the record is at is dropped.

        Raises:
            InvalidFieldError: the slice's cursor is not one of ours.
            PublishError: the result could not be published; the next delivery does that.
            botocore.exceptions.ClientError: AWS failed in a way that a retry may mend.
        """
        logger.append_keys(operation_id=event.operation_id, phase=event.phase, attempt=event.attempt)
        record = self.repository.find(Key.of(event.tenant_id), decisions.ATTRIBUTES)
        if not decisions.is_wanted(record, event):
            metrics.add_metric("SliceDropped", MetricUnit.Count, 1)
            logger.info("Slice dropped", reason="the record is not at this attempt")
        elif event.phase is Phase.PURGE:
            self._purge(event, slice_)
        else:
            self._verify(event)

    def _purge(self, event: TenantOffboarding, slice_: Slice) -> None:
        cursor = PurgeCursor.of(slice_.cursor, event.tenant_id)
        try:
            onward = self.purger.purge(event, cursor, self._has_time(slice_))
        except (PermanentError, TenantDeniedError) as error:
            self._report(event, cursor.counts.evidence(self._now()), str(error))
            return
        except (ClientError, BotoCoreError) as error:
            again = cursor.after_failure()
            if again is None:
                raise
            logger.warning("Slice failed: it is tried again", error=str(error))
            metrics.add_metric("PurgeTriedAgain", MetricUnit.Count, 1)
            slice_.send_slice(again[0].onward(), again[1])
            return
        if onward.cursor is None:
            self._report(event, onward.counts.evidence(self._now()))
            return
        metrics.add_metric("PurgeContinued", MetricUnit.Count, 1)
        self._report_progress(event, onward.cursor)
        slice_.send_slice(replace(onward.cursor, failures=0).onward(), onward.delay_seconds)

    def _verify(self, event: TenantOffboarding) -> None:
        try:
            left = self.verifier.remaining(event)
        except (PermanentError, TenantDeniedError) as error:
            self._report(event, Evidence(checked_at=self._now()), str(error))
            return
        for what, number in left.items():
            logger.error("Something is left of the tenant", what=what, number=number)
        self._report(event, Evidence(remaining=sum(left.values()), checked_at=self._now()))

    def _has_time(self, slice_: Slice) -> Callable[[], bool]:
        end = self.clock.now() + SLICE
        return lambda: self.clock.now() < end and slice_.remaining() > RESERVE

    def _report(self, event: TenantOffboarding, evidence: Evidence, reason: str | None = None) -> None:
        result = TenantDeprovisioned.answering(event, self._now(), evidence=evidence, failure_reason=reason)
        self.bus.publish(result)
        metrics.add_metric(f"{result.DETAIL_TYPE}{result.status.capitalize()}", MetricUnit.Count, 1)
        if reason is None:
            logger.info("Phase completed", evidence=evidence.attributes())
        else:
            logger.error("Phase failed for good", reason=reason)

    def _report_progress(self, event: TenantOffboarding, cursor: PurgeCursor) -> None:
        """Publish a sign of life. One that is lost is no harm: the next follows."""
        counts = cursor.counts
        progress = TenantOperationProgressed(
            tenant_id=event.tenant_id,
            operation_id=event.operation_id,
            phase=event.phase,
            attempt=event.attempt,
            timestamp=self._now(),
            correlation_id=event.correlation_id,
            objects=counts.object_versions + counts.delete_markers,
            bytes=counts.bytes,
        )
        try:
            self.bus.publish(progress)
        except PublishError as error:
            logger.warning("Progress not published", error=str(error))

    def _now(self) -> str:
        return rfc3339(self.clock.now())
