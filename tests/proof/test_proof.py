"""The proof holds for what Terraform will apply, and rejects every policy that is known to be bad."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from scripts.tooling.project import ROOT
from scripts.tooling.reports import LINES_MAX
from scripts.verification.proof import declared, evaluator, properties
from scripts.verification.proof import prove as prove_command
from scripts.verification.proof.plan import read
from scripts.verification.proof.policy import UnreadableError
from scripts.verification.proof.properties import Result, prove
from tenkacloud.isolation import policies
from tenkacloud.tenants.validation import TENANT_ID_PATTERN
from tests.proof.conftest import value

ROLE = "tenkacloud-local-tenant-access"
BUCKET = "tenkacloud-data-local"
MAINTENANCE_ROLE = "tenkacloud-local-tenant-maintenance"
EXPORTS_BUCKET = "tenkacloud-local-exports"
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
        *("B3", "B4", "D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "E ", "F1", "F2"),
        *("A6", "A7", "B5", "B6", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "H ", "I "),
    }
    # All that is about a role is proved of both
    of_services, of_maintenance = (
        {result.name[:2] for result in results if result.name.endswith(suffix) and result.name < "G"}
        for suffix in ("", "(tenant-maintenance)")
    )
    assert of_services - {"B5"} == of_maintenance


def test_the_summary_is_short_and_begins_with_the_verdict() -> None:
    proved = [Result(f"property {number}", 10.0 * number) for number in range(40)]
    lines = prove_command.summary(proved, [Path("proof.txt")]).lines()
    assert len(lines) <= LINES_MAX
    assert lines[0] == "✓ passed: 40 of 40 properties proved for all tenants t ≠ u"
    assert any("0.4 s: property 39" in line for line in lines)


def test_the_summary_says_what_is_not_proved_and_where_the_rest_is() -> None:
    results = [Result("A1", 10.0), *(Result(f"B{number}", 10.0, "a reason") for number in range(40))]
    lines = prove_command.summary(results, [Path("proof.txt")]).lines()
    assert len(lines) == LINES_MAX
    assert lines[0] == "✗ failed: 1 of 41 properties proved for all tenants t ≠ u"
    assert lines[1] == "✗ B0: a reason"
    assert lines[-1] == "  report: proof.txt"


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


def role_policy(change: Callable[[Document], None], role: str = ROLE) -> Callable[[Plan], None]:
    return lambda plan: edit(plan, "aws_iam_role_policy", role, "policy", change)


def trust(change: Callable[[Document], None], role: str = ROLE) -> Callable[[Plan], None]:
    return lambda plan: edit(plan, "aws_iam_role", role, "assume_role_policy", change)


def of_statement(sid: str, **elements: Any) -> Callable[[Plan], None]:
    return role_policy(lambda document: statement(document, sid).update(elements))


def without_condition(sid: str, operator: str, key: str) -> Callable[[Plan], None]:
    return role_policy(lambda document: statement(document, sid)["Condition"][operator].pop(key))


def with_statement(**elements: Any) -> Callable[[Plan], None]:
    return role_policy(lambda document: document["Statement"].append({"Effect": "Allow", **elements}))


def of_maintenance(sid: str, **elements: Any) -> Callable[[Plan], None]:
    """Change a statement of the maintenance role."""
    return role_policy(lambda document: statement(document, sid).update(elements), MAINTENANCE_ROLE)


def more_maintenance(action: str, resource: str) -> Callable[[Plan], None]:
    """Let the maintenance role do more."""
    more = {"Effect": "Allow", "Action": action, "Resource": resource}
    return role_policy(lambda document: document["Statement"].append(more), MAINTENANCE_ROLE)


def less_maintenance(sid: str) -> Callable[[Plan], None]:
    return role_policy(
        lambda document: document["Statement"].remove(statement(document, sid)), MAINTENANCE_ROLE
    )


def trust_the_services_too(document: Document) -> None:
    arns = document["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    there = arns if isinstance(arns, list) else [arns]
    service = there[0].rsplit("/", 1)[0] + "/tenkacloud-local-problem-data"
    document["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"] = [*there, service]


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
        each["Condition"].pop("ArnEquals", None)


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

#: What is changed, and the property that has to reject it.
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

#: The same of the role that may do more. Each leaves the services' role as it is.
BUCKET_ARN, EXPORTS = f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{EXPORTS_BUCKET}"
BAD_MAINTENANCE: dict[str, tuple[Callable[[Plan], None], str]] = {
    "no slash after the prefix": (of_maintenance("TenantObjects", Resource=f"{OBJECTS}{TAG}*"), "A1"),
    "a star for the variable": (of_maintenance("TenantObjects", Resource=f"{OBJECTS}*/*"), "A1"),
    "reading everybody's versions": (more_maintenance("s3:GetObjectVersion", f"{OBJECTS}*"), "A1"),
    "deleting everybody's versions": (more_maintenance("s3:DeleteObjectVersion", f"{OBJECTS}*"), "A1"),
    "a listing without a prefix": (of_maintenance("ListTenantPrefix", Condition={}), "A2"),
    "a listing guarded by IfExists": (
        of_maintenance(
            "ListTenantPrefix", Condition={"StringLikeIfExists": {"s3:prefix": f"tenants/{TAG}/*"}}
        ),
        "A2",
    ),
    "a listing of uploads": (
        of_maintenance("ListTenantPrefix", Action="s3:ListBucketMultipartUploads"), "A2"),
    "a prefix with a star": (
        of_maintenance("ListTenantPrefix", Condition={"StringLike": {"s3:prefix": f"tenants/{TAG}*"}}),
        "A2",
    ),
    "one listing for both buckets": (
        of_maintenance(
            "ListTenantExports",
            Resource=[BUCKET_ARN, EXPORTS],
            Condition={"StringLike": {"s3:prefix": f"{TAG}/*"}, "Null": {"s3:prefix": "false"}},
        ),
        "A2",
    ),
    "any of the leading keys": (
        of_maintenance(
            "TenantItems", Condition={"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": f"TENANT#{TAG}"}}
        ),
        "A3",
    ),
    "scan of the items": (more_maintenance("dynamodb:Scan", f"{TABLE}-tenant-data"), "A3"),
    "silo buckets by a pattern": (
        more_maintenance("s3:DeleteObjectVersion", "arn:aws:s3:::tenkacloud-local-silo-*"),
        "A4",
    ),
    "making away with buckets": (
        more_maintenance("s3:DeleteBucket", "arn:aws:s3:::tenkacloud-local-silo-*"),
        "A4",
    ),
    "deleting exports": (more_maintenance("s3:DeleteObject", f"{EXPORTS}/{TAG}/*"), "A5"),
    "access lists": (more_maintenance("s3:PutObjectAcl", f"{OBJECTS}{TAG}/*"), "A5"),
    "exports without a slash": (of_maintenance("TenantExports", Resource=f"{EXPORTS}/{TAG}*"), "A6"),
    "everybody's exports": (of_maintenance("TenantExports", Resource=f"{EXPORTS}/*"), "A6"),
    "a listing of all exports": (of_maintenance("ListTenantExports", Condition={}), "A7"),
    "no deny without the tag": (less_maintenance("DenyWithoutTenant"), "C2"),
    "role chaining": (less_maintenance("DenyRoleChaining"), "D5"),
    "services start its sessions": (trust(trust_the_services_too, MAINTENANCE_ROLE), "D1"),
    "a tag that is not validated": (trust(drop_tag_patterns, MAINTENANCE_ROLE), "A1"),
    "a tag that is not transitive": (trust(drop_transitive, MAINTENANCE_ROLE), "D4"),
    "no own objects": (less_maintenance("TenantObjects"), "E s3:DeleteObjectVersion of"),
    "no own listing of versions": (
        of_maintenance("ListTenantPrefix", Action="s3:ListBucket"), "E s3:ListBucketVersions of"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MAINTENANCE)
def test_a_bad_policy_of_the_maintenance_role_is_rejected(plan: Plan, name: str) -> None:
    change, wanted = BAD_MAINTENANCE[name]
    mutant = deepcopy(plan)
    change(mutant)
    rejected = [result for result in prove(read(mutant), wanted) if not result.proved]
    assert [result for result in rejected if result.counterexample]
    assert all(result.name.endswith("(tenant-maintenance)") for result in rejected)


@pytest.mark.parametrize("name", BAD)
def test_a_known_bad_policy_is_rejected_with_two_tenants_and_the_request(plan: Plan, name: str) -> None:
    change, wanted = BAD[name]
    mutant = deepcopy(plan)
    change(mutant)
    rejected = [result for result in prove(read(mutant), wanted) if not result.proved]
    (result, *_) = [result for result in rejected if result.counterexample]
    found = result.counterexample
    assert found is not None
    assert result.problem.startswith("rejected: a session ")
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


def slashless_places(policy: Document) -> Document:
    changed = deepcopy(policy)
    objects = statement(changed, "Objects")
    objects["Resource"] = [resource.removesuffix("/*") + "*" for resource in objects["Resource"]]
    return changed


def for_anybody(sid: str) -> Callable[[Document], Document]:
    def change(policy: Document) -> Document:
        changed = deepcopy(policy)
        statement(changed, sid)["Condition"] = {}
        return changed

    return change


@pytest.mark.parametrize(
    ("function", "change", "wanted"),
    [
        ("silo_bucket_policy", without("DenyOtherTenants"), "B1"),
        ("silo_bucket_policy", without("AllowTenantObjects"), "E s3:GetObject in"),
        ("session_policy", slashless, "F1"),
        ("session_policy", without("TenantItems"), "F2 with a session policy (pool), dynamodb:PutItem"),
        ("silo_bucket_policy", without("AllowMaintenanceObjects"), "E s3:DeleteObjectVersion in"),
        ("silo_bucket_policy", for_anybody("AllowMaintenanceObjects"), "B2"),
        ("silo_bucket_policy", for_anybody("AllowMaintenanceListing"), "B2"),
        ("maintenance_session_policy", slashless_places, "F1"),
        ("maintenance_session_policy", for_anybody("Items"), "F1"),
        ("maintenance_session_policy", without("Items"), "F2 with a session policy (pool), dynamodb:Query"),
    ],
)
def test_a_bad_policy_of_the_code_is_rejected(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, function: str, change: Any, wanted: str
) -> None:
    good = getattr(policies, function)
    monkeypatch.setattr(properties, function, lambda *args, **more: change(good(*args, **more)))
    rejected = [result for result in prove(read(plan), wanted) if not result.proved]
    assert rejected
    assert any(result.counterexample for result in rejected)


def test_the_target_of_a_move_that_is_open_to_its_tenant_is_rejected(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        properties, "silo_bucket_policy", lambda *args, **_: policies.silo_bucket_policy(*args)
    )
    (result,) = [result for result in prove(read(plan), "B5") if not result.proved]
    assert result.counterexample


def test_a_read_only_session_that_can_write_is_rejected(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "READ_ACTIONS", policies.OBJECT_ACTIONS)
    rejected = [result for result in prove(read(plan), "F1") if not result.proved]
    assert {result.name for result in rejected} == {
        f"F1 a session policy ({place}, read-only) allows nothing but one's own" for place in ("pool", "silo")
    }
    assert all(result.counterexample for result in rejected)


def test_an_empty_policy_does_not_pass(plan: Plan) -> None:
    mutant = deepcopy(plan)
    for sid in ("TenantObjects", "ListTenantPrefix", "TenantItems", "TenantRecord"):
        drop_statement(sid)(mutant)
    for wanted in ("E s3:GetObject of one's own", "E dynamodb:GetItem of one's own record"):
        (of_services, *_) = prove(read(mutant), wanted)
        assert not of_services.proved


# --- what can't be read -------------------------------------------------------------------------------------


def attach(**values: Any) -> Callable[[Plan], None]:
    unknown = {name: True for name, value in values.items() if value is None}
    return lambda plan: with_resource(plan, "aws_iam_role_policy_attachment", values, unknown)


def nothing_known_of_an_attachment(plan: Plan) -> None:
    """Attach a policy of the same plan by its ARN, to the role by its id: Terraform then says no values."""
    attach(role=None, policy_arn=None)(plan)
    module, _ = resource(plan, "aws_iam_role_policy", ROLE)
    del module["resources"][-1]["values"]


ROLE_REFERENCE = "aws_iam_role.this"
OTHER_ID = "aws_iam_role.other.id"


def configured(plan: Plan, address: str) -> Document:
    """Return how a resource is written, by its address."""
    module = plan["configuration"]["root_module"]
    *path, kind, name = address.replace("module.", "").split(".")
    for each in path:
        module = module["module_calls"][each]["module"]
    found = [each for each in module["resources"] if each["address"] == f"{kind}.{name}"]
    if not found:
        module["resources"].append({"address": f"{kind}.{name}", "mode": "managed", "expressions": {}})
    return dict.__getitem__({"found": module["resources"][-1] if not found else found[0]}, "found")


def written(kind: str, attribute: str, *references: str) -> Callable[[Plan], None]:
    """Add a wide policy, attached by an expression whose value is not known in the plan."""

    def change(plan: Plan) -> None:
        wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        values: Document = {"policy": json.dumps({"Version": "2012-10-17", "Statement": [wide]})}
        with_resource(plan, kind, values, {attribute: True})
        address = plan["resource_changes"][-1]["address"]
        configured(plan, address)["expressions"][attribute] = {"references": list(references)}

    return change


def of_role(**attributes: Any) -> Callable[[Plan], None]:
    """Write an attribute of the role; None: its value is not known in the plan."""

    def change(plan: Plan) -> None:
        _, role = resource(plan, "aws_iam_role", ROLE)
        (unknown,) = [
            each["change"]["after_unknown"]
            for each in plan["resource_changes"]
            if each["address"] == role["address"]
        ]
        for name, given_value in attributes.items():
            configured(plan, role["address"])["expressions"][name] = {"references": ["local.written"]}
            unknown[name] = given_value is None
            role["values"][name] = given_value

    return change


def unknown_inline_policy(plan: Plan) -> None:
    """Write an `inline_policy` block with an unknown policy: by `dynamic`, so the configuration lacks it."""
    of_role(inline_policy=[{"name": "x"}])(plan)
    _, role = resource(plan, "aws_iam_role", ROLE)
    del configured(plan, role["address"])["expressions"]["inline_policy"]
    for each in plan["resource_changes"]:
        if each["address"] == role["address"]:
            each["change"]["after_unknown"]["inline_policy"] = [{"policy": True}]


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
        (
            written("aws_iam_policy_attachment", "roles", f"{ROLE_REFERENCE}.id", OTHER_ID),
            "roles is not known",
        ),
        (written("aws_iam_role_policy", "role", OTHER_ID, f"{ROLE_REFERENCE}.id"), "role is not known"),
        # A reference does not say what became of it: replace(other.id, "problem-data", "tenant-access")
        (written("aws_iam_role_policy", "role", OTHER_ID), "role is not known"),
        (written("aws_iam_role_policy", "role", "local.role"), "role is not known"),
        (of_role(managed_policy_arns=None), "managed_policy_arns is not known"),
        (of_role(managed_policy_arns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]), "which is not in the plan"),
        (of_role(inline_policy=None), "inline_policy is not known"),
        (unknown_inline_policy, "inline_policy is not known"),
        (lambda plan: plan.update(complete=False), "not complete"),
        (nothing_known_of_an_attachment, "is not known in the plan"),
        (tagged, "carries a tag tenantId"),
        (bounded, "permissions boundary"),
        (role_policy(lambda document: document.update(Version="2008-10-17")), "has not Version 2012-10-17"),
        (with_statement(Action="s3:*", Resource="*", Condition={"NumericLessThan": {"a": "1"}}), "operator"),
        (with_statement(Action="s3:*", Resource="*", Surprise="x"), "holds Surprise"),
        (
            lambda plan: with_resource(plan, "aws_lambda_permission", {"principal": "*"}),
            r"lets in \*",
        ),
    ],
)
def test_what_cannot_be_read_is_a_failure(plan: Plan, change: Callable[[Plan], None], said: str) -> None:
    mutant = deepcopy(plan)
    change(mutant)
    with pytest.raises(UnreadableError, match=said):
        prove(read(mutant), "none of them")


def test_an_answer_that_z3_does_not_know_is_a_failure_with_a_reason(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unsure(z3.Solver):  # type: ignore[misc]  # z3 has no types
        def check(self, *assumptions: Any) -> Any:
            return z3.unknown

        def reason_unknown(self) -> str:
            return "timeout"

    monkeypatch.setattr(z3, "Solver", Unsure)
    monkeypatch.setattr(properties, "SEARCH_MS", 0)
    results = prove(read(plan), "A")
    assert results
    for result in results:
        assert result.problem.startswith("undecided after 0 s: no proof was found")
        assert result.problem.endswith("Rejected, since nothing was found")


def test_where_z3_runs_out_of_time_the_policies_say_what_to_try(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = deepcopy(plan)
    second_policy(mutant)
    monkeypatch.setattr(properties, "_ask", lambda *_: (z3.unknown, None))
    of_services, of_maintenance = prove(read(mutant), "A1")
    assert of_services.problem.startswith("rejected: a session of tenant ")
    assert of_services.counterexample is not None
    # The other role's policies are good, so there is nothing to find; what is not proved is rejected still.
    assert of_maintenance.problem.startswith("undecided ")


def test_a_counterexample_that_the_evaluator_does_not_share_is_an_error_of_the_tool(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = deepcopy(plan)
    second_policy(mutant)
    monkeypatch.setattr(evaluator, "matching", lambda *_, **__: [])
    rejected = {result.name[:2]: result.problem for result in prove(read(mutant), "A1") if not result.proved}
    assert rejected["A1"].startswith("z3 and the evaluator disagree on ")


# --- over an applied stack ----------------------------------------------------------------------------------


def applied(plan: Plan) -> Plan:
    """Return the plan that Terraform makes once a stack is applied: nothing changes, and all is known.

    What AWS gives (ids, ARNs) is filled in, and a role shows its policies itself, as found in the account.
    """
    found = deepcopy(plan)
    everything = {
        each["address"]: each
        for module in modules(found["planned_values"]["root_module"])
        for each in module.get("resources", [])
    }
    of_kind = {each["type"]: each["values"] for each in everything.values() if each.get("values")}
    for address, each in everything.items():
        values = each.setdefault("values", {})
        values.setdefault("id", values.get("name") or values.get("function_name") or f"id{len(address)}")
        if each["type"] == "aws_iam_role":
            own = [
                {"name": other["values"]["name"], "policy": other["values"]["policy"]}
                for other in everything.values()
                if other["type"] == "aws_iam_role_policy" and other["values"]["role"] == values["name"]
            ]
            values.update(inline_policy=own, managed_policy_arns=[])
            values["arn"] = f"arn:aws:iam::{ACCOUNT}:role{values['path']}{values['name']}"
        elif each["type"] == "aws_lambda_function":
            values["role"] = f"arn:aws:iam::{ACCOUNT}:role/{values['function_name']}"
        elif each["type"] == "aws_apigatewayv2_authorizer":
            values["jwt_configuration"] = [{"issuer": "https://issuer", "audience": ["client"]}]
    for each in everything.values():
        if each["type"] == "aws_apigatewayv2_route":
            each["values"]["authorizer_id"] = of_kind["aws_apigatewayv2_authorizer"]["id"]
        elif each["type"] == "aws_lambda_permission" and not each["values"].get("source_arn"):
            api = of_kind["aws_apigatewayv2_api"]["id"]
            each["values"]["source_arn"] = f"arn:aws:execute-api:ap-northeast-1:{ACCOUNT}:{api}/*/*/problems*"
    for each in found["resource_changes"]:
        values = everything[each["address"]]["values"] if each["address"] in everything else {}
        each["change"] = {"actions": ["no-op"], "before": values, "after": values, "after_unknown": {}}
    return found


def refusals(plan: Plan, only: str = "") -> list[Result]:
    return [result for result in prove(read(plan), only) if not result.proved]


def test_a_plan_without_changes_is_proved(plan: Plan) -> None:
    assert refusals(applied(plan), "A1") == []
    assert refusals(applied(plan), "G") == []
    assert refusals(applied(plan), "H") == []


def test_what_was_put_on_the_role_by_hand_is_seen(plan: Plan) -> None:
    found = applied(plan)
    _, role = resource(found, "aws_iam_role", ROLE)
    wide = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{OBJECTS}*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [wide]})
    role["values"]["inline_policy"] = [*role["values"]["inline_policy"], {"name": "x", "policy": document}]
    for each in found["resource_changes"]:
        if each["address"] == role["address"]:
            each["change"]["before"] = role["values"]
    (result,) = refusals(found, "A1")
    assert result.counterexample


def test_a_plan_that_mends_a_bad_policy_is_proved(plan: Plan) -> None:
    found = applied(plan)
    _, role = resource(found, "aws_iam_role", ROLE)
    wide = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{OBJECTS}*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [wide]})
    role["values"]["inline_policy"] = [{"name": ROLE, "policy": document}]
    for each in found["resource_changes"]:
        if each["address"] == role["address"]:
            each["change"]["before"] = role["values"]
    assert refusals(found, "A1") == []


@pytest.mark.parametrize(
    "kind", ["aws_iam_role_policy", "aws_iam_role_policy_attachment", "aws_iam_policy_attachment"]
)
def test_a_wide_policy_is_seen_by_whatever_it_is_attached(plan: Plan, kind: str) -> None:
    found = applied(plan)
    wide = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{OBJECTS}*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [wide]})
    arn = f"arn:aws:iam::{ACCOUNT}:policy/wide"
    values: Document = {"role": ROLE, "roles": ["other", ROLE], "policy_arn": arn}
    if kind == "aws_iam_role_policy":
        values = {"role": ROLE, "name": "wide", "policy": document}
    else:
        with_resource(found, "aws_iam_policy", {"name": "wide", "path": "/", "arn": arn, "policy": document})
    with_resource(found, kind, values)
    (result,) = refusals(found, "A1")
    assert result.counterexample


# --- what stands around the role ----------------------------------------------------------------------------


def all_of(plan: Plan, kind: str) -> list[Document]:
    return [
        each
        for module in modules(plan["planned_values"]["root_module"])
        for each in module.get("resources", [])
        if each["type"] == kind
    ]


def every(kind: str, **values: Any) -> Callable[[Plan], None]:
    def change(plan: Plan) -> None:
        for each in all_of(plan, kind):
            each["values"].update(values)
            for changed in plan["resource_changes"]:
                if changed["address"] == each["address"]:
                    changed["change"]["after_unknown"] = {
                        name: mark
                        for name, mark in changed["change"]["after_unknown"].items()
                        if name not in values
                    }

    return change


def extra(kind: str, **values: Any) -> Callable[[Plan], None]:
    return lambda plan: with_resource(plan, kind, values)


def of_function(service: str, *actions: str, resource: str = "*") -> Callable[[Plan], None]:
    """Let a function do more."""
    more = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    name = f"tenkacloud-local-{service}"
    return lambda plan: edit(
        plan, "aws_iam_role_policy", name, "policy", lambda document: document["Statement"].append(more)
    )


def of_function_trust(change: Callable[[Document], None]) -> Callable[[Plan], None]:
    name = "tenkacloud-local-problem-data"
    return lambda plan: edit(plan, "aws_iam_role", name, "assume_role_policy", change)


def trusted_by(principal: Document, action: str) -> Callable[[Document], None]:
    condition = {"StringLike": {"aws:RequestTag/tenantId": "?*"}}
    added = {"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition}
    return lambda document: document["Statement"].append(added)


def allowed_for(principal: Any) -> str:
    opened = {"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [opened]})


def another_role_for_the_function(plan: Plan) -> None:
    """Let the reconciler run as problem-data."""
    for each in all_of(plan, "aws_lambda_function"):
        if each["values"]["function_name"].endswith("reconciler"):
            each["values"]["role"] = f"arn:aws:iam::{ACCOUNT}:role/x/tenkacloud-local-problem-data"
            for changed in plan["resource_changes"]:
                if changed["address"] == each["address"]:
                    del changed["change"]["after_unknown"]["role"]


def forgotten(plan: Plan) -> None:
    plan["resource_changes"].append({"address": "aws_iam_role_policy.x", "change": {"actions": ["forget"]}})


def with_program(plan: Plan) -> None:
    _, role = resource(plan, "aws_iam_role", ROLE)
    configured(plan, role["address"])["provisioners"] = [{"type": "local-exec"}]


WEB_IDENTITY = {"Federated": "accounts.google.com"}
SAML = {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/x"}
PERMISSION = {
    "action": "lambda:InvokeFunction",
    "function_name": "tenkacloud-local-problem-data",
    "principal": "apigateway.amazonaws.com",
    "source_arn": f"arn:aws:execute-api:ap-northeast-1:{ACCOUNT}:another/*",
}
RULE = f"arn:aws:events:ap-northeast-1:{ACCOUNT}:rule/x"
QUEUES = f"arn:aws:sqs:ap-northeast-1:{ACCOUNT}:tenkacloud-local-"
TENANT_BUS = f"arn:aws:events:ap-northeast-1:{ACCOUNT}:event-bus/tenkacloud-local-tenant-events"


def opened_queue(plan: Plan) -> None:
    def change(document: Document) -> None:
        document["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"] = RULE

    edit(plan, "aws_sqs_queue", "tenkacloud-local-tenant-mover-queue", "policy", change)


def unfiltered_rule(plan: Plan) -> None:
    _, rule = resource(plan, "aws_cloudwatch_event_rule", "tenkacloud-local-tenant-mover")
    rule["values"]["event_pattern"] = json.dumps({"detail-type": ["TenantTierChanging"]})


#: What is changed, the property that has to reject it, and what it says.
AROUND: dict[str, tuple[Callable[[Plan], None], str, str]] = {
    **{
        f"the type {kind}": (extra(kind), "G1", f"does not know {kind} ")
        for kind in (
            "aws_s3_access_point",
            "aws_s3control_object_lambda_access_point",
            "aws_s3_bucket_replication_configuration",
            "aws_s3_bucket_inventory",
            "aws_s3_bucket_analytics_configuration",
            "aws_s3_bucket_acl",
            "aws_kms_grant",
            "aws_kms_key_policy",
            "aws_lambda_function_url",
            "aws_lambda_alias",
            "aws_dynamodb_kinesis_streaming_destination",
            "aws_iam_role_policy_attachments_exclusive",
            "aws_iam_user_policy",
            "terraform_data",
        )
    },
    "a program": (with_program, "G1", "runs a program"),
    "what stays behind": (forgotten, "G1", "leaves Terraform's state"),
    "another bucket": (every("aws_s3_bucket", bucket="another"), "G2", "outputs name"),
    "a bucket open to an account": (
        every("aws_s3_bucket_policy", policy=allowed_for({"AWS": "999999999999"})), "G3", "lets somebody in"),
    "a bucket open to a service": (
        every("aws_s3_bucket_policy", policy=allowed_for({"Service": "cloudfront.amazonaws.com"})),
        "G3", "lets somebody in"),
    "a table open to an account": (
        extra("aws_dynamodb_resource_policy", policy=allowed_for({"AWS": "999999999999"})),
        "G3", "lets somebody in"),
    "a bucket that is replicated": (
        every("aws_s3_bucket", replication_configuration=[{"role": "x"}]), "G3", "is replicated"),
    "a bucket with ACLs": (
        every("aws_s3_bucket_ownership_controls", rule=[{"object_ownership": "ObjectWriter"}]),
        "G3", "ACLs would count"),
    "a public bucket": (
        every("aws_s3_bucket_public_access_block", block_public_policy=False), "G3", "block all public"),
    "a table with replicas": (every("aws_dynamodb_table", replica=[{"region_name": "x"}]), "G3", "replicas"),
    "a function that runs as another": (another_role_for_the_function, "G4", "reconciler"),
    "a function's role for a service": (
        of_function_trust(trusted_by({"Service": "ec2.amazonaws.com"}, "sts:AssumeRole")),
        "G4", "than Lambda"),
    "a function's role for an account": (
        of_function_trust(trusted_by({"AWS": ACCOUNT}, "sts:AssumeRole")), "G4", "than Lambda"),
    "a function's role by web identity": (
        of_function_trust(trusted_by(WEB_IDENTITY, "sts:AssumeRoleWithWebIdentity")), "G4", "than Lambda"),
    "code from a layer": (every("aws_lambda_function", layers=["arn"]), "G4", "layers"),
    "a permission without a source": (
        extra("aws_lambda_permission", **{**PERMISSION, "source_arn": None}), "G5", "names no source"),
    "a permission for any source": (
        extra("aws_lambda_permission", **{**PERMISSION, "source_arn": "*"}), "G5", "names no source"),
    "a permission for another API": (extra("aws_lambda_permission", **PERMISSION), "G5", "names no source"),
    "a permission for a rule": (
        extra(
            "aws_lambda_permission", **{**PERMISSION, "principal": "events.amazonaws.com", "source_arn": RULE}
        ),
        "G5", "wake tenkacloud-local-problem-data"),
    "a stream that wakes problem-data": (
        every("aws_lambda_event_source_mapping", function_name="tenkacloud-local-problem-data"),
        "G5", "wakes"),
    "a rule with a role": (every("aws_cloudwatch_event_target", role_arn="arn"), "G5", "acts with a role"),
    "a route without a token": (
        every("aws_apigatewayv2_route", authorization_type="NONE"), "G6", "asks for no token"),
    "a route with another authorizer": (
        every("aws_apigatewayv2_route", authorizer_id="another"), "G6", "authorizer outside the plan"),
    "an authorizer that is a function": (
        every("aws_apigatewayv2_authorizer", authorizer_type="REQUEST"), "G6", "does not verify tokens"),
    "an API with a target": (every("aws_apigatewayv2_api", target="arn"), "G6", "has target"),
    "an integration with a service": (
        every("aws_apigatewayv2_integration", integration_subtype="SQS-SendMessage"), "G6", "something else"),
    "users who sign up": (
        every("aws_cognito_user_pool", admin_create_user_config=[{"allow_admin_create_user_only": False}]),
        "G7", "sign up"),
    "users who write the claim": (
        every("aws_cognito_user_pool_client", write_attributes=["custom:tenantId"]), "G7", "users write"),
    "users who write anything": (
        every("aws_cognito_user_pool_client", write_attributes=None), "G7", "users write"),
    "trust by web identity": (
        trust(trusted_by(WEB_IDENTITY, "sts:AssumeRoleWithWebIdentity")), "D7", "WithWebIdentity"),
    "trust by SAML": (trust(trusted_by(SAML, "sts:AssumeRoleWithSAML")), "D7", "WithSAML"),
    "trust of another account": (
        trust(trusted_by({"AWS": "999999999999"}, "sts:AssumeRole")), "D8", "999999999999"),
    "trust of a service": (
        trust(trusted_by({"Service": "ec2.amazonaws.com"}, "sts:AssumeRole")), "D8", "ec2.amazonaws.com"),
    "a function that reads tenants' objects": (
        of_function("reconciler", "s3:GetObject", resource=f"{OBJECTS}*"), "H reconciler", "s3:GetObject"),
    "a function that reads tenants' items": (
        of_function("provisioning", "dynamodb:Query", resource=f"{TABLE}-tenant-data"),
        "H provisioning ", "dynamodb:Query"),
    "a function that writes other objects": (
        of_function("tenant-provisioner", "s3:PutObject", resource=f"{OBJECTS}*"),
        "H tenant-provisioner", "s3:PutObject"),
    "a function that changes functions": (
        of_function("reconciler", "lambda:UpdateFunctionCode"), "H reconciler", "lambda:UpdateFunctionCode"),
    "a function that passes roles": (
        of_function("reconciler", "iam:PassRole"), "H reconciler", "iam:PassRole"),
    "a function that maintains tenants' data": (
        of_function("problem-data", "sts:AssumeRole", resource=f"{ROLE_ARN[:-len(ROLE)]}{MAINTENANCE_ROLE}"),
        "H problem-data", "sts:AssumeRole"),
    "a mover that reads objects itself": (
        of_function("tenant-mover", "s3:GetObject", resource=f"{OBJECTS}*"),
        "I tenant-mover", "s3:GetObject"),
    "a mover that reads exports itself": (
        of_function("tenant-mover", "s3:GetObject", resource=f"{EXPORTS}/*"),
        "I tenant-mover", "s3:GetObject"),
    "a mover that lists the pool itself": (
        of_function("tenant-mover", "s3:ListBucket", resource=BUCKET_ARN),
        "I tenant-mover", "s3:ListBucket"),
    "a purge of silos without a session": (
        of_function(
            "tenant-deprovisioner", "s3:DeleteObjectVersion", resource="arn:aws:s3:::tenkacloud-local-silo-*"
        ),
        "I tenant-deprovisioner", "s3:DeleteObjectVersion"),
    "a purge of items without a session": (
        of_function("tenant-deprovisioner", "dynamodb:BatchWriteItem", resource=f"{TABLE}-tenant-data"),
        "I tenant-deprovisioner", "dynamodb:BatchWriteItem"),
    "a function that sends work to the mover": (
        of_function("reconciler", "sqs:SendMessage", resource=f"{QUEUES}tenant-mover-queue"),
        "H reconciler", "sqs:SendMessage"),
    "a function that speaks for the control plane": (
        of_function("tenant-mover", "events:PutEvents", resource=TENANT_BUS),
        "H tenant-mover", "events:PutEvents"),
    "a queue that another rule fills": (opened_queue, "G8", "lets others send"),
    "a permission to wake the mover": (
        extra(
            "aws_lambda_permission",
            **{**PERMISSION, "function_name": "tenkacloud-local-tenant-mover",
               "principal": "events.amazonaws.com", "source_arn": RULE},
        ),
        "G8", "wake tenkacloud-local-tenant-mover"),
    "a rule for anybody's events": (unfiltered_rule, "G8", "events of others than the control plane"),
    "another queue for the mover": (
        every("aws_lambda_event_source_mapping", event_source_arn=f"{QUEUES}x"), "G8", "is not of"),
    "a function that starts sessions": (
        of_function("reconciler", "sts:AssumeRole", resource=ROLE_ARN), "H reconciler", "sts:AssumeRole"),
}  # fmt: skip


@pytest.mark.parametrize("name", AROUND)
def test_what_leads_to_tenants_data_beside_the_role_is_rejected(plan: Plan, name: str) -> None:
    change, wanted, said = AROUND[name]
    mutant = deepcopy(plan)
    change(mutant)
    rejected = refusals(mutant, wanted)
    assert [result for result in rejected if said in result.problem], rejected


def test_what_is_declared_for_the_future_is_allowed(plan: Plan) -> None:
    mutant = deepcopy(plan)
    of_function("tenant-provisioner", "dynamodb:GetItem", resource=TABLE)(mutant)
    assert refusals(mutant, "H") == []


def test_blocks_that_the_plan_would_hide_are_not_written() -> None:
    # A `dynamic` block over a list that is not known yet looks in a plan as if there were none.
    hidden = ("inline_policy", "replication_configuration", "grant", "replica")
    for file in (ROOT / "infrastructure").rglob("*.tf"):
        text = file.read_text()
        assert not [name for name in hidden if f'dynamic "{name}"' in text], file


@pytest.mark.parametrize(
    ("constant", "value", "wanted"),
    [
        ("RECORD_ACTION", "dynamodb:*Item", "F1"),
        ("RECORD_ACTION", "dynamodb:UpdateItem", "F1"),
        ("OBJECT_ACTIONS", (*declared.OBJECT_ACTIONS, "s3:PutObjectAcl"), "F1"),
        ("OBJECT_ACTIONS", ("s3:*",), "B3"),
        ("OBJECT_ACTIONS", declared.OBJECT_ACTIONS[:2], "F2"),
        ("ITEM_ACTIONS", (*declared.ITEM_ACTIONS, "dynamodb:PartiQLUpdate"), "F1"),
        ("LIST_ACTION", "s3:ListBucketVersions", "B3"),
    ],
)
def test_the_code_does_not_say_itself_what_it_may_do(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, constant: str, value: Any, wanted: str
) -> None:
    monkeypatch.setattr(policies, constant, value)
    monkeypatch.setattr(properties, "TIMEOUTS_MS", (300, 6_000))  # trying finds it sooner
    rejected = refusals(plan, wanted)
    assert rejected
    assert all(result.counterexample for result in rejected), rejected


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
