"""The tenant record: how it is read, and the changes made to it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tenkacloud import records
from tenkacloud.errors import InvalidField
from tenkacloud.events import TenantProvisioned
from tenkacloud.fields import TenantId
from tenkacloud.lifecycle import TRANSITIONS, ProvisioningStatus, allowed_from
from tenkacloud.records import ANY_ATTEMPT, REASON_MAX, Change, Entry, Expected, Key

NOW = "2026-01-02T03:04:05.678Z"
KEY = Key.of(TenantId("acme"))
ITEM: dict[str, Any] = {"id": "acme", "name": "Acme Corp.", "tier": "PRO", "provisioningStatus": "PENDING"}
RESULT = TenantProvisioned(TenantId("acme"), {"s3Prefix": "tenants/acme/"}, NOW, attempt=2)
FAILURE = replace(RESULT, resources={}, failure_reason="no room")


def test_the_bare_record_of_the_design_is_a_tenant() -> None:
    tenant = records.parse_tenant(KEY, ITEM)
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
        ({"slug": "Not A Slug"}, "slug 'Not A Slug' is no slug"),
        ({"slug": Decimal(1)}, "slug must be a string, not Decimal"),
        ({"status": "GONE"}, "status 'GONE' is unknown: one of ACTIVE, SUSPENDED, DELETED"),
        ({"status": "DELETED"}, "status is DELETED: a deleted tenant is not provisioned"),
        ({"provisioningAttempt": "1"}, "provisioningAttempt must be a number, not str"),
    ],
)
def test_a_bad_field_is_told(change: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidField) as raised:
        records.parse_tenant(KEY, {**ITEM, **change})
    assert str(raised.value).startswith(reason)


@pytest.mark.parametrize("tenant_id", ["a/b", "..", "*", "a\n", "x" * 65])
def test_a_bad_id_is_told_even_if_it_agrees_with_its_key(tenant_id: str) -> None:
    with pytest.raises(InvalidField, match=r"^id .* is no tenant id"):
        records.parse_tenant(Key(f"TENANT#{tenant_id}"), {**ITEM, "id": tenant_id})


@pytest.mark.parametrize(("pk", "sk"), [("USER#a", "METADATA"), ("TENANT#a", "HISTORY"), (None, "METADATA")])
def test_other_records_are_no_tenants(pk: object, sk: object) -> None:
    with pytest.raises(InvalidField, match="key is not TENANT#<id> / METADATA"):
        records.parse_key(pk, sk)


def test_the_first_change_writes_what_a_bare_record_lacks() -> None:
    change = records.begin_attempt(records.parse_tenant(KEY, ITEM), NOW)
    assert change.expected == (Expected(ProvisioningStatus.PENDING, None),)
    assert change.sets == {
        "provisioningStatus": "PROVISIONING",
        "provisioningAttempt": 1,
        "slug": "acme-corp",
        "status": "ACTIVE",
        "createdAt": NOW,
        "updatedAt": NOW,
        "EntityType": "TENANT",
        "GSI1PK": "SLUG#acme-corp",
        "GSI1SK": NOW,
        "GSI2PK": "STATUS#ACTIVE#TIER#PRO",
        "GSI2SK": NOW,
        "GSI3PK": "IN_FLIGHT",
        "GSI3SK": NOW,
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
    change = records.begin_attempt(records.parse_tenant(KEY, item), NOW)
    assert change.expected == (Expected(ProvisioningStatus.PENDING, 3),)
    assert change.sets["provisioningAttempt"] == 4
    assert change.sets["createdAt"] == created
    assert (change.sets["slug"], change.sets["status"]) == ("own", "SUSPENDED")
    assert {"failureReason", "GSI4PK", "GSI4SK"} <= set(change.removes)


@pytest.mark.parametrize(
    ("attempt", "expected", "written"),
    [(None, None, 1), (Decimal(0), 0, 1), (Decimal(3), 3, 4), ("junk", ANY_ATTEMPT, 1)],
)
def test_a_refusal_counts_as_an_attempt(attempt: object, expected: int | None, written: int) -> None:
    change = records.refuse(KEY, {"provisioningAttempt": attempt}, "x" * 5000, NOW)
    assert change.to == "FAILED"
    assert change.expected == (Expected(ProvisioningStatus.PENDING, expected),)
    assert change.sets["provisioningAttempt"] == written
    assert change.sets["failureReason"] == "x" * REASON_MAX
    assert change.sets["GSI4PK"] == "FAILED"


def test_a_success_also_wins_over_failed_of_its_own_attempt() -> None:
    change = records.settle(RESULT, NOW)
    assert change.expected == (
        Expected(ProvisioningStatus.PROVISIONING, 2),
        Expected(ProvisioningStatus.FAILED, 2),
    )
    assert change.sets["resources"] == {"s3Prefix": "tenants/acme/"}
    assert set(change.removes) == {"failureReason", "resumptions", "GSI3PK", "GSI3SK", "GSI4PK", "GSI4SK"}


def test_a_failure_needs_the_attempt_in_flight_and_leaves_a_reason() -> None:
    change = records.settle(FAILURE, NOW)
    assert change.expected == (Expected(ProvisioningStatus.PROVISIONING, 2),)
    assert change.sets["failureReason"] == "no room"
    assert "resources" not in change.sets


def test_a_result_without_an_attempt_is_of_the_current_one() -> None:
    change = records.settle(replace(RESULT, attempt=None), NOW)
    assert {state.attempt for state in change.expected} == {ANY_ATTEMPT}


@pytest.mark.parametrize("source", ProvisioningStatus)
@pytest.mark.parametrize("target", ProvisioningStatus)
def test_no_change_leaves_the_transition_table(
    source: ProvisioningStatus, target: ProvisioningStatus
) -> None:
    def change() -> Change:
        return Change(KEY, (Expected(source, None),), {}, (Entry(target, NOW, 1),))

    if target in TRANSITIONS[source]:
        assert source in allowed_from(target)
        assert change().to == target
    else:
        with pytest.raises(ValueError, match=f"no transition from {source} to {target}"):
            change()
