"""Each role allows what its function calls, and nothing else. (That each statement is needed when the flow
runs is shown by `make least-privilege`.)
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.tooling.deployment import DEPROVISIONER, MOVER, PROBLEM_DATA, PROVISIONER
from scripts.tooling.services import SERVICES
from scripts.verification.least_privilege.calls import calls_in, calls_of
from tenkacloud.isolation import policies
from tests.conftest import Stack

#: What Lambda itself does with a function's role: log, trace, read the stream, send to the on-failure queue.
LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
STREAM = {
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
}
QUEUE = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
ON_FAILURE = {"sqs:SendMessage"}
#: Services that act for one tenant at a time: with sessions of the tenant access role, and of the tenant
#: maintenance role.
ACT_FOR_TENANTS = {PROBLEM_DATA}
MAINTAIN_TENANTS = {MOVER, DEPROVISIONER}


def of_lambda(stack: Stack, service: str) -> set[str]:
    """Return what Lambda does with a service's role, by what wakes it."""
    name = stack.deployment.lambda_function_names[service]
    mappings = stack.clients.lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    sources = {mapping["EventSourceArn"].split(":")[2] for mapping in mappings}
    read = {"dynamodb": STREAM, "sqs": QUEUE}
    has_queue = service in stack.deployment.dead_letter_queue_urls
    return LAMBDA.union(*(read[source] for source in sources)) | (ON_FAILURE if has_queue else set())


def statements(stack: Stack, role: str) -> Iterator[dict[str, Any]]:
    """Yield every statement of every policy of a role."""
    iam = stack.clients.iam
    assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        policy: Any = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        yield from (json.loads(policy) if isinstance(policy, str) else policy)["Statement"]


def actions(allowed: Iterator[dict[str, Any]]) -> set[str]:
    return {
        action
        for statement in allowed
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_function_may_do_what_its_code_does_and_no_more(stack: Stack, service: str) -> None:
    role = stack.deployment.function_role_names[service]
    assert actions(statements(stack, role)) == calls_of(service).own | of_lambda(stack, service)


def test_every_function_is_looked_at(stack: Stack) -> None:
    assert set(stack.deployment.function_role_names) == set(SERVICES)


def test_no_role_has_a_wildcard_among_its_actions(stack: Stack) -> None:
    for role in [
        *stack.deployment.function_role_names.values(),
        stack.deployment.tenant_access_role_name,
        maintenance_role(stack),
    ]:
        assert not [action for action in actions(statements(stack, role)) if "*" in action or "?" in action]


def test_the_tenant_access_role_allows_what_the_code_grants_a_session(stack: Stack) -> None:
    allowed = list(statements(stack, stack.deployment.tenant_access_role_name))
    declared = {
        *policies.OBJECT_ACTIONS,
        policies.LIST_ACTION,
        *policies.ITEM_ACTIONS,
        policies.RECORD_ACTION,
    }
    assert actions(iter(allowed)) == declared
    assert calls_of(PROBLEM_DATA).by_session <= declared


def maintenance_role(stack: Stack) -> str:
    return stack.deployment.tenant_maintenance_role_arn.rsplit("/", 1)[1]


def test_the_tenant_maintenance_role_allows_what_the_code_grants_a_session(stack: Stack) -> None:
    declared = {
        *policies.MAINTENANCE_OBJECT_ACTIONS,
        *policies.MAINTENANCE_LIST_ACTIONS,
        *policies.MAINTENANCE_ITEM_ACTIONS,
        *policies.EXPORT_ACTIONS,
    }
    assert actions(statements(stack, maintenance_role(stack))) == declared
    called = {action for service in MAINTAIN_TENANTS for action in calls_of(service).by_session}
    # Reading the record with a session is what `tenkacloud.isolation.sessions` does, for the other role.
    assert called - {policies.RECORD_ACTION} <= declared | set(policies.MAINTENANCE_SILO_LIST_ACTIONS)


@pytest.mark.parametrize("service", SERVICES)
def test_only_application_services_act_for_tenants(service: str) -> None:
    assert bool(calls_of(service).by_session) is (service in ACT_FOR_TENANTS | MAINTAIN_TENANTS)


def test_calls_are_found_in_source() -> None:
    source = """
def work(self, session, s3, sts):
    session.s3.delete_objects(Bucket="b", Delete={})
    self.session.s3.copy_object(Bucket="b", Key="k")
    s3.put_public_access_block(Bucket="b")
    s3.get_paginator("list_object_versions").paginate(Bucket="b")
    self.logs().create_log_group(logGroupName="g", tags={})
    self.logs().list_tags_for_resource(resourceArn="a")
    sts.assume_role(RoleArn="r", Tags=[], SourceIdentity="me")
    {}.update()
"""
    assert set(calls_in(source)) == {
        ("s3:DeleteObject", True),
        ("s3:GetObject", True),
        ("s3:PutObject", True),
        ("s3:PutBucketPublicAccessBlock", False),
        ("s3:ListBucketVersions", False),
        ("logs:CreateLogGroup", False),
        ("logs:TagResource", False),
        ("logs:ListTagsForResource", False),
        ("sts:AssumeRole", False),
        ("sts:TagSession", False),
        ("sts:SetSourceIdentity", False),
    }


def test_what_the_objects_package_does_is_done_with_a_session() -> None:
    """Of the functions that maintain tenants, none reads, writes or deletes objects with its own role."""
    objects = {"s3:GetObject", "s3:DeleteObject", "s3:ListBucketVersions", "s3:AbortMultipartUpload"}
    for service in MAINTAIN_TENANTS:
        calls = calls_of(service)
        assert not objects & calls.own
        assert objects & calls.by_session


def test_what_steps_of_provisioning_call_is_found_by_what_a_service_does_with_them() -> None:
    ensure, remove = "logs:CreateLogGroup", "logs:DeleteLogGroup"
    assert ensure in calls_of(PROVISIONER).own
    assert remove not in calls_of(PROVISIONER).own
    assert remove in calls_of(DEPROVISIONER).own
    assert ensure not in calls_of(DEPROVISIONER).own
    assert {ensure, remove} <= calls_of(MOVER).own
