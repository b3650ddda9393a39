"""Having tenants tried again, and waiting for what becomes of them."""

import getpass
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from scripts.operator.environment import Environment, Record, plain, tenant_id_in
from scripts.operator.tenants import operation_of, why_failed
from scripts.tooling.deployment import PROVISIONING
from tenkacloud.errors import InvalidFieldError, TenkaCloudError
from tenkacloud.platform.clock import Clock
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import DEPROVISION, FINAL, ProvisioningStatus
from tenkacloud.tenants.operations import OPERATION, UNDER_WAY, PhaseState, parse_operation
from tenkacloud.tenants.transitions.operation import retry_phase
from tenkacloud.tenants.transitions.retry import request_again
from tenkacloud.tenants.transitions.transition import Applied
from tenkacloud.tenants.validation import TenantId

PENDING: Final = {"S": ProvisioningStatus.PENDING.value}
_POLL_SECONDS: Final = 1.0
_ENDED: Final = FINAL | DEPROVISION
_REASON: Final = "an operator requested another attempt"


class Action(StrEnum):
    """What is done about one tenant."""

    RETRIED = "retried"  # the record became PENDING again
    REQUESTED = "requested"  # it was PENDING, and was handed to the function once more
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True)
class Outcome:
    """What was done about a tenant, or would be: `detail` says why.

    `status` and `reason` are what became of it, where somebody waited.
    """

    tenant_id: str
    action: Action
    detail: str = ""
    status: str | None = None
    reason: str | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a new attempt was begun."""
        return self.action in (Action.RETRIED, Action.REQUESTED)

    def as_item(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        waited = {} if self.status is None else {"provisioningStatus": self.status}
        because = {} if self.reason is None else {"failureReason": self.reason}
        item = {"tenantId": self.tenant_id, "outcome": self.action.value, "detail": self.detail}
        return {**item, **waited, **because}


def plan(record: Record, *, force: bool = False) -> Outcome:
    """Say what retrying a tenant would do; decided from its record alone.

    A FAILED tenant is retried if its record is valid: what is not mended would fail again. `force` tries all
    the same. So is a COMPLETED one whose resources do not fit its tier. A PENDING one is requested once more.
    Of a tenant with an operation, its phase is retried if that FAILED.
    """
    tenant_id, read = tenant_id_in(record), records.read(record)
    status = read.get("provisioningStatus")
    if OPERATION in read:
        return _plan_phase(tenant_id, read)
    misplaced = records.resource_mismatch(read)
    if status == ProvisioningStatus.PENDING:
        return Outcome(tenant_id, Action.REQUESTED, "it is PENDING: requested once more")
    if misplaced:
        return Outcome(tenant_id, Action.RETRIED, misplaced)
    if status != ProvisioningStatus.FAILED:
        return Outcome(tenant_id, Action.SKIPPED, f"it is {status}, not FAILED")
    try:
        records.parse_tenant(Key(record["PK"]["S"]), read)
    except InvalidFieldError as error:
        if not force:
            return Outcome(
                tenant_id, Action.SKIPPED, f"not mended yet: {error}; --force retries all the same"
            )
    return Outcome(tenant_id, Action.RETRIED)


def _plan_phase(tenant_id: str, read: records.Item) -> Outcome:
    try:
        operation = parse_operation(read)
    except InvalidFieldError as error:
        return Outcome(tenant_id, Action.SKIPPED, str(error))
    if operation is None or operation.state is not PhaseState.FAILED:
        state = operation and f"{operation.kind} {operation.phase} is {operation.state}, not FAILED"
        return Outcome(tenant_id, Action.SKIPPED, state or "nothing is under way of it")
    return Outcome(tenant_id, Action.RETRIED, f"{operation.kind} {operation.phase}")


def retry(
    environment: Environment,
    record: Record,
    clock: Clock,
    *,
    force: bool = False,
    before: Callable[[], None] = lambda: None,
) -> Outcome:
    """Have one tenant tried again; say what was done. `before` is called before something is sent.

    Raises:
        TenkaCloudError: the record can't be changed, now or as it is.
        botocore.exceptions.ClientError: AWS denies the call.
    """
    planned = plan(record, force=force)
    if planned.action is Action.SKIPPED:
        return planned
    before()
    if planned.action is Action.REQUESTED:
        return request(environment, record)
    by, now = f"operator:{getpass.getuser()}", clock.now()
    key, read = Key(record["PK"]["S"]), records.read(record)
    if OPERATION in read:
        transition = retry_phase(records.parse_any_tenant(key, read), now, by)
    else:
        reason = f"{_REASON}: {planned.detail}" if planned.detail else _REASON
        transition = request_again(key, read, reason, now)
    repository = environment.repository(by, clock)
    if isinstance(repository.apply(transition), Applied):
        return planned
    return replace(planned, action=Action.SKIPPED, detail="it has changed meanwhile")


def retry_each(
    environment: Environment,
    items: Iterable[Record],
    clock: Clock,
    *,
    force: bool,
    before: Callable[[], None],
) -> Iterator[Outcome]:
    """Have several tried again. One that can't be stops none of the others: its outcome says why."""
    for record in items:
        try:
            yield retry(environment, record, clock, force=force, before=before)
        except (TenkaCloudError, BotoCoreError) as error:
            yield Outcome(tenant_id_in(record), Action.ERROR, str(error))
        except ClientError as error:
            yield Outcome(tenant_id_in(record), Action.ERROR, error.response["Error"]["Code"])


def request(environment: Environment, record: Record) -> Outcome:
    """Hand a PENDING record to the provisioning function, as the stream would. Safe at any time."""
    name = environment.deployment.lambda_function_names[PROVISIONING]
    tenant_id = tenant_id_in(record)
    stream_record = {
        "eventID": f"operator-{record['PK']['S']}",
        "eventName": "MODIFY",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": {"PK": record["PK"], "SK": record["SK"]},
            "NewImage": {each: record[each] for each in records.READ_ATTRIBUTES if each in record},
            "SequenceNumber": "1",
        },
    }
    answer = environment.clients.lambda_once.invoke(
        FunctionName=name, Payload=json.dumps({"Records": [stream_record]}, default=str).encode()
    )
    if answer.get("FunctionError") or json.loads(answer["Payload"].read())["batchItemFailures"]:
        return Outcome(tenant_id, Action.ERROR, f"not requested: see the log group of {name}")
    return Outcome(tenant_id, Action.REQUESTED, "it was PENDING: requested once more")


def wait(
    environment: Environment,
    outcomes: Sequence[Outcome],
    clock: Clock,
    seconds: float,
    tell: Callable[[int], None],
) -> list[Outcome]:
    """Wait until those that were retried are COMPLETED or FAILED, at most so long; add what became of each.

    Of an operation whose phase was retried that is what became of it all; one that goes on later is left to
    that. `tell` is called with how many are still in flight.
    """
    became: dict[str, tuple[str, str | None]] = {}
    left = [outcome.tenant_id for outcome in outcomes if outcome.is_under_way]
    deadline = clock.now() + timedelta(seconds=seconds)
    while left:
        for record in environment.records([Key.of(TenantId(tenant_id)) for tenant_id in left]):
            became[tenant_id_in(record)] = _status_of(record), why_failed(plain(record))
        left = [tenant_id for tenant_id in left if became.get(tenant_id, ("", None))[0] not in _ENDED]
        tell(len(left))
        if not left or clock.now() >= deadline:
            break
        clock.sleep(_POLL_SECONDS)
    return [_with_what_became(outcome, became) for outcome in outcomes]


def _status_of(record: Record) -> str:
    """Return how far a tenant is: what its operation is, while that goes on or if it FAILED."""
    operation = operation_of(plain(record))
    state = operation.get("state")
    if state in (*UNDER_WAY, PhaseState.FAILED):
        return str(state)
    return str(records.read(record).get("provisioningStatus"))


def _with_what_became(outcome: Outcome, became: dict[str, tuple[str, str | None]]) -> Outcome:
    if not outcome.is_under_way:
        return outcome
    status, reason = became.get(outcome.tenant_id, ("its record is gone", None))
    return replace(outcome, status=status, reason=reason)
