"""Result → COMPLETED or FAILED on the record."""

from typing import Any

import pytest

from tenkacloud.errors import NotReadyError
from tests.handlers.conftest import Cloud, LogLines
from tests.support import golden


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
