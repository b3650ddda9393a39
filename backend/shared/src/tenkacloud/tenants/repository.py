"""Conditional writes of tenant records, each with its line of history in the same transaction."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from tenkacloud.errors import NotReadyError, PermanentError
from tenkacloud.tenants.record import Item, Key, Precondition, Transition, read

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHANGES_MAX: Final = 25  # in one transaction: at most 3 writes each, of the 100 that DynamoDB allows
_ROUNDS: Final = 4  # of one transaction that others are in the way of, or that loses a part each time
_FIRST_WAIT: Final = 0.05  # seconds, doubled at each round: a transaction in the way lasts milliseconds
_REFUSED: Final = "ConditionalCheckFailed"
_FOR_GOOD: Final = frozenset({"ValidationException", "ValidationError"})  # of a call; of a cancellation

_serialize = TypeSerializer().serialize


@dataclass(frozen=True)
class Applied:
    """The change was written."""


@dataclass(frozen=True)
class NotApplied:
    """The condition failed. `item` is the record as it was then, None if there is none."""

    item: Item | None


Outcome = Applied | NotApplied


class TenantStore:
    """The tenant table. `writer` is who the history says made the changes."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        writer: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._writer = writer
        self._sleep = sleep

    def apply(self, change: Transition) -> Outcome:
        """Write a change if the record is in one of its expected states.

        A failed condition brings the record back in the same call, so no second read is needed and none
        can see a later state.

        Raises:
            NotReadyError: other writers hold the record.
            PermanentError: DynamoDB takes no change of the record as it is.
            botocore.exceptions.ClientError: any other error; worth a retry.
        """
        (outcome,) = self.apply_all([change])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def apply_all(self, changes: Sequence[Transition]) -> list[Outcome | Exception]:
        """Write each change whose condition holds; return what became of each, in their order.

        They go in one transaction. Where that is cancelled for some of them, the others go again without
        them; what can't be written beside others goes alone, so that no change fails for another's sake.
        An exception stands for a change that may be written or not; its next delivery finds out.
        """
        outcomes: dict[int, Outcome | Exception] = {}
        for group in _groups(changes):
            try:
                self._apply_group(group, outcomes)
            except (ClientError, BotoCoreError) as error:
                outcomes.update(dict.fromkeys(group, error))
        return [outcomes[number] for number in range(len(changes))]

    def _apply_group(self, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]) -> None:
        """Write a group; take from it what has an outcome, and leave what shares the caller's error."""
        codes: set[str] = set()
        for tried in range(_ROUNDS):
            if codes:
                self._sleep(_FIRST_WAIT * 2**tried * random.uniform(0.5, 1))  # noqa: S311 - jitter
            codes = self._try(group, outcomes)
            if codes and len(group) > 1:
                self._apply_each(group, outcomes)
            if not group or codes & _FOR_GOOD:
                break
        for number, change in group.items():
            outcomes[number] = _given_up(change, codes)

    def _try(self, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]) -> set[str]:
        """Write a group once; take from it what has an outcome; return what was in the way of the rest."""
        try:
            self._write(list(group.values()))
        except self._client.exceptions.TransactionCanceledException as cancelled:
            return _take_refused(cancelled, group, outcomes)
        except ClientError as error:
            # A request that breaks a rule of DynamoDB's, because one of the changes does.
            if error.response["Error"]["Code"] not in _FOR_GOOD:
                raise
            return {error.response["Error"]["Code"]}
        outcomes.update({number: Applied() for number in group})
        group.clear()
        return set()

    def _apply_each(self, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]) -> None:
        while group:
            number, change = next(iter(group.items()))
            self._apply_group({number: change}, outcomes)
            del group[number]

    def _write(self, changes: list[Transition]) -> None:
        writes: list[Any] = []
        for change in changes:
            writes.append({"Update": {"TableName": self._table_name, **update_of(change)}})
            writes += [
                {"Put": {"TableName": self._table_name, "Item": item}}
                for item in history_of(change, self._writer)
            ]
        self._client.transact_write_items(TransactItems=writes)


def _take_refused(
    cancelled: ClientError, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]
) -> set[str]:
    """Take those whose condition failed out of a group; return the codes of what else was in the way."""
    reasons: Iterator[dict[str, Any]] = iter(cast("Any", cancelled.response).get("CancellationReasons", []))
    refused, codes = set[int](), set[str]()
    for number, change in group.items():
        of_update, *of_history = [next(reasons, {}) for _ in (None, *change.history)]
        if of_update.get("Code") == _REFUSED:
            item = of_update.get("Item")
            outcomes[number] = NotApplied(read(item) if item else None)
            refused.add(number)
        else:
            codes |= {each.get("Code", "None") for each in (of_update, *of_history)} - {"None"}
    for number in refused:
        del group[number]
    # Nothing was written, and nobody says why: not to be taken for done.
    return codes if refused or codes else {"TransactionCanceledException"}


def _given_up(change: Transition, codes: set[str]) -> NotReadyError | PermanentError:
    if codes & _FOR_GOOD:
        # Our own requests are valid: the record is too big, or an index key of it has a wrong type.
        return PermanentError(f"DynamoDB takes no change of the record {change.key.pk} as it is")
    return NotReadyError(f"the record {change.key.pk} can't be written now: {', '.join(sorted(codes))}")


def _groups(changes: Sequence[Transition]) -> list[dict[int, Transition]]:
    """Return numbered changes in groups for one transaction each: none holds a record twice."""
    groups: list[dict[int, Transition]] = []
    last_of: dict[Key, int] = {}
    for number, change in enumerate(changes):
        # After the group with the last change of the same record, since their order counts.
        place = last_of.get(change.key, -1) + 1
        while place < len(groups) and len(groups[place]) >= CHANGES_MAX:
            place += 1
        if place == len(groups):
            groups.append({})
        groups[place][number] = change
        last_of[change.key] = place
    return groups


def history_of(change: Transition, writer: str) -> list[dict[str, Any]]:
    """Return the items of a change's lines of history, in DynamoDB's JSON."""
    return [
        {
            "PK": {"S": change.key.pk},
            "SK": {"S": entry.sort_key},
            **{name: _serialize(value) for name, value in entry.attributes(writer).items()},
        }
        for entry in change.history
    ]


def update_of(change: Transition) -> dict[str, Any]:
    """Return the arguments of UpdateItem for a change. Every attribute name is aliased."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}

    def name(attribute: str) -> str:
        alias = f"#{attribute}"
        names[alias] = attribute
        return alias

    def value(label: str, content: object) -> str:
        alias = f":{label}"
        values[alias] = _serialize(content)
        return alias

    assignments = [f"{name(key)} = {value(key, content)}" for key, content in change.sets.items()] + [
        f"{name(key)} = if_not_exists({name(key)}, {value(key, content)})"
        for key, content in change.sets_if_absent.items()
    ]
    update = f"SET {', '.join(assignments)}"
    if change.removes:
        update += f" REMOVE {', '.join(map(name, change.removes))}"

    def condition(number: int, state: Precondition) -> str:
        return " AND ".join(
            requirement.expression(name(attribute), partial(compared, f"{attribute}{number}"))
            for attribute, requirement in state.requires.items()
        )

    def compared(label: str, content: object) -> str:
        # Some requirements compare with several values.
        free = (f"{label}_{n}" for n in count() if f":{label}_{n}" not in values)
        return value(next(free), content)

    return {
        "Key": {"PK": {"S": change.key.pk}, "SK": {"S": change.key.sk}},
        "UpdateExpression": update,
        # AND binds tighter than OR. Each state requires a status, which no record has without existing.
        "ConditionExpression": " OR ".join(condition(*state) for state in enumerate(change.expected)),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
