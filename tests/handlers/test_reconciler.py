"""The sweep of those in flight, and repairs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenkacloud.errors import InvalidFieldError, NotInStateError, NotReadyError
from tenkacloud.events.tenant_deprovisioned import Evidence, TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.isolation.places import pool_place
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.operations import ANY_DIGEST, Phase, PhaseState, is_read_only
from tenkacloud.tenants.record import read
from tenkacloud.tenants.transitions import offboarding, tier
from tenkacloud.tenants.transitions.operation import request_export, retry_phase
from tenkacloud.tenants.transitions.retry import request_again
from tenkacloud.tenants.transitions.status import suspend
from tenkacloud.tenants.validation import TenantId, Tier
from tests.handlers.conftest import Cloud, LogLines
from tests.handlers.faults import Calls, Client, clients_of
from tests.settings import (
    AUTOMATIC_RETRIES_MAX,
    EXPORT_RETENTION_DAYS,
    RETIRE_AFTER,
    STUCK_AFTER,
    VERIFY_AGAIN_AFTER,
)
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


# --- phases that are stuck ----------------------------------------------------------------------------------

BY = "an operator"
OPERATION = "01JD5T8Q2N4Z6Y8X0W2V4U6S8R"
BUCKET = "tenkacloud-test-silo-acme-0123456789abcdef"


def begin_move(cloud: Cloud, tenant_id: str = "acme") -> dict[str, Any]:
    """Begin a move; return what the stream shows of it."""
    cloud.put_completed(tenant_id)
    return cloud.do(
        tier.change_tier(cloud.tenant(tenant_id), Tier.ENTERPRISE, OPERATION, cloud.clock.now(), BY)
    )


def answer(request: Any, **fields: Any) -> TenantTierChanged:
    resources = {"dedicatedBucket": BUCKET}
    return TenantTierChanged.answering(request, "t", **{"resources": resources, "digest": "d", **fields})


def deprovisioned(request: Any, remaining: int = 0) -> TenantDeprovisioned:
    evidence = Evidence(remaining=remaining, checked_at="2026-01-02T03:04:07.000Z")
    return TenantDeprovisioned.answering(request, "t", evidence=evidence)


def offboard(cloud: Cloud, days: int = 0, *, export: bool = False) -> None:
    cloud.put_completed("acme")
    now = cloud.clock.now()
    until = now + timedelta(days=days)
    cloud.do(offboarding.offboard(cloud.tenant("acme"), until, OPERATION, now, BY, export=export))


def requested(cloud: Cloud) -> list[tuple[str, int]]:
    """Return, once, the phases and attempts that were published."""
    return [(event["detail"]["phase"], event["detail"]["attempt"]) for event in cloud.published()]


def test_a_phase_without_a_sign_of_life_gets_its_next_attempt(cloud: Cloud) -> None:
    begin_move(cloud)
    copy = cloud.request("acme")
    cloud.clock.sleep(STUCK_AFTER - 60)
    assert run(cloud)["resumed"] == 0
    # WHEN it reports progress, THEN it is young again
    cloud.report(
        TenantOperationProgressed(
            tenant_id=copy.tenant_id,
            operation_id=OPERATION,
            phase=copy.phase,
            attempt=1,
            timestamp="t",
            objects=1,
            bytes=1,
        )
    )
    cloud.clock.sleep(STUCK_AFTER - 60)
    assert run(cloud)["resumed"] == 0
    # WHEN there is no more, THEN its next attempt is requested
    cloud.clock.sleep(120)
    assert run(cloud) == {"resumed": 1, "givenUp": 0, "left": 0, "errors": 0, "due": 0}
    assert requested(cloud) == [("COPY", 2)]
    operation = cloud.operation("acme")
    assert (operation.state, operation.attempt, operation.automatic_retries) == (PhaseState.RUNNING, 2, 1)
    # The result of the first attempt is none any more, that of the second is
    cloud.report(answer(copy))
    assert cloud.operation("acme").phase is Phase.COPY
    cloud.report(replace(answer(copy), attempt=2))
    assert cloud.operation("acme").phase is Phase.CUTOVER


def test_what_the_stream_lost_is_published(cloud: Cloud) -> None:
    begin_move(cloud)
    cloud.clock.sleep(STUCK_AFTER + 1)
    assert run(cloud)["resumed"] == 1
    assert requested(cloud) == [("COPY", 1)]
    assert cloud.operation("acme").automatic_retries == 0
    assert "outbox" not in cloud.item("acme")


def test_a_fact_that_the_stream_lost_is_told(cloud: Cloud) -> None:
    cloud.put_completed("acme")
    cloud.do(suspend(cloud.tenant("acme"), "x", cloud.clock.now(), BY))
    cloud.clock.sleep(STUCK_AFTER + 1)
    assert run(cloud)["resumed"] == 1
    assert [event["detail-type"] for event in cloud.published()] == ["TenantSuspended"]
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []


def test_phases_share_calls_with_onboardings(cloud: Cloud) -> None:
    for n in range(4):
        put(cloud, f"t{n}", age=2 * STUCK_AFTER)
    begin_move(cloud)
    cloud.request("acme")
    cloud.clock.sleep(2 * STUCK_AFTER)
    calls = Calls()
    function = cloud.function("reconciler", calls.clients(cloud))
    assert function(SCHEDULED, Context())["resumed"] == 5
    assert calls.names.count("PutEvents") == 1


@pytest.mark.parametrize("phase", ["COPY", "CUTOVER", "PURGE", "VERIFY"])
def test_a_phase_fails_after_so_many_retries_and_can_be_retried(cloud: Cloud, phase: str) -> None:
    if phase in ("COPY", "CUTOVER"):
        begin_move(cloud)
        request = cloud.request("acme")
        if phase == "CUTOVER":
            cloud.report(answer(request))
            cloud.request("acme")
    else:
        offboard(cloud)
        run(cloud)
        request = cloud.request("acme")
        if phase == "VERIFY":
            cloud.report(deprovisioned(request))
            cloud.request("acme")
    first = cloud.operation("acme").attempt
    retries = 0
    while cloud.operation("acme").state is PhaseState.RUNNING:
        cloud.clock.sleep(8 * STUCK_AFTER + 1)
        retries += run(cloud)["resumed"]
    # One in which the tenant can't write is not to last
    assert retries == (2 if phase == "CUTOVER" else AUTOMATIC_RETRIES_MAX)
    operation = cloud.operation("acme")
    assert operation.state is PhaseState.FAILED
    assert (operation.failure_reason or "").startswith(
        f"no result after {retries + 1} attempts, the last sign"
    )
    assert not is_read_only(read(cloud.item("acme")))
    assert cloud.status("acme") == ("DEPROVISION_FAILED" if phase in ("PURGE", "VERIFY") else "COMPLETED")
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == ["TENANT#acme"]
    cloud.published()
    cloud.do(retry_phase(cloud.tenant("acme"), cloud.clock.now(), BY))
    assert cloud.request("acme").attempt == first + retries + 1


def test_a_bus_that_is_down_costs_no_attempt_of_a_phase(cloud: Cloud) -> None:
    begin_move(cloud)
    cloud.request("acme")
    cloud.clock.sleep(STUCK_AFTER + 1)
    calls = Calls()
    calls.reject("PutEvents", "InternalException")
    assert cloud.function("reconciler", calls.clients(cloud))(SCHEDULED, Context())["errors"] == 1
    assert (cloud.operation("acme").attempt, cloud.operation("acme").automatic_retries) == (1, 0)


def test_after_a_crash_between_publish_and_mark_the_same_attempt_is_requested_again(cloud: Cloud) -> None:
    begin_move(cloud)
    copy = cloud.request("acme")
    cloud.clock.sleep(STUCK_AFTER + 1)
    calls = Calls()
    calls.reject("TransactWriteItems", "InternalServerError")
    assert cloud.function("reconciler", calls.clients(cloud))(SCHEDULED, Context())["errors"] == 1
    # WHEN its result comes before the mark, THEN AWS is to deliver it again
    with pytest.raises(NotReadyError):
        cloud.report(replace(answer(copy), attempt=2))
    assert run(cloud)["resumed"] == 1
    assert requested(cloud) == [("COPY", 2), ("COPY", 2)]
    cloud.report(replace(answer(copy), attempt=2))
    assert cloud.operation("acme").phase is Phase.CUTOVER


@pytest.mark.parametrize("state", ["WAITING", "FAILED"])
def test_a_phase_that_waits_or_failed_is_left_alone(cloud: Cloud, state: str) -> None:
    if state == "WAITING":
        offboard(cloud, days=1)
    else:
        begin_move(cloud)
        cloud.report(answer(cloud.request("acme"), failure_reason="x"))
    # The index lags behind the record
    cloud.update("acme", GSI3PK={"S": "IN_FLIGHT"}, GSI3SK={"S": "2026-01-01T00:00:00.000Z"})
    before = cloud.item("acme")
    assert run(cloud) == {"resumed": 0, "givenUp": 0, "left": 1, "errors": 0, "due": 0}
    assert cloud.item("acme") == before


def test_an_operation_that_somebody_broke_stops_no_sweep(cloud: Cloud) -> None:
    begin_move(cloud)
    cloud.update("acme", operation={"S": "?"})
    begin_move(cloud, "other")
    cloud.clock.sleep(STUCK_AFTER + 1)
    assert run(cloud) == {"resumed": 1, "givenUp": 0, "left": 1, "errors": 0, "due": 0}


# --- what is due --------------------------------------------------------------------------------------------


def test_the_purge_begins_when_the_retention_is_over_and_not_before(cloud: Cloud) -> None:
    offboard(cloud, days=30)
    cloud.clock.sleep(timedelta(days=30).total_seconds() - 60)
    assert run(cloud)["due"] == 0
    assert cloud.operation("acme").phase is Phase.RETAIN
    cloud.clock.sleep(120)
    assert run(cloud) == {"resumed": 0, "givenUp": 0, "left": 0, "errors": 0, "due": 1}
    # It is the stream that publishes
    assert cloud.published() == []
    assert (cloud.request("acme").phase, cloud.status("acme")) == (Phase.PURGE, "DEPROVISIONING")
    assert run(cloud)["due"] == 0


def test_a_requested_export_goes_first(cloud: Cloud) -> None:
    offboard(cloud, export=True)
    run(cloud)
    request = cloud.request("acme")
    assert request.DETAIL_TYPE == "TenantExporting"
    kept_for = datetime.fromisoformat(request.expires_at) - cloud.clock.now()
    assert abs(kept_for - timedelta(days=EXPORT_RETENTION_DAYS)) < timedelta(minutes=1)


def test_the_second_verification_begins_when_it_is_due(cloud: Cloud) -> None:
    offboard(cloud)
    run(cloud)
    cloud.report(deprovisioned(cloud.request("acme")))
    cloud.report(deprovisioned(cloud.request("acme")))
    assert run(cloud)["due"] == 0
    cloud.clock.sleep(VERIFY_AGAIN_AFTER + 1)
    assert run(cloud)["due"] == 1
    cloud.report(deprovisioned(cloud.request("acme")))
    assert cloud.item("acme")["status"] == {"S": "DELETED"}
    assert run(cloud)["due"] == 0


class Interfering(Client):
    """A DynamoDB in which somebody else writes between a read of records and what is made of it."""

    def __init__(self, cloud: Cloud, interfere: Callable[[], object]) -> None:
        super().__init__(cloud.dynamodb, Calls())
        self._interfere = interfere

    def __getattr__(self, method: str) -> Any:
        call = super().__getattr__(method)
        if method != "batch_get_item":
            return call

        def read_first(**arguments: Any) -> Any:
            found = call(**arguments)
            self._interfere()
            return found

        return read_first


def test_of_a_restore_and_the_beginning_of_the_purge_that_race_the_restore_wins_if_it_is_first(
    cloud: Cloud,
) -> None:
    offboard(cloud)

    def restore() -> None:
        cloud.do(offboarding.restore(cloud.tenant("acme"), cloud.clock.now(), BY))

    clients = clients_of(cloud, dynamodb=Interfering(cloud, restore))
    assert cloud.function("reconciler", clients)(SCHEDULED, Context())["due"] == 0
    item = cloud.item("acme")
    assert (item["status"], cloud.status("acme")) == ({"S": "SUSPENDED"}, "COMPLETED")
    assert "operation" not in item
    assert run(cloud)["due"] == 0


def test_of_a_restore_and_the_beginning_of_the_purge_that_race_the_purge_wins_if_it_is_first(
    cloud: Cloud,
) -> None:
    offboard(cloud)
    read_before = cloud.tenant("acme")
    assert run(cloud)["due"] == 1
    with pytest.raises(AssertionError):
        cloud.do(offboarding.restore(read_before, cloud.clock.now(), BY))
    with pytest.raises(NotInStateError, match="is beyond return"):
        offboarding.restore(cloud.tenant("acme"), cloud.clock.now(), BY)
    assert cloud.status("acme") == "DEPROVISIONING"


def test_two_sweeps_at_once_begin_what_is_due_once(cloud: Cloud) -> None:
    offboard(cloud)
    clients = clients_of(cloud, dynamodb=Interfering(cloud, lambda: run(cloud)))
    assert cloud.function("reconciler", clients)(SCHEDULED, Context())["due"] == 0
    assert (cloud.operation("acme").phase, cloud.operation("acme").purges) == (Phase.PURGE, 1)


def switch(cloud: Cloud) -> None:
    """Move a tenant to ENTERPRISE, so that its old place is a leftover."""
    begin_move(cloud)
    cloud.report(answer(cloud.request("acme")))
    cloud.report(answer(cloud.request("acme")))


def test_an_old_place_is_retired_when_it_is_due_and_nothing_else_is_under_way(cloud: Cloud) -> None:
    switch(cloud)
    assert run(cloud)["due"] == 0
    now = cloud.clock.now()
    cloud.do(request_export(cloud.tenant("acme"), OPERATION, now, now, BY))
    export = cloud.request("acme")
    cloud.clock.sleep(RETIRE_AFTER + 1)
    assert run(cloud)["due"] == 0
    cloud.published()
    cloud.report(TenantExported.answering(replace(export, attempt=2), "t", location="x", manifest_sha256="d"))
    assert run(cloud)["due"] == 1
    retire = cloud.request("acme")
    assert (retire.phase, retire.from_, retire.digest) == (Phase.RETIRE, pool_place(TenantId("acme")), "d")
    assert cloud.operation("acme").requested_by == "reconciler"
    cloud.report(answer(retire, resources={}))
    assert "leftovers" not in cloud.item("acme")
    assert run(cloud)["due"] == 0


def test_it_says_how_much_of_what_is_due_is_left(cloud: Cloud, logs: LogLines) -> None:
    def left() -> float:
        return float([line["DueLeft"][0] for line in logs.all() if "DueLeft" in line][-1])

    switch(cloud)
    cloud.update("acme", provisioningStatus={"S": "FAILED"})
    cloud.clock.sleep(RETIRE_AFTER + 1)
    run(cloud)
    assert left() == 1.0
    cloud.update("acme", provisioningStatus={"S": "COMPLETED"})
    run(cloud)
    assert left() == 0.0


@pytest.mark.parametrize("attributes", [{"provisioningStatus": {"S": "FAILED"}}, {"status": {"S": "?"}}])
def test_nothing_is_retired_of_a_tenant_that_is_not_settled(cloud: Cloud, attributes: dict[str, Any]) -> None:
    """A tenant that is provisioned anew may get the very place."""
    switch(cloud)
    cloud.update("acme", **attributes)
    cloud.clock.sleep(RETIRE_AFTER + 1)
    assert run(cloud)["due"] == 0
    assert "operation" not in cloud.item("acme")


def test_a_place_that_the_tenant_is_in_again_is_not_retired(cloud: Cloud) -> None:
    switch(cloud)
    cloud.update("acme", resources={"M": {"s3Prefix": {"S": "tenants/acme/"}}})
    cloud.clock.sleep(RETIRE_AFTER + 1)
    assert run(cloud)["due"] == 1
    assert not {"operation", "leftovers", "GSI5PK"} & set(cloud.item("acme"))


def test_a_place_that_is_kept_is_never_due(cloud: Cloud) -> None:
    switch(cloud)
    cloud.clock.sleep(RETIRE_AFTER + 1)
    run(cloud)
    cloud.report(answer(cloud.request("acme"), resources={}, kept="something was written to it"))
    cloud.clock.sleep(100 * RETIRE_AFTER)
    assert run(cloud)["due"] == 0


def test_a_place_that_was_kept_is_due_once_an_operator_lets_go_of_it(cloud: Cloud) -> None:
    switch(cloud)
    cloud.clock.sleep(RETIRE_AFTER + 1)
    run(cloud)
    kept = cloud.request("acme")
    cloud.report(answer(kept, resources={}, kept="something was written to it"))
    cloud.do(tier.release_leftover(cloud.tenant("acme"), cloud.clock.now(), BY))
    assert run(cloud)["due"] == 1
    again = cloud.request("acme")
    assert (again.phase, again.from_, again.digest) == (Phase.RETIRE, kept.from_, ANY_DIGEST)
    # So a late answer to the first request is none to this one
    assert again.operation_id != kept.operation_id
    cloud.report(answer(again, resources={}))
    assert "leftovers" not in cloud.item("acme")


def test_it_begins_what_is_due_of_every_page(cloud: Cloud) -> None:
    for n in range(130):
        retained = {"due": "2026-01-01T00:00:00.000Z", "retainUntil": "2026-01-01T00:00:00.000Z"}
        fields = {"id": OPERATION, "kind": "OFFBOARD", "phase": "RETAIN", "state": "WAITING", **retained}
        cloud.put_completed(
            f"t{n}",
            status={"S": "OFFBOARDING"},
            operation={
                "M": {**{name: {"S": value} for name, value in fields.items()}, "attempt": {"N": "0"}}
            },
            GSI5PK={"S": "DUE"},
            GSI5SK={"S": "2026-01-01T00:00:00.000Z"},
        )
    assert run(cloud)["due"] == 130


def test_a_tenant_is_not_set_back_under_an_operation_that_began_meanwhile(cloud: Cloud) -> None:
    cloud.put_completed("acme", tier={"S": "ENTERPRISE"})
    change = request_again(Key.of(TenantId("acme")), read(cloud.item("acme")), "repair", cloud.clock.now())
    now = cloud.clock.now()
    cloud.do(request_export(cloud.tenant("acme"), OPERATION, now, now, BY))
    with pytest.raises(AssertionError):
        cloud.do(change)
    assert cloud.status("acme") == "COMPLETED"


def test_a_tenant_with_something_under_way_is_not_repaired(cloud: Cloud) -> None:
    begin_move(cloud)
    answers = run(cloud, {"action": "repair", "tenantIds": ["acme"]})
    assert answers == {"acme": "something is under way: CHANGE_TIER, phase COPY, REQUESTED"}
