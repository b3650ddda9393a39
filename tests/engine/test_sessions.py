"""Requests for sessions of roles, each function by itself."""

from typing import Any
from urllib.parse import urlencode

import pytest

from scripts.local_aws.engine import sessions
from scripts.local_aws.engine.sessions import (
    ASSUME,
    SET_SOURCE_IDENTITY,
    TAG,
    Assumption,
    Caller,
    DeniedError,
)

CHAINED = Caller(is_role=True, source_identity="somebody", transitive_tags={"tenantId": "a"})


def request(
    tags: dict[str, str] | None = None, transitive: tuple[str, ...] = (), **more: str
) -> dict[str, str]:
    """Return the parameters of AssumeRole, as boto3 sends them."""
    found = {"Action": "AssumeRole", "RoleSessionName": "session", **more}
    for number, (key, value) in enumerate((tags or {}).items(), start=1):
        found |= {f"Tags.member.{number}.Key": key, f"Tags.member.{number}.Value": value}
    return found | {f"TransitiveTagKeys.member.{n}": key for n, key in enumerate(transitive, start=1)}


def test_parameters_are_read_from_query_and_body() -> None:
    body = urlencode(request({"tenantId": ""}, RoleArn="arn:b")).encode()
    found = sessions.parameters(body, {"RoleArn": ["arn:a"], "Version": ["2011-06-15"], "X": []})
    assert found == {**request({"tenantId": ""}, RoleArn="arn:b"), "Version": "2011-06-15"}


def test_a_request_without_more_needs_one_action() -> None:
    assumption = sessions.assume(request(), Caller())
    assert list(assumption.actions()) == [ASSUME]
    assert assumption.context(ASSUME) == {"sts:rolesessionname": "session"}


def test_each_action_has_the_condition_keys_of_its_own() -> None:
    given = request({"tenantId": "a", "Other": "b"}, ("tenantId",), SourceIdentity="me", ExternalId="x")
    assumption = sessions.assume(given, Caller())
    tags = {
        "aws:requesttag/tenantid": "a",
        "aws:requesttag/other": "b",
        "aws:tagkeys": ["tenantId", "Other"],
        "sts:transitivetagkeys": ["tenantId"],
    }
    identity = {"sts:sourceidentity": "me"}
    assert {action: assumption.context(action) for action in assumption.actions()} == {
        ASSUME: {**tags, **identity, "sts:rolesessionname": "session", "sts:externalid": "x"},
        TAG: tags,
        SET_SOURCE_IDENTITY: identity,
    }


def test_keys_without_a_value_are_not_there() -> None:
    assert sessions.assume(request({"a": "b"}), Caller()).context(TAG) == {
        "aws:requesttag/a": "b",
        "aws:tagkeys": ["a"],
    }
    assert Assumption(None, {}, ()).context(TAG) == {}


def test_what_a_session_hands_on() -> None:
    session = {
        "PrincipalType": "AssumedRole",
        "SessionTags": [{"Key": "tenantId", "Value": "a"}, {"Key": "other", "Value": "b"}],
        "TransitiveTagKeys": ["TENANTID"],
        "SourceIdentity": "somebody",
    }
    assert sessions.caller_of(session) == CHAINED
    assert sessions.caller_of({"PrincipalType": "User"}) == Caller()
    assert sessions.caller_of(None) == Caller()


def test_what_is_inherited_stays_and_needs_its_actions() -> None:
    assumption = sessions.assume(request({"other": "b"}), CHAINED)
    assert list(assumption.actions()) == [ASSUME, TAG, SET_SOURCE_IDENTITY]
    assert dict(assumption.tags) == {"other": "b", "tenantId": "a"}
    assert assumption.context(TAG)["sts:transitivetagkeys"] == ["tenantId"]
    assert assumption.context(SET_SOURCE_IDENTITY) == {"sts:sourceidentity": "somebody"}
    kept = sessions.kept_of(assumption)
    again = sessions.caller_of({**kept, "PrincipalType": "AssumedRole"})
    assert again == CHAINED


@pytest.mark.parametrize(
    ("given", "caller", "code"),
    [
        (request({"tenantId": "b"}), CHAINED, "InvalidParameterValue"),
        (request({"TenantID": "b"}), CHAINED, "InvalidParameterValue"),
        (request(SourceIdentity="else"), CHAINED, "AccessDenied"),
        (request(DurationSeconds="3601"), CHAINED, "ValidationError"),
        (request({"a": "b"}, ("c",)), Caller(), "InvalidParameterValue"),
        (request({"a": "b"}, ("a", "c")), Caller(), "InvalidParameterValue"),
        (request(RoleSessionName="a"), Caller(), "ValidationError"),
        (request(RoleSessionName="a" * 65), Caller(), "ValidationError"),
        (request(RoleSessionName="a/b"), Caller(), "ValidationError"),
        (request(RoleSessionName="ab\n"), Caller(), "ValidationError"),
        (request(SourceIdentity="a"), Caller(), "ValidationError"),
        (request(SourceIdentity="äöü"), Caller(), "ValidationError"),
        (request({"a": "b" * 257}), Caller(), "ValidationError"),
        (request({"a" * 129: "b"}), Caller(), "ValidationError"),
        (request({"a": "*"}), Caller(), "ValidationError"),
        (request({"a": "b\n"}), Caller(), "ValidationError"),
        (request({"a": "#"}), Caller(), "ValidationError"),
        (request({"a?": "b"}), Caller(), "ValidationError"),
    ],
)
def test_sts_refuses(given: dict[str, str], caller: Caller, code: str) -> None:
    with pytest.raises(DeniedError) as refused:
        sessions.assume(given, caller)
    assert refused.value.args[1] == code


@pytest.mark.parametrize(
    ("given", "caller"),
    [
        (request({"a": ""}), Caller()),
        (request({"a": "Zürich 1_.:/=+-@\u3000\u00a0²"}, ("A",)), Caller()),
        (request({"a" * 128: "b" * 256}), Caller()),
        (request(RoleSessionName="tenant=a", SourceIdentity="a_+=,.@-1"), Caller()),
        (request(RoleSessionName="a" * 64, DurationSeconds="43200"), Caller()),
        (request(SourceIdentity="somebody", DurationSeconds="3600"), CHAINED),
    ],
)
def test_sts_accepts(given: dict[str, str], caller: Caller) -> None:
    assert sessions.assume(given, caller).name == given["RoleSessionName"]


def test_a_role_is_found_by_its_whole_arn() -> None:
    arn = "arn:aws:iam::123456789012:role/path/of/name"
    roles: dict[tuple[str, str], Any] = {
        ("123456789012", "name"): {"Arn": arn, "AssumeRolePolicyDocument": "trust"}
    }

    def found(arn: str) -> Any:
        return sessions.trust_policy(arn, lambda account, name: roles.get((account, name)))

    assert found(arn) == ("trust", "123456789012")
    for other in (
        "arn:aws:iam::123456789012:role/name",
        "arn:aws:iam::123456789012:role/path/of/other",
        "arn:aws:iam::210987654321:role/path/of/name",
        "*",
    ):
        assert found(other) is None


def test_the_answer_tells_the_source_identity() -> None:
    answer = b"<AssumeRoleResult><Credentials/></AssumeRoleResult>"
    assert sessions.with_source_identity(answer, None) == answer
    assert sessions.with_source_identity(answer, "me") == (
        b"<AssumeRoleResult><Credentials/><SourceIdentity>me</SourceIdentity></AssumeRoleResult>"
    )
    assert sessions.with_source_identity(b"<Error/>", "me") == b"<Error/>"
