"""Listing tenants, showing one, and having them tried again."""

import getpass
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from scripts.operator.environment import Environment, plain
from scripts.operator.pace import Pace
from scripts.tooling.deployment import PROVISIONING
from tenkacloud.errors import TenkaCloudError
from tenkacloud.platform.clock import SystemClock
from tenkacloud.tenants import record as records
from tenkacloud.tenants.keys import (
    FAILED_PARTITION,
    IN_FLIGHT,
    IN_FLIGHT_PARTITION,
    TENANT_PREFIX,
    UNKNOWN,
    Key,
)
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.transitions.retry import request_again
from tenkacloud.tenants.transitions.transition import Applied
from tenkacloud.tenants.validation import TenantId, TenantStatus, Tier

PENDING: Final = {"S": ProvisioningStatus.PENDING.value}
_IN_FLIGHT: Final = (ProvisioningStatus.PENDING, ProvisioningStatus.PROVISIONING)
_KEYS: Final = ("PK", "SK", "EntityType")
_REASON: Final = "an operator asked for another attempt"


def everyone(environment: Environment, tiers: Iterable[str] = Tier) -> Iterator[dict[str, Any]]:
    """Yield the records of all tenants that any index knows, each once, in DynamoDB's JSON.

    The index by status and tier comes first, with the records in it whose status or tier is not a valid one.
    Records that were rejected before they were put there are in the index of the failed ones only, and those
    that could not be requested in that of those in flight. With `tiers`, other tiers may come from the latter
    two. A PENDING record that nobody has handled yet is in no index.
    """
    seen = set[str]()
    by_tier = environment.by_tier([*tiers, UNKNOWN], [*TenantStatus, UNKNOWN])
    for item in chain(by_tier, environment.failed(), environment.in_flight()):
        pk = item["PK"]["S"]
        if pk not in seen:
            seen.add(pk)
            yield item


def listed(
    environment: Environment, status: ProvisioningStatus | None, tier: Tier | None, *, stuck: bool
) -> Iterator[dict[str, Any]]:
    """Yield tenants as plain values, by the index that knows them.

    `stuck`: in flight, with `inFlightSeconds` each. PENDING tenants are known to an index only where they
    could not be asked for, or were retried; any other is PENDING for less than a second.
    """
    if stuck or status in _IN_FLIGHT:
        found = environment.in_flight()
    elif status is ProvisioningStatus.FAILED:
        found = environment.failed()
    else:
        found = everyone(environment, [tier] if tier else Tier)
    now = datetime.now(UTC)
    for item in found:
        tenant = plain(item, hidden=_KEYS)
        if (status and tenant.get("provisioningStatus") != status) or (tier and tenant.get("tier") != tier):
            continue
        # A record that was rejected may have no id of its own, or another one.
        row = {"id": item["PK"]["S"].removeprefix(TENANT_PREFIX), **tenant}
        seconds = seconds_in_flight(item, now)
        yield row if seconds is None else {**row, "inFlightSeconds": round(seconds)}


def page(
    environment: Environment,
    status: ProvisioningStatus | None,
    tier: Tier | None,
    limit: int,
    *,
    stuck: bool,
) -> tuple[list[dict[str, Any]], int]:
    """Return at most `limit` tenants of a list, and how many there are in the whole list.

    The whole list is counted by the keys in the indexes where they suffice. Otherwise the records are read,
    too: of those in flight or FAILED, or of all if a list of other tenants is asked for that is longer than
    `limit`.
    """
    found = listed(environment, status, tier, stuck=stuck)
    rows: list[dict[str, Any]] = []
    for row in found:
        if len(rows) == limit:
            break
        rows.append(row)
    else:
        return rows, len(rows)
    if status is None and tier is None and not stuck:
        return rows, len(set(_known(environment)))
    return rows, limit + 1 + sum(1 for _ in found)


def _known(environment: Environment) -> Iterator[str]:
    """Yield the partition keys of all tenants that any index knows; of those in several more than once."""
    statuses, tiers = (*TenantStatus, UNKNOWN), (*Tier, UNKNOWN)
    partitions = [
        *(
            ("by-status-tier", "GSI2PK", f"STATUS#{status}#TIER#{tier}")
            for status in statuses
            for tier in tiers
        ),
        ("failed", "GSI4PK", FAILED_PARTITION),
        ("in-flight", "GSI3PK", IN_FLIGHT_PARTITION),
    ]
    paginator = environment.clients.dynamodb.get_paginator("query")
    for index, attribute, value in partitions:
        for found in paginator.paginate(
            TableName=environment.deployment.table_name,
            IndexName=index,
            KeyConditionExpression="#partition = :value",
            ExpressionAttributeNames={"#partition": attribute},
            ExpressionAttributeValues={":value": {"S": value}},
        ):
            for item in found["Items"]:
                yield item["PK"]["S"]


def seconds_in_flight(item: dict[str, Any], now: datetime) -> float | None:
    """Return for how long a tenant is in flight, None if it is not; since 1970 if no valid time is there."""
    attribute = item.get(IN_FLIGHT.sort)
    if attribute is None:
        return None
    return (now - records.in_flight_since(attribute.get("S"), now)).total_seconds()


def truncated_repr(environment: Environment, tenant_id: TenantId) -> dict[str, Any]:
    """Return a tenant with its whole history: `{"tenant": {…}, "history": [{"at", "to", "attempt", …}]}`."""
    return {
        "tenant": plain(environment.record(tenant_id), hidden=_KEYS),
        "history": environment.history(tenant_id),
    }


def named_resources(item: dict[str, Any]) -> dict[str, str | None]:
    """Return what a record names as its tenant's resources; None for a name that is no string."""
    return {name: value.get("S") for name, value in item.get("resources", {}).get("M", {}).items()}


def misfit(item: dict[str, Any]) -> str | None:
    """Say why the resources that a COMPLETED record names can't be those of its tier; None if they can."""
    return records.resource_mismatch(records.read(item))


def retry(environment: Environment, item: dict[str, Any]) -> str:
    """Have one tenant tried again; return what was done.

    FAILED becomes PENDING, which asks for it; so does COMPLETED with resources that do not fit its tier. A
    tenant that is PENDING already is handed to the function once more, as it is now: that is safe at any
    time.

    Raises:
        TenkaCloudError: the record can't be changed, now or as it is.
        botocore.exceptions.ClientError: AWS refuses the call.
    """
    read = records.read(item)
    status = read.get("provisioningStatus")
    misplaced = records.resource_mismatch(read)
    if status == ProvisioningStatus.PENDING:
        return ask_again(environment, item)
    if status != ProvisioningStatus.FAILED and not misplaced:
        return f"left alone: it is {status}, not FAILED"
    reason = f"{_REASON}: {misplaced}" if misplaced else _REASON
    change = request_again(Key(item["PK"]["S"]), read, reason, SystemClock().now())
    outcome = environment.store(_writer()).apply(change)
    return "retried" if isinstance(outcome, Applied) else "left alone: it has changed meanwhile"


def _writer() -> str:
    return f"operator:{getpass.getuser()}"


def tried(environment: Environment, item: dict[str, Any]) -> str:
    """Have one tenant tried again; return what was done, or `failed: ` and what was in the way."""
    try:
        return retry(environment, item)
    except (TenkaCloudError, BotoCoreError) as error:
        return f"failed: {error}"
    except ClientError as error:
        return f"failed: {error.response['Error']['Code']}"


def retry_all(environment: Environment, pace: Pace) -> dict[str, str]:
    """Have every FAILED tenant tried again; return `{tenantId: what was done}`.

    One that can't be tried stops none of the others: what is wrong stands in its place.
    """
    return {
        item["PK"]["S"].removeprefix(TENANT_PREFIX): tried(environment, item)
        for item in pace.over("retrying", list(environment.failed()))
    }


def ask_again(environment: Environment, item: dict[str, Any]) -> str:
    """Hand a PENDING record to the provisioning function, as the stream would."""
    name = environment.deployment.lambda_function_names[PROVISIONING]
    record = {
        "eventID": f"operator-{item['PK']['S']}",
        "eventName": "MODIFY",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": {"PK": item["PK"], "SK": item["SK"]},
            "NewImage": {name: item[name] for name in records.READ_ATTRIBUTES if name in item},
            "SequenceNumber": "1",
        },
    }
    answer = environment.clients.lambda_once.invoke(
        FunctionName=name, Payload=json.dumps({"Records": [record]}, default=str).encode()
    )
    failed = answer.get("FunctionError") or json.loads(answer["Payload"].read())["batchItemFailures"]
    return f"not asked for: see the log group of {name}" if failed else "asked for"
