"""The tenant table: all reads of records, and conditional writes, each with its entry in the history."""

import base64
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from tenkacloud.errors import InvalidFieldError, NotReadyError, PermanentError
from tenkacloud.platform.clock import Clock, rfc3339
from tenkacloud.tenants.keys import (
    BY_SLUG,
    BY_STATUS_TIER,
    DUE,
    DUE_PARTITION,
    FAILED,
    FAILED_PARTITION,
    HISTORY_PREFIX,
    IN_FLIGHT,
    IN_FLIGHT_PARTITION,
    PARTITION,
    SORT,
    Index,
    Key,
    slug_partition,
    status_tier_partition,
)
from tenkacloud.tenants.record import (
    CLOCK_SKEW,
    READ_ATTRIBUTES,
    REVISION,
    Item,
    aliases,
    in_flight_since,
    read,
    record_request,
)
from tenkacloud.tenants.transitions.transition import (
    Applied,
    Image,
    NotApplied,
    Outcome,
    Precondition,
    Transition,
)
from tenkacloud.tenants.validation import Slug, TenantStatus, Tier

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE_MAX: Final = 100  # keys that BatchGetItem takes
TRANSITIONS_MAX: Final = 20  # in one transaction: at most 5 writes each, of the 100 that DynamoDB allows
_ROUNDS: Final = 4  # of one transaction that others are in the way of, or that loses a part each time
_FIRST_WAIT: Final = 0.05  # seconds, doubled at each round: a transaction in the way lasts milliseconds
_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_PERMANENT: Final = frozenset({"ValidationException", "ValidationError"})  # of a call; of a cancellation

_serialize = TypeSerializer().serialize


@dataclass(frozen=True)
class InFlight:
    """An entry of the index of those in flight: a tenant, and since when it is."""

    key: Key
    since: datetime


@dataclass(frozen=True)
class Page:
    """A part of a list of tenants: their keys, and the cursor of the next part, None if it was the last.

    A part may be empty and yet not be the last.
    """

    keys: tuple[Key, ...]
    cursor: str | None


class TenantRepository:
    """The tenant table. `writer` is who the history says made the transitions.

    Reads raise `botocore.exceptions.ClientError` where DynamoDB fails; that is worth a retry.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, writer: str, clock: Clock) -> None:
        self._client = client
        self._table_name = table_name
        self._writer = writer
        self._clock = clock

    # --- records by their keys -----------------------------------------------------------------------------

    def find(self, key: Key, attributes: Sequence[str] = READ_ATTRIBUTES) -> Item | None:
        """Return a record as it is now, as far as `attributes` go; None if there is none."""
        found = self._client.get_item(**record_request(self._table_name, key, attributes))
        return read(found["Item"], attributes) if "Item" in found else None

    def find_many(self, keys: Sequence[Key], attributes: Sequence[str] = READ_ATTRIBUTES) -> dict[Key, Item]:
        """Return up to `PAGE_MAX` records as they are now, without those that are missing or put off.

        In one call. Those that AWS put off are for whoever has the time to call again with what is missing.
        """
        if not keys:
            return {}
        names = aliases((PARTITION, SORT, *attributes))
        found = self._client.batch_get_item(
            RequestItems={
                self._table_name: {
                    "Keys": [key.attributes for key in keys],
                    "ConsistentRead": True,
                    "ProjectionExpression": ", ".join(names),
                    "ExpressionAttributeNames": names,
                }
            }
        )
        items: list[Any] = found["Responses"][self._table_name]
        return {_key_of(item): read(item, attributes) for item in items}

    def history(self, key: Key) -> Iterator[dict[str, str | int]]:
        """Yield the entries of a tenant's history, oldest first.

        Shape: `{"to", "at", "by"}`, and where they are known `"attempt"` (a number), `"reason"` and
        `"correlationId"`.
        """
        for page in self._query(
            "#pk = :pk AND begins_with(#sk, :history)",
            {"#pk": PARTITION, "#sk": SORT},
            {":pk": {"S": key.pk}, ":history": {"S": HISTORY_PREFIX}},
            ConsistentRead=True,
        ):
            for item in page["Items"]:
                yield {
                    name: int(value["N"]) if "N" in value else value["S"]
                    for name, value in item.items()
                    if name not in (PARTITION, SORT, "EntityType")
                }

    # --- lists, by the indexes -----------------------------------------------------------------------------

    def in_flight(self, now: datetime) -> Iterator[list[InFlight]]:
        """Yield the tenants in flight, the longest first, in pages. The table itself is not read.

        First those whose index key is later than any honest one: sorted by it they would be the last, for
        ever, whatever is behind them.
        """
        for comparison in (">", "<="):
            for page in self._query(
                f"#partition = :partition AND #since {comparison} :latest",
                {"#partition": IN_FLIGHT.partition, "#since": IN_FLIGHT.sort},
                {
                    ":partition": {"S": IN_FLIGHT_PARTITION},
                    ":latest": {"S": rfc3339(now + CLOCK_SKEW)},
                },
                IndexName=IN_FLIGHT.name,
                Limit=PAGE_MAX,
            ):
                if page["Items"]:
                    yield [
                        InFlight(_key_of(item), in_flight_since(item[IN_FLIGHT.sort]["S"], now))
                        for item in page["Items"]
                    ]

    def due(self, now: datetime) -> Iterator[list[Key]]:
        """Yield the tenants of whom something is due by now, the longest first, in pages."""
        for page in self._query(
            "#partition = :partition AND #due <= :now",
            {"#partition": DUE.partition, "#due": DUE.sort},
            {":partition": {"S": DUE_PARTITION}, ":now": {"S": rfc3339(now)}},
            IndexName=DUE.name,
            Limit=PAGE_MAX,
        ):
            if page["Items"]:
                yield [_key_of(item) for item in page["Items"]]

    def find_item(self, key: Key) -> Mapping[str, object] | None:
        """Return another item of a tenant as it is now, all of it: its certificate, an export."""
        found = self._client.get_item(TableName=self._table_name, Key=key.attributes, ConsistentRead=True)
        return read(found["Item"], found["Item"]) if "Item" in found else None

    def list_in_flight(self, *, limit: int = PAGE_MAX, cursor: str | None = None) -> Page:
        """Return a page of those in flight, the longest first (see `read_page` for cursors)."""
        return self.read_page(IN_FLIGHT, IN_FLIGHT_PARTITION, limit=limit, cursor=cursor)

    def list_failed(
        self, *, newest_first: bool = True, limit: int = PAGE_MAX, cursor: str | None = None
    ) -> Page:
        """Return a page of those that FAILED, by when they did."""
        return self.read_page(FAILED, FAILED_PARTITION, newest_first=newest_first, limit=limit, cursor=cursor)

    def list_by_status_tier(
        self,
        status: TenantStatus | None,
        tier: Tier | None,
        *,
        limit: int = PAGE_MAX,
        cursor: str | None = None,
    ) -> Page:
        """Return a page of the tenants of a status and a tier, newest first; None: of no valid one."""
        partition = status_tier_partition(status, tier)
        return self.read_page(BY_STATUS_TIER, partition, newest_first=True, limit=limit, cursor=cursor)

    def list_by_slug(self, slug: Slug, *, limit: int = PAGE_MAX, cursor: str | None = None) -> Page:
        """Return a page of the tenants of a slug, newest first: slugs need not be unique."""
        partition = slug_partition(slug)
        return self.read_page(BY_SLUG, partition, newest_first=True, limit=limit, cursor=cursor)

    def read_page(
        self,
        index: Index,
        partition: str,
        *,
        newest_first: bool = False,
        limit: int = PAGE_MAX,
        cursor: str | None = None,
    ) -> Page:
        """Return a page of one partition of an index, in one call. `cursor` is that of the page before.

        Raises:
            InvalidFieldError: `cursor` is not of a page of this partition.
        """
        start: dict[str, Any] = {}
        if cursor is not None:
            start = {"ExclusiveStartKey": _start_key(cursor, index, partition)}
        page = self._client.query(
            TableName=self._table_name,
            IndexName=index.name,
            KeyConditionExpression="#partition = :partition",
            ExpressionAttributeNames={"#partition": index.partition},
            ExpressionAttributeValues={":partition": {"S": partition}},
            ScanIndexForward=not newest_first,
            Limit=limit,
            **start,
        )
        last = page.get("LastEvaluatedKey")
        return Page(tuple(_key_of(item) for item in page["Items"]), _cursor(last) if last else None)

    def count(self, index: Index, partition: str) -> int:
        """Return how many tenants one partition of an index has. Reads keys only, 1 MB a call."""
        return sum(
            page["Count"]
            for page in self._query(
                "#partition = :partition",
                {"#partition": index.partition},
                {":partition": {"S": partition}},
                IndexName=index.name,
                Select="COUNT",
            )
        )

    def _query(
        self, condition: str, names: dict[str, str], values: dict[str, Any], **options: Any
    ) -> Iterator[Any]:
        start: dict[str, Any] = {}
        while True:
            page = self._client.query(
                TableName=self._table_name,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                **options,
                **start,
            )
            yield page
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    # --- writes --------------------------------------------------------------------------------------------

    def apply(self, transition: Transition) -> Outcome:
        """Write a transition if the record is in one of its expected states.

        A failed condition brings the record back in the same call, so no second read is needed and none
        can see a later state.

        Raises:
            NotReadyError: other writers hold the record.
            PermanentError: DynamoDB takes no change of the record as it is.
            botocore.exceptions.ClientError: any other error; worth a retry.
        """
        (outcome,) = self.apply_all([transition])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def apply_all(self, transitions: Sequence[Transition]) -> list[Outcome | Exception]:
        """Write each transition whose condition holds; return what became of each, in their order.

        They go in one transaction. Where that is cancelled for some of them, the others go again without
        them; what can't be written beside others goes alone, so that no transition fails for another's sake.
        An exception stands for a transition that may be written or not; its next delivery finds out.
        """
        outcomes: dict[int, Outcome | Exception] = {}
        for group in _groups(transitions):
            try:
                self._apply_group(group, outcomes)
            except (ClientError, BotoCoreError) as error:
                outcomes.update(dict.fromkeys(group, error))
        return [outcomes[number] for number in range(len(transitions))]

    def _apply_group(self, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]) -> None:
        """Write a group; take from it what has an outcome, and leave what shares the caller's error."""
        codes: set[str] = set()
        for tried in range(_ROUNDS):
            if codes:
                self._clock.sleep(_FIRST_WAIT * 2**tried * random.uniform(0.5, 1))  # noqa: S311 - jitter
            codes = self._try(group, outcomes)
            if codes and len(group) > 1:
                self._apply_each(group, outcomes)
            if not group or codes & _PERMANENT:
                break
        for number, transition in group.items():
            outcomes[number] = _error_of(transition, codes)

    def _try(self, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]) -> set[str]:
        """Write a group once; take from it what has an outcome; return what was in the way of the rest."""
        try:
            self._write(list(group.values()))
        except self._client.exceptions.TransactionCanceledException as cancelled:
            return _take_unmet(cancelled, group, outcomes)
        except ClientError as error:
            # A request that breaks a rule of DynamoDB's, because one of the transitions does.
            if error.response["Error"]["Code"] not in _PERMANENT:
                raise
            return {error.response["Error"]["Code"]}
        outcomes.update({number: Applied() for number in group})
        group.clear()
        return set()

    def _apply_each(self, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]) -> None:
        while group:
            number, transition = next(iter(group.items()))
            self._apply_group({number: transition}, outcomes)
            del group[number]

    def _write(self, transitions: list[Transition]) -> None:
        writes: list[Any] = []
        for transition in transitions:
            action = "Update" if transition.replacement is None else "Put"
            writes.append({action: {"TableName": self._table_name, **update_of(transition)}})
            writes += [
                {"Put": {"TableName": self._table_name, "Item": item}}
                for item in (*history_of(transition, self._writer), *puts_of(transition))
            ]
        self._client.transact_write_items(TransactItems=writes)


def _take_unmet(
    cancelled: ClientError, group: dict[int, Transition], outcomes: dict[int, Outcome | Exception]
) -> set[str]:
    """Take those whose condition failed out of a group; return the codes of what else was in the way."""
    reasons: Iterator[dict[str, Any]] = iter(cast("Any", cancelled.response).get("CancellationReasons", []))
    unmet, codes = set[int](), set[str]()
    for number, transition in group.items():
        beside = (*transition.history, *transition.puts)
        of_update, *of_history = [next(reasons, {}) for _ in (None, *beside)]
        if of_update.get("Code") == _CONDITION_FAILED:
            item = of_update.get("Item")
            outcomes[number] = NotApplied(read(item) if item else None)
            unmet.add(number)
        else:
            codes |= {each.get("Code", "None") for each in (of_update, *of_history)} - {"None"}
    for number in unmet:
        del group[number]
    # Nothing was written, and nobody says why: not to be taken for done.
    return codes if unmet or codes else {"TransactionCanceledException"}


def _error_of(transition: Transition, codes: set[str]) -> NotReadyError | PermanentError:
    if codes & _PERMANENT:
        # Our own requests are valid: the record is too big, or an index key of it has a wrong type.
        return PermanentError(f"DynamoDB takes no change of the record {transition.key.pk} as it is")
    return NotReadyError(f"the record {transition.key.pk} can't be written now: {', '.join(sorted(codes))}")


def _groups(transitions: Sequence[Transition]) -> list[dict[int, Transition]]:
    """Return numbered transitions in groups for one transaction each: none holds a record twice."""
    groups: list[dict[int, Transition]] = []
    last_of: dict[Key, int] = {}
    for number, transition in enumerate(transitions):
        # After the group with the last one of the same record, since their order counts.
        place = last_of.get(transition.key, -1) + 1
        while place < len(groups) and len(groups[place]) >= TRANSITIONS_MAX:
            place += 1
        if place == len(groups):
            groups.append({})
        groups[place][number] = transition
        last_of[transition.key] = place
    return groups


def history_of(transition: Transition, writer: str) -> list[dict[str, Any]]:
    """Return the items of a transition's entries of history, in DynamoDB's JSON."""
    return [
        {
            "PK": {"S": transition.key.pk},
            "SK": {"S": entry.sort_key},
            **{name: _serialize(value) for name, value in entry.attributes(writer).items()},
        }
        for entry in transition.history
    ]


def puts_of(transition: Transition) -> list[dict[str, Any]]:
    """Return the further items of a transition, in DynamoDB's JSON."""
    return [
        {
            **Key(transition.key.pk, sort_key).attributes,
            **{name: _serialize(value) for name, value in attributes.items()},
        }
        for sort_key, attributes in transition.puts.items()
    ]


def update_of(transition: Transition) -> dict[str, Any]:
    """Return the arguments of UpdateItem, or of PutItem, for a transition. Every name is aliased."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}

    def name(path: str) -> str:
        if "." in path:
            return ".".join(map(name, path.split(".")))
        alias = f"#{path}"
        names[alias] = path
        return alias

    def value(label: str, content: object) -> str:
        alias = f":{label.replace('.', '_')}"
        values[alias] = _serialize(content)
        return alias

    def condition(number: int, state: Precondition) -> str:
        return " AND ".join(
            requirement.expression(name(attribute), partial(compared, f"{attribute}{number}"))
            for attribute, requirement in state.requires.items()
        )

    def compared(label: str, content: object) -> str:
        # Some requirements compare with several values.
        label = label.replace(".", "_")
        free = (f"{label}_{n}" for n in count() if f":{label}_{n}" not in values)
        return value(next(free), content)

    change: dict[str, Any]
    match transition.replacement:
        case None:
            update = _update_expression(transition, name, value)
            change = {"Key": transition.key.attributes, "UpdateExpression": update}
        case Image(attributes):
            change = {"Item": {**_api_attributes(attributes), **transition.key.attributes}}
        case record:
            item = {attribute: _serialize(content) for attribute, content in record.items()}
            change = {"Item": {**item, **transition.key.attributes}}
    return {
        **change,
        # AND binds tighter than OR. Each state requires a status, which no record has without existing.
        "ConditionExpression": " OR ".join(condition(*state) for state in enumerate(transition.expected)),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _api_attributes(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream's image as the API takes it: binary is text in the one, bytes in the other."""
    return {name: _api_value(value) for name, value in image.items()}


def _api_value(attribute: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, value),) = attribute.items()
    match kind:
        case "B":
            return {kind: base64.b64decode(value)}
        case "BS":
            return {kind: [base64.b64decode(each) for each in value]}
        case "M":
            return {kind: _api_attributes(value)}
        case "L":
            return {kind: [_api_value(each) for each in value]}
    return {kind: value}


def _update_expression(
    transition: Transition, name: Callable[[str], str], value: Callable[[str, object], str]
) -> str:
    assignments = [f"{name(key)} = {value(key, content)}" for key, content in transition.sets.items()] + [
        f"{name(key)} = if_not_exists({name(key)}, {value(key, content)})"
        for key, content in transition.sets_if_absent.items()
    ]
    update = f"SET {', '.join(assignments)} " if assignments else ""
    if transition.removes:
        update += f"REMOVE {', '.join(map(name, transition.removes))} "
    if REVISION in transition.sets:
        return update
    # Each change of a record has a revision of its own.
    return f"{update}ADD {name(REVISION)} {value(REVISION, 1)}"


def _key_of(item: Any) -> Key:
    return Key(item[PARTITION]["S"], item[SORT]["S"])


def cursor_after(index: Index, record: Any) -> str:
    """Return the cursor of the page of an index that begins after a record, given in DynamoDB's JSON."""
    return _cursor({name: record[name] for name in (PARTITION, SORT, *index.attributes)})


def _cursor(last: Any) -> str:
    """Return a key of an index as text that goes through a shell and a URL."""
    plain = {name: value["S"] for name, value in last.items()}
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _start_key(cursor: str, index: Index, partition: str) -> dict[str, Any]:
    try:
        plain = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        plain = None
    names = {PARTITION, SORT, *index.attributes}
    if not isinstance(plain, dict) or set(plain) != names or plain[index.partition] != partition:
        raise InvalidFieldError("cursor", "is not one of this list")
    return {name: {"S": str(value)} for name, value in plain.items()}
