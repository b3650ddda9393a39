"""Whose request it is: only what an authorizer has verified counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.errors import NotVerified
from tenkacloud.events import TenantOnboarding
from tenkacloud.fields import TENANT_ID_PATTERN
from tenkacloud.tenant_context import from_jwt_authorizer, from_onboarding
from tests.support import golden

CLAIM = "custom:tenantId"


def request(claims: object, **other: Any) -> dict[str, Any]:
    return {"version": "2.0", "requestContext": {"authorizer": {"jwt": {"claims": claims}}}, **other}


def test_the_tenant_is_the_one_of_the_verified_token() -> None:
    event = request(
        {CLAIM: "acme", "tenantId": "other"},
        body='{"tenantId": "other"}',
        headers={"x-tenant-id": "other"},
        queryStringParameters={"tenantId": "other"},
        pathParameters={"tenantId": "other"},
    )
    assert from_jwt_authorizer(event, CLAIM).tenant_id == "acme"


@given(st.from_regex(TENANT_ID_PATTERN, fullmatch=True))
def test_every_valid_id_passes(tenant_id: str) -> None:
    assert from_jwt_authorizer(request({CLAIM: tenant_id}), CLAIM).tenant_id == tenant_id


@pytest.mark.parametrize(
    "bad",
    ["", "a/b", "../a", "a\n", "a*", "${aws:username}", "a.b", " a", "[a b]", "é", "x" * 65, 7, ["a"], None],
)
def test_a_token_without_a_valid_id_is_refused(bad: object) -> None:
    with pytest.raises(NotVerified, match="the token names no tenant: claim custom:tenantId"):
        from_jwt_authorizer(request({CLAIM: bad}), CLAIM)


def test_another_claim_does_not_count() -> None:
    with pytest.raises(NotVerified, match="claim custom:tenantId is missing"):
        from_jwt_authorizer(request({"sub": "acme", "tenantId": "acme"}), CLAIM)


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"authorizer": None},
        {"authorizer": {"lambda": {CLAIM: "acme"}}},  # a Lambda authorizer
        {"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/x"}}},
        {"authorizer": {"claims": {CLAIM: "acme"}}},  # a REST API
        {"authorizer": {"jwt": {"scopes": ["acme"]}}},
        {"authorizer": {"jwt": {"claims": f"{CLAIM}=acme"}}},
    ],
)
def test_anything_else_than_a_jwt_authorizer_is_refused(context: object) -> None:
    event = {"version": "2.0", "requestContext": context, "body": '{"custom:tenantId": "acme"}'}
    with pytest.raises(NotVerified, match="no JWT authorizer has verified this request"):
        from_jwt_authorizer(event, CLAIM)


@pytest.mark.parametrize("version", ["1.0", None, 2])
def test_another_payload_format_is_refused(version: object) -> None:
    with pytest.raises(NotVerified, match=r"payload format 2\.0"):
        from_jwt_authorizer({**request({CLAIM: "acme"}), "version": version}, CLAIM)


def test_the_onboarding_event_vouches_for_its_tenant() -> None:
    event = TenantOnboarding.parse(golden("tenant_onboarding_design_only")["detail"])
    assert from_onboarding(event).tenant_id == event.tenant_id
