"""Listing tenants, showing one, and having them tried again."""

import getpass
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from scripts.deployment import PROVISIONING
from scripts.operations.environment import Environment, plain
from scripts.operations.pace import Pace
from tenkacloud import records
from tenkacloud.fields import TenantId, TenantStatus, Tier
from tenkacloud.lifecycle import ProvisioningStatus
from tenkacloud.records import Key
from tenkacloud.runtime import utc_now
from tenkacloud.store import Applied

PENDING: Final = {"S": ProvisioningStatus.PENDING.value}


def listed(
    environment: Environment, status: ProvisioningStatus | None, tier: Tier | None, *, stuck: bool
) -> Iterator[dict[str, Any]]:
    """Yield tenants as plain values, by the index that knows them.

    `stuck`: in flight, with `inFlightSeconds` each. PENDING tenants are known to an index only where they
    could not be asked for, or were retried; any other is PENDING for less than a second.
    """
    if stuck or status in (ProvisioningStatus.PENDING, ProvisioningStatus.PROVISIONING):
        found = environment.in_flight()
    elif status is ProvisioningStatus.FAILED:
        found = environment.failed()
    else:
        found = environment.by_tier([tier] if tier else Tier, TenantStatus)
    now = datetime.now(UTC)
    for item in found:
        tenant = plain(item, hidden=("PK", "SK", "EntityType"))
        if (status and tenant.get("provisioningStatus") != status) or (tier and tenant.get("tier") != tier):
            continue
        since = item.get(records.IN_FLIGHT_SINCE, {}).get("S")
        if since:
            tenant["inFlightSeconds"] = round(
                (now - datetime.fromisoformat(records.in_flight_since(since, now))).total_seconds()
            )
        yield tenant


def shown(environment: Environment, tenant_id: TenantId) -> dict[str, Any]:
    """Return a tenant with its whole history: `{"tenant": {…}, "history": [{"at", "to", "attempt", …}]}`."""
    return {
        "tenant": plain(environment.record(tenant_id), hidden=("PK", "SK", "EntityType")),
        "history": environment.history(tenant_id),
    }


def retry(environment: Environment, item: dict[str, Any]) -> str:
    """Have one tenant tried again; return what was done.

    FAILED becomes PENDING, which asks for it. A tenant that is PENDING already is handed to the function
    once more, as it is now: that is safe at any time.
    """
    read = records.read(item)
    status = read.get("provisioningStatus")
    key = Key(item["PK"]["S"])
    if status == ProvisioningStatus.PENDING:
        return ask_again(environment, item)
    if status != ProvisioningStatus.FAILED:
        return f"left alone: it is {status}, not FAILED"
    raw: Any = read.get("provisioningAttempt")
    attempt = None if raw is None else int(raw)
    change = records.retry(key, attempt, "an operator asked for another attempt", utc_now())
    outcome = environment.store(f"operator:{getpass.getuser()}").apply(change)
    return "retried" if isinstance(outcome, Applied) else "left alone: it is no longer FAILED"


def retry_all(environment: Environment, pace: Pace) -> dict[str, str]:
    """Have every FAILED tenant tried again; return `{tenantId: what was done}`."""
    return {
        item["PK"]["S"].removeprefix(records.TENANT_PREFIX): retry(environment, item)
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
    answer = environment.clients.lambda_.invoke(
        FunctionName=name, Payload=json.dumps({"Records": [record]}, default=str).encode()
    )
    failed = answer.get("FunctionError") or json.loads(answer["Payload"].read())["batchItemFailures"]
    return f"not asked for: see the log group of {name}" if failed else "asked for"
