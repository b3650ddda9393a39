"""The canary tenant: looked at, removed, onboarded again; nobody else's data touched."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from canary.decisions import Onboard, Replace, Reserved, Wait, decide, new_record
from canary.repository import CanaryRepository
from tenkacloud.platform.clock import rfc3339
from tests.handlers.conftest import DATA_BUCKET, TABLE, Cloud, LogLines

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
MARKER_OBJECT = "tenants/canary/.tenkacloud.json"


def record(status: str, seconds: float = 60, **attributes: Any) -> dict[str, Any]:
    """Return the canary's record, requested some seconds ago."""
    return {
        **new_record(NOW - timedelta(seconds=seconds)),
        "provisioningStatus": {"S": status},
        **attributes,
    }


@pytest.mark.parametrize(
    ("found", "decision"),
    [
        (None, Onboard()),
        (
            record("COMPLETED", 60, updatedAt={"S": rfc3339(NOW - timedelta(seconds=58))}),
            Replace("COMPLETED", seconds=2.0),
        ),
        # Completed all the same, when nobody can say how long it took
        (record("COMPLETED"), Replace("COMPLETED")),
        (record("COMPLETED", updatedAt={"S": "2026-01-02"}), Replace("COMPLETED")),
        (record("FAILED", failureReason={"S": "no room"}), Replace("FAILED", reason="no room")),
        (record("PENDING"), Wait("PENDING", 60.0)),
        (record("PROVISIONING"), Wait("PROVISIONING", 60.0)),
        # A PENDING record whose stream record is gone would stay so for ever; the other is swept
        (record("PENDING", 6 * 3600 + 1), Replace("PENDING", reason="nobody came for it")),
        (record("PROVISIONING", 7 * 3600), Wait("PROVISIONING", 7 * 3600.0)),
        (record("PENDING", requestedAt={"S": "?"}), Replace("PENDING", reason="nobody came for it")),
        (record("?"), Replace("?", reason="its status is unknown")),
        # An operator offboards it, or does something else to it
        ({**record("COMPLETED"), "status": {"S": "OFFBOARDING"}}, Wait("COMPLETED", None)),
        ({**record("DEPROVISIONED"), "status": {"S": "DELETED"}}, Wait("DEPROVISIONED", None)),
        (record("COMPLETED", operation={"M": {}}), Wait("COMPLETED", None)),
        # Whoever took the id: even what looks like the canary, without its mark
        (record("COMPLETED", canary={"BOOL": False}), Reserved()),
        (record("COMPLETED", canary={"S": "true"}), Reserved()),
        ({"id": {"S": "canary"}, "name": {"S": "Canary"}}, Reserved()),
    ],
)
def test_what_is_decided(found: Any, decision: Any) -> None:
    assert decide(found, NOW) == decision


def run(cloud: Cloud) -> Any:
    return cloud.run("canary", {"detail-type": "Scheduled Event"})


def repository(cloud: Cloud) -> CanaryRepository:
    return CanaryRepository(cloud.clients.dynamodb, TABLE)


def marked(cloud: Cloud) -> bool:
    return bool(cloud.s3.list_objects_v2(Bucket=DATA_BUCKET, Prefix=MARKER_OBJECT)["KeyCount"])


def record_result(cloud: Cloud, status: str, **attributes: Any) -> None:
    """Do to the canary what the flow does: a status, history, a marker."""
    cloud.update("canary", provisioningStatus={"S": status}, updatedAt={"S": rfc3339(NOW)}, **attributes)
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key=MARKER_OBJECT, Body=b"{}")
    for number in range(3):
        key = {**cloud.key("canary"), "SK": {"S": f"HISTORY#{number}"}}
        cloud.dynamodb.put_item(TableName=TABLE, Item={**key, "to": {"S": status}})


def metrics(logs: LogLines) -> dict[str, float]:
    return {
        name: line[name][0]
        for line in logs.all()
        for name in ("CanaryCompleted", "CanarySeconds", "CanaryAge")
        if name in line
    }


def test_the_first_run_writes_a_record_that_onboards(cloud: Cloud, logs: LogLines) -> None:
    assert run(cloud) == {"completed": 0, "onboarded": True}
    item = cloud.item("canary")
    assert (item["id"], item["name"], item["tier"]) == ({"S": "canary"}, {"S": "Canary"}, {"S": "FREE"})
    assert item["provisioningStatus"] == {"S": "PENDING"}
    assert item["canary"] == {"BOOL": True}
    assert metrics(logs) == {"CanaryCompleted": 0}


def test_a_completed_canary_is_counted_removed_and_onboarded_anew(cloud: Cloud, logs: LogLines) -> None:
    run(cloud)
    cloud.update("canary", requestedAt={"S": rfc3339(NOW - timedelta(seconds=3))})
    record_result(cloud, "COMPLETED", provisioningAttempt={"N": "1"})
    before = cloud.item("canary")
    logs.all()
    assert run(cloud) == {"completed": 1, "onboarded": True}
    assert metrics(logs) == {"CanaryCompleted": 1, "CanarySeconds": 3.0}
    after = cloud.item("canary")
    assert after == {**new_record(NOW), "requestedAt": after["requestedAt"]}
    assert after["requestedAt"] != before["requestedAt"]
    assert not marked(cloud)
    assert cloud.history("canary") == []


def test_one_that_failed_is_told_with_its_reason_and_onboarded_anew(cloud: Cloud, logs: LogLines) -> None:
    run(cloud)
    record_result(cloud, "FAILED", failureReason={"S": "no room"})
    logs.all()
    assert run(cloud) == {"completed": 0, "onboarded": True}
    assert logs.only("Canary looked at")["reason"] == "no room"
    assert cloud.status("canary") == "PENDING"


@pytest.mark.parametrize("status", ["PENDING", "PROVISIONING"])
def test_one_that_is_under_way_is_left_alone(cloud: Cloud, logs: LogLines, status: str) -> None:
    """So it is when the stream is not read any more, or a rule or a function is broken."""
    run(cloud)
    record_result(cloud, status)
    before = cloud.item("canary")
    logs.all()
    assert run(cloud) == {"completed": 0, "onboarded": False}
    found = metrics(logs)
    assert found["CanaryCompleted"] == 0
    assert found["CanaryAge"] >= 0
    assert cloud.item("canary") == before
    assert marked(cloud)
    assert len(cloud.history("canary")) == 3


@pytest.mark.parametrize("status", ["PENDING", "PROVISIONING", "COMPLETED", "FAILED"])
def test_a_tenant_that_took_the_id_is_not_touched(cloud: Cloud, logs: LogLines, status: str) -> None:
    cloud.put("canary")
    record_result(cloud, status)
    before = cloud.item("canary")
    assert run(cloud) == {"completed": 0, "onboarded": False}
    assert cloud.item("canary") == before
    assert marked(cloud)
    assert len(cloud.history("canary")) == 3
    assert metrics(logs) == {"CanaryCompleted": 0}


def test_what_a_broken_off_run_left_is_removed(cloud: Cloud) -> None:
    run(cloud)
    record_result(cloud, "COMPLETED")
    cloud.dynamodb.delete_item(TableName=TABLE, Key=cloud.key("canary"))
    assert run(cloud) == {"completed": 0, "onboarded": True}
    assert not marked(cloud)
    assert cloud.history("canary") == []


def test_a_record_that_changed_after_it_was_read_is_not_removed(cloud: Cloud) -> None:
    run(cloud)
    record_result(cloud, "COMPLETED")
    seen = cloud.item("canary")
    cloud.put("canary", provisioningStatus={"S": "COMPLETED"})
    assert not repository(cloud).remove(seen)
    run_anew = {**seen, "provisioningStatus": {"S": "PENDING"}}
    cloud.dynamodb.put_item(TableName=TABLE, Item=run_anew)
    assert not repository(cloud).remove(seen)
    assert cloud.item("canary") == run_anew


@pytest.mark.parametrize("begun", [{"operation": {"M": {}}}, {"status": {"S": "OFFBOARDING"}}])
def test_a_record_is_not_removed_under_an_operation_that_began_meanwhile(
    cloud: Cloud, begun: dict[str, Any]
) -> None:
    run(cloud)
    cloud.update("canary", provisioningStatus={"S": "COMPLETED"}, status={"S": "ACTIVE"})
    seen = repository(cloud).record()
    assert seen
    cloud.update("canary", **begun)
    assert not repository(cloud).remove(seen)
    assert cloud.status("canary") == "COMPLETED"


def test_a_record_that_was_written_meanwhile_is_not_overwritten(cloud: Cloud) -> None:
    cloud.put("canary")
    before = cloud.item("canary")
    assert not repository(cloud).add(new_record(NOW))
    assert cloud.item("canary") == before


def test_others_are_not_touched(cloud: Cloud) -> None:
    cloud.put("canary-2", provisioningStatus={"S": "COMPLETED"})
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/canary-2/.tenkacloud.json", Body=b"{}")
    before = cloud.item("canary-2")
    run(cloud)
    record_result(cloud, "COMPLETED")
    run(cloud)
    assert cloud.item("canary-2") == before
    assert cloud.s3.list_objects_v2(Bucket=DATA_BUCKET, Prefix="tenants/canary-2/")["KeyCount"] == 1


def test_silence_when_aws_fails(cloud: Cloud, logs: LogLines) -> None:
    """No figure is worse than 0: the alarm takes it for a failure."""
    cloud.dynamodb.delete_table(TableName=TABLE)
    with pytest.raises(ClientError), pytest.warns(match="No application metrics"):
        run(cloud)
    assert metrics(logs) == {}
