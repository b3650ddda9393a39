"""The tenant table: transactions, and lists by its indexes."""

from datetime import UTC, datetime, timedelta

import pytest

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.keys import BY_STATUS_TIER, FAILED, FAILED_PARTITION, Key, status_tier_partition
from tenkacloud.tenants.record import parse_tenant, read
from tenkacloud.tenants.repository import PAGE_MAX, Page, TenantRepository
from tenkacloud.tenants.transitions.onboarding import begin_attempt
from tenkacloud.tenants.transitions.results import record_result
from tenkacloud.tenants.transitions.retry import request_again
from tenkacloud.tenants.transitions.transition import Applied, NotApplied, Transition
from tenkacloud.tenants.validation import Slug, TenantId, TenantStatus, Tier
from tests.handlers.conftest import TABLE, Cloud
from tests.handlers.faults import Calls

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def key(tenant_id: str) -> Key:
    return Key.of(TenantId(tenant_id))


def repository(cloud: Cloud, calls: Calls | None = None) -> TenantRepository:
    clients = calls.clients(cloud) if calls else cloud.clients
    return TenantRepository(clients.dynamodb, TABLE, "tests", cloud.clock)


def mark(cloud: Cloud, tenant_id: str, now: datetime = NOW) -> Transition:
    return begin_attempt(parse_tenant(key(tenant_id), read(cloud.item(tenant_id))), now)


def result(tenant_id: str) -> Transition:
    resources = {"s3Prefix": f"tenants/{tenant_id}/"}
    return record_result(ProvisioningResult(TenantId(tenant_id), resources, rfc3339(NOW), attempt=1), NOW)


def test_changes_of_one_record_are_written_in_their_order(cloud: Cloud) -> None:
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id)
    outcomes = repository(cloud).apply_all([mark(cloud, "a"), result("a"), mark(cloud, "b")])
    assert outcomes == [Applied()] * 3
    assert (cloud.status("a"), cloud.status("b")) == ("COMPLETED", "PROVISIONING")
    assert [line["to"] for line in cloud.history("a")] == ["PROVISIONING", "COMPLETED"]


def test_one_that_is_not_applied_keeps_no_other_from_being_written(cloud: Cloud) -> None:
    for n in range(30):
        cloud.put(f"t{n}")
    changes = [mark(cloud, f"t{n}") for n in range(30)]
    cloud.update("t7", provisioningStatus={"S": "FAILED"})
    outcomes = repository(cloud).apply_all(changes)
    unmet = outcomes[7]
    assert isinstance(unmet, NotApplied)
    assert unmet.item
    assert unmet.item["provisioningStatus"] == "FAILED"
    assert [outcome for n, outcome in enumerate(outcomes) if n != 7] == [Applied()] * 29
    # A change that was not made leaves no line
    assert cloud.history("t7") == []


def test_a_record_that_is_gone_is_not_made_again(cloud: Cloud) -> None:
    cloud.put("a")
    change = mark(cloud, "a")
    cloud.dynamodb.delete_item(TableName=TABLE, Key=cloud.key("a"))
    assert repository(cloud).apply(change) == NotApplied(None)
    assert cloud.item("a") == {}
    assert cloud.history("a") == []


def test_a_retry_requests_the_tenant_and_lists_it(cloud: Cloud) -> None:
    cloud.put("a", provisioningStatus={"S": "FAILED"}, provisioningAttempt={"N": "3"})
    item = read(cloud.item("a"))
    change = request_again(key("a"), item, "mended", NOW)
    assert repository(cloud).apply(change) == Applied()
    assert cloud.status("a") == "PENDING"
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#a"]
    (line,) = cloud.history("a")
    assert (line["by"], line["reason"]) == ("tests", "mended")


def test_a_record_is_read_as_far_as_wanted_and_as_it_is_now(cloud: Cloud) -> None:
    calls = Calls()
    cloud.put("a", slug={"S": "a-slug"})
    cloud.put("bare", name=None, slug=None)
    table = repository(cloud, calls)
    assert table.find(key("a"), ("slug", "tier", "status")) == {"slug": "a-slug", "tier": "PRO"}
    # One without any of them is not taken for none
    assert table.find(key("bare"), ("slug",)) == {}
    assert table.find(key("nobody")) is None
    assert set(table.find_many([key("a"), key("nobody")])) == {key("a")}
    assert table.find_many([]) == {}
    assert calls.names == ["GetItem"] * 3 + ["BatchGetItem"]
    (*reads, batch) = calls.arguments
    assert [read["ConsistentRead"] for read in (*reads, batch["RequestItems"][TABLE])] == [True] * 4


def all_keys(cloud: Cloud, status: TenantStatus | None, tier: Tier | None, limit: int) -> list[list[str]]:
    """Return the ids of a whole list, page by page."""
    pages, cursor = [], None
    while True:
        page = repository(cloud).list_by_status_tier(status, tier, limit=limit, cursor=cursor)
        pages.append([key.tenant_id for key in page.keys])
        if (cursor := page.cursor) is None:
            return pages


def test_a_list_goes_on_where_its_cursor_says_newest_first(cloud: Cloud) -> None:
    for n in range(5):
        cloud.put(f"t{n}")
        repository(cloud).apply(mark(cloud, f"t{n}", NOW + timedelta(seconds=n)))
    cloud.put("free", tier={"S": "FREE"})
    repository(cloud).apply(mark(cloud, "free"))
    assert all_keys(cloud, TenantStatus.ACTIVE, Tier.PRO, 2) == [["t4", "t3"], ["t2", "t1"], ["t0"]]
    assert all_keys(cloud, TenantStatus.SUSPENDED, Tier.PRO, 2) == [[]]
    counted = status_tier_partition(TenantStatus.ACTIVE, Tier.PRO)
    assert repository(cloud).count(BY_STATUS_TIER, counted) == 5
    slugs = repository(cloud).list_by_slug(Slug("acme-corp")).keys
    assert [each.tenant_id for each in slugs[:5]] == ["t4", "t3", "t2", "t1", *sorted(["t0", "free"])[1:]]


def test_those_in_flight_and_those_that_failed_are_lists_too(cloud: Cloud) -> None:
    for n in range(3):
        cloud.put(f"t{n}")
        repository(cloud).apply(mark(cloud, f"t{n}", NOW + timedelta(seconds=n)))
    assert repository(cloud).list_in_flight(limit=2).keys == (key("t0"), key("t1"))
    cloud.put("bad", GSI4PK={"S": FAILED_PARTITION}, GSI4SK={"S": rfc3339(NOW)})
    cloud.put("worse", GSI4PK={"S": FAILED_PARTITION}, GSI4SK={"S": rfc3339(NOW + timedelta(hours=1))})
    assert repository(cloud).list_failed() == Page((key("worse"), key("bad")), None)
    assert repository(cloud).list_failed(newest_first=False).keys == (key("bad"), key("worse"))
    assert repository(cloud).count(FAILED, FAILED_PARTITION) == 2


@pytest.mark.parametrize("cursor", ["", "x", "e30", "bnVsbA", "ÿ"])
def test_a_cursor_that_is_not_one_of_the_list_is_rejected(cloud: Cloud, cursor: str) -> None:
    with pytest.raises(InvalidFieldError, match="cursor is not one of this list"):
        repository(cloud).list_failed(cursor=cursor)


def test_a_cursor_of_another_list_is_rejected(cloud: Cloud) -> None:
    for n in range(2):
        cloud.put(f"t{n}")
        repository(cloud).apply(mark(cloud, f"t{n}"))
    cursor = repository(cloud).list_in_flight(limit=1).cursor
    assert cursor
    with pytest.raises(InvalidFieldError, match="cursor is not one of this list"):
        repository(cloud).list_failed(cursor=cursor)
    with pytest.raises(InvalidFieldError, match="cursor is not one of this list"):
        repository(cloud).list_by_status_tier(TenantStatus.ACTIVE, Tier.PRO, cursor=cursor)


def test_the_history_is_told_oldest_first(cloud: Cloud) -> None:
    cloud.put("a")
    assert repository(cloud).apply_all([mark(cloud, "a"), result("a")]) == [Applied()] * 2
    at = rfc3339(NOW)
    assert list(repository(cloud).history(key("a"))) == [
        {"to": "PROVISIONING", "at": at, "by": "tests", "attempt": 1},
        {"to": "COMPLETED", "at": at, "by": "tests", "attempt": 1},
    ]
    assert list(repository(cloud).history(key("b"))) == []


def test_a_page_is_what_one_read_of_its_records_takes(cloud: Cloud) -> None:
    for n in range(PAGE_MAX + 1):
        cloud.put(f"t{n}", GSI4PK={"S": FAILED_PARTITION}, GSI4SK={"S": rfc3339(NOW)})
    page = repository(cloud).list_failed()
    assert len(repository(cloud).find_many(page.keys)) == PAGE_MAX
