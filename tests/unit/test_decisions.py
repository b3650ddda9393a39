"""What the completion function makes of a result that did not fit the record."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from provisioning_completion.decisions import Ignore, Retry, Write, decide
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.validation import TenantId

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def item(status: str, attempt: int | None) -> dict[str, Any]:
    bare: dict[str, Any] = {"id": "acme", "name": "Acme", "tier": "PRO", "provisioningStatus": status}
    return bare if attempt is None else {**bare, "provisioningAttempt": Decimal(attempt)}


def result(attempt: int | None) -> ProvisioningResult:
    return ProvisioningResult(TenantId("acme"), {"s3Prefix": "tenants/acme/"}, rfc3339(NOW), attempt=attempt)


@pytest.mark.parametrize(
    ("record", "attempt", "decision"),
    [
        # A result that overtook the mark of its own attempt
        (item("PENDING", None), 1, Write),
        (item("PENDING", 0), 1, Write),
        (item("PENDING", 3), 4, Write),
        (item("PENDING", None), None, Write),
        # or the mark of an automatic retry
        (item("PROVISIONING", 2), 3, Write),
        # Stale: of the attempt before the retry, or of a record written anew
        (item("PENDING", 3), 3, Ignore),
        (item("PENDING", 3), 1, Ignore),
        (item("PENDING", None), 2, Ignore),
        (item("PROVISIONING", 2), 1, Ignore),
        (item("PROVISIONING", 2), 4, Ignore),
        (item("FAILED", 2), 1, Ignore),
        (item("COMPLETED", 2), 1, Ignore),
        # Duplicates
        (item("COMPLETED", 2), 2, Ignore),
        (item("COMPLETED", 2), None, Ignore),
        (item("FAILED", 2), 2, Ignore),
        # Can't be told yet
        (item("PENDING", 3), None, Retry),
        (item("PROVISIONING", 2), 2, Retry),
        (item("PROVISIONING", 2), None, Retry),
        # Nothing a result could belong to
        (item("ODD", 1), 1, Ignore),
        ({}, 1, Ignore),
        ({**item("PENDING", None), "tier": "GOLD"}, 1, Ignore),
    ],
)
def test_decisions(record: dict[str, Any], attempt: int | None, decision: type) -> None:
    assert isinstance(decide(record, result(attempt), NOW), decision)


def test_the_result_is_written_with_the_mark_that_it_overtook() -> None:
    decision = decide(item("PENDING", 3), result(4), NOW)
    assert isinstance(decision, Write)
    assert [(entry.to, entry.attempt) for entry in decision.change.history] == [
        ("PROVISIONING", 4),
        ("COMPLETED", 4),
    ]
    assert decision.change.sets["provisioningAttempt"] == 4
    assert decision.change.sets["provisioningStatus"] == "COMPLETED"


def test_a_stale_failure_is_left_alone_too() -> None:
    stale = replace(result(1), resources={}, failure_reason="no room")
    assert isinstance(decide(item("PROVISIONING", 2), stale, NOW), Ignore)
