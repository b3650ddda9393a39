"""The sweep of those in flight, and repairs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenkacloud.errors import InvalidFieldError
from tenkacloud.platform.clock import rfc3339
from tests.handlers.conftest import Cloud, LogLines
from tests.handlers.faults import Calls
from tests.support import Context

SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def run(cloud: Cloud, event: Any = SCHEDULED) -> Any:
    return cloud.run("reconciler", event)


def put(cloud: Cloud, tenant_id: str, age: float, status: str = "PROVISIONING", **attributes: Any) -> None:
    """Put a tenant that is in flight since `age` seconds."""
    since = rfc3339(datetime.now(UTC) - timedelta(seconds=age))
    attempt = {"provisioningAttempt": {"N": "2"}} if status == "PROVISIONING" else {}
    cloud.put(
        tenant_id,
        **{
            "provisioningStatus": {"S": status},
            "GSI3PK": {"S": "IN_FLIGHT"},
            "GSI3SK": {"S": since},
            **attempt,
            **attributes,
        },
    )


def attempts(cloud: Cloud) -> dict[str, int]:
    return {e["detail"]["tenantId"]: e["detail"]["provisioningAttempt"] for e in cloud.published()}


def test_stuck_tenants_are_retried_with_the_next_attempt_and_young_ones_left_alone(cloud: Cloud) -> None:
    put(cloud, "stuck", age=901)
    put(cloud, "never-requested", age=5000, status="PENDING")
    put(cloud, "young", age=800)
    assert run(cloud) == {"resumed": 2, "givenUp": 0, "left": 0, "errors": 0, "due": 0}
    assert attempts(cloud) == {"stuck": 3, "never-requested": 1}
    item = cloud.item("stuck")
    assert (item["provisioningAttempt"], item["resumptions"]) == ({"N": "3"}, {"N": "1"})
    assert cloud.item("young")["provisioningAttempt"] == {"N": "2"}
    (line,) = cloud.history("stuck")
    assert (line["to"], line["attempt"], line["by"]) == ("PROVISIONING", 3, "reconciler")
    assert line["reason"] == "attempt 2 brought no result"
    # What was retried is young again
    assert run(cloud)["resumed"] == 0


def test_an_operator_may_shorten_the_deadline(cloud: Cloud) -> None:
    put(cloud, "young", age=60)
    assert run(cloud, {"action": "sweep", "olderThanSeconds": 90})["resumed"] == 0
    assert run(cloud, {"action": "sweep", "olderThanSeconds": 30})["resumed"] == 1


@pytest.mark.parametrize(
    ("automatic_retries", "patience"), [(0, 900), (1, 1800), (2, 3600), (3, 7200), (5, 7200)]
)
def test_the_deadline_grows_with_each_automatic_retry(
    cloud: Cloud, automatic_retries: int, patience: int
) -> None:
    """A backlog that is requested again and again only grows."""
    count: dict[str, Any] = {"resumptions": {"N": str(automatic_retries)}}
    put(cloud, "patient", age=patience - 60, **count)
    assert run(cloud)["left"] == (1 if automatic_retries else 0)
    assert cloud.published() == []
    put(cloud, "patient", age=patience + 60, **count)
    done = run(cloud)
    assert done["resumed"] + done["givenUp"] == 1


def test_a_tenant_whose_mark_can_never_be_written_fails_with_a_reason(cloud: Cloud) -> None:
    put(cloud, "full", age=1000, ballast={"S": "x" * (405_000 - 82 - 66 - 180)})
    put(cloud, "stuck", age=1000)
    assert run(cloud) == {"resumed": 1, "givenUp": 1, "left": 0, "errors": 0, "due": 0}
    assert cloud.reason("full").startswith("DynamoDB takes no change of the record TENANT#full as it is")


@pytest.mark.parametrize(
    "since", ["9999-99-99T99:99:99Z", "9999-01-01T00:00:00Z", "zzz", "0001-01-01T00:00:00+23:59"]
)
def test_an_index_key_that_no_clock_shows_stops_no_sweep(cloud: Cloud, logs: LogLines, since: str) -> None:
    put(cloud, "odd", age=0, GSI3SK={"S": since})
    put(cloud, "stuck", age=1000)
    put(cloud, "young", age=10)
    assert run(cloud)["resumed"] == 2
    assert sorted(attempts(cloud)) == ["odd", "stuck"]


def test_it_gives_up_after_so_many_with_a_reason(cloud: Cloud) -> None:
    put(cloud, "hopeless", age=8 * 900 + 1, resumptions={"N": "5"})
    assert run(cloud)["givenUp"] == 1
    assert cloud.status("hopeless") == "FAILED"
    assert cloud.reason("hopeless").startswith("no result after 6 attempts, the last since ")
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == ["TENANT#hopeless"]
    assert cloud.published() == []
    assert [line["to"] for line in cloud.history("hopeless")] == ["FAILED"]


@pytest.mark.parametrize("status", ["PENDING", "PROVISIONING"])
def test_a_record_that_became_invalid_fails_with_its_reason(cloud: Cloud, status: str) -> None:
    put(cloud, "bad", age=1000, status=status, tier={"S": "GOLD"})
    assert run(cloud)["givenUp"] == 1
    assert cloud.reason("bad") == "tier 'GOLD' is unknown: one of FREE, PRO, ENTERPRISE"


def test_a_tenant_that_is_done_meanwhile_is_left_alone(cloud: Cloud) -> None:
    """The index lags behind the record; the record counts."""
    put(cloud, "done", age=1000, status="COMPLETED")
    assert run(cloud) == {"resumed": 0, "givenUp": 0, "left": 1, "errors": 0, "due": 0}
    assert cloud.published() == []


def test_a_bus_that_is_down_costs_no_attempt(cloud: Cloud) -> None:
    put(cloud, "stuck", age=1000)
    calls = Calls()
    calls.reject("PutEvents", "InternalException")
    function = cloud.function("reconciler", calls.clients(cloud))
    assert function(SCHEDULED, Context()) == {"resumed": 0, "givenUp": 0, "left": 0, "errors": 1, "due": 0}
    assert cloud.item("stuck")["provisioningAttempt"] == {"N": "2"}
    assert "resumptions" not in cloud.item("stuck")


def test_it_goes_through_every_page(cloud: Cloud) -> None:
    for n in range(130):
        put(cloud, f"t{n}", age=1000 + n)
    assert run(cloud)["resumed"] == 130


def test_it_says_how_long_the_oldest_is_in_flight(cloud: Cloud, logs: LogLines) -> None:
    put(cloud, "old", age=500)
    put(cloud, "older", age=700)
    run(cloud)
    (emf,) = [line for line in logs.all() if "OldestInFlight" in line]
    assert 700 <= emf["OldestInFlight"][0] < 760


def test_an_index_key_that_is_no_time_blocks_nobody(cloud: Cloud) -> None:
    put(cloud, "odd", age=0, GSI3SK={"S": "0 o'clock"})
    put(cloud, "stuck", age=1000)
    assert run(cloud)["resumed"] == 2


def test_an_empty_index_is_measured_too(cloud: Cloud, logs: LogLines) -> None:
    run(cloud)
    (emf,) = [line for line in logs.all() if "OldestInFlight" in line]
    assert emf["OldestInFlight"] == [0.0]


def test_a_completed_tenant_is_repaired_by_its_own_event_again(cloud: Cloud) -> None:
    resources = {"M": {"s3Prefix": {"S": "tenants/done/"}}}
    cloud.put(
        "done",
        provisioningStatus={"S": "COMPLETED"},
        provisioningAttempt={"N": "4"},
        resources=resources,
    )
    cloud.put("failed", provisioningStatus={"S": "FAILED"}, provisioningAttempt={"N": "1"})
    before = cloud.item("done")
    answers = run(cloud, {"action": "repair", "tenantIds": ["done", "failed", "nobody"]})
    assert answers == {
        "done": "asked",
        "failed": "it is FAILED, not COMPLETED",
        "nobody": "there is no such tenant",
    }
    assert attempts(cloud) == {"done": 4}
    assert cloud.item("done") == before


def test_a_tenant_with_resources_of_another_tier_is_repaired_by_another_attempt(cloud: Cloud) -> None:
    cloud.put(
        "odd",
        tier={"S": "ENTERPRISE"},
        provisioningStatus={"S": "COMPLETED"},
        provisioningAttempt={"N": "4"},
        resources={"M": {"s3Prefix": {"S": "tenants/odd/"}}},
    )
    assert run(cloud, {"action": "repair", "tenantIds": ["odd"]}) == {"odd": "requested"}
    assert cloud.status("odd") == "PENDING"
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == ["TENANT#odd"]
    (line,) = cloud.history("odd")
    assert (line["to"], line["by"]) == ("PENDING", "reconciler")
    assert line["reason"].startswith("repair: resources do not fit tier ENTERPRISE: ")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ([], "event must be an object, not list"),
        ({}, "action None is unknown: one of sweep, repair"),
        ({"action": "sweep", "olderThanSeconds": -1}, "olderThanSeconds -1 is not a whole number from 0 to "),
        ({"action": "sweep", "olderThanSeconds": "1"}, "olderThanSeconds '1' is not a whole number"),
        ({"action": "repair"}, "tenantIds must be a list of 1 to 100 tenant ids"),
        ({"action": "repair", "tenantIds": ["a/b"]}, "tenantIds 'a/b' is not a valid tenant id"),
        ({"action": "repair", "tenantIds": ["a"] * 101}, "tenantIds must be a list of 1 to 100 tenant ids"),
    ],
)
def test_a_request_that_it_does_not_know_is_rejected(cloud: Cloud, event: Any, reason: str) -> None:
    with pytest.raises(InvalidFieldError) as raised:
        run(cloud, event)
    assert str(raised.value).startswith(reason)
