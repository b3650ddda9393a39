"""Isolation, live: the matrix over tenants with overlapping ids, and that it can fail."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.verification.isolation import matrix
from scripts.verification.isolation.access_cases import ACCESS_CASES, Expect
from scripts.verification.isolation.matrix import (
    MAINTENANCE,
    MAINTENANCE_ALONE,
    OVERLAPPING,
    READ_ONLY,
    ROLE_ALONE,
    WITH_SESSION_POLICY,
    Report,
)
from tenkacloud.isolation import policies
from tests.conftest import Stack


@pytest.fixture(scope="module")
def report(stack: Stack) -> Report:
    """The matrix over tenants whose ids are just `a`, `ab`, `a-b` and `A`."""
    return matrix.run(stack.deployment, stack.clients, 60, OVERLAPPING)


def test_every_case_goes_as_it_has_to(report: Report) -> None:
    assert list(report.problems()) == []
    assert report.ok
    assert not report.skipped


def test_every_tenant_tries_everything_on_every_tenant_in_both_modes(report: Report) -> None:
    made = {(r.service, r.name, r.mode, r.actor, r.dataset) for r in report.results}
    ids = list(OVERLAPPING)
    for case in ACCESS_CASES:
        datasets = [
            at for at in ids if not case.silo_only or OVERLAPPING[at] == "ENTERPRISE"
        ] if not case.alone else [""]  # fmt: skip
        for mode in (ROLE_ALONE, WITH_SESSION_POLICY, READ_ONLY, MAINTENANCE_ALONE, MAINTENANCE):
            for actor in ids:
                for at in [at for at in datasets if mode != READ_ONLY or at in ("", actor)]:
                    assert (case.service, case.name, mode, actor, at) in made


def test_every_action_of_the_role_is_shown_to_work_on_own_data(report: Report) -> None:
    worked = {action for case in ACCESS_CASES if case.expect is Expect.OWN for action in case.shows}
    assert worked == {*policies.OBJECT_ACTIONS, policies.LIST_ACTION, *policies.ITEM_ACTIONS}
    maintained = {
        action
        for case in ACCESS_CASES
        if (case.maintenance or case.expect) is Expect.OWN
        for action in case.shows
    }
    assert maintained == {
        *policies.MAINTENANCE_OBJECT_ACTIONS,
        *policies.MAINTENANCE_SILO_LIST_ACTIONS,
        *policies.MAINTENANCE_ITEM_ACTIONS,
    }


def test_a_read_only_session_reads_everything_and_writes_no_object(report: Report) -> None:
    outcomes = {
        (result.service, result.name): result.outcome
        for result in report.results
        if result.mode == READ_ONLY and result.actor == result.dataset
    }
    for case in ACCESS_CASES:
        if case.expect is Expect.OWN:
            wanted = "denied" if case.writes else "allowed"
            assert outcomes[case.service, case.name] == wanted, case.name
    assert outcomes["s3", "presigned PUT"] == "denied"
    assert outcomes["dynamodb", "PutItem"] == "allowed"


def test_the_http_api_keeps_tenants_apart(report: Report) -> None:
    names = [check.name for check in report.checks]
    for tenant_id in OVERLAPPING:
        assert f"{tenant_id} reads its own file" in names
    assert "a, suspended is denied, and told why" in names


def test_the_report_is_written(report: Report, tmp_path: Path) -> None:
    as_text, as_json = report.write(tmp_path)
    content = json.loads(as_json.read_text())
    assert len(content["results"]) == len(report.results)
    rows = [re.findall(r"[^│┃ ][^│┃]*[^│┃ ]", line) for line in as_text.read_text().splitlines()]
    assert ["s3", "GetObject", "allowed 4/4", "denied 12/12", "allowed 4/4", "denied 12/12"] in rows


@contextmanager
def a_wider_role(stack: Stack, *statements: dict[str, Any]) -> Iterator[None]:
    """Attach a second policy to the tenant access role for a while."""
    iam, role = stack.clients.iam, stack.deployment.tenant_access_role_name
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_role_policy(RoleName=role, PolicyName="wider", PolicyDocument=json.dumps(document))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="wider")


def test_a_role_that_is_too_wide_is_found_out_and_the_session_policy_holds(stack: Stack) -> None:
    bucket = stack.deployment.data_bucket_name
    objects = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": f"arn:aws:s3:::{bucket}/tenants/${{aws:PrincipalTag/tenantId}}*",
    }
    with a_wider_role(stack, objects):
        report = matrix.run(
            stack.deployment,
            stack.clients,
            60,
            {"w": "FREE", "wx": "PRO", "W": "ENTERPRISE"},
            (ROLE_ALONE, WITH_SESSION_POLICY),
        )
    assert not report.ok
    found = {(result.actor, result.dataset, result.name) for result in report.exceptions}
    assert ("w", "wx", "GetObject") in found
    assert ("w", "wx", "PutObject over another") in found
    assert not [entry for entry in found if entry[0] == "wx"]
    assert {result.mode for result in report.exceptions} == {ROLE_ALONE}
    assert any("intruder-w/" in line for line in report.tampering)


def test_leading_keys_that_are_too_wide_are_found_out(stack: Stack) -> None:
    table = stack.deployment.table_name
    items = {
        "Effect": "Allow",
        "Action": ["dynamodb:GetItem", "dynamodb:Scan"],
        "Resource": f"arn:aws:dynamodb:*:*:table/{table}-tenant-data",
        "Condition": {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "TENANT#${aws:PrincipalTag/tenantId}*"}
        },
    }
    with a_wider_role(stack, items):
        report = matrix.run(
            stack.deployment,
            stack.clients,
            60,
            {"v": "FREE", "vx": "PRO", "V": "ENTERPRISE"},
            (ROLE_ALONE, WITH_SESSION_POLICY),
        )
    found = {(result.actor, result.dataset, result.name) for result in report.exceptions}
    assert ("v", "vx", "GetItem") in found
    assert ("vx", "", "Scan") in found  # ForAllValues is true of a request without the key
    assert ("vx", "v", "GetItem") not in found
