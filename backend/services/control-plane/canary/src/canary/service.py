"""One run: look at the canary, say how it is, and onboard it again if it is through."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from canary.decisions import CANARY_ID, Onboard, Replace, Reserved, Wait, decide, new_record
from canary.repository import CanaryRepository
from tenkacloud.isolation.resource_names import pool_marker
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Canary:
    """Looks at what the last run began, and begins anew. It never waits: waiting costs."""

    repository: CanaryRepository
    s3: "S3Client"
    data_bucket: str
    account_id: str
    clock: Clock

    def run(self) -> dict[str, Any]:
        """Return `completed` (0 or 1), and `onboarded`: whether the canary was requested again.

        Raises:
            botocore.exceptions.ClientError: AWS failed; the next run begins where this one ended.
        """
        record = self.repository.record()
        decision = decide(record, self.clock.now())
        completed = isinstance(decision, Replace) and decision.reason is None
        # Now, so that it is told whatever becomes of the rest.
        metrics.add_metric("CanaryCompleted", MetricUnit.Count, int(completed))
        onboarded = False
        match decision:
            case Reserved():
                logger.error("Canary not run: a tenant has its id, which is reserved")
            case Wait(status, seconds):
                logger.warning("Canary is under way", status=status, seconds=seconds)
                if seconds is not None:
                    metrics.add_metric("CanaryAge", MetricUnit.Seconds, seconds)
            case Onboard():
                logger.info("Canary was missing")
                onboarded = self._onboard()
            case Replace(status, seconds, reason):
                if seconds is not None:
                    metrics.add_metric("CanarySeconds", MetricUnit.Seconds, seconds)
                tell = logger.info if completed else logger.error
                tell("Canary looked at", status=status, seconds=seconds, reason=reason)
                # Its record first: without it no function writes history any more.
                onboarded = record is not None and self.repository.remove(record) and self._onboard()
        return {"completed": int(completed), "onboarded": onboarded}

    def _onboard(self) -> bool:
        """Remove what an earlier canary left, and write the record; say whether it was written."""
        self.repository.remove_history()
        # Leaves a version that the bucket's lifecycle expires: deleting it, too, would take more permissions.
        self.s3.delete_object(
            Bucket=self.data_bucket, Key=pool_marker(CANARY_ID), ExpectedBucketOwner=self.account_id
        )
        written = self.repository.add(new_record(self.clock.now()))
        if not written:
            logger.warning("Canary not onboarded: somebody else wrote a record of its id meanwhile")
        return written
