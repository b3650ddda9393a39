"""Policy variables, wildcards and principals, each function by itself."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from scripts.local_aws.engine import policies
from scripts.local_aws.engine.policies import Conditions, UnresolvedVariableError

KEYS = {"aws:PrincipalTag/tenantId": "a", "empty": "", "stars": "*?", "many": ["a"], "number": 7}


def lookup(key: str) -> Any:
    return KEYS.get(key)


@dataclass
class Statement:
    """As the engine parses one."""

    resources: list[str] = field(default_factory=list)
    not_resources: list[str] = field(default_factory=list)
    conditions: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("tenants/${aws:PrincipalTag/tenantId}/*", "tenants/a/*"),
        ("${ aws:PrincipalTag/tenantId }-${number}", "a-7"),
        ("[${empty}]", "[]"),
        ("${missing, 'default'}", "default"),
        ("${missing,''}", ""),
        ("${aws:PrincipalTag/tenantId, 'default'}", "a"),
        ("${empty, 'default'}", ""),
        ("${*}${?}${$}", "*?$"),
        ("${$}{number}", "${number}"),
        ("$number {number}", "$number {number}"),
    ],
)
def test_a_variable_is_replaced_by_its_value(text: str, result: str) -> None:
    assert policies.substituted(text, lookup, wildcards=False) == result


@pytest.mark.parametrize(
    "text", ["${missing}", "${many}", "${many, 'default'}", "${}", "${missing, default}"]
)
def test_a_variable_without_one_value_is_told(text: str) -> None:
    with pytest.raises(UnresolvedVariableError):
        policies.substituted(text, lookup, wildcards=False)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("${stars}/*", ["*?/", "*?/a"], ["ab/", "*/"]),
        ("${*}?${?}", ["*a?"], ["aa?", "*ab", "*?"]),
        ("a${missing, '*'}", ["a*"], ["ab"]),
    ],
)
def test_in_a_pattern_only_the_policys_own_wildcards_are_such(
    pattern: str, matching: list[str], other: list[str]
) -> None:
    compiled = policies.compiled(policies.substituted(pattern, lookup, wildcards=True), False)
    assert [text for text in (*matching, *other) if compiled.match(text)] == matching


def test_a_pattern_matches_all_of_a_value() -> None:
    assert policies.compiled("a*c", False).match("a\n/c")
    assert policies.compiled("a?c", False).match("a\nc")
    assert not policies.compiled("a", False).match("a\n")
    assert not policies.compiled("a", False).match("ba")
    assert not policies.compiled("a.c", False).match("abc")
    assert not policies.compiled("S3:Get*", False).match("s3:GetObject")
    assert policies.compiled("S3:Get*", True).match("s3:GetObject")


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("many", [True, False])
def test_statements_of_a_new_policy_are_marked(as_text: bool, many: bool) -> None:
    statement = {"Effect": "Allow", "Condition": {"Bool": {"x": "true"}}}
    document: Any = {"Version": "2012-10-17", "Statement": [statement] if many else statement}
    marked = policies.with_variables_marked(json.dumps(document) if as_text else document)
    assert [type(each["Condition"]) for each in marked["Statement"]] == [Conditions]
    assert marked["Statement"][0] == statement


@pytest.mark.parametrize(
    "document",
    [{"Version": "2008-10-17", "Statement": []}, {"Statement": [{"Effect": "Deny"}]}, "no JSON", "[]", None],
)
def test_other_documents_are_left_alone(document: Any) -> None:
    assert policies.with_variables_marked(document) in (document, [])


def test_a_statement_with_variables_is_resolved() -> None:
    statement = Statement(["${number}/*"], [], Conditions())
    assert policies.resolved_statement(statement, lookup).resources == ["7/*"]
    statement = Statement([], ["${aws:PrincipalTag/tenantId}"], Conditions())
    assert policies.resolved_statement(statement, lookup).not_resources == ["a"]


def test_a_statement_with_a_variable_without_a_value_does_not_match() -> None:
    assert policies.resolved_statement(Statement(["b", "${missing}"], [], Conditions()), lookup) is None
    assert policies.resolved_statement(Statement([], ["${missing}"], Conditions()), lookup) is None


def test_a_statement_of_an_old_policy_has_no_variables() -> None:
    statement = Statement(["${missing}"], [], {})
    assert policies.resolved_statement(statement, lookup) is statement
    old = {"StringEquals": {"x": "${missing}"}}
    assert policies.resolved_conditions(old, lookup) is old


@pytest.mark.parametrize(
    "operator",
    [
        "StringEquals",
        "StringNotEqualsIgnoreCase",
        "ForAllValues:StringLike",
        "ArnNotLikeIfExists",
        "ArnEquals",
    ],
)
def test_values_of_conditions_on_texts_and_arns_have_variables(operator: str) -> None:
    conditions = Conditions({operator: {"x": "${number}", "y": ["b", "${aws:PrincipalTag/tenantId}"]}})
    assert policies.resolved_conditions(conditions, lookup) == {operator: {"x": ["7"], "y": ["b", "a"]}}
    with pytest.raises(UnresolvedVariableError):
        policies.resolved_conditions(Conditions({operator: {"x": "${missing}"}}), lookup)


@pytest.mark.parametrize("operator", ["NumericEquals", "DateLessThan", "Bool", "IpAddress", "Null"])
def test_values_of_other_conditions_have_none(operator: str) -> None:
    conditions = Conditions({operator: {"x": "${missing}"}})
    assert policies.resolved_conditions(conditions, lookup) == conditions


def test_wildcards_of_a_value_count_in_no_condition() -> None:
    conditions = Conditions({"StringEquals": {"x": "${stars}"}, "StringLike": {"x": "${stars}*"}})
    resolved = policies.resolved_conditions(conditions, lookup)
    assert resolved["StringEquals"]["x"] == ["*?"]
    (pattern,) = resolved["StringLike"]["x"]
    assert policies.compiled(pattern, False).match("*?b")
    assert not policies.compiled(pattern, False).match("abb")


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        ("arn:aws:sts::123456789012:assumed-role/known/session", "arn:aws:iam::123456789012:role/path/known"),
        ("arn:aws-cn:sts::123456789012:assumed-role/gone/session", "arn:aws-cn:iam::123456789012:role/gone"),
        ("arn:aws:iam::123456789012:user/path/known", "arn:aws:iam::123456789012:user/path/known"),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
    ],
)
def test_the_principals_arn_of_a_session_is_the_roles(arn: str, principal: str) -> None:
    roles = {("123456789012", "known"): "arn:aws:iam::123456789012:role/path/known"}
    assert policies.principal_arn(arn, lambda account, name: roles.get((account, name))) == principal


@pytest.mark.parametrize(
    ("arn", "owner"),
    [
        ("arn:aws:s3:::bucket", "1"),
        ("arn:aws:s3:::bucket/a/b\nc", "1"),
        ("arn:aws:s3:::unknown/a", None),
        ("arn:aws:dynamodb:eu-west-1:123456789012:table/bucket", None),
        ("*", None),
    ],
)
def test_the_account_of_a_bucket_is_its_owners(arn: str, owner: str | None) -> None:
    assert policies.bucket_owner(arn, {"bucket": "1"}.get) == owner
