"""DynamoDB stream → onboarding request, PENDING → PROVISIONING."""

import json
from base64 import b64encode
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from botocore.exceptions import ClientError

from provisioning.service import UnlistedError
from scripts.verification.flow.tenants import DESIGN_ITEM
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import PhaseState
from tenkacloud.tenants.transitions import offboarding, status, tier
from tenkacloud.tenants.transitions.onboarding import begin_attempt
from tenkacloud.tenants.validation import TenantId, Tier
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
ATTRIBUTES = (
    *("id", "name", "slug", "tier", "status", "provisioningAttempt", "resumptions", "resources"),
    *("revision", "operation", "leftovers", "outbox"),
)
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


# --- what a record has in its outbox ------------------------------------------------------------------------

BY = "an operator"
OPERATION = "01JD5T8Q2N4Z6Y8X0W2V4U6S8R"
BUCKET = "tenkacloud-test-silo-a-0123456789abcdef"


def move(cloud: Cloud, tenant_id: str = "a") -> dict[str, Any]:
    """Begin a move to ENTERPRISE; return what the stream shows of it."""
    cloud.put_completed(tenant_id)
    return cloud.do(
        tier.change_tier(cloud.tenant(tenant_id), Tier.ENTERPRISE, OPERATION, cloud.clock.now(), BY)
    )


def offboard(cloud: Cloud, tenant_id: str = "a", *, export: bool = False) -> dict[str, Any]:
    """Begin an offboarding; return what the stream shows of it."""
    cloud.put_completed(tenant_id)
    now = cloud.clock.now()
    return cloud.do(offboarding.offboard(cloud.tenant(tenant_id), now, OPERATION, now, BY, export=export))


def test_a_requested_phase_is_published_and_marked_as_its_first_attempt(cloud: Cloud) -> None:
    assert run(cloud, move(cloud)) == {"batchItemFailures": []}
    (event,) = cloud.published()
    assert (event["source"], event["detail-type"]) == ("tenkacloud.control-plane", "TenantTierChanging")
    detail = event["detail"]
    assert (detail["operationId"], detail["phase"], detail["attempt"]) == (OPERATION, "COPY", 1)
    assert (detail["fromTier"], detail["toTier"]) == ("PRO", "ENTERPRISE")
    assert detail["from"] == {"s3Prefix": "tenants/a/"}
    item = cloud.item("a")
    assert item["operation"]["M"]["state"] == {"S": "RUNNING"}
    assert item["operation"]["M"]["attempt"] == {"N": "1"}
    assert "outbox" not in item
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#a"]


def test_a_phase_is_published_before_it_is_marked(cloud: Cloud) -> None:
    record = move(cloud)
    seen = []

    class Watching(Bus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
            seen.append(cloud.operation("a").state)
            return super().put_events(Entries)

    run(cloud, record, clients=clients_of(cloud, events=Watching()))
    assert seen == [PhaseState.REQUESTED]


def test_after_a_crash_between_publish_and_mark_the_same_attempt_is_published_again(cloud: Cloud) -> None:
    record = move(cloud)
    # GIVEN a publish whose mark never comes to be
    calls = Calls()
    calls.reject("TransactWriteItems", "InternalServerError")
    with pytest.raises(BatchProcessingError):
        run(cloud, record, clients=calls.clients(cloud))
    assert cloud.operation("a").state is PhaseState.REQUESTED
    # WHEN the stream delivers it again, THEN the attempt is the same, and it is marked once
    assert run(cloud, record) == {"batchItemFailures": []}
    assert [event["detail"]["attempt"] for event in cloud.published()] == [1, 1]
    assert cloud.operation("a").attempt == 1


def test_ten_deliveries_of_a_phase_begin_one_attempt(cloud: Cloud) -> None:
    record = move(cloud)
    run(cloud, record)
    after_the_first = cloud.item("a")
    for _ in range(9):
        assert run(cloud, record) == {"batchItemFailures": []}
    assert cloud.item("a") == after_the_first
    assert {event["detail"]["attempt"] for event in cloud.published()} == {1}


def test_a_phase_that_went_on_meanwhile_is_not_marked_back(cloud: Cloud) -> None:
    record = move(cloud)
    run(cloud, record)
    cloud.do(tier.cancel(cloud.tenant("a"), cloud.clock.now(), BY))
    before = cloud.item("a")
    assert run(cloud, record) == {"batchItemFailures": []}
    assert cloud.item("a") == before


def test_a_phase_that_the_bus_does_not_take_is_delivered_again_and_stays_listed(cloud: Cloud) -> None:
    record = move(cloud)
    before = cloud.item("a")
    with pytest.raises(BatchProcessingError):
        run(cloud, record, clients=clients_of(cloud, events=Bus("a")))
    # Nothing is written, which would wake the stream once more
    assert cloud.item("a") == before
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#a"]


def test_a_suspension_is_told_to_whoever_wants_to_know(cloud: Cloud) -> None:
    cloud.put_completed("a")
    record = cloud.do(status.suspend(cloud.tenant("a"), "an unpaid bill", cloud.clock.now(), BY))
    assert run(cloud, record) == {"batchItemFailures": []}
    (event,) = cloud.published()
    assert (event["detail-type"], event["detail"]["reason"]) == ("TenantSuspended", "an unpaid bill")
    assert "outbox" not in cloud.item("a")
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []
    record = cloud.do(status.reactivate(cloud.tenant("a"), cloud.clock.now(), BY))
    run(cloud, record)
    assert [event["detail-type"] for event in cloud.published()] == ["TenantReactivated"]


def test_a_suspension_during_a_phase_begins_no_attempt_of_it(cloud: Cloud) -> None:
    run(cloud, move(cloud))
    cloud.published()
    record = cloud.do(status.suspend(cloud.tenant("a"), "x", cloud.clock.now(), BY))
    run(cloud, record)
    assert [event["detail-type"] for event in cloud.published()] == ["TenantSuspended"]
    assert cloud.operation("a").attempt == 1


def test_a_tenant_suspended_before_it_is_requested_is_requested_first(cloud: Cloud) -> None:
    cloud.put("a", status={"S": "ACTIVE"}, slug={"S": "a"})
    record = cloud.do(status.suspend(cloud.tenant("a"), "x", cloud.clock.now(), BY))
    before = cloud.item("a")
    run(cloud, record)
    assert [event["detail-type"] for event in cloud.published()] == ["TenantOnboarding"]
    # The mark shows on the stream, and the fact follows
    run(cloud, cloud.stream_record("a", 2, "MODIFY", old=before))
    assert [event["detail-type"] for event in cloud.published()] == ["TenantSuspended"]
    assert (cloud.status("a"), cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT")) == (
        "PROVISIONING",
        ["TENANT#a"],
    )


def test_a_phase_that_was_given_up_before_it_was_published_is_not(cloud: Cloud) -> None:
    """A restore was faster than the stream; the fact is told all the same."""
    offboard(cloud, export=True)
    now = cloud.clock.now()
    cloud.do(offboarding.retention_over(cloud.tenant("a"), cloud.operation("a"), now, now))
    record = cloud.do(offboarding.restore(cloud.tenant("a"), now, BY))
    assert run(cloud, record) == {"batchItemFailures": []}
    assert [event["detail-type"] for event in cloud.published()] == ["TenantSuspended"]
    assert not {"outbox", "operation", "GSI3PK"} & set(cloud.item("a"))


def test_an_outbox_that_holds_nothing_is_emptied(cloud: Cloud) -> None:
    cloud.put_completed("a")
    before = cloud.item("a")
    cloud.update("a", outbox={"S": "OPERATION"})
    calls = Calls()
    record = cloud.stream_record("a", 1, "MODIFY", old=before)
    assert run(cloud, record, clients=calls.clients(cloud)) == {"batchItemFailures": []}
    assert calls.names == ["TransactWriteItems"]
    assert "outbox" not in cloud.item("a")


def test_of_two_events_of_a_record_one_that_the_bus_rejects_marks_neither(cloud: Cloud) -> None:
    move(cloud)
    record = cloud.do(status.suspend(cloud.tenant("a"), "x", cloud.clock.now(), BY))
    before = cloud.item("a")

    class Partly(Bus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
            kinds = [entry["DetailType"] for entry in Entries]
            assert kinds == ["TenantSuspended", "TenantTierChanging"]
            return {
                "FailedEntryCount": 1,
                "Entries": [{"EventId": "x"}, {"ErrorCode": "ThrottlingException"}],
            }

    clients = clients_of(cloud, events=Partly())
    with pytest.raises(BatchProcessingError):
        run(cloud, record, clients=clients)
    assert cloud.item("a") == before


def test_onboardings_phases_and_facts_share_calls(cloud: Cloud) -> None:
    records = []
    for n in range(6):
        cloud.put(f"t{n}")
        records.append(cloud.stream_record(f"t{n}", n))
    records.append(move(cloud))
    cloud.do(status.suspend(cloud.tenant("a"), "x", cloud.clock.now(), BY))
    # One record with two events to publish
    records[-1] = cloud.stream_record("a", 7, "MODIFY", old=records[-1]["dynamodb"]["OldImage"])
    for n in range(6, 9):
        cloud.put(f"t{n}")
        records.append(cloud.stream_record(f"t{n}", n))
    bus = Bus()

    class Recording(Bus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
            assert len(Entries) <= 10
            return bus.put_events(Entries)

    calls = clients_of(cloud, events=Recording())
    assert run(cloud, *records, clients=calls) == {"batchItemFailures": []}
    assert [len(call) for call in bus.calls] == [10, 1]


# --- put-items over records that nobody may put anew --------------------------------------------------------


def overwrite(cloud: Cloud, tenant_id: str = "a", **attributes: Any) -> dict[str, Any]:
    """Put a record anew, as the design does; return what the stream shows of it, as Lambda hands it over."""
    before = cloud.item(tenant_id)
    cloud.put(tenant_id, **attributes)
    return cloud.stream_record(tenant_id, 50, "MODIFY", old=before)


def tombstone(cloud: Cloud, tenant_id: str = "a", **attributes: Any) -> None:
    """Put what stays of a tenant that was deleted."""
    cloud.dynamodb.put_item(
        TableName=TABLE,
        Item={
            **cloud.key(tenant_id),
            "id": {"S": tenant_id},
            "tier": {"S": "PRO"},
            "status": {"S": "DELETED"},
            "provisioningStatus": {"S": "DEPROVISIONED"},
            "revision": {"N": "9"},
            "EntityType": {"S": "TOMBSTONE"},
            **attributes,
        },
    )


@pytest.mark.parametrize("protected", [move, offboard, tombstone])
def test_a_put_item_over_a_record_that_is_protected_is_undone(
    cloud: Cloud, protected: Any, logs: LogLines
) -> None:
    protected(cloud)
    before = cloud.item("a")
    assert run(cloud, overwrite(cloud)) == {"batchItemFailures": []}
    assert cloud.item("a") == before
    assert cloud.published() == []
    assert [line["OverwriteUndone"] for line in logs.all() if "OverwriteUndone" in line] == [[1.0]]


def test_a_protected_record_that_is_set_to_pending_is_restored(cloud: Cloud) -> None:
    move(cloud)
    before = cloud.item("a")
    cloud.update("a", provisioningStatus={"S": "PENDING"})
    run(cloud, cloud.stream_record("a", 2, "MODIFY", old=before))
    assert cloud.item("a") == before
    assert cloud.published() == []


def test_whatever_the_put_item_says_it_is_undone_and_whatever_the_record_held_is_back(cloud: Cloud) -> None:
    held: dict[str, Any] = {
        "ballast": {"B": b"\x00\xff"},
        "set": {"BS": [b"x"]},
        "deep": {"M": {"l": {"L": [{"B": b"y"}, {"NULL": True}]}}},
    }
    tombstone(cloud, **held)
    before = cloud.item("a")
    for attributes in (
        {"tier": {"S": "GOLD"}},
        {"name": None},
        {"operation": {"S": "x"}},
        {"revision": {"N": "99"}},
    ):
        record = overwrite(cloud, **attributes)
        # Lambda hands binary over as text
        as_text = json.loads(json.dumps(record, default=lambda value: b64encode(value).decode()))
        assert run(cloud, as_text) == {"batchItemFailures": []}
        assert cloud.item("a") == before


def test_a_put_item_of_another_status_over_a_tombstone_is_undone_too(cloud: Cloud) -> None:
    tombstone(cloud)
    before = cloud.item("a")
    record = overwrite(
        cloud, provisioningStatus={"S": "COMPLETED"}, resources={"M": {"s3Prefix": {"S": "tenants/a/"}}}
    )
    run(cloud, record)
    assert cloud.item("a") == before


def test_what_was_made_of_a_deleted_tenant_meanwhile_is_purged(cloud: Cloud) -> None:
    """An old result came again before the put-item over the tombstone was undone."""
    tombstone(cloud)
    record = overwrite(cloud)
    cloud.report(
        ProvisioningResult(TenantId("a"), {"s3Prefix": "tenants/a/"}, rfc3339(cloud.clock.now()), attempt=1)
    )
    assert cloud.status("a") == "COMPLETED"
    assert run(cloud, record) == {"batchItemFailures": []}
    item = cloud.item("a")
    assert (item["status"], cloud.status("a")) == ({"S": "DELETED"}, "DEPROVISIONING")
    assert "name" not in item
    purge = cloud.request("a")
    assert (purge.phase, [place.name for place in purge.places]) == ("PURGE", ["tenants/a/"])


def test_two_put_items_over_a_tombstone_in_one_batch_are_both_undone(cloud: Cloud) -> None:
    tombstone(cloud)
    before = cloud.item("a")
    first = overwrite(cloud, tier={"S": "FREE"})
    second = overwrite(cloud, tier={"S": "ENTERPRISE"})
    assert run(cloud, first, second) == {"batchItemFailures": []}
    assert cloud.item("a") == before
    assert cloud.published() == []


def test_a_put_item_that_was_put_over_in_its_turn_is_undone(cloud: Cloud) -> None:
    """The second one's stream record is still to come."""
    tombstone(cloud)
    before = cloud.item("a")
    first = overwrite(cloud, tier={"S": "FREE"})
    overwrite(cloud, tier={"S": "ENTERPRISE"})
    run(cloud, first)
    assert cloud.item("a") == before


def test_a_put_item_that_was_taken_for_a_tenant_meanwhile_is_undone(cloud: Cloud) -> None:
    """The sweep was faster than a stream that was late."""
    tombstone(cloud)
    before = cloud.item("a")
    record = overwrite(cloud)
    cloud.do(begin_attempt(cloud.tenant("a"), cloud.clock.now()))
    run(cloud, record)
    assert cloud.item("a") == before


def test_a_put_item_that_lived_for_long_is_undone_over_a_tombstone(cloud: Cloud) -> None:
    """The stream was late by more changes than the tombstone has seen."""
    tombstone(cloud)
    before = cloud.item("a")
    record = overwrite(cloud)
    cloud.update("a", provisioningStatus={"S": "COMPLETED"}, revision={"N": "500"})
    run(cloud, record)
    assert cloud.item("a") == before


def test_ten_deliveries_of_a_put_item_undo_it_once(cloud: Cloud) -> None:
    move(cloud)
    record = overwrite(cloud)
    run(cloud, record)
    # WHEN life goes on, THEN a late delivery takes nothing of it back
    cloud.request("a")
    before = cloud.item("a")
    for _ in range(9):
        assert run(cloud, record) == {"batchItemFailures": []}
    assert cloud.item("a") == before
    assert cloud.published() == []


def test_a_put_item_that_can_not_be_undone_now_is_left_to_the_stream(cloud: Cloud) -> None:
    """Listed as in flight it would be onboarded: only the stream knows what it was."""
    tombstone(cloud)
    record = overwrite(cloud)
    cloud.put("new")
    calls = Calls()
    calls.reject("TransactWriteItems", "ThrottlingException")
    with pytest.raises(UnlistedError):
        run(cloud, record, cloud.stream_record("new", 1), clients=calls.clients(cloud))
    assert cloud.status("new") == "PROVISIONING"
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#new"]
    run(cloud, record)
    assert cloud.item("a")["status"] == {"S": "DELETED"}


def test_an_undone_put_item_holds_up_nobody(cloud: Cloud) -> None:
    tombstone(cloud, "gone")
    cloud.put("new")
    assert run(cloud, overwrite(cloud, "gone"), cloud.stream_record("new", 1)) == {"batchItemFailures": []}
    assert (cloud.status("gone"), cloud.status("new")) == ("DEPROVISIONED", "PROVISIONING")


# --- put-items over other records ---------------------------------------------------------------------------


def places(cloud: Cloud) -> dict[str, str]:
    """Return the leftovers of a tenant: why each is kept, or until when, by its place."""
    return {each.place.name: each.kept or str(each.retire_after) for each in cloud.tenant("a").leftovers}


def test_a_place_that_a_put_item_lost_is_named_by_the_mark(cloud: Cloud) -> None:
    silo = {"tier": {"S": "ENTERPRISE"}, "resources": {"M": {"dedicatedBucket": {"S": BUCKET}}}}
    cloud.put_completed("a", **silo)
    assert run(cloud, overwrite(cloud)) == {"batchItemFailures": []}
    assert cloud.status("a") == "PROVISIONING"
    (leftover,) = cloud.tenant("a").leftovers
    assert (leftover.place.name, leftover.tier) == (BUCKET, "ENTERPRISE")
    assert leftover.kept == "a put-item over the record lost it, so nobody knows whether it is still wanted"
    assert [event["detail-type"] for event in cloud.published()] == ["TenantOnboarding"]


def test_leftovers_that_a_put_item_lost_stay_due(cloud: Cloud) -> None:
    due = "2026-01-02T00:00:00.000Z"
    leftover = {"dedicatedBucket": {"S": BUCKET}, "retireAfter": {"S": due}, "operationId": {"S": OPERATION}}
    cloud.put_completed("a", leftovers={"L": [{"M": leftover}]})
    run(cloud, overwrite(cloud))
    assert places(cloud)[BUCKET] == due
    assert cloud.keys_in("due", "GSI5PK", "DUE") == ["TENANT#a"]


def test_a_rejected_put_item_loses_no_place_either(cloud: Cloud) -> None:
    cloud.put_completed("a")
    run(cloud, overwrite(cloud, tier={"S": "GOLD"}))
    assert cloud.status("a") == "FAILED"
    assert cloud.item("a")["leftovers"]["L"][0]["M"]["s3Prefix"] == {"S": "tenants/a/"}


def test_places_are_not_lost_by_two_put_items_in_one_batch(cloud: Cloud) -> None:
    cloud.put_completed("a")
    first = overwrite(cloud, tier={"S": "FREE"})
    second = overwrite(cloud, tier={"S": "ENTERPRISE"})
    run(cloud, first, second)
    assert (cloud.status("a"), list(places(cloud))) == ("PROVISIONING", ["tenants/a/"])


@pytest.mark.parametrize("in_use", ["tenants/a/", BUCKET])
def test_a_result_that_overtakes_the_mark_loses_no_place(cloud: Cloud, in_use: str) -> None:
    cloud.put_completed("a")
    kind = "s3Prefix" if in_use.endswith("/") else "dedicatedBucket"
    record = overwrite(cloud, tier={"S": "PRO" if kind == "s3Prefix" else "ENTERPRISE"})
    result = ProvisioningResult(TenantId("a"), {kind: in_use}, rfc3339(cloud.clock.now()), attempt=1)
    cloud.report(result)
    run(cloud, record)
    assert cloud.status("a") == "COMPLETED"
    # The place that it is in is no leftover
    assert list(places(cloud)) == [place for place in ("tenants/a/",) if place != in_use]


def test_a_change_that_keeps_the_places_makes_no_leftovers(cloud: Cloud) -> None:
    cloud.put_completed("a", provisioningStatus={"S": "FAILED"})
    before = cloud.item("a")
    cloud.update("a", provisioningStatus={"S": "PENDING"})
    run(cloud, cloud.stream_record("a", 2, "MODIFY", old=before))
    assert cloud.status("a") == "PROVISIONING"
    assert "leftovers" not in cloud.item("a")
