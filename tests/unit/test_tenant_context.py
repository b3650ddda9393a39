"""Whose request it is: only what an authorizer has verified counts."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.errors import NotVerifiedError
from tenkacloud.events.tenant_deprovisioned import TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.isolation.context import from_jwt_authorizer, from_onboarding, from_operation
from tenkacloud.tenants.validation import TENANT_ID_PATTERN
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
def test_a_token_without_a_valid_id_is_rejected(bad: object) -> None:
    with pytest.raises(NotVerifiedError, match="the token names no tenant: claim custom:tenantId"):
        from_jwt_authorizer(request({CLAIM: bad}), CLAIM)


def test_another_claim_does_not_count() -> None:
    with pytest.raises(NotVerifiedError, match="claim custom:tenantId is missing"):
        from_jwt_authorizer(request({"sub": "acme", "tenantId": "acme"}), CLAIM)


#: Every place that a client, or an authorizer of another kind, could put an id in; none vouches for a tenant.
NAMED = {
    CLAIM: "acme",
    "custom:tenantid": "acme",
    "tenantId": "acme",
    "tenantid": "acme",
    "x-tenant-id": "acme",
}
OTHER_SOURCES: dict[str, Any] = {
    "headers": {**NAMED, "authorization": "Bearer acme", "x-amzn-oidc-identity": "acme"},
    "multiValueHeaders": {name: [value] for name, value in NAMED.items()},
    "queryStringParameters": NAMED,
    "multiValueQueryStringParameters": {name: [value] for name, value in NAMED.items()},
    "rawQueryString": "custom:tenantId=acme&tenantId=acme",
    "rawPath": "/tenants/acme",
    "pathParameters": NAMED,
    "stageVariables": NAMED,
    "cookies": [f"{name}=acme" for name in NAMED],
    "body": json.dumps(NAMED),
    "identity": NAMED,
    "claims": NAMED,
    "authorizer": {"claims": NAMED, "jwt": {"claims": NAMED}},
    "jwt": {"claims": NAMED},
    **NAMED,
}
#: What stands beside the token's claims, and is not of them.
OTHER_AUTHORIZERS: dict[str, Any] = {
    "lambda": NAMED,
    "iam": {**NAMED, "userArn": "acme", "cognitoIdentity": {"identityId": "acme", **NAMED}},
    "claims": NAMED,
    "principalId": "acme",
    **NAMED,
}
OTHER_CONTEXTS: dict[str, Any] = {
    "identity": {**NAMED, "userArn": "acme", "cognitoIdentityId": "acme"},
    "authentication": {"clientCert": {"subjectDN": "CN=acme"}},
    "accountId": "acme",
    "domainPrefix": "acme",
    "http": {"path": "/acme", "userAgent": "acme", "sourceIp": "acme"},
    "claims": NAMED,
    **NAMED,
}


class Watched(dict[str, Any]):
    """An event that keeps which of its parts were looked at."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.looked_at: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.looked_at.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.looked_at.add(key)
        return super().__getitem__(key)


def everything_but(jwt: object) -> dict[str, Any]:
    """Return an event in which all places name `acme`, and the JWT authorizer left `jwt`."""
    authorizer = {**OTHER_AUTHORIZERS, **({} if jwt is None else {"jwt": jwt})}
    return {"version": "2.0", **OTHER_SOURCES, "requestContext": {**OTHER_CONTEXTS, "authorizer": authorizer}}


@pytest.mark.parametrize(
    ("jwt", "said"),
    [
        (None, "no JWT authorizer has verified this request"),
        ({}, "no JWT authorizer has verified this request"),
        ({"claims": None, **NAMED}, "no JWT authorizer has verified this request"),
        ({"claims": [NAMED]}, "no JWT authorizer has verified this request"),
        (
            {"claims": {}, "scopes": ["acme"], **NAMED},
            "the token names no tenant: claim custom:tenantId is missing",
        ),
        (
            {
                "claims": {
                    "sub": "acme",
                    "tenantId": "acme",
                    "CUSTOM:TENANTID": "acme",
                    "custom:tenantid": "acme",
                }
            },
            "the token names no tenant: claim custom:tenantId is missing",
        ),
        ({"claims": {CLAIM: None}, **NAMED}, "the token names no tenant: claim custom:tenantId is missing"),
        ({"claims": {CLAIM: ""}, **NAMED}, "the token names no tenant: claim custom:tenantId is empty"),
        (
            {"claims": {CLAIM: "a/b"}, **NAMED},
            "the token names no tenant: claim custom:tenantId 'a/b' is not a valid tenant",
        ),
    ],
)
def test_no_other_place_names_the_tenant_when_the_claim_does_not(jwt: object, said: str) -> None:
    with pytest.raises(NotVerifiedError, match=f"^{said}"):
        from_jwt_authorizer(everything_but(jwt), CLAIM)


def test_no_other_place_names_the_tenant_when_the_claim_does() -> None:
    event = everything_but({"claims": {CLAIM: "other"}, **NAMED})
    assert from_jwt_authorizer(event, CLAIM).tenant_id == "other"


@pytest.mark.parametrize("place", [*OTHER_SOURCES, None])
def test_each_other_place_alone_names_no_tenant(place: str | None) -> None:
    sources = OTHER_SOURCES if place is None else {place: OTHER_SOURCES[place]}
    contexts: list[Any] = [{}, None, {"authorizer": {}}, {"authorizer": {"jwt": {"claims": {}}}}]
    for context in contexts:
        with pytest.raises(NotVerifiedError):
            from_jwt_authorizer({"version": "2.0", **sources, "requestContext": context}, CLAIM)


def test_nothing_but_the_version_and_the_authorizer_is_looked_at() -> None:
    tokens: list[Any] = [{"claims": {CLAIM: "acme"}}, {"claims": {}}, None]
    for jwt in tokens:
        event = Watched(everything_but(jwt))
        with suppress(NotVerifiedError):
            from_jwt_authorizer(event, CLAIM)
        assert event.looked_at == {"version", "requestContext"}


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
def test_anything_else_than_a_jwt_authorizer_is_rejected(context: object) -> None:
    event = {"version": "2.0", "requestContext": context, "body": '{"custom:tenantId": "acme"}'}
    with pytest.raises(NotVerifiedError, match="no JWT authorizer has verified this request"):
        from_jwt_authorizer(event, CLAIM)


@pytest.mark.parametrize("version", ["1.0", None, 2])
def test_another_payload_format_is_rejected(version: object) -> None:
    with pytest.raises(NotVerifiedError, match=r"payload format 2\.0"):
        from_jwt_authorizer({**request({CLAIM: "acme"}), "version": version}, CLAIM)


def test_the_onboarding_event_vouches_for_its_tenant() -> None:
    event = TenantOnboarding.parse(golden("tenant_onboarding_design_only")["detail"])
    assert from_onboarding(event).tenant_id == event.tenant_id


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (TenantTierChanging, "tenant_tier_changing"),
        (TenantExporting, "tenant_exporting"),
        (TenantOffboarding, "tenant_offboarding"),
    ],
)
def test_an_operations_request_vouches_for_its_tenant(event: Any, name: str) -> None:
    parsed = event.parse(golden(name)["detail"])
    assert from_operation(parsed).tenant_id == parsed.tenant_id


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (TenantTierChanged, "tenant_tier_changed"),
        (TenantExported, "tenant_exported"),
        (TenantDeprovisioned, "tenant_deprovisioned"),
        (TenantOperationProgressed, "tenant_operation_progressed"),
    ],
)
def test_what_the_application_plane_says_vouches_for_nobody(event: Any, name: str) -> None:
    parsed = event.parse(golden(name)["detail"])
    with pytest.raises(NotVerifiedError, match="is no request of the control plane"):
        from_operation(parsed)
