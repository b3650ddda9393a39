"""What can go wrong at an AWS call, and who decides."""

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import ReadTimeoutError

from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING
from scripts.verification.flow import reconciling
from tests.simulation.aws.errors import error


class Crash(BaseException):
    """The function's process is gone. No `except Exception` of the code sees it."""


class Fault(StrEnum):
    """What happens at one call."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    TIMEOUT_AFTER = "time-out after the effect"
    THROTTLED = "throttled"
    CONFLICT = "transaction conflict"
    DENIED = "access denied"
    QUOTA = "at the quota"


#: Error codes as AWS words them: the throttling of each service.
_THROTTLING: Final = {
    "dynamodb": "ThrottlingException",
    "events": "ThrottlingException",
    "logs": "ThrottlingException",
    "s3": "SlowDown",
    "sqs": "ThrottlingException",
    "sts": "Throttling",
}


@dataclass
class Faults:
    """How much goes wrong, drawn once per seed; then when, at each call. `until`: virtual seconds."""

    rng: random.Random
    until: float
    rate: float = field(init=False)
    weights: dict[Fault, float] = field(init=False)
    #: (function, operation) → (from, to): a role that lacks a permission for a while
    denied: dict[tuple[str, str], tuple[float, float]] = field(init=False)
    quota: tuple[float, float] | None = field(init=False)

    def __post_init__(self) -> None:
        self.rate = self.rng.choice((0.0, 0.03, 0.1, 0.25))
        kinds = [fault for fault in Fault if fault not in (Fault.DENIED, Fault.QUOTA)]
        #: For a while, no bucket can be made: what the application plane reports as FAILED for good.
        self.quota = (0.0, self.rng.uniform(0, self.until)) if self.rng.random() < 0.2 else None
        self.weights = {fault: self.rng.choice((0, 1, 1, 3)) for fault in kinds}
        self.denied = {}
        for function, operation in _CALLS:
            if self.rng.random() < 0.04:
                start = self.rng.uniform(0, self.until)
                self.denied[function, operation] = (start, self.rng.uniform(start, self.until))

    def at(self, now: float, function: str, service: str, operation: str) -> Fault | None:
        """Return what goes wrong at a call, None if nothing does."""
        window = self.denied.get((function, operation))
        if window and window[0] <= now < window[1]:
            return Fault.DENIED
        if operation == "create_bucket" and self.quota and self.quota[0] <= now < self.quota[1]:
            return Fault.QUOTA
        if now >= self.until or self.rng.random() >= self.rate or not any(self.weights.values()):
            return None
        (fault,) = self.rng.choices(list(self.weights), list(self.weights.values()))
        if fault is Fault.CONFLICT and operation != "transact_write_items":
            return Fault.THROTTLED
        return fault


_CALLS: Final = (
    (PROVISIONING, "transact_write_items"),
    (PROVISIONING, "put_events"),
    (PROVISIONER, "put_object"),
    (PROVISIONER, "create_bucket"),
    (PROVISIONER, "put_bucket_policy"),
    (PROVISIONER, "put_events"),
    (COMPLETION, "transact_write_items"),
    (reconciling.SERVICE, "query"),
    (reconciling.SERVICE, "transact_write_items"),
    (reconciling.SERVICE, "put_events"),
)


def error_of(fault: Fault, service: str, operation: str, arguments: Any) -> BaseException:
    """Return what the code sees of a fault."""
    name = "".join(part.capitalize() for part in operation.split("_"))
    match fault:
        case Fault.CRASH_BEFORE | Fault.CRASH_AFTER:
            return Crash(fault)
        case Fault.TIMEOUT_AFTER:
            return ReadTimeoutError(endpoint_url=service)
        case Fault.CONFLICT:
            reasons: list[Any] = [{"Code": "TransactionConflict"} for _ in arguments["TransactItems"]]
            return error("TransactionCanceledException", name, CancellationReasons=reasons)
        case Fault.DENIED:
            return error("AccessDeniedException", name)
        case Fault.QUOTA:
            return error("TooManyBuckets", name)
        case Fault.THROTTLED:
            return error(_THROTTLING[service], name)
