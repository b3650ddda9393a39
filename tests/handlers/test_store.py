"""Transactions of the tenant table."""

from typing import Any

import boto3

from tenkacloud.events import TenantProvisioned
from tenkacloud.tenants import record as records
from tenkacloud.tenants.repository import Applied, NotApplied, TenantStore
from tenkacloud.tenants.validation import TenantId
from tests.handlers.conftest import TABLE, Cloud

NOW = "2026-01-02T03:04:05.678Z"


def store() -> TenantStore:
    return TenantStore(boto3.client("dynamodb"), TABLE, "tests", sleep=lambda _: None)


def mark(cloud: Cloud, tenant_id: str) -> records.Transition:
    item: Any = records.read(cloud.item(tenant_id))
    tenant = records.parse_tenant(records.Key.of(TenantId(tenant_id)), item)
    return records.begin_attempt(tenant, NOW)


def result(tenant_id: str) -> records.Transition:
    found = TenantProvisioned(TenantId(tenant_id), {"s3Prefix": f"tenants/{tenant_id}/"}, NOW, attempt=1)
    return records.record_result(found, NOW)


def test_changes_of_one_record_are_written_in_their_order(cloud: Cloud) -> None:
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id)
    outcomes = store().apply_all([mark(cloud, "a"), result("a"), mark(cloud, "b")])
    assert outcomes == [Applied()] * 3
    assert (cloud.status("a"), cloud.status("b")) == ("COMPLETED", "PROVISIONING")
    assert [line["to"] for line in cloud.history("a")] == ["PROVISIONING", "COMPLETED"]


def test_one_that_is_refused_keeps_no_other_from_being_written(cloud: Cloud) -> None:
    for n in range(30):
        cloud.put(f"t{n}")
    changes = [mark(cloud, f"t{n}") for n in range(30)]
    cloud.update("t7", provisioningStatus={"S": "FAILED"})
    outcomes = store().apply_all(changes)
    refused = outcomes[7]
    assert isinstance(refused, NotApplied)
    assert refused.item
    assert refused.item["provisioningStatus"] == "FAILED"
    assert [outcome for n, outcome in enumerate(outcomes) if n != 7] == [Applied()] * 29
    # A change that was not made leaves no line
    assert cloud.history("t7") == []


def test_a_record_that_is_gone_is_not_made_again(cloud: Cloud) -> None:
    cloud.put("a")
    change = mark(cloud, "a")
    cloud.dynamodb.delete_item(TableName=TABLE, Key=cloud.key("a"))
    assert store().apply(change) == NotApplied(None)
    assert cloud.item("a") == {}
    assert cloud.history("a") == []


def test_a_retry_asks_for_the_tenant_and_lists_it(cloud: Cloud) -> None:
    cloud.put("a", provisioningStatus={"S": "FAILED"}, provisioningAttempt={"N": "3"})
    item = records.read(cloud.item("a"))
    change = records.request_again(records.Key.of(TenantId("a")), item, "mended", NOW)
    assert store().apply(change) == Applied()
    assert cloud.status("a") == "PENDING"
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#a"]
    (line,) = cloud.history("a")
    assert (line["by"], line["reason"]) == ("tests", "mended")
