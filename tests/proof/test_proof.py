"""The proof holds for what Terraform will apply, and refuses every policy that is known to be bad."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from scripts.proof import evaluator, properties
from scripts.proof.plan import read
from scripts.proof.policy import Unreadable
from scripts.proof.properties import prove
from tenkacloud import policies
from tenkacloud.fields import TENANT_ID_PATTERN
from tests.proof.conftest import value

ROLE = "tenkacloud-local-tenant-access"
BUCKET = "tenkacloud-data-local"
TAG = "${aws:PrincipalTag/tenantId}"
ACCOUNT = "000000000000"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
Plan = dict[str, Any]
Document = dict[str, Any]


def test_isolation_is_proved_from_the_plan(plan: Plan) -> None:
    results = prove(read(plan))
    assert [result for result in results if not result.proved] == []
    assert {result.name[:2] for result in results} >= {
        *("A1", "A2", "A3", "A4", "A5", "B1", "B2", "C1", "C2", "C3"),
        *("D1", "D2", "D3", "D4", "D5", "D6", "E ", "F1", "F2"),
    }


# --- changing a plan ----------------------------------------------------------------------------------------


def modules(module: Document) -> list[Document]:
    return [module, *(inner for child in module.get("child_modules", []) for inner in modules(child))]


def resource(plan: Plan, kind: str, name: str) -> tuple[Document, Document]:
    """Return the module and the resource of a type whose values name something."""
    for module in modules(plan["planned_values"]["root_module"]):
        for each in module.get("resources", []):
            if each["type"] == kind and name in (each["values"].get("name"), each["values"].get("bucket")):
                return module, each
    raise AssertionError(f"the plan has no {kind} {name}")


def edit(plan: Plan, kind: str, name: str, attribute: str, change: Callable[[Document], None]) -> None:
    _, found = resource(plan, kind, name)
    document = json.loads(found["values"][attribute])
    change(document)
    found["values"][attribute] = json.dumps(document)


def statement(document: Document, sid: str) -> Document:
    (found,) = [each for each in document["Statement"] if each.get("Sid") == sid]
    return dict.__getitem__({"found": found}, "found")


def role_policy(change: Callable[[Document], None]) -> Callable[[Plan], None]:
    return lambda plan: edit(plan, "aws_iam_role_policy", ROLE, "policy", change)


def trust(change: Callable[[Document], None]) -> Callable[[Plan], None]:
    return lambda plan: edit(plan, "aws_iam_role", ROLE, "assume_role_policy", change)


def of_statement(sid: str, **elements: Any) -> Callable[[Plan], None]:
    return role_policy(lambda document: statement(document, sid).update(elements))


def without_condition(sid: str, operator: str, key: str) -> Callable[[Plan], None]:
    return role_policy(lambda document: statement(document, sid)["Condition"][operator].pop(key))


def with_statement(**elements: Any) -> Callable[[Plan], None]:
    return role_policy(lambda document: document["Statement"].append({"Effect": "Allow", **elements}))


def with_resource(plan: Plan, kind: str, values: Document, after_unknown: Document | None = None) -> None:
    """Add a resource beside the role's policy."""
    module, policy = resource(plan, "aws_iam_role_policy", ROLE)
    address = f"{policy['address'].rsplit('.', 2)[0]}.{kind}.extra"
    module["resources"].append({"address": address, "mode": "managed", "type": kind, "values": values})
    plan["resource_changes"].append({"address": address, "change": {"after_unknown": after_unknown or {}}})


def second_policy(plan: Plan) -> None:
    wide = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/tenants/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [wide]})
    with_resource(plan, "aws_iam_role_policy", {"name": "extra", "role": ROLE, "policy": document})


def bucket_allows_the_role(plan: Plan) -> None:
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": ROLE_ARN},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    edit(plan, "aws_s3_bucket_policy", BUCKET, "policy", lambda document: document["Statement"].append(allow))


def leading_keys(operator: str, value: str, *, null: bool = True) -> Callable[[Plan], None]:
    condition: Document = {operator: {"dynamodb:LeadingKeys": value}}
    if null:
        condition["Null"] = {"dynamodb:LeadingKeys": "false"}
    return of_statement("TenantItems", Condition=condition)


def drop_tag_patterns(document: Document) -> None:
    for each in document["Statement"]:
        each["Condition"].pop("StringNotLike", None)


def trust_everybody(document: Document) -> None:
    for each in document["Statement"]:
        each["Condition"]["ArnLike"] = {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}
        each["Condition"].pop("ArnEquals")


def drop_statement(sid: str) -> Callable[[Plan], None]:
    def change(document: Document) -> None:
        document["Statement"].remove(statement(document, sid))

    return role_policy(change)


def drop_transitive(document: Document) -> None:
    for each in document["Statement"]:
        for operator in ("Null", "ForAllValues:StringEquals"):
            each["Condition"].get(operator, {}).pop("sts:TransitiveTagKeys", None)


OBJECTS = f"arn:aws:s3:::{BUCKET}/tenants/"
TABLE = f"arn:aws:dynamodb:ap-northeast-1:{ACCOUNT}:table/TenkaCloud-local"

#: What is changed, and the property that has to refuse it.
BAD: dict[str, tuple[Callable[[Plan], None], str]] = {
    # The eight that every check must catch
    "no slash after the prefix": (of_statement("TenantObjects", Resource=f"{OBJECTS}{TAG}*"), "A1"),
    "leading key with a star": (leading_keys("ForAllValues:StringLike", f"TENANT#{TAG}*"), "A3"),
    "ForAllValues without Null": (
        leading_keys("ForAllValues:StringEquals", f"TENANT#{TAG}", null=False),
        "A3",
    ),
    "silo buckets by a pattern of names": (
        with_statement(Action="s3:*", Resource=f"arn:aws:s3:::tenkacloud-local-{TAG}-*"),
        "A4",
    ),
    "a tag that is not validated": (trust(drop_tag_patterns), "A1"),
    "a bucket policy that allows the role": (bucket_allows_the_role, "A1"),
    "a variable with a default": (
        of_statement("TenantObjects", Resource=f"{OBJECTS}${{aws:PrincipalTag/tenantId, 'default'}}/*"),
        "C1",
    ),
    "a second, wider policy": (second_policy, "A1"),
    # and more
    "a star for the variable": (of_statement("TenantObjects", Resource=f"{OBJECTS}*/*"), "A1"),
    "the whole bucket": (of_statement("TenantObjects", Resource=f"arn:aws:s3:::{BUCKET}/*"), "A1"),
    "prefix with a star": (
        of_statement("ListTenantPrefix", Condition={"StringLike": {"s3:prefix": f"tenants/{TAG}*"}}),
        "A2",
    ),
    "prefix guarded by IfExists": (
        of_statement("ListTenantPrefix", Condition={"StringLikeIfExists": {"s3:prefix": f"tenants/{TAG}/*"}}),
        "A2",
    ),
    "listing of versions": (
        with_statement(Action="s3:ListBucketVersions", Resource=f"arn:aws:s3:::{BUCKET}"),
        "A2",
    ),
    "any of the leading keys": (leading_keys("ForAnyValue:StringEquals", f"TENANT#{TAG}"), "A3"),
    "scan of the items": (with_statement(Action="dynamodb:Scan", Resource=f"{TABLE}-tenant-data"), "A3"),
    "an index of the records": (
        with_statement(Action="dynamodb:Query", Resource=f"{TABLE}/index/by-slug"),
        "A3",
    ),
    "writing one's own record": (
        of_statement("TenantRecord", Action=["dynamodb:GetItem", "dynamodb:UpdateItem"]),
        "A5",
    ),
    "NotResource": (
        with_statement(NotAction="iam:*", NotResource=f"arn:aws:s3:::{BUCKET}/tenants/{TAG}/*"),
        "A1",
    ),
    "no deny without the tag": (drop_statement("DenyWithoutTenant"), "C2"),
    "no deny of an empty tag": (drop_statement("DenyEmptyTenant"), "C3"),
    "role chaining": (drop_statement("DenyRoleChaining"), "D5"),
    "other services": (with_statement(Action="secretsmanager:GetSecretValue", Resource="*"), "A5"),
    "any role may start sessions": (trust(trust_everybody), "D1"),
    "a tag that is not transitive": (trust(drop_transitive), "D4"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_known_bad_policy_is_refused_with_two_tenants_and_the_request(plan: Plan, name: str) -> None:
    change, wanted = BAD[name]
    mutant = deepcopy(plan)
    change(mutant)
    refused = [result for result in prove(read(mutant), wanted) if not result.proved]
    (result, *_) = [result for result in refused if result.counterexample]
    found = result.counterexample
    assert found is not None
    assert result.problem.startswith("refused: a session ")
    assert found.request.action
    assert found.other or wanted.startswith("D")
    if wanted.startswith("A"):
        assert found.session is not None
        assert found.session != found.other
        assert repr(found.session) in str(found)
        assert repr(found.other) in str(found)


def without(sid: str) -> Callable[[Document], Document]:
    return lambda policy: {**policy, "Statement": [s for s in policy["Statement"] if s["Sid"] != sid]}


def slashless(policy: Document) -> Document:
    changed = deepcopy(policy)
    objects = statement(changed, "TenantObjects")
    objects["Resource"] = objects["Resource"].removesuffix("/*") + "*"
    return changed


@pytest.mark.parametrize(
    ("function", "change", "wanted"),
    [
        ("silo_bucket_policy", without("DenyOtherTenants"), "B1"),
        ("silo_bucket_policy", without("AllowTenantObjects"), "E "),
        ("session_policy", slashless, "F1"),
        ("session_policy", without("TenantItems"), "F2"),
    ],
)
def test_a_bad_policy_of_the_code_is_refused(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, function: str, change: Any, wanted: str
) -> None:
    good = getattr(policies, function)
    monkeypatch.setattr(properties, function, lambda *args: change(good(*args)))
    refused = [result for result in prove(read(plan), wanted) if not result.proved]
    assert wanted in {result.name[:2] for result in refused}
    assert any(result.counterexample for result in refused)


def test_an_empty_policy_does_not_pass(plan: Plan) -> None:
    mutant = deepcopy(plan)
    for sid in ("TenantObjects", "ListTenantPrefix", "TenantItems", "TenantRecord"):
        drop_statement(sid)(mutant)
    refused = {result.name for result in prove(read(mutant), "E") if not result.proved}
    assert "E s3:GetObject of one's own" in refused
    assert "E dynamodb:GetItem of one's own record" in refused


# --- what can't be read -------------------------------------------------------------------------------------


def attach(**values: Any) -> Callable[[Plan], None]:
    unknown = {name: True for name, value in values.items() if value is None}
    return lambda plan: with_resource(plan, "aws_iam_role_policy_attachment", values, unknown)


def nothing_known_of_an_attachment(plan: Plan) -> None:
    """Attach a policy of the same plan by its ARN, to the role by its id: Terraform then says no values."""
    attach(role=None, policy_arn=None)(plan)
    module, _ = resource(plan, "aws_iam_role_policy", ROLE)
    del module["resources"][-1]["values"]


def tagged(plan: Plan) -> None:
    resource(plan, "aws_iam_role", ROLE)[1]["values"]["tags"] = {"tenantId": "a"}


def bounded(plan: Plan) -> None:
    resource(plan, "aws_iam_role", ROLE)[1]["values"]["permissions_boundary"] = "arn:aws:iam::aws:policy/x"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (attach(role=ROLE, policy_arn="arn:aws:iam::aws:policy/ReadOnlyAccess"), "which is not in the plan"),
        (attach(role=ROLE, policy_arn=None), "policy_arn is not known in the plan"),
        (attach(role=None, policy_arn="arn:aws:iam::aws:policy/ReadOnlyAccess"), "role is not known"),
        (nothing_known_of_an_attachment, "is not known in the plan"),
        (tagged, "carries a tag tenantId"),
        (bounded, "permissions boundary"),
        (role_policy(lambda document: document.update(Version="2008-10-17")), "has not Version 2012-10-17"),
        (with_statement(Action="s3:*", Resource="*", Condition={"NumericLessThan": {"a": "1"}}), "operator"),
        (with_statement(Action="s3:*", Resource="*", Surprise="x"), "holds Surprise"),
        (
            lambda plan: with_resource(
                plan, "aws_iam_role_policy_attachments_exclusive", {"role_name": ROLE}
            ),
            "its type is not read",
        ),
        (
            lambda plan: with_resource(plan, "aws_lambda_permission", {"principal": "*"}),
            r"lets in \*",
        ),
    ],
)
def test_what_cannot_be_read_is_a_failure(plan: Plan, change: Callable[[Plan], None], said: str) -> None:
    mutant = deepcopy(plan)
    change(mutant)
    with pytest.raises(Unreadable, match=said):
        prove(read(mutant), "none of them")


def test_an_answer_that_z3_does_not_know_is_a_failure(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unsure(z3.Solver):  # type: ignore[misc]  # z3 has no types
        def check(self, *assumptions: Any) -> Any:
            return z3.unknown

        def reason_unknown(self) -> str:
            return "timeout"

    monkeypatch.setattr(z3, "Solver", Unsure)
    results = prove(read(plan))
    assert {
        result.problem for result in results if result.name != "D6 no role's trust names tenants' sessions"
    } == {"z3 can't tell: timeout"}


def test_a_counterexample_that_the_evaluator_does_not_share_is_an_error_of_the_tool(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = deepcopy(plan)
    second_policy(mutant)
    monkeypatch.setattr(evaluator, "matching", lambda *_, **__: [])
    refused = {result.name[:2]: result.problem for result in prove(read(mutant), "A1") if not result.proved}
    assert refused["A1"].startswith("z3 and the evaluator disagree on ")


@given(st.from_regex(TENANT_ID_PATTERN, fullmatch=True), st.text(max_size=10))
def test_the_lemma_of_the_first_slash_is_true(tenant_id: str, rest: str) -> None:
    text = z3.StringVal(f"tenants/{tenant_id}/{rest}")
    found = value(properties._segment(text, "tenants/") == z3.StringVal(tenant_id))
    assert z3.is_true(found)


@given(st.text(max_size=70) | st.from_regex(TENANT_ID_PATTERN, fullmatch=True))
def test_tenant_ids_are_those_of_the_pattern(text: str) -> None:
    import re

    found = z3.is_true(value(properties.is_tenant_id(z3.StringVal(text))))
    assert found == bool(re.fullmatch(TENANT_ID_PATTERN, text))
