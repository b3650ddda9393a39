"""The tenant record: how it is read, and the changes made to it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.conditions import Absent, AtLeast, Is, OfType, OneOf, StartsWith
from tenkacloud.tenants.keys import Key
from tenkacloud.tenants.lifecycle import (
    DEPROVISION,
    FINAL,
    IN_FLIGHT,
    TRANSITIONS,
    ProvisioningStatus,
    allowed_from,
)
from tenkacloud.tenants.record import (
    DECISIVE_ATTRIBUTES,
    in_flight_since,
    parse_key,
    parse_tenant,
    resource_mismatch,
)
from tenkacloud.tenants.transitions.onboarding import begin_attempt, reject
from tenkacloud.tenants.transitions.results import record_result
from tenkacloud.tenants.transitions.retry import request_again
from tenkacloud.tenants.transitions.transition import REASON_MAX, HistoryEntry, Precondition, Transition
from tenkacloud.tenants.validation import NULL, Opaque, Slug, TenantId, Tier

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
AT = "2026-01-02T03:04:05.678Z"
KEY = Key.of(TenantId("acme"))
ITEM: dict[str, Any] = {"id": "acme", "name": "Acme Corp.", "tier": "PRO", "provisioningStatus": "PENDING"}
RESULT = ProvisioningResult(TenantId("acme"), {"s3Prefix": "tenants/acme/"}, AT, attempt=2)
FAILURE = replace(RESULT, resources={}, failure_reason="no room")
ECHO = replace(RESULT, tier=Tier.PRO, slug=Slug("acme-corp"))
ECHO_OF_FAILURE = replace(ECHO, resources={}, failure_reason="no room")


def test_the_bare_record_of_the_design_is_a_tenant() -> None:
    tenant = parse_tenant(KEY, ITEM)
    assert (tenant.slug, tenant.status, tenant.attempt, tenant.next_attempt) == (
        "acme-corp",
        "ACTIVE",
        None,
        1,
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tier": None}, "tier is missing"),
        ({"tier": "GOLD"}, "tier 'GOLD' is unknown: one of FREE, PRO, ENTERPRISE"),
        ({"tier": "free"}, "tier 'free' is unknown: one of FREE, PRO, ENTERPRISE"),
        ({"tier": Decimal(1)}, "tier must be a string, not Decimal"),
        ({"id": None}, "id is missing"),
        ({"id": "Acme"}, "id 'Acme' differs from the id in the record's key"),
        ({"id": ["acme"]}, "id must be a string, not list"),
        ({"name": None}, "name is missing"),
        ({"name": ""}, "name is empty"),
        ({"name": "x" * 10_000}, "name has 10000 characters; at most 256 are allowed"),
        ({"slug": "Not A Slug"}, "slug 'Not A Slug' is not a valid slug"),
        ({"slug": Decimal(1)}, "slug must be a string, not Decimal"),
        ({"status": "GONE"}, "status 'GONE' is unknown: one of ACTIVE, SUSPENDED, OFFBOARDING, DELETED"),
        ({"status": "DELETED"}, "status is DELETED: such a tenant is not provisioned"),
        ({"provisioningAttempt": "1"}, "provisioningAttempt must be a number, not str"),
    ],
)
def test_a_bad_field_is_told(change: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidFieldError) as raised:
        parse_tenant(KEY, {**ITEM, **change})
    assert str(raised.value).startswith(reason)


@pytest.mark.parametrize("tenant_id", ["a/b", "..", "*", "a\n", "x" * 65])
def test_a_bad_id_is_told_even_if_it_agrees_with_its_key(tenant_id: str) -> None:
    with pytest.raises(InvalidFieldError, match=r"^id .* is not a valid tenant id"):
        parse_tenant(Key(f"TENANT#{tenant_id}"), {**ITEM, "id": tenant_id})


@pytest.mark.parametrize(("pk", "sk"), [("USER#a", "METADATA"), ("TENANT#a", "HISTORY"), (None, "METADATA")])
def test_other_records_are_no_tenants(pk: object, sk: object) -> None:
    with pytest.raises(InvalidFieldError, match="key is not TENANT#<id> / METADATA"):
        parse_key(pk, sk)


def test_the_first_change_writes_what_a_bare_record_lacks() -> None:
    change = begin_attempt(parse_tenant(KEY, ITEM), NOW)
    (expected,) = change.expected
    assert expected.status is ProvisioningStatus.PENDING
    assert expected.requires == {
        "id": Is("acme"),
        "name": Is("Acme Corp."),
        "slug": Absent(),
        "tier": Is("PRO"),
        "status": Absent(),
        "provisioningStatus": Is("PENDING"),
        "provisioningAttempt": Absent(),
    }
    assert change.sets == {
        "provisioningStatus": "PROVISIONING",
        "provisioningAttempt": 1,
        "slug": "acme-corp",
        "status": "ACTIVE",
        "createdAt": AT,
        "updatedAt": AT,
        "EntityType": "TENANT",
        "GSI1PK": "SLUG#acme-corp",
        "GSI1SK": AT,
        "GSI2PK": "STATUS#ACTIVE#TIER#PRO",
        "GSI2SK": AT,
        "GSI3PK": "IN_FLIGHT",
        "GSI3SK": AT,
    }


def test_a_retry_keeps_the_record_and_counts_on() -> None:
    created = "2025-01-01T00:00:00Z"
    item = {
        **ITEM,
        "slug": "own",
        "status": "SUSPENDED",
        "provisioningAttempt": Decimal(3),
        "createdAt": created,
    }
    change = begin_attempt(parse_tenant(KEY, item), NOW)
    assert change.expected[0].requires["provisioningAttempt"] == Is(3)
    assert change.expected[0].requires["status"] == Is("SUSPENDED")
    assert change.sets["provisioningAttempt"] == 4
    assert change.sets["createdAt"] == created
    assert (change.sets["slug"], change.sets["status"]) == ("own", "SUSPENDED")
    assert {"failureReason", "GSI4PK", "GSI4SK"} <= set(change.removes)


@pytest.mark.parametrize(
    ("attempt", "expected", "written"),
    [
        (None, Absent(), 1),
        (Decimal(0), Is(Decimal(0)), 1),
        (Decimal(3), Is(Decimal(3)), 4),
        ("junk", Is("junk"), 1),
        (NULL, OfType("NULL"), 1),
        (Opaque("B"), OfType("B"), 1),
        ({"a": "b"}, OfType("M"), 1),
        ([], OfType("L"), 1),
        (True, Is(True), 1),
        ("x" * 5000, StartsWith("x" * 1024), 1),
    ],
)
def test_a_rejection_counts_as_an_attempt_of_the_record_as_it_was_read(
    attempt: object, expected: object, written: int
) -> None:
    item = {"provisioningStatus": "PENDING", "provisioningAttempt": attempt}
    change = reject(KEY, item, "x" * 5000, NOW)
    assert change.to == "FAILED"
    assert change.expected[0].requires["provisioningAttempt"] == expected
    assert set(change.expected[0].requires) == set(DECISIVE_ATTRIBUTES)
    assert change.sets["provisioningAttempt"] == written
    assert change.sets["failureReason"] == "x" * REASON_MAX
    assert change.sets["GSI4PK"] == "FAILED"


@pytest.mark.parametrize(
    ("item", "partition"),
    [
        ({}, "STATUS#ACTIVE#TIER#UNKNOWN"),
        ({"tier": "FREE"}, "STATUS#ACTIVE#TIER#FREE"),
        ({"tier": "GOLD", "status": "SUSPENDED"}, "STATUS#SUSPENDED#TIER#UNKNOWN"),
        ({"tier": Opaque("SS"), "status": NULL}, "STATUS#UNKNOWN#TIER#UNKNOWN"),
    ],
)
def test_whoever_is_rejected_is_in_the_index_by_status_and_tier(item: Any, partition: str) -> None:
    change = reject(KEY, {"provisioningStatus": "PENDING", **item}, "bad", NOW)
    assert (change.sets["GSI2PK"], change.sets["GSI2SK"]) == (partition, AT)


def test_a_success_also_wins_over_failed_of_its_own_attempt() -> None:
    change = record_result(RESULT, NOW)
    assert [state.status for state in change.expected] == ["PROVISIONING", "FAILED"]
    assert {state.requires["provisioningAttempt"] for state in change.expected} == {Is(2)}
    assert change.sets["resources"] == {"s3Prefix": "tenants/acme/"}
    assert set(change.removes) == {"failureReason", "resumptions", "GSI3PK", "GSI3SK", "GSI4PK", "GSI4SK"}


def test_a_failure_needs_the_attempt_in_flight_and_leaves_a_reason() -> None:
    (expected,) = record_result(ECHO_OF_FAILURE, NOW).expected
    assert expected.status is ProvisioningStatus.PROVISIONING
    assert expected.requires["provisioningAttempt"] == Is(2)
    change = record_result(FAILURE, NOW)
    assert change.sets["failureReason"] == "no room"
    assert "resources" not in change.sets


def test_a_result_without_an_attempt_is_of_the_current_one() -> None:
    change = record_result(replace(RESULT, attempt=None), NOW)
    assert all("provisioningAttempt" not in state.requires for state in change.expected)


def test_a_success_that_says_what_it_answers_counts_for_any_later_attempt() -> None:
    for state in record_result(ECHO, NOW).expected:
        assert state.requires["provisioningAttempt"] == AtLeast(2)
        assert (state.requires["tier"], state.requires["slug"]) == (Is("PRO"), Is("acme-corp"))


def test_a_success_that_does_not_say_so_is_held_to_the_tiers_kind_of_resource() -> None:
    pooled, siloed = RESULT, replace(RESULT, resources={"dedicatedBucket": "b"})
    assert record_result(pooled, NOW).expected[0].requires["tier"] == OneOf(("FREE", "PRO"))
    assert record_result(siloed, NOW).expected[0].requires["tier"] == OneOf(("ENTERPRISE",))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, None),
        ({"tier": "FREE"}, None),
        ({"tier": "ENTERPRISE"}, "tier ENTERPRISE: the record names {'s3Prefix': 'tenants/acme/'}"),
        ({"tier": "ENTERPRISE", "resources": {"dedicatedBucket": "b"}}, None),
        ({"tier": "ENTERPRISE", "resources": {"dedicatedBucket": NULL}}, "tier ENTERPRISE: the record names"),
        ({"resources": {"dedicatedBucket": "b"}}, "tier PRO: the record names {'dedicatedBucket': 'b'}"),
        ({"resources": {"s3Prefix": "tenants/acme2/"}}, "tier PRO: the record names"),
        ({"resources": {"s3Prefix": "tenants/acme/", "dedicatedBucket": "b"}}, "tier PRO: the record names"),
        ({"resources": NULL}, "tier PRO: the record names none"),
        ({"resources": NULL, "provisioningStatus": "PENDING"}, None),
        # A deleted tenant gets no other place any more.
        ({"tier": "ENTERPRISE", "status": "DELETED"}, None),
    ],
)
def test_resources_that_do_not_fit_the_tier_are_told(change: dict[str, object], wrong: str | None) -> None:
    done = {**ITEM, "provisioningStatus": "COMPLETED", "resources": {"s3Prefix": "tenants/acme/"}, **change}
    told = resource_mismatch(done)
    assert told is None if wrong is None else told is not None and wrong in told
    if told:
        again = request_again(KEY, done, told, NOW)
        assert (again.to, again.sets["GSI3PK"]) == ("PENDING", "IN_FLIGHT")
    elif done["provisioningStatus"] == "COMPLETED":
        with pytest.raises(InvalidFieldError, match="nothing to be mended"):
            request_again(KEY, done, "why not", NOW)


@pytest.mark.parametrize(
    ("key", "since"),
    [
        ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02T12:04:05.678+09:00", "2026-01-02T03:04:05.678Z"),
        ("9999-99-99T99:99:99Z", "1970-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00+23:59", "1970-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59-23:59", "1970-01-01T00:00:00.000Z"),
        ("2026-01-02T04:05:00Z", "1970-01-01T00:00:00.000Z"),
        ("0 o'clock", "1970-01-01T00:00:00.000Z"),
        (NULL, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_an_index_key_that_is_no_time_or_still_to_come_is_long_ago(key: object, since: str) -> None:
    assert rfc3339(in_flight_since(key, NOW)) == since


@pytest.mark.parametrize("source", ProvisioningStatus)
@pytest.mark.parametrize("target", ProvisioningStatus)
def test_no_change_leaves_the_transition_table(
    source: ProvisioningStatus, target: ProvisioningStatus
) -> None:
    def change() -> Transition:
        return Transition(KEY, (Precondition(source),), {}, (HistoryEntry(target, NOW, 1),))

    if target in TRANSITIONS[source]:
        assert source in allowed_from(target)
        assert change().to == target
    else:
        with pytest.raises(ValueError, match=f"no transition from {source} to {target}"):
            change()


def test_every_status_is_in_flight_final_or_of_offboarding() -> None:
    assert sorted(ProvisioningStatus) == sorted([*IN_FLIGHT, *FINAL, *DEPROVISION])
    assert not IN_FLIGHT & FINAL
    # What is in flight comes to an end by a result or a rejection
    for status in IN_FLIGHT:
        assert TRANSITIONS[status] & FINAL


def test_a_long_reason_is_cut_in_the_history_too() -> None:
    entry = HistoryEntry(ProvisioningStatus.FAILED, NOW, 1, "x" * 5000)
    assert entry.attributes("me")["reason"] == "x" * REASON_MAX
    assert entry.sort_key == f"HISTORY#{AT}#000001#2FAILED"
