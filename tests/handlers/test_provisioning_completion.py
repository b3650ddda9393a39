"""Result → COMPLETED or FAILED on the record."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from tenkacloud.errors import NotReadyError
from tenkacloud.events.contract import Event
from tenkacloud.events.operation import OperationEvent
from tenkacloud.events.tenant_deprovisioned import Evidence, TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.isolation.places import Place, pool_place, silo_place
from tenkacloud.provisioners import inventory
from tenkacloud.tenants.operations import Phase, PhaseState, is_read_only
from tenkacloud.tenants.record import read
from tenkacloud.tenants.transitions import offboarding, tier
from tenkacloud.tenants.transitions.operation import mark_published, request_export, retry_phase
from tenkacloud.tenants.validation import TenantId, Tier
from tests.handlers.conftest import TABLE, Cloud, LogLines
from tests.handlers.faults import Calls, Client, clients_of
from tests.settings import DRAIN, RETIRE_AFTER, VERIFY_AGAIN_AFTER
from tests.support import Context, envelope, golden


def result(name: str = "tenant_provisioned", **fields: Any) -> dict[str, Any]:
    event: dict[str, Any] = golden(name)
    detail = {**event["detail"], **fields}
    event["detail"] = {name: value for name, value in detail.items() if value is not None}
    return event


def run(cloud: Cloud, event: Any) -> None:
    cloud.run("provisioning-completion", event)


def put(cloud: Cloud, status: str, attempt: int | None = 1, **attributes: Any) -> None:
    in_flight = {"GSI3PK": {"S": "IN_FLIGHT"}, "GSI3SK": {"S": "x"}} if status == "PROVISIONING" else {}
    attempts = {} if attempt is None else {"provisioningAttempt": {"N": str(attempt)}}
    cloud.put("acme", **{"provisioningStatus": {"S": status}, **attempts, **in_flight, **attributes})


def test_a_success_completes_the_tenant(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result())
    item = cloud.item("acme")
    assert item["provisioningStatus"] == {"S": "COMPLETED"}
    assert item["resources"] == {"M": {"s3Prefix": {"S": "tenants/acme/"}}}
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []


def test_a_failure_is_on_the_record_with_its_reason(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result("tenant_provisioned_failed"))
    assert cloud.status("acme") == "FAILED"
    assert cloud.reason("acme") == "bucket x is owned by another AWS account"
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == ["TENANT#acme"]
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []


def test_the_designs_fields_alone_are_enough(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING", 3, tier={"S": "ENTERPRISE"})
    run(cloud, golden("tenant_provisioned_design_only"))
    assert cloud.status("acme") == "COMPLETED"
    assert cloud.item("acme")["resources"] == {"M": {"dedicatedBucket": {"S": "acme-bucket"}}}


def test_a_failure_without_a_reason_gets_one(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result("tenant_provisioned_failed", failureReason=None))
    assert cloud.reason("acme") == "the application plane reported FAILED without a reason"


@pytest.mark.parametrize("name", ["tenant_provisioned", "tenant_provisioned_failed"])
def test_ten_duplicates_change_nothing_more(cloud: Cloud, name: str) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result(name))
    after_the_first = cloud.item("acme")
    for _ in range(9):
        run(cloud, result(name))
    assert cloud.item("acme") == after_the_first


@pytest.mark.parametrize("status", ["PENDING", "PROVISIONING", "FAILED", "COMPLETED"])
@pytest.mark.parametrize("name", ["tenant_provisioned", "tenant_provisioned_failed"])
def test_a_result_of_an_older_attempt_changes_nothing(cloud: Cloud, status: str, name: str) -> None:
    put(cloud, status, 2)
    before = cloud.item("acme")
    run(cloud, result(name))
    assert cloud.item("acme") == before


def test_a_late_success_wins_over_failed(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result("tenant_provisioned_failed"))
    run(cloud, result())
    assert cloud.status("acme") == "COMPLETED"
    assert "failureReason" not in cloud.item("acme")
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == []


def test_a_late_failure_does_not_undo_a_success(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result())
    run(cloud, result("tenant_provisioned_failed"))
    assert cloud.status("acme") == "COMPLETED"


@pytest.mark.parametrize("attempt", [1, None])
def test_a_result_that_overtakes_its_mark_writes_both(cloud: Cloud, attempt: int | None) -> None:
    put(cloud, "PENDING", None)
    run(cloud, result(provisioningAttempt=attempt))
    item = cloud.item("acme")
    assert item["provisioningStatus"] == {"S": "COMPLETED"}
    # what the first status change writes is there as well
    assert item["slug"] == {"S": "acme-corp"}
    assert item["provisioningAttempt"] == {"N": "1"}
    assert cloud.keys_in("by-status-tier", "GSI2PK", "STATUS#ACTIVE#TIER#PRO") == ["TENANT#acme"]
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []
    # and so is the history, in the order of the state machine
    lines = [(line["to"], line["attempt"], line["by"]) for line in cloud.history("acme")]
    assert lines == [
        ("PROVISIONING", 1, "provisioning-completion"),
        ("COMPLETED", 1, "provisioning-completion"),
    ]


def test_a_failure_that_overtakes_its_mark_writes_both(cloud: Cloud) -> None:
    put(cloud, "PENDING", None)
    run(cloud, result("tenant_provisioned_failed"))
    assert (cloud.status("acme"), cloud.reason("acme")) == (
        "FAILED",
        "bucket x is owned by another AWS account",
    )
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == ["TENANT#acme"]
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []
    assert [line["to"] for line in cloud.history("acme")] == ["PROVISIONING", "FAILED"]
    # WHEN the success of the same attempt comes late, THEN it wins, and the history shows all of it
    run(cloud, result())
    assert cloud.status("acme") == "COMPLETED"
    assert [line.get("reason") for line in cloud.history("acme")][1:] == [
        "bucket x is owned by another AWS account",
        None,
    ]


def test_a_result_of_an_automatic_retry_that_overtakes_its_mark_writes_both(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING", 2)
    run(cloud, result(provisioningAttempt=3))
    assert cloud.status("acme") == "COMPLETED"
    assert cloud.item("acme")["provisioningAttempt"] == {"N": "3"}
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []


def test_a_result_that_can_not_be_told_from_a_stale_one_is_delivered_again(cloud: Cloud) -> None:
    put(cloud, "PENDING", 1)
    with pytest.raises(NotReadyError):
        run(cloud, result(provisioningAttempt=None))
    assert cloud.status("acme") == "PENDING"
    # WHEN the retry has been marked, THEN the result is of the current attempt
    put(cloud, "PROVISIONING", 2)
    run(cloud, result(provisioningAttempt=None))
    assert cloud.status("acme") == "COMPLETED"


ECHO = {"tier": "PRO", "slug": "acme-corp"}


def test_a_success_of_an_older_attempt_counts_if_the_same_is_still_wanted(cloud: Cloud) -> None:
    """A backlog longer than automatic retries wait: attempt 1 is answered when 3 is under way."""
    put(cloud, "PROVISIONING", 3, slug={"S": "acme-corp"})
    run(cloud, result(**ECHO))
    assert (cloud.status("acme"), cloud.item("acme")["provisioningAttempt"]) == ("COMPLETED", {"N": "3"})


@pytest.mark.parametrize("status", ["PENDING", "PROVISIONING", "FAILED"])
@pytest.mark.parametrize(
    ("record", "answer"),
    [
        ({"tier": {"S": "ENTERPRISE"}}, ECHO),
        ({"tier": {"S": "FREE"}}, ECHO),
        ({"slug": {"S": "renamed"}}, ECHO),
        # The design's fields alone: the kind of the resource tells
        ({"tier": {"S": "ENTERPRISE"}}, {}),
        ({}, {"resources": {"dedicatedBucket": "b"}}),
    ],
)
@pytest.mark.parametrize("attempt", [1, None])
def test_a_success_that_answers_another_request_changes_nothing(
    cloud: Cloud, status: str, record: dict[str, Any], answer: dict[str, Any], attempt: int | None
) -> None:
    put(cloud, status, None if status == "PENDING" else 1, **{"slug": {"S": "acme-corp"}, **record})
    before = cloud.item("acme")
    run(cloud, result(**answer, provisioningAttempt=attempt))
    assert cloud.item("acme") == before


def test_a_failure_of_another_request_changes_nothing(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING", tier={"S": "ENTERPRISE"}, slug={"S": "acme-corp"})
    run(cloud, result("tenant_provisioned_failed", **ECHO))
    assert cloud.status("acme") == "PROVISIONING"


def test_a_success_of_the_next_attempt_wins_over_a_failure_that_overtook_its_mark(cloud: Cloud) -> None:
    """Attempt 2 was requested automatically; before that could be written, attempt 1 failed."""
    put(cloud, "FAILED", 1, slug={"S": "acme-corp"}, failureReason={"S": "no room"})
    run(cloud, result(**ECHO, provisioningAttempt=2))
    item = cloud.item("acme")
    assert (cloud.status("acme"), item["provisioningAttempt"]) == ("COMPLETED", {"N": "2"})
    assert "failureReason" not in item


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (
            result(tier="ENTERPRISE"),
            "detail.resources must name dedicatedBucket, since the tier is ENTERPRISE",
        ),
        (
            result(resources={"s3Prefix": "p", "dedicatedBucket": "b"}),
            "detail.resources must name one of s3Prefix, dedicatedBucket",
        ),
        (result(tier="GOLD"), "detail.tier 'GOLD' is unknown: one of FREE, PRO, ENTERPRISE"),
        ({**golden("tenant_provisioned"), "detail": "text"}, "detail must be an object, not str"),
        (result(tenantId=None), "detail.tenantId is missing"),
        (result(tenantId="nobody"), "detail.tenantId 'nobody' is not a tenant of this table"),
        (result(status="DONE"), "detail.status 'DONE' is unknown: one of COMPLETED, FAILED"),
        (result(status=None), "detail.status is missing"),
        (result(resources=None), "detail.resources is missing"),
        (result(resources={}), "detail.resources must name one of s3Prefix, dedicatedBucket"),
        (result(resources={"s3Prefix": 1}), "detail.resources.s3Prefix must be a string, not int"),
        (result(timestamp=None), "detail.timestamp is missing"),
        (result(provisioningAttempt="1"), "detail.provisioningAttempt must be a number, not str"),
        (
            golden("tenant_onboarding"),
            "source 'tenkacloud.control-plane' is not tenkacloud.application-plane",
        ),
    ],
)
def test_a_result_that_belongs_nowhere_goes_to_the_dead_letter_queue(
    cloud: Cloud, event: Any, reason: str
) -> None:
    put(cloud, "PROVISIONING")
    before = cloud.item("acme")
    run(cloud, event)
    (message,) = cloud.rejected()
    assert message["responsePayload"]["errorMessage"] == reason
    assert message["requestPayload"] == event
    assert cloud.item("acme") == before


def test_fields_that_it_does_not_know_are_ignored(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result(extra=1, resources={"s3Prefix": "tenants/acme/", "queue": 1, "?": "x"}))
    assert cloud.item("acme")["resources"] == {"M": {"s3Prefix": {"S": "tenants/acme/"}}}


def test_what_a_step_of_a_provisioner_puts_out_is_on_the_record(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result(resources={"s3Prefix": "tenants/acme/", "logGroup": "/acme"}))
    assert cloud.item("acme")["resources"] == {
        "M": {"s3Prefix": {"S": "tenants/acme/"}, "logGroup": {"S": "/acme"}}
    }


def test_logs_carry_the_tenant_and_the_correlation_id(cloud: Cloud, logs: LogLines) -> None:
    put(cloud, "PROVISIONING")
    run(cloud, result())
    said = logs.only("Tenant completed")
    assert said["tenant_id"] == "acme"
    assert said["correlation_id"] == golden("tenant_provisioned")["detail"]["correlationId"]


# --- results of operations ----------------------------------------------------------------------------------

BY = "an operator"
OPERATION = "01JD5T8Q2N4Z6Y8X0W2V4U6S8R"
BUCKET = "tenkacloud-test-silo-acme-0123456789abcdef"
SILO = {"dedicatedBucket": BUCKET}
POOL = {"s3Prefix": "tenants/acme/"}


def begin_move(cloud: Cloud, to: Tier = Tier.ENTERPRISE, **attributes: Any) -> TenantTierChanging:
    """Begin a move, and have its COPY published; return that event."""
    cloud.put_completed("acme", **attributes)
    cloud.do(tier.change_tier(cloud.tenant("acme"), to, OPERATION, cloud.clock.now(), BY))
    event: TenantTierChanging = cloud.request("acme")
    return event


def moved(request: OperationEvent, **fields: Any) -> TenantTierChanged:
    """Return what the mover answers."""
    resources = SILO if isinstance(request, TenantTierChanging) and request.to_tier == "ENTERPRISE" else POOL
    return TenantTierChanged.answering(
        request, "2026-01-02T03:04:06.000Z", **{"resources": resources, "digest": "d", **fields}
    )


def begin_offboarding(cloud: Cloud, *, export: bool = False, **attributes: Any) -> None:
    """Begin an offboarding whose retention is over at once."""
    cloud.put_completed("acme", **attributes)
    now = cloud.clock.now()
    cloud.do(offboarding.offboard(cloud.tenant("acme"), now, OPERATION, now, BY, export=export))


def end_retention(cloud: Cloud) -> Any:
    """End the retention; return the event of what then begins."""
    tenant, now = cloud.tenant("acme"), cloud.clock.now()
    cloud.do(offboarding.retention_over(tenant, cloud.operation("acme"), now, now))
    return cloud.request("acme")


def deprovisioned(request: OperationEvent, remaining: int = 0, **fields: Any) -> TenantDeprovisioned:
    """Return what the deprovisioner answers."""
    evidence = Evidence(
        object_versions=3, items=2, remaining=remaining, checked_at="2026-01-02T03:04:07.000Z"
    )
    return TenantDeprovisioned.answering(request, "2026-01-02T03:04:07.000Z", evidence=evidence, **fields)


def verify_again(cloud: Cloud) -> Any:
    """Let the second verification be due; return its event."""
    cloud.clock.sleep(VERIFY_AGAIN_AFTER + 1)
    tenant = cloud.tenant("acme")
    cloud.do(offboarding.verify_again(tenant, cloud.operation("acme"), cloud.clock.now()))
    return cloud.request("acme")


def delete(cloud: Cloud) -> None:
    """Take a tenant to its tombstone."""
    begin_offboarding(cloud)
    purge = end_retention(cloud)
    cloud.report(deprovisioned(purge))
    cloud.report(deprovisioned(cloud.request("acme")))
    cloud.report(deprovisioned(verify_again(cloud)))
    assert cloud.item("acme")["status"] == {"S": "DELETED"}


def certificates(cloud: Cloud) -> list[dict[str, Any]]:
    found = cloud.dynamodb.get_item(TableName=TABLE, Key={**cloud.key("acme"), "SK": {"S": "CERTIFICATE"}})
    return [found["Item"]] if "Item" in found else []


def test_a_move_goes_from_its_copy_to_its_cutover_to_the_switch(cloud: Cloud) -> None:
    # WHEN the copy is done, THEN the tenant is read-only, and the drain is waited for
    copy = begin_move(cloud)
    cloud.report(moved(copy, objects=3))
    assert is_read_only(read(cloud.item("acme")))
    cutover = cloud.request("acme")
    assert (cutover.phase, cutover.attempt, cutover.to) == (Phase.CUTOVER, 2, silo_place(BUCKET))
    fence = datetime.fromisoformat(cutover.not_before) - cloud.clock.now()
    assert timedelta(seconds=DRAIN - 5) < fence <= timedelta(seconds=DRAIN)
    # WHEN the rest is moved, THEN one write switches everything
    before = cloud.item("acme")
    calls = Calls()
    function = cloud.function("provisioning-completion", calls.clients(cloud))
    result = moved(cutover, resources={**SILO, "logGroup": "/x"})
    function(envelope(TenantTierChanged, result.detail()), Context())
    assert calls.names == ["GetItem", "TransactWriteItems"]
    item = cloud.item("acme")
    assert (before["tier"], before["resources"]) == (
        {"S": "PRO"},
        {"M": {"s3Prefix": {"S": "tenants/acme/"}}},
    )
    assert item["tier"] == {"S": "ENTERPRISE"}
    assert item["resources"] == {"M": {"dedicatedBucket": {"S": BUCKET}, "logGroup": {"S": "/x"}}}
    assert "operation" not in item
    assert not is_read_only(read(item))
    assert cloud.keys_in("by-status-tier", "GSI2PK", "STATUS#ACTIVE#TIER#ENTERPRISE") == ["TENANT#acme"]
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []
    # The old place is to be retired
    assert cloud.keys_in("due", "GSI5PK", "DUE") == ["TENANT#acme"]
    (leftover,) = cloud.tenant("acme").leftovers
    assert (leftover.place, leftover.digest) == (pool_place(TenantId("acme")), "d")
    due = datetime.fromisoformat(str(leftover.retire_after)) - cloud.clock.now()
    assert timedelta(seconds=RETIRE_AFTER - 5) < due <= timedelta(seconds=RETIRE_AFTER)


def test_a_move_back_to_the_pool(cloud: Cloud) -> None:
    copy = begin_move(
        cloud, Tier.FREE, tier={"S": "ENTERPRISE"}, resources={"M": {"dedicatedBucket": {"S": BUCKET}}}
    )
    assert copy.to == pool_place(TenantId("acme"))
    cloud.report(moved(copy))
    cloud.report(moved(cloud.request("acme")))
    item = cloud.item("acme")
    assert (item["tier"], item["resources"]) == ({"S": "FREE"}, {"M": {"s3Prefix": {"S": "tenants/acme/"}}})


@pytest.mark.parametrize("phase", ["COPY", "CUTOVER"])
def test_a_phase_that_fails_is_on_the_record_with_its_reason_and_the_tenant_can_write(
    cloud: Cloud, phase: str
) -> None:
    request: Any = begin_move(cloud)
    if phase == "CUTOVER":
        cloud.report(moved(request))
        request = cloud.request("acme")
    cloud.report(moved(request, failure_reason="the bucket's name is taken"))
    operation = cloud.operation("acme")
    assert (operation.phase, operation.state) == (phase, PhaseState.FAILED)
    assert operation.failure_reason == "the bucket's name is taken"
    assert not is_read_only(read(cloud.item("acme")))
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == ["TENANT#acme"]
    assert cloud.keys_in("in-flight", "GSI3PK", "IN_FLIGHT") == []
    assert cloud.item("acme")["resources"] == {"M": {"s3Prefix": {"S": "tenants/acme/"}}}
    # WHEN an operator gives it up, THEN the target goes, and nothing is under way
    cloud.do(tier.cancel(cloud.tenant("acme"), cloud.clock.now(), BY))
    rollback = cloud.request("acme")
    assert (rollback.phase, rollback.to) == (Phase.ROLLBACK, silo_place(BUCKET))
    cloud.report(moved(rollback, resources={}))
    assert "operation" not in cloud.item("acme")
    assert cloud.tenant("acme").leftovers == ()


@pytest.mark.parametrize(
    "resources",
    [
        {"s3Prefix": "tenants/acme/"},
        {"s3Prefix": "tenants/other/"},
        {"dedicatedBucket": "another-bucket"},
        {**SILO, "s3Prefix": "tenants/acme/"},
    ],
)
def test_a_cutover_to_another_place_than_that_of_the_move_does_not_switch(
    cloud: Cloud, resources: dict[str, str]
) -> None:
    cloud.report(moved(begin_move(cloud)))
    cutover = cloud.request("acme")
    cloud.report(moved(cutover, resources=resources))
    item = cloud.item("acme")
    assert (item["tier"], item["resources"]) == ({"S": "PRO"}, {"M": {"s3Prefix": {"S": "tenants/acme/"}}})


def test_a_rollback_that_kept_the_target_leaves_it_on_the_record(cloud: Cloud) -> None:
    """It held what the move had not brought; an offboarding has to find it."""
    copy = begin_move(cloud)
    cloud.report(moved(copy, failure_reason="the bucket is not empty"))
    cloud.do(tier.cancel(cloud.tenant("acme"), cloud.clock.now(), BY))
    rollback = cloud.request("acme")
    cloud.report(moved(rollback, resources={}, kept="it holds something else"))
    (leftover,) = cloud.tenant("acme").leftovers
    assert (leftover.place, leftover.kept) == (silo_place(BUCKET), "it holds something else")
    assert not {"operation", "GSI5PK"} & set(cloud.item("acme"))


def test_a_copy_that_failed_names_no_place_of_somebody_else(cloud: Cloud) -> None:
    copy = begin_move(
        cloud, Tier.FREE, tier={"S": "ENTERPRISE"}, resources={"M": {"dedicatedBucket": {"S": BUCKET}}}
    )
    cloud.report(moved(copy, resources={"s3Prefix": "tenants/other/"}, failure_reason="no"))
    operation = cloud.operation("acme")
    assert (operation.to, operation.failure_reason) == (pool_place(TenantId("acme")), "no")


def test_a_retirement_drops_the_place_or_says_why_it_is_kept(cloud: Cloud) -> None:
    for kept in ("something was written to it", None):
        cloud.report(moved(begin_move(cloud)))
        cloud.report(moved(cloud.request("acme")))
        tenant = cloud.tenant("acme")
        (leftover,) = tenant.leftovers
        cloud.do(tier.retire(tenant, leftover, "retire-1", cloud.clock.now(), BY))
        retire = cloud.request("acme")
        assert (retire.phase, retire.digest, retire.from_) == (Phase.RETIRE, "d", leftover.place)
        cloud.report(moved(retire, resources={}, kept=kept))
        assert [each.kept for each in cloud.tenant("acme").leftovers] == ([kept] if kept else [])
        assert "operation" not in cloud.item("acme")
        assert cloud.keys_in("due", "GSI5PK", "DUE") == []


def test_an_export_leaves_an_item_that_tells_of_it(cloud: Cloud) -> None:
    cloud.put_completed("acme")
    now = cloud.clock.now()
    cloud.do(request_export(cloud.tenant("acme"), OPERATION, now + timedelta(days=7), now, BY))
    request = cloud.request("acme")
    assert (request.DETAIL_TYPE, request.export_id) == ("TenantExporting", OPERATION)
    location = f"s3://exports/acme/{OPERATION}/manifest.json"
    cloud.report(
        TenantExported.answering(
            request, "t", location=location, manifest_sha256="d", objects=3, items=1, bytes=7
        )
    )
    assert "operation" not in cloud.item("acme")
    key = {**cloud.key("acme"), "SK": {"S": f"EXPORT#{OPERATION}"}}
    export = cloud.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    assert (export["location"], export["objects"]) == ({"S": location}, {"N": "3"})


def test_an_export_that_fails_can_be_retried(cloud: Cloud) -> None:
    cloud.put_completed("acme")
    now = cloud.clock.now()
    cloud.do(request_export(cloud.tenant("acme"), OPERATION, now, now, BY))
    cloud.report(TenantExported.answering(cloud.request("acme"), "t", failure_reason="no room"))
    assert cloud.operation("acme").failure_reason == "no room"
    cloud.do(retry_phase(cloud.tenant("acme"), cloud.clock.now(), BY))
    assert cloud.request("acme").attempt == 2


def test_an_offboarding_ends_in_a_tombstone_and_a_certificate(cloud: Cloud) -> None:
    begin_offboarding(cloud)
    purge = end_retention(cloud)
    assert (purge.phase, purge.places, cloud.status("acme")) == (
        Phase.PURGE,
        (pool_place(TenantId("acme")),),
        "DEPROVISIONING",
    )
    cloud.report(deprovisioned(purge))
    verify = cloud.request("acme")
    assert (verify.phase, verify.attempt) == (Phase.VERIFY, 2)
    cloud.report(deprovisioned(verify))
    assert cloud.operation("acme").state is PhaseState.WAITING
    assert cloud.keys_in("due", "GSI5PK", "DUE") == ["TENANT#acme"]
    assert certificates(cloud) == []
    cloud.report(deprovisioned(verify_again(cloud)))
    item = cloud.item("acme")
    assert (item["status"], item["provisioningStatus"]) == ({"S": "DELETED"}, {"S": "DEPROVISIONED"})
    assert not {"name", "slug", "resources", "operation", "leftovers", "outbox", "statusReason"} & set(item)
    for index, partition in (
        ("GSI3PK", "in-flight"),
        ("GSI4PK", "failed"),
        ("GSI5PK", "due"),
        ("GSI1PK", ""),
    ):
        assert index not in item, partition
    assert cloud.keys_in("by-status-tier", "GSI2PK", "STATUS#DELETED#TIER#PRO") == ["TENANT#acme"]
    (certificate,) = certificates(cloud)
    assert certificate["evidence"]["M"]["objectVersions"] == {"N": "3"}
    assert certificate["evidence"]["M"]["remaining"] == {"N": "0"}
    assert set(certificate["remains"]["M"]) == set(inventory.remains())


def test_what_a_verification_finds_is_purged_again(cloud: Cloud) -> None:
    begin_offboarding(cloud)
    cloud.report(deprovisioned(end_retention(cloud)))
    cloud.report(deprovisioned(cloud.request("acme"), remaining=2))
    assert cloud.request("acme").phase is Phase.PURGE
    assert certificates(cloud) == []


@pytest.mark.parametrize("phase", ["PURGE", "VERIFY"])
def test_a_purge_or_a_verification_that_fails_is_a_failed_deprovisioning(cloud: Cloud, phase: str) -> None:
    begin_offboarding(cloud)
    request = end_retention(cloud)
    if phase == "VERIFY":
        cloud.report(deprovisioned(request))
        request = cloud.request("acme")
    cloud.report(deprovisioned(request, failure_reason="a bucket is locked"))
    assert cloud.status("acme") == "DEPROVISION_FAILED"
    assert cloud.reason("acme") == "a bucket is locked"
    assert cloud.keys_in("failed", "GSI4PK", "FAILED") == ["TENANT#acme"]
    cloud.do(retry_phase(cloud.tenant("acme"), cloud.clock.now(), BY))
    assert (cloud.status("acme"), cloud.request("acme").phase) == ("DEPROVISIONING", phase)


def test_nothing_is_purged_before_a_requested_export_was_verified(cloud: Cloud) -> None:
    begin_offboarding(cloud, export=True)
    request = end_retention(cloud)
    assert request.DETAIL_TYPE == "TenantExporting"
    cloud.report(TenantExported.answering(request, "t", failure_reason="no room"))
    assert (cloud.operation("acme").phase, cloud.status("acme")) == (Phase.EXPORT, "COMPLETED")
    cloud.do(retry_phase(cloud.tenant("acme"), cloud.clock.now(), BY))
    again = cloud.request("acme")
    cloud.report(TenantExported.answering(again, "t", location="s3://e/m", manifest_sha256="d"))
    assert cloud.request("acme").phase is Phase.PURGE


OTHERS: dict[str, dict[str, Any]] = {
    "operation": {"operation_id": "another-operation"},
    "phase": {"phase": Phase.ROLLBACK},
    "an older attempt": {"attempt": 1},
    "an attempt that there is not": {"attempt": 77},
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("failure_reason", [None, "no"])
@pytest.mark.parametrize("state", ["RUNNING", "REQUESTED", "FAILED", "none"])
def test_a_result_of_another_operation_phase_or_attempt_changes_nothing(
    cloud: Cloud, other: str, failure_reason: str | None, state: str
) -> None:
    cloud.report(moved(begin_move(cloud)))
    cutover = cloud.request("acme")
    if state == "FAILED":
        cloud.report(moved(cutover, failure_reason="x"))
    if state == "REQUESTED":
        cloud.report(moved(cutover, failure_reason="x"))
        cloud.do(retry_phase(cloud.tenant("acme"), cloud.clock.now(), BY))
    if state == "none":
        cloud.report(moved(cutover))
    before = cloud.item("acme")
    cloud.report(replace(moved(cutover, failure_reason=failure_reason), **OTHERS[other]))
    assert cloud.item("acme") == before
    assert cloud.rejected() == []


def test_ten_duplicates_of_each_result_of_a_life_change_nothing_more(cloud: Cloud) -> None:
    """Also when they come late, all of them once more at each step."""
    told: list[Event] = []

    def report(event: Event) -> None:
        cloud.report(event)
        after = cloud.item("acme")
        for duplicate in [*told, *[event] * 10]:
            cloud.report(duplicate)
        assert cloud.item("acme") == after
        told.append(event)

    report(moved(begin_move(cloud)))
    report(moved(cloud.request("acme")))
    tenant = cloud.tenant("acme")
    cloud.do(tier.retire(tenant, tenant.leftovers[0], "retire-1", cloud.clock.now(), BY))
    report(moved(cloud.request("acme"), resources={}))
    now = cloud.clock.now()
    cloud.do(offboarding.offboard(cloud.tenant("acme"), now, "offboard-1", now, BY))
    report(deprovisioned(end_retention(cloud)))
    report(deprovisioned(cloud.request("acme"), remaining=1))
    report(deprovisioned(cloud.request("acme")))
    report(deprovisioned(cloud.request("acme")))
    report(deprovisioned(verify_again(cloud)))
    assert cloud.item("acme")["status"] == {"S": "DELETED"}
    assert len(certificates(cloud)) == 1


def test_a_result_that_overtakes_the_mark_of_its_attempt_counts(cloud: Cloud) -> None:
    cloud.put_completed("acme")
    record = cloud.do(
        tier.change_tier(cloud.tenant("acme"), Tier.ENTERPRISE, OPERATION, cloud.clock.now(), BY)
    )
    # GIVEN a publish whose mark is still to be written
    calls = Calls()
    calls.reject("TransactWriteItems", "InternalServerError")
    with pytest.raises(BatchProcessingError):
        cloud.function("provisioning", calls.clients(cloud))({"Records": [record]}, Context())
    (event,) = cloud.published()
    copy = TenantTierChanging.parse(event["detail"])
    # WHEN the result comes, THEN it counts
    cloud.report(moved(copy))
    assert (cloud.operation("acme").phase, cloud.operation("acme").attempt) == (Phase.CUTOVER, 1)
    # AND the mark that comes then takes nothing back
    before = cloud.item("acme")
    cloud.run("provisioning", {"Records": [record]})
    assert cloud.item("acme") == before


def test_a_result_of_an_automatic_retry_that_overtakes_its_mark_is_delivered_again(cloud: Cloud) -> None:
    copy = begin_move(cloud)
    with pytest.raises(NotReadyError):
        cloud.report(replace(moved(copy), attempt=2))
    assert cloud.operation("acme").phase is Phase.COPY
    # WHEN the retry is marked, THEN it is the current attempt
    cloud.do(mark_published(cloud.tenant("acme"), cloud.clock.now(), automatic_retry=True))
    cloud.report(replace(moved(copy), attempt=2))
    assert cloud.operation("acme").phase is Phase.CUTOVER


def test_a_result_is_recorded_beside_other_changes_of_the_record(cloud: Cloud) -> None:
    """Somebody renames the tenant between the read and the write."""
    copy = begin_move(cloud)

    class Renaming(Client):
        def __getattr__(self, method: str) -> Any:
            call = super().__getattr__(method)
            if method != "get_item":
                return call

            def read_and_rename(**arguments: Any) -> Any:
                found = call(**arguments)
                cloud.update("acme", name={"S": "Renamed"}, revision={"N": "50"})
                return found

            return read_and_rename

    clients = clients_of(cloud, dynamodb=Renaming(cloud.dynamodb, Calls()))
    function = cloud.function("provisioning-completion", clients)
    function(envelope(TenantTierChanged, moved(copy).detail()), Context())
    assert (cloud.item("acme")["name"], cloud.operation("acme").phase) == ({"S": "Renamed"}, Phase.CUTOVER)


def test_progress_is_on_the_record_and_a_sign_of_life(cloud: Cloud) -> None:
    copy = begin_move(cloud)
    since = cloud.item("acme")["GSI3SK"]["S"]
    cloud.clock.sleep(600)
    progress: dict[str, Any] = {"objects": 10, "bytes": 70, "total_objects": 100}
    cloud.report(TenantOperationProgressed(**common(copy), **progress))
    item = cloud.item("acme")
    assert item["operation"]["M"]["progress"]["M"] == {
        "objects": {"N": "10"},
        "bytes": {"N": "70"},
        "totalObjects": {"N": "100"},
    }
    assert datetime.fromisoformat(item["GSI3SK"]["S"]) - datetime.fromisoformat(since) >= timedelta(
        minutes=10
    )
    # That of an attempt that is over is none
    cloud.report(moved(copy))
    before = cloud.item("acme")
    cloud.report(TenantOperationProgressed(**common(copy), **progress))
    assert cloud.item("acme") == before


def common(request: OperationEvent) -> dict[str, Any]:
    names = ("tenant_id", "operation_id", "phase", "attempt", "timestamp", "correlation_id")
    return {name: getattr(request, name) for name in names}


@pytest.mark.parametrize(
    "kind", [TenantTierChanged, TenantExported, TenantDeprovisioned, TenantOperationProgressed]
)
def test_an_event_of_an_operation_that_belongs_nowhere_goes_to_the_dead_letter_queue(
    cloud: Cloud, kind: type[Event]
) -> None:
    begin_move(cloud)
    before = cloud.item("acme")
    run(cloud, envelope(kind, {"tenantId": "acme"}))
    (message,) = cloud.rejected()
    assert (
        message["responsePayload"]["errorMessage"] == "detail.status is missing"
        if (kind is not TenantOperationProgressed)
        else "detail.phase is missing"
    )
    assert cloud.item("acme") == before


def test_a_result_of_a_tenant_that_there_is_not_goes_to_the_dead_letter_queue(cloud: Cloud) -> None:
    copy = begin_move(cloud)
    cloud.report(replace(moved(copy), tenant_id=TenantId("nobody")))
    (message,) = cloud.rejected()
    assert (
        message["responsePayload"]["errorMessage"] == "detail.tenantId 'nobody' is not a tenant of this table"
    )


def test_an_event_of_another_kind_goes_to_the_dead_letter_queue(cloud: Cloud) -> None:
    run(cloud, {**result(), "detail-type": "TenantPainted"})
    (message,) = cloud.rejected()
    assert message["responsePayload"]["errorMessage"].startswith(
        "detail-type 'TenantPainted' is not one of TenantProvisioned, TenantTierChanged, "
    )


# --- results of provisionings that come when the tenant leaves, or left -------------------------------------


def provisioned(resources: dict[str, str], **fields: Any) -> ProvisioningResult:
    return ProvisioningResult(TenantId("acme"), resources, "2026-01-02T03:04:05.000Z", attempt=1, **fields)


@pytest.mark.parametrize("resources", [POOL, SILO])
def test_what_is_made_of_a_deleted_tenant_is_purged_again(cloud: Cloud, resources: dict[str, str]) -> None:
    delete(cloud)
    before = certificates(cloud)
    cloud.report(provisioned(resources))
    assert (cloud.item("acme")["status"], cloud.status("acme")) == ({"S": "DELETED"}, "DEPROVISIONING")
    purge = cloud.request("acme")
    assert (purge.phase, Place.of(resources) in purge.places) == (Phase.PURGE, True)
    # A second one meanwhile: the purge may be past it
    cloud.report(provisioned(resources))
    purge = cloud.request("acme")
    cloud.report(deprovisioned(purge))
    cloud.report(deprovisioned(cloud.request("acme")))
    cloud.report(deprovisioned(verify_again(cloud)))
    item = cloud.item("acme")
    assert (item["status"], item["provisioningStatus"]) == ({"S": "DELETED"}, {"S": "DEPROVISIONED"})
    assert not {"name", "operation", "outbox", "GSI3PK"} & set(item)
    # The certificate is the first one
    assert certificates(cloud) == before


@pytest.mark.parametrize("phase", ["PURGE", "VERIFY", "WAITING", "FAILED"])
def test_what_is_made_during_a_purge_is_purged_before_the_tombstone(cloud: Cloud, phase: str) -> None:
    begin_offboarding(cloud)
    request = end_retention(cloud)
    if phase in ("VERIFY", "WAITING"):
        cloud.report(deprovisioned(request))
        request = cloud.request("acme")
    if phase == "WAITING":
        cloud.report(deprovisioned(request))
    if phase == "FAILED":
        cloud.report(deprovisioned(request, failure_reason="x"))
    cloud.report(provisioned(SILO))
    assert cloud.status("acme") == "DEPROVISIONING"
    purge = cloud.request("acme")
    assert (purge.phase, silo_place(BUCKET) in purge.places) == (Phase.PURGE, True)
    # WHEN the result of the interrupted attempt comes, THEN it is none
    before = cloud.item("acme")
    cloud.report(deprovisioned(request))
    assert cloud.item("acme") == before


def test_a_purge_that_is_about_to_begin_is_not_begun_twice(cloud: Cloud) -> None:
    delete(cloud)
    cloud.report(provisioned(SILO))
    before = cloud.item("acme")
    for _ in range(10):
        cloud.report(provisioned(SILO))
    assert cloud.item("acme") == before


def test_what_is_made_during_the_retention_is_known_to_the_purge(cloud: Cloud) -> None:
    begin_offboarding(cloud)
    cloud.report(provisioned(SILO))
    assert cloud.status("acme") == "COMPLETED"
    assert silo_place(BUCKET) in end_retention(cloud).places


def test_a_late_success_of_a_failed_tenant_that_leaves_is_known_to_the_purge(cloud: Cloud) -> None:
    begin_offboarding(
        cloud,
        provisioningStatus={"S": "FAILED"},
        resources=None,
        tier={"S": "ENTERPRISE"},
        failureReason={"S": "x"},
    )
    cloud.report(provisioned(SILO))
    assert cloud.item("acme")["status"] == {"S": "OFFBOARDING"}
    assert silo_place(BUCKET) in end_retention(cloud).places


@pytest.mark.parametrize(
    "late",
    [
        provisioned({}, failure_reason="no"),
        provisioned({"s3Prefix": "tenants/other/"}),
        provisioned({"s3Prefix": "x"}),
    ],
)
def test_a_late_result_that_made_nothing_of_the_tenant_changes_nothing(
    cloud: Cloud, late: ProvisioningResult
) -> None:
    delete(cloud)
    before = cloud.item("acme")
    cloud.report(late)
    assert cloud.item("acme") == before


# --- results and the places that a record names -------------------------------------------------------------


def leftover(place: dict[str, str], **more: str) -> dict[str, Any]:
    values = {**place, "operationId": OPERATION, **more}
    return {"M": {name: {"S": value} for name, value in values.items()}}


@pytest.mark.parametrize("status", ["PENDING", "PROVISIONING", "FAILED"])
def test_the_place_that_a_tenant_is_then_in_is_no_leftover_any_more(cloud: Cloud, status: str) -> None:
    put(
        cloud,
        status,
        None if status == "PENDING" else 1,
        slug={"S": "acme-corp"},
        leftovers={"L": [leftover(POOL, kept="x"), leftover(SILO, retireAfter="2026-01-02T00:00:00.000Z")]},
        GSI5PK={"S": "DUE"},
        GSI5SK={"S": "2026-01-02T00:00:00.000Z"},
    )
    run(cloud, result(**ECHO))
    assert cloud.status("acme") == "COMPLETED"
    assert [each.place.name for each in cloud.tenant("acme").leftovers] == [BUCKET]
    assert cloud.keys_in("due", "GSI5PK", "DUE") == ["TENANT#acme"]


def test_the_last_leftover_takes_its_index_entry_along(cloud: Cloud) -> None:
    due: dict[str, Any] = {"GSI5PK": {"S": "DUE"}, "GSI5SK": {"S": "2026-01-02T00:00:00.000Z"}}
    place = leftover(POOL, retireAfter="2026-01-02T00:00:00.000Z")
    put(cloud, "PROVISIONING", leftovers={"L": [place]}, **due)
    run(cloud, result())
    assert not {"leftovers", "GSI5PK"} & set(cloud.item("acme"))


def test_a_place_that_a_tenant_was_in_becomes_a_leftover(cloud: Cloud) -> None:
    """A repair after somebody changed the tier by hand: the data of before is still there."""
    put(cloud, "PROVISIONING", 2, resources={"M": {"dedicatedBucket": {"S": BUCKET}}})
    run(cloud, result(provisioningAttempt=2))
    item = cloud.item("acme")
    assert item["resources"] == {"M": {"s3Prefix": {"S": "tenants/acme/"}}}
    (kept,) = cloud.tenant("acme").leftovers
    assert (kept.place, kept.kept) == (
        silo_place(BUCKET),
        "the tenant was provisioned anew in another place",
    )


def test_a_usual_result_costs_one_call(cloud: Cloud) -> None:
    put(cloud, "PROVISIONING")
    calls = Calls()
    cloud.function("provisioning-completion", calls.clients(cloud))(result(), Context())
    assert calls.names == ["TransactWriteItems"]
