"""DynamoDB stream → onboarding request, PENDING → PROVISIONING."""

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from botocore.exceptions import ClientError

from provisioning.service import UnlistedError
from scripts.verification.flow.e2e import DESIGN_ITEM
from tenkacloud.platform.clients import Clients
from tests.handlers.conftest import TABLE, Cloud, LogLines
from tests.handlers.faults import Calls, clients_of, error
from tests.support import Context, golden


def run(cloud: Cloud, *records: dict[str, Any], clients: Clients | None = None) -> dict[str, Any]:
    function = cloud.function("provisioning", clients)
    response: dict[str, Any] = function({"Records": list(records)}, Context())
    return response


def test_the_designs_item_onboards(cloud: Cloud) -> None:
    # GIVEN the put-item of the design, word for word, and its stream record
    cloud.dynamodb.put_item(TableName=TABLE, Item=DESIGN_ITEM)
    # WHEN the function takes it
    response = run(cloud, golden("stream_insert"))
    # THEN one event requests it, and the record says so
    assert response == {"batchItemFailures": []}
    (event,) = cloud.published()
    assert event["source"] == "tenkacloud.control-plane"
    assert event["detail-type"] == "TenantOnboarding"
    item = cloud.item("test-tenant")
    assert event["detail"] == {
        "tenantId": "test-tenant",
        "tenantName": "Test Tenant",
        "tier": "ENTERPRISE",
        "slug": "test-tenant",
        "timestamp": item["updatedAt"]["S"],
        "provisioningAttempt": 1,
        "correlationId": golden("stream_insert")["eventID"],
    }
    assert item["provisioningStatus"] == {"S": "PROVISIONING"}
    assert item["provisioningAttempt"] == {"N": "1"}
    assert item["status"] == {"S": "ACTIVE"}
    assert cloud.keys_in("by-slug", "GSI1PK", "SLUG#test-tenant") == ["TENANT#test-tenant"]
    assert cloud.keys_in("by-status-tier", "GSI2PK", "STATUS#ACTIVE#TIER#ENTERPRISE") == [
        "TENANT#test-tenant"
    ]
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#test-tenant"]


def test_a_batch_of_100_with_3_bad_ones(cloud: Cloud) -> None:
    # GIVEN 100 tenants, three of them bad
    bad: dict[str, Any] = {
        "t7": {"tier": {"S": "GOLD"}},
        "t42": {"name": None},
        "t99": {"id": {"S": "other"}},
    }
    for n in range(100):
        cloud.put(f"t{n}", **bad.get(f"t{n}", {}))
    # WHEN they come in one batch
    response = run(cloud, *(cloud.stream_record(f"t{n}", n) for n in range(100)))
    # THEN nothing is to be delivered again: 97 are requested, 3 have FAILED, each with its reason
    assert response == {"batchItemFailures": []}
    assert len(cloud.published()) == 97
    assert sum(cloud.status(f"t{n}") == "PROVISIONING" for n in range(100)) == 97
    assert {t: (cloud.status(t), cloud.reason(t)) for t in bad} == {
        "t7": ("FAILED", "tier 'GOLD' is unknown: one of FREE, PRO, ENTERPRISE"),
        "t42": ("FAILED", "name is missing"),
        "t99": ("FAILED", "id 'other' differs from the id in the record's key"),
    }
    assert sorted(cloud.keys_in("failed", "GSI4PK", "FAILED")) == ["TENANT#t42", "TENANT#t7", "TENANT#t99"]


@pytest.mark.parametrize("bad_id", ["a/b", "..", "*", "a\nb", "x" * 65])
def test_a_bad_id_fails_with_a_reason(cloud: Cloud, bad_id: str) -> None:
    cloud.put(bad_id)
    assert run(cloud, cloud.stream_record(bad_id)) == {"batchItemFailures": []}
    assert cloud.status(bad_id) == "FAILED"
    assert "is not a valid tenant id" in cloud.reason(bad_id)
    assert cloud.published() == []


@pytest.mark.parametrize(
    "attributes",
    [
        {"tier": None},
        {"tier": {"N": "1"}},
        {"tier": {"NULL": True}},
        {"name": {"S": ""}},
        {"name": {"S": "x" * 10_000}},
        {"name": {"L": []}},
        {"id": {"M": {}}},
        {"slug": {"B": b"x"}},
        {"provisioningAttempt": {"S": "x"}},
    ],
)
def test_a_bad_field_fails_with_a_reason(cloud: Cloud, attributes: dict[str, Any]) -> None:
    cloud.put("a", **attributes)
    record = cloud.stream_record("a")
    run(cloud, json.loads(json.dumps(record, default=lambda value: value.decode())))
    assert cloud.status("a") == "FAILED"
    assert cloud.reason("a").startswith(next(iter(attributes)))
    assert cloud.published() == []


def test_upper_case_ids_onboard(cloud: Cloud) -> None:
    cloud.put("Acme")
    run(cloud, cloud.stream_record("Acme"))
    assert cloud.status("Acme") == "PROVISIONING"


def test_records_that_are_no_tenants_are_left_alone(cloud: Cloud) -> None:
    record = cloud.stream_record("a")
    record["dynamodb"]["Keys"]["SK"] = {"S": "HISTORY"}
    assert run(cloud, record) == {"batchItemFailures": []}
    assert cloud.item("a") == {}
    assert cloud.published() == []


def test_a_record_that_is_not_pending_requests_nothing(cloud: Cloud) -> None:
    cloud.put("a", provisioningStatus={"S": "PROVISIONING"}, provisioningAttempt={"N": "1"})
    before = cloud.item("a")
    assert run(cloud, cloud.stream_record("a")) == {"batchItemFailures": []}
    assert cloud.item("a") == before
    assert cloud.published() == []


def test_a_failed_tenant_set_to_pending_is_tried_again(cloud: Cloud) -> None:
    cloud.put("a", tier={"S": "GOLD"})
    run(cloud, cloud.stream_record("a"))
    # WHEN an operator mends the record and sets it to PENDING
    cloud.update("a", tier={"S": "FREE"}, provisioningStatus={"S": "PENDING"})
    run(cloud, cloud.stream_record("a", 2, "MODIFY"))
    # THEN attempt 2 is requested, and the reason is gone
    (event,) = cloud.published()
    assert event["detail"]["provisioningAttempt"] == 2
    assert cloud.status("a") == "PROVISIONING"
    assert "failureReason" not in cloud.item("a")
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == []


def test_ten_deliveries_ask_with_one_attempt_and_change_nothing_more(cloud: Cloud) -> None:
    cloud.put("a")
    record = cloud.stream_record("a")
    run(cloud, record)
    after_the_first = cloud.item("a")
    for _ in range(9):
        assert run(cloud, record) == {"batchItemFailures": []}
    assert cloud.item("a") == after_the_first
    assert {event["detail"]["provisioningAttempt"] for event in cloud.published()} == {1}


def test_a_late_duplicate_does_not_reopen_a_completed_tenant(cloud: Cloud) -> None:
    cloud.put("a")
    record = cloud.stream_record("a")
    run(cloud, record)
    cloud.update("a", provisioningStatus={"S": "COMPLETED"})
    run(cloud, record)
    assert cloud.status("a") == "COMPLETED"


def test_a_record_deleted_meanwhile_is_not_made_again(cloud: Cloud) -> None:
    cloud.put("a")
    record = cloud.stream_record("a")
    cloud.dynamodb.delete_item(TableName=TABLE, Key=cloud.key("a"))
    assert run(cloud, record) == {"batchItemFailures": []}
    assert cloud.item("a") == {}


@pytest.mark.parametrize("tier", ["FREE", "GOLD"])
def test_a_record_written_anew_before_its_turn_is_requested_as_it_is_now(cloud: Cloud, tier: str) -> None:
    """From PENDING to PENDING wakes nobody: whoever finds it so has to see to it."""
    cloud.put("a", provisioningAttempt={"N": "3"}, tier={"S": tier})
    record = cloud.stream_record("a")
    cloud.put("a")
    assert run(cloud, record) == {"batchItemFailures": []}
    assert cloud.status("a") == "PROVISIONING"
    assert cloud.published()[-1]["detail"]["provisioningAttempt"] == 1


#: A value of each of DynamoDB's types.
VALUES: dict[str, Any] = {
    "S": {"S": "?"},
    "empty S": {"S": ""},
    "N": {"N": "-1.5"},
    "B": {"B": b"x"},
    "SS": {"SS": ["x"]},
    "NS": {"NS": ["1"]},
    "BS": {"BS": [b"x"]},
    "M": {"M": {"x": {"N": "1"}}},
    "L": {"L": [{"NULL": True}]},
    "NULL": {"NULL": True},
    "BOOL": {"BOOL": True},
}
#: The keys of an index take strings only: DynamoDB takes no other put.
ATTRIBUTES = ("id", "name", "slug", "tier", "status", "provisioningAttempt", "resumptions", "resources")
OTHER_ATTRIBUTES = ("failureReason", "createdAt", "updatedAt", "EntityType", "elsewhere")


@pytest.mark.parametrize("attribute", [*ATTRIBUTES, *OTHER_ATTRIBUTES])
def test_whatever_an_attribute_holds_the_tenant_is_requested_or_fails_with_a_reason(
    cloud: Cloud, attribute: str
) -> None:
    """And nobody else waits for it."""
    # GIVEN tenants with each type of value in an attribute, and a good one behind them
    ids = {kind: f"t-{kind.replace(' ', '-')}" for kind in VALUES}
    for kind, tenant_id in ids.items():
        cloud.put(tenant_id, **{attribute: VALUES[kind]})
    cloud.put("good")
    tenants = [*ids.values(), "good"]
    batch = [cloud.stream_record(tenant_id, n) for n, tenant_id in enumerate(tenants)]
    # WHEN their batch comes as the stream shows it, binary as text
    response = run(cloud, *json.loads(json.dumps(batch, default=lambda value: value.decode())))
    # THEN nothing is to be delivered again
    assert response == {"batchItemFailures": []}
    assert cloud.status("good") == "PROVISIONING"
    statuses = {tenant_id: cloud.status(tenant_id) for tenant_id in ids.values()}
    assert set(statuses.values()) <= {"PROVISIONING", "FAILED"}
    failed = [tenant_id for tenant_id, status in statuses.items() if status == "FAILED"]
    assert all(cloud.reason(tenant_id).startswith(attribute) for tenant_id in failed)
    # Each of them is in the index that operators list by
    listed = {
        pk
        for status in ("ACTIVE", "UNKNOWN")
        for tier in ("PRO", "UNKNOWN")
        for pk in cloud.keys_in("by-status-tier", "GSI2PK", f"STATUS#{status}#TIER#{tier}")
    }
    assert listed == {f"TENANT#{tenant_id}" for tenant_id in tenants}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("status", "SUSPENDED"), ("slug", "own-slug"), ("name", "Another"), ("tier", "ENTERPRISE")],
)
def test_the_mark_takes_back_nothing_that_was_written_since(cloud: Cloud, attribute: str, value: str) -> None:
    cloud.put("a")
    record = cloud.stream_record("a")
    cloud.update("a", **{attribute: {"S": value}})
    assert run(cloud, record) == {"batchItemFailures": []}
    item = cloud.item("a")
    assert (cloud.status("a"), item[attribute]) == ("PROVISIONING", {"S": value})
    assert cloud.keys_in("by-status-tier", "GSI2PK", f"STATUS#{item['status']['S']}#TIER#{item['tier']['S']}")
    if attribute in ("tier", "slug"):
        assert cloud.published()[-1]["detail"][attribute] == value


def test_a_tenant_that_is_deleted_before_its_turn_is_not_onboarded(cloud: Cloud) -> None:
    cloud.put("a")
    record = cloud.stream_record("a")
    cloud.update("a", status={"S": "DELETED"})
    run(cloud, record)
    assert (cloud.status("a"), cloud.item("a")["status"]) == ("FAILED", {"S": "DELETED"})
    assert cloud.reason("a") == "status is DELETED: such a tenant is not provisioned"


def test_a_record_without_room_for_its_mark_fails_with_a_reason(cloud: Cloud) -> None:
    cloud.put("full", ballast={"S": "x" * (405_000 - 82 - 220)})
    cloud.put("good")
    assert run(cloud, cloud.stream_record("full", 1), cloud.stream_record("good", 2)) == {
        "batchItemFailures": []
    }
    assert (cloud.status("full"), cloud.status("good")) == ("FAILED", "PROVISIONING")
    assert cloud.reason("full").startswith("DynamoDB takes no change of the record TENANT#full as it is")


def test_a_rejection_that_can_not_be_written_is_listed_as_in_flight(cloud: Cloud) -> None:
    cloud.put("a", tier={"S": "GOLD"})
    record = cloud.stream_record("a")
    calls = Calls()
    calls.reject("TransactWriteItems", "ThrottlingException")
    with pytest.raises(BatchProcessingError):
        run(cloud, record, clients=calls.clients(cloud))
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#a"]


def test_a_rejection_comes_too_late_for_a_mended_record(cloud: Cloud) -> None:
    cloud.put("a", tier={"S": "GOLD"})
    stale = cloud.stream_record("a")
    cloud.update(
        "a", tier={"S": "FREE"}, provisioningStatus={"S": "PROVISIONING"}, provisioningAttempt={"N": "1"}
    )
    run(cloud, stale)
    assert cloud.status("a") == "PROVISIONING"


class Bus:
    """An EventBridge that takes what it is told to take."""

    def __init__(self, *rejected: str, error: Exception | None = None) -> None:
        self.rejected, self.error, self.calls = rejected, error, list[list[str]]()

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        ids = [json.loads(entry["Detail"])["tenantId"] for entry in Entries]
        self.calls.append(ids)
        if self.error:
            raise self.error
        entries = [
            {"ErrorCode": "ThrottlingException"} if i in self.rejected else {"EventId": i} for i in ids
        ]
        return {"FailedEntryCount": len(self.rejected), "Entries": entries}


class Denying:
    """A DynamoDB that denies each request with a write of one tenant, by an error or a cancellation."""

    def __init__(self, client: Any, tenant_id: str, code: str, times: int = 1000) -> None:
        self.key, self.code, self.times = {"S": f"TENANT#{tenant_id}"}, code, times
        self.client = client
        self.exceptions = self.client.exceptions
        self.calls = list[int]()

    def transact_write_items(self, TransactItems: list[Any]) -> Any:  # noqa: N803 - boto3's name
        updates = [item["Update"] for item in TransactItems if "Update" in item]
        self.calls.append(len(updates))
        if any(update["Key"]["PK"] == self.key for update in updates) and self.times:
            self.times -= 1
            error: Any = {"Error": {"Code": self.code, "Message": "no"}}
            if self.code == "ValidationException":
                raise ClientError(error, "TransactWriteItems")
            held: Any = [
                {"Code": "TransactionConflict"} if "Update" in item else {"Code": "None"}
                for item in TransactItems
            ]
            raise self.exceptions.TransactionCanceledException(
                {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": held},
                "TransactWriteItems",
            )
        return self.client.transact_write_items(TransactItems=TransactItems)


def test_a_mark_that_others_are_in_the_way_of_is_tried_again(cloud: Cloud) -> None:
    for n in range(10):
        cloud.put(f"t{n}")
    clients = clients_of(cloud, dynamodb=Denying(cloud.dynamodb, "t3", "TransactionConflict", times=2))
    response = run(cloud, *(cloud.stream_record(f"t{n}", n) for n in range(10)), clients=clients)
    assert response == {"batchItemFailures": []}
    assert [cloud.status(f"t{n}") for n in range(10)] == ["PROVISIONING"] * 10


def test_a_mark_that_others_are_in_the_way_of_for_long_holds_up_nobody_else(cloud: Cloud) -> None:
    for n in range(10):
        cloud.put(f"t{n}")
    clients = clients_of(cloud, dynamodb=Denying(cloud.dynamodb, "t3", "TransactionConflict"))
    with pytest.raises(UnlistedError):
        run(cloud, *(cloud.stream_record(f"t{n}", n) for n in range(10)), clients=clients)
    assert [cloud.status(f"t{n}") for n in range(10) if n != 3] == ["PROVISIONING"] * 9
    assert cloud.status("t3") == "PENDING"


def test_ten_marks_cost_one_call(cloud: Cloud) -> None:
    for n in range(25):
        cloud.put(f"t{n}")
    table = Denying(cloud.dynamodb, "nobody", "")
    clients = clients_of(cloud, dynamodb=table)
    run(cloud, *(cloud.stream_record(f"t{n}", n) for n in range(25)), clients=clients)
    assert table.calls == [10, 10, 5]


def test_an_entry_that_the_bus_rejects_is_delivered_again_and_not_marked(cloud: Cloud) -> None:
    for n in range(25):
        cloud.put(f"t{n}")
    bus = Bus("t3", "t17")
    clients = clients_of(cloud, events=bus)
    response = run(cloud, *(cloud.stream_record(f"t{n}", 100 + n) for n in range(25)), clients=clients)
    assert response == {"batchItemFailures": [{"itemIdentifier": "103"}, {"itemIdentifier": "117"}]}
    assert [cloud.status("t3"), cloud.status("t17"), cloud.status("t4")] == [
        "PENDING",
        "PENDING",
        "PROVISIONING",
    ]
    # 25 events take 3 calls, not 25
    assert [len(call) for call in bus.calls] == [10, 10, 5]


def test_a_bus_that_is_down_loses_nobody_and_is_called_once(cloud: Cloud) -> None:
    for n in range(25):
        cloud.put(f"t{n}")
    bus = Bus(error=ClientError({"Error": {"Code": "InternalException"}}, "PutEvents"))
    clients = clients_of(cloud, events=bus)
    with pytest.raises(BatchProcessingError):
        run(cloud, *(cloud.stream_record(f"t{n}", n) for n in range(25)), clients=clients)
    assert {cloud.status(f"t{n}") for n in range(25)} == {"PENDING"}
    assert len(bus.calls) == 1


def test_a_batch_that_runs_out_of_time_reports_its_rest(cloud: Cloud) -> None:
    for n in range(25):
        cloud.put(f"t{n}")
    left = iter([120_000, 69_000, 68_000, 67_000])  # a slow clock
    records = [cloud.stream_record(f"t{n}", 100 + n) for n in range(25)]
    response = cloud.run("provisioning", {"Records": records}, Context(remaining=lambda: next(left)))
    assert [failure["itemIdentifier"] for failure in response["batchItemFailures"]] == [
        str(100 + n) for n in range(10, 25)
    ]
    assert [cloud.status(f"t{n}") for n in (0, 9, 10, 24)] == ["PROVISIONING"] * 2 + ["PENDING"] * 2


def test_a_tenant_that_could_not_be_requested_is_listed_as_in_flight(cloud: Cloud) -> None:
    """Should AWS give the record up, the sweep still finds the tenant."""
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id)
    records = [cloud.stream_record("a", 1), cloud.stream_record("b", 2)]
    clients = clients_of(cloud, events=Bus("b"))
    run(cloud, *records, clients=clients)
    since = cloud.item("b")["GSI3SK"]
    assert cloud.status("b") == "PENDING"
    assert sorted(cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT")) == ["TENANT#a", "TENANT#b"]
    # A second failure does not make it look younger
    with pytest.raises(BatchProcessingError):
        run(cloud, records[1], clients=clients)
    assert cloud.item("b")["GSI3SK"] == since


class NoListing:
    """A DynamoDB that takes no change without an entry of history: the listing of those who failed."""

    def __init__(self, client: Any) -> None:
        self.client, self.exceptions = client, client.exceptions

    def transact_write_items(self, TransactItems: list[Any]) -> Any:  # noqa: N803 - boto3's name
        if not any("Put" in item for item in TransactItems):
            raise error("AccessDeniedException", "TransactWriteItems")
        return self.client.transact_write_items(TransactItems=TransactItems)


def test_a_tenant_that_could_not_even_be_listed_is_left_to_the_stream(cloud: Cloud) -> None:
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id)
    records = [cloud.stream_record("a", 1), cloud.stream_record("b", 2)]
    clients = clients_of(cloud, events=Bus("b"), dynamodb=NoListing(cloud.dynamodb))
    # WHEN the whole invocation fails, THEN no engine and no AWS takes the batch for done
    with pytest.raises(UnlistedError):
        run(cloud, *records, clients=clients)
    assert cloud.status("a") == "PROVISIONING"


def test_each_transition_leaves_a_line_of_history(cloud: Cloud) -> None:
    cloud.put("a")
    record = cloud.stream_record("a")
    run(cloud, record)
    (line,) = cloud.history("a")
    assert line == {
        "EntityType": "HISTORY",
        "to": "PROVISIONING",
        "at": cloud.item("a")["updatedAt"]["S"],
        "by": "provisioning",
        "attempt": 1,
        "correlationId": "event-1",
    }
    # A duplicate is no transition
    run(cloud, record)
    assert len(cloud.history("a")) == 1


def test_a_bad_record_does_not_cancel_the_marks_beside_it(cloud: Cloud) -> None:
    """Ten marks go in one transaction; one that can't be written must not keep the others from it."""
    for n in range(10):
        cloud.put(f"t{n}")
    stale = [cloud.stream_record(f"t{n}", n) for n in range(10)]
    cloud.update("t3", provisioningStatus={"S": "COMPLETED"}, provisioningAttempt={"N": "1"})
    clients = clients_of(cloud, dynamodb=Denying(cloud.dynamodb, "t5", "ValidationException"))
    response = run(cloud, *stale, clients=clients)
    assert response == {"batchItemFailures": [{"itemIdentifier": "5"}]}
    assert [cloud.status(f"t{n}") for n in range(10)] == [
        {3: "COMPLETED", 5: "PENDING"}.get(n, "PROVISIONING") for n in range(10)
    ]


def test_a_uuid_is_logged_whole(cloud: Cloud, logs: LogLines) -> None:
    tenant_id = "550e8400-e29b-41d4-a716-446655440000"
    cloud.put(tenant_id)
    run(cloud, cloud.stream_record(tenant_id))
    assert logs.only("Onboarding requested")["tenant_id"] == tenant_id


def test_it_publishes_before_it_marks(cloud: Cloud) -> None:
    """A crash between the two must request again, not lose the tenant."""
    cloud.put("a")
    seen = []

    class Watching(Bus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
            seen.append(cloud.status("a"))
            return super().put_events(Entries)

    clients = clients_of(cloud, events=Watching())
    run(cloud, cloud.stream_record("a"), clients=clients)
    assert seen == ["PENDING"]
    assert cloud.status("a") == "PROVISIONING"


def test_logs_name_the_tenant_and_hold_no_record(cloud: Cloud, logs: LogLines) -> None:
    cloud.put("a", secret={"S": "do-not-log-me"})
    run(cloud, cloud.stream_record("a"))
    lines = logs.all()
    (said,) = [line for line in lines if line.get("message") == "Onboarding requested"]
    assert (said["tenant_id"], said["correlation_id"], said["attempt"]) == ("a", "event-1", 1)
    assert "do-not-log-me" not in json.dumps(lines)
    (emf,) = [line for line in lines if "TenantOnboardingRequested" in line]
    assert emf["TenantOnboardingRequested"] == [1.0]


def test_an_error_is_logged_with_its_tenant(cloud: Cloud, logs: LogLines) -> None:
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id)
    clients = clients_of(cloud, events=Bus("b"))
    run(cloud, cloud.stream_record("a", 1), cloud.stream_record("b", 2), clients=clients)
    error = logs.only("Record failed")
    assert error["tenant_id"] == "b"
    assert "ThrottlingException" in error["exception"]
