"""What the end-to-end test says of whole lives."""

from typing import Any

import pytest

from scripts.verification.flow import afterlife, life
from scripts.verification.flow.life import Life, Move, Report
from scripts.verification.flow.tenants import Tenant, new_item

MOVE = Move("FREE → ENTERPRISE", 6.2, 20, 2048, 3400, 3.9, 120, 14, 9)


def report(*problems: str) -> Report:
    one = Life(life.POOLED, Tenant(new_item("life-pooled-1", "FREE", "Life")), {"onboarding": 1.5}, [MOVE])
    one.problems += problems
    one.certificate = {"evidence": {"remaining": 0}}
    return Report([one], replayed=20, seconds=40.0)


def test_the_read_only_time_of_each_move_is_a_figure() -> None:
    found = report()
    assert found.ok
    said = found.figures()["pooled, FREE → ENTERPRISE"]
    assert said.startswith("20 objects in 6.2 s, read-only for 3.4 s; 120 writes meanwhile, 14 put off")
    assert "20 old events" in found.figures()["after deletion"]


def test_a_problem_of_a_life_is_one_of_the_report() -> None:
    found = report("acknowledged and lost: problems/live/w0/00001.bin")
    assert not found.ok
    assert list(found.problems()) == [
        "life-pooled-1: acknowledged and lost: problems/live/w0/00001.bin",
    ]
    assert found.as_json()["problems"] == list(found.problems())


def tombstone(**changes: Any) -> dict[str, Any]:
    record = {
        "PK": {"S": "TENANT#gone"},
        "SK": {"S": "METADATA"},
        "id": {"S": "gone"},
        "status": {"S": "DELETED"},
        "provisioningStatus": {"S": "DEPROVISIONED"},
        "EntityType": {"S": "TOMBSTONE"},
        **changes,
    }
    return {name: value for name, value in record.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"name": {"S": "Gone & Co"}}, "the tombstone has name"),
        ({"resources": {"M": {}}}, "the tombstone has resources"),
        ({"status": {"S": "OFFBOARDING"}}, "the tombstone's status is {'S': 'OFFBOARDING'}, not DELETED"),
        ({"provisioningStatus": None}, "the tombstone's provisioningStatus is None, not DEPROVISIONED"),
        ({"id": {"S": "of Gone & Co"}}, "the tombstone names its tenant"),
    ],
)
def test_a_tombstone_says_nothing_of_a_person(changes: dict[str, Any], problem: str | None) -> None:
    tenant = Tenant(new_item("gone", "FREE", "Gone & Co"))
    problems = afterlife.problems_of_tombstone(tombstone(**changes), tenant)
    assert problems[:1] == ([] if problem is None else [problem])
