"""The canary on the live stack, where it runs only when invoked."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.decisions import CANARY_ID, REQUESTED_AT, new_record
from scripts.operator.environment import Environment
from scripts.tooling.deployment import CANARY
from scripts.verification.flow import canary_run
from scripts.verification.flow.tenants import Tenant, remove
from tenkacloud.isolation.resource_names import pool_marker
from tenkacloud.tenants.validation import TenantId
from tests.conftest import Stack
from tests.e2e.test_flow import get, put, wait_for_status
from tests.support import wait_for


@pytest.fixture
def canary_gone(stack: Stack) -> Iterator[None]:
    """Leave no canary to the tests that count tenants."""
    yield
    remove(stack.deployment, stack.clients, Tenant(new_record(datetime.now(UTC))))


def run(stack: Stack) -> dict[str, Any]:
    return canary_run.invoke(stack.deployment, stack.clients)


def metrics(stack: Stack, since: datetime) -> list[dict[str, Any]]:
    """Return what the canary's function wrote as metrics."""
    pages = stack.clients.logs.get_paginator("filter_log_events").paginate(
        logGroupName=stack.deployment.log_group_names[CANARY], startTime=int(since.timestamp() * 1000)
    )
    lines = [event["message"].strip() for page in pages for event in page["events"]]
    written = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in written if "CanaryCompleted" in line]


def test_it_is_onboarded_by_the_flow_measured_removed_and_onboarded_anew(
    stack: Stack, canary_gone: None
) -> None:
    began = datetime.now(UTC)
    assert run(stack) == {"completed": 0, "onboarded": True}
    first = wait_for_status(stack, CANARY_ID, "COMPLETED")
    versions = stack.clients.s3.list_object_versions(
        Bucket=stack.deployment.data_bucket_name, Prefix=pool_marker(CANARY_ID)
    )["Versions"]
    assert run(stack) == {"completed": 1, "onboarded": True}
    second = wait_for_status(stack, CANARY_ID, "COMPLETED")
    assert second[REQUESTED_AT] != first[REQUESTED_AT]
    # Made anew: another version of the marker, and only the new life's history
    anew = stack.clients.s3.head_object(Bucket=stack.deployment.data_bucket_name, Key=pool_marker(CANARY_ID))
    assert anew["VersionId"] not in {version["VersionId"] for version in versions}
    lines = Environment(stack.deployment, stack.clients).history(TenantId(CANARY_ID))
    assert [line["to"] for line in lines] == ["PROVISIONING", "COMPLETED"]
    wait_for("both runs in the log", lambda: len(metrics(stack, began)) >= 2)
    told = metrics(stack, began)
    assert [line["CanaryCompleted"] for line in told] == [[0], [1]]
    assert told[1]["CanarySeconds"][0] > 0
    assert told[1]["service"] == stack.deployment.lambda_function_names[CANARY]


def test_a_tenant_of_its_id_is_left_alone(stack: Stack, canary_gone: None) -> None:
    put(stack, CANARY_ID)
    before = wait_for_status(stack, CANARY_ID, "COMPLETED")
    assert run(stack) == {"completed": 0, "onboarded": False}
    assert get(stack, CANARY_ID) == before
