"""One slice at a time may write for a tenant's operation: a lease that S3 keeps.

SQS delivers a message twice now and then, and the reconciler requests a phase again while somebody may still
be at it. Comparing and copying twice does no harm, as long as it happens one after the other. But a slice
that is late, and copies an object of the old place when the tenant already writes to the new one, would undo
what the tenant wrote.

A lease is an object with a number. Whoever wants the next one finds the last one given up or run out, and
puts the next number on condition that it is not there: of several, S3 lets one (S3 User Guide, "Conditional
writes"). The holder renews it while it writes, and writes nothing once it has run out.

The objects are in the exports bucket, under the tenant's prefix: what is purged is no place to keep them in,
and there a lifecycle rule removes them. They hold no personal data.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tenkacloud.errors import NotReadyError
from tenkacloud.events.operation import OperationEvent
from tenkacloud.objects.listing import Location
from tenkacloud.platform.clock import Clock, rfc3339

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Relative to the tenant's prefix. No export's id begins with a dot.
FOLDER: Final = ".leases/"
NOTES: Final = ".notes/"
#: Longer than S3 takes for whatever the holder began before it was killed.
DURATION: Final = timedelta(seconds=30)
RENEW_AFTER: Final = timedelta(seconds=5)
#: Keys count down from here, so that a listing begins with the last lease.
_LAST: Final = 10**12


class LeaseLostError(NotReadyError):
    """The lease has run out: somebody else may be writing by now. Raised, so that AWS delivers again."""


@dataclass(frozen=True)
class Work:
    """What a lease is for: a slice of an attempt of a phase. Slices are numbered from 0."""

    operation_id: str
    phase: str
    attempt: int
    number: int

    @classmethod
    def of(cls, event: OperationEvent, number: int) -> "Work":
        """Return the slice of this number of an event."""
        return cls(event.operation_id, event.phase, event.attempt, number)

    def is_of_same_attempt(self, other: "Work") -> bool:
        """Tell whether another slice is of the same attempt."""
        return replace(self, number=0) == replace(other, number=0)


@dataclass(frozen=True)
class Busy:
    """Somebody else has the lease, for so many seconds at most if it is not renewed."""

    seconds: float


@dataclass(frozen=True)
class Superseded:
    """A later slice of the same attempt has begun."""


@dataclass(frozen=True)
class Answered:
    """The attempt is over: its result was about to be published, as `detail` has it."""

    detail: Mapping[str, Any]


@dataclass
class Lease:
    """A lease that is held. Thread-safe."""

    leases: "Leases"
    work: Work
    message_id: str
    key: str
    until: datetime
    _lock: Lock = field(default_factory=Lock, repr=False)

    def hold(self) -> None:
        """Renew it if it is time to; called before whatever writes.

        Raises:
            LeaseLostError: it has run out.
            botocore.exceptions.ClientError: S3 did not take the renewal.
        """
        with self._lock:
            now = self.leases.clock.now()
            if now >= self.until:
                raise LeaseLostError(f"the lease for {self.work} has run out")
            if self.until - now <= DURATION - RENEW_AFTER:
                until = now + DURATION
                self.leases.write(self, until)
                self.until = until

    def give_up(self, answer: Mapping[str, Any] | None = None) -> None:
        """Let the next slice have it. With an answer, the attempt is over: nobody of it gets a lease again.

        Called before the next slice is sent, or the answer published: a crash between the two has the same
        slice delivered again, which then does its work again, or publishes this answer.

        Raises:
            LeaseLostError: it has run out.
            botocore.exceptions.ClientError: S3 did not take it; the lease then runs out.
        """
        with self._lock:
            now = self.leases.clock.now()
            if now >= self.until:
                raise LeaseLostError(f"the lease for {self.work} has run out")
            self.until = now
            self.leases.write(self, now, answer)


@dataclass(frozen=True)
class Leases:
    """The leases of one tenant. `exports` is the tenant's prefix of the exports bucket."""

    s3: "S3Client"
    exports: Location
    clock: Clock

    def acquire(self, work: Work, message_id: str) -> Lease | Busy | Superseded | Answered:
        """Try to get the lease for a slice.

        Raises:
            botocore.exceptions.ClientError: S3 failed.
        """
        key, state = self._last()
        now = self.clock.now()
        if state is not None:
            last = Work(state["operationId"], state["phase"], state["attempt"], state["number"])
            until = datetime.fromisoformat(state["until"])
            if work.is_of_same_attempt(last):
                if state["answer"] is not None:
                    return Answered(state["answer"])
                if work.number < last.number:
                    return Superseded()
            if now < until:
                return Busy((until - now).total_seconds())
        lease = Lease(self, work, message_id, f"{FOLDER}{self._number_before(key):012}", now + DURATION)
        try:
            self.write(lease, lease.until, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
            return Busy(1)  # somebody else was faster
        return lease

    def write(
        self, lease: Lease, until: datetime, answer: Mapping[str, Any] | None = None, **condition: Any
    ) -> None:
        """Put a lease's object."""
        state = {
            "operationId": lease.work.operation_id,
            "phase": lease.work.phase,
            "attempt": lease.work.attempt,
            "number": lease.work.number,
            "messageId": lease.message_id,
            "until": rfc3339(until),
            "answer": answer,
        }
        self.s3.put_object(
            **self.exports.arguments,
            Key=self.exports.key(lease.key),
            Body=json.dumps(state).encode(),
            ContentType="application/json",
            **condition,
        )

    def _last(self) -> tuple[str | None, Mapping[str, Any] | None]:
        answer = self.s3.list_objects_v2(**self.exports.arguments, Prefix=self.exports.key(FOLDER), MaxKeys=1)
        for entry in answer.get("Contents", ()):
            body = self.s3.get_object(**self.exports.arguments, Key=entry["Key"])["Body"].read()
            state: Mapping[str, Any] = json.loads(body)
            return entry["Key"], state
        return None, None

    @staticmethod
    def _number_before(key: str | None) -> int:
        return _LAST - 1 if key is None else int(key.rpartition("/")[2]) - 1


@dataclass(frozen=True)
class Note:
    """Something that a later attempt has to know, kept beside the leases. Its name is its content."""

    leases: Leases
    name: str

    def is_there(self) -> bool:
        """Tell whether it was written.

        Raises:
            botocore.exceptions.ClientError: S3 failed.
        """
        exports = self.leases.exports
        answer = self.leases.s3.list_objects_v2(
            **exports.arguments, Prefix=exports.key(f"{NOTES}{self.name}"), MaxKeys=1
        )
        return bool(answer["KeyCount"])

    def write(self) -> None:
        """Write it.

        Raises:
            botocore.exceptions.ClientError: S3 failed.
        """
        exports = self.leases.exports
        self.leases.s3.put_object(**exports.arguments, Key=exports.key(f"{NOTES}{self.name}"), Body=b"")
