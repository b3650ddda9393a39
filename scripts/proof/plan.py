"""The policies of a Terraform plan that bear on tenants' sessions. All of them, or the reading fails.

Terraform, "JSON Output Format": `planned_values` holds what will be,
`resource_changes[].change.after_unknown` what is not known yet, `configuration` how it is written.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scripts.proof.policy import Policy, Unreadable, parse_policy

ROLE_NAME: Final = re.compile(r"tenkacloud-([a-z][a-z0-9]{1,11})-tenant-access")
_READ: Final = frozenset(
    {
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_iam_policy_attachment",
        "aws_iam_policy",
    }
)
#: Types whose policy the provider computes where none is written. They hold no tenant's data.
_COMPUTED: Final = frozenset({"aws_sqs_queue"})
_TENANT_TAG: Final = "tenantId"


@dataclass(frozen=True)
class Role:
    """A role of the plan: who may assume it, and what it may do."""

    name: str
    arn: str
    trust: Policy
    policies: tuple[Policy, ...]


@dataclass(frozen=True)
class Tenancy:
    """What the proof is about: the tenant access role, the other roles, resource policies, and names."""

    environment: str
    partition: str
    account_id: str
    region: str
    role: Role
    others: tuple[Role, ...]
    resource_policies: tuple[Policy, ...]
    data_bucket: str
    table: str
    data_table: str


@dataclass(frozen=True)
class _Resource:
    address: str
    type: str
    values: Mapping[str, Any]
    unknown: Mapping[str, Any]
    expressions: Mapping[str, Any] = field(default_factory=dict)

    def known(self, name: str) -> Any:
        """Return an attribute; refuse one that is known after the apply only."""
        if self.unknown.get(name):
            raise Unreadable(f"{self.address}.{name} is not known in the plan")
        return self.values.get(name)


def read(plan: Mapping[str, Any]) -> Tenancy:
    """Return what a plan says of tenants' sessions.

    Raises:
        Unreadable: a policy that bears on them can't be read.
    """
    resources = list(_resources(plan))
    outputs = {name: output.get("value") for name, output in plan["planned_values"]["outputs"].items()}
    wanted = (
        "account_id",
        "region",
        "data_bucket_name",
        "table_name",
        "data_table_name",
        "tenant_access_role_arn",
    )
    if missing := [name for name in wanted if not outputs.get(name)]:
        raise Unreadable(f"the plan does not say the outputs {', '.join(missing)}")
    partition, account_id = str(outputs["tenant_access_role_arn"]).split(":")[1], str(outputs["account_id"])
    roles = [
        _role(resource, resources, partition, account_id)
        for resource in resources
        if resource.type == "aws_iam_role"
    ]
    access = [role for role in roles if ROLE_NAME.fullmatch(role.name)]
    if len(access) != 1:
        raise Unreadable(f"the plan has {len(access)} tenant access roles")
    (role,) = access
    found = ROLE_NAME.fullmatch(role.name)
    for resource in resources:
        _refuse_others(resource, role.name)
    return Tenancy(
        environment=found[1] if found else "",
        partition=partition,
        account_id=account_id,
        region=str(outputs["region"]),
        role=role,
        others=tuple(other for other in roles if other is not role),
        resource_policies=tuple(_resource_policies(resources)),
        data_bucket=str(outputs["data_bucket_name"]),
        table=str(outputs["table_name"]),
        data_table=str(outputs["data_table_name"]),
    )


def _resources(plan: Mapping[str, Any]) -> Iterator[_Resource]:
    unknown = {
        change["address"]: change["change"].get("after_unknown") or {}
        for change in plan.get("resource_changes", [])
    }
    configured = dict(_configured(plan.get("configuration", {}).get("root_module", {}), ""))

    def walk(module: Mapping[str, Any]) -> Iterator[_Resource]:
        for resource in module.get("resources", []):
            if resource["mode"] == "managed":
                address = resource["address"]
                expressions = configured.get(re.sub(r"\[[^]]*\]", "", address), {})
                # A plan leaves out the values of a resource of which it knows none.
                values = resource.get("values") or {}
                yield _Resource(address, resource["type"], values, unknown.get(address, {}), expressions)
        for child in module.get("child_modules", []):
            yield from walk(child)

    yield from walk(plan["planned_values"]["root_module"])


def _configured(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource in module.get("resources", []):
        yield f"{prefix}{resource['address']}", resource.get("expressions", {})
    for name, call in module.get("module_calls", {}).items():
        yield from _configured(call.get("module", {}), f"{prefix}module.{name}.")


def _role(resource: _Resource, resources: list[_Resource], partition: str, account_id: str) -> Role:
    name, path = str(resource.known("name")), str(resource.known("path") or "/")
    trust = parse_policy(
        f"{resource.address}, trust", resource.known("assume_role_policy"), with_principals=True
    )
    policies = list(_attached(name, resource, resources))
    if ROLE_NAME.fullmatch(name):
        _refuse_extras(resource)
    return Role(name, f"arn:{partition}:iam::{account_id}:role{path}{name}", trust, tuple(policies))


def _refuse_extras(resource: _Resource) -> None:
    tags = {**(resource.values.get("tags") or {}), **(resource.values.get("tags_all") or {})}
    if _TENANT_TAG in tags:
        raise Unreadable(f"{resource.address} carries a tag {_TENANT_TAG}: every session would have it")
    if resource.values.get("permissions_boundary") or resource.unknown.get("permissions_boundary"):
        raise Unreadable(f"{resource.address} has a permissions boundary, which is not read")


def _attached(name: str, role: _Resource, resources: list[_Resource]) -> Iterator[Policy]:
    """Yield every policy of a role, wherever the plan attaches it."""
    for inline in role.values.get("inline_policy") or []:
        if inline.get("policy"):
            yield parse_policy(f"{role.address}, inline policy {inline.get('name')}", inline["policy"])
    for arn in role.values.get("managed_policy_arns") or []:
        yield _managed(role.address, arn, resources)
    for resource in resources:
        if resource.type == "aws_iam_role_policy" and _is_of(resource, "role", name, role, resources):
            yield parse_policy(resource.address, resource.known("policy"))
        elif (
            resource.type == "aws_iam_role_policy_attachment"
            and _is_of(resource, "role", name, role, resources)
        ) or (
            resource.type == "aws_iam_policy_attachment" and _is_of(resource, "roles", name, role, resources)
        ):
            yield _of_attachment(resource, resources)


def _is_of(
    resource: _Resource, attribute: str, name: str, role: _Resource, resources: list[_Resource]
) -> bool:
    """Tell whether a policy is attached to a role; where the plan does not know, by how it is written."""
    if not resource.unknown.get(attribute):
        value = resource.values.get(attribute)
        return name in (value if isinstance(value, list) else [value])
    references = _references(resource, attribute)
    addresses = {other.address for other in resources if other.type == "aws_iam_role"}
    found = {address for address in addresses if _module_of(resource) + _base(references) == address}
    if not found:
        raise Unreadable(f"{resource.address}.{attribute} is not known in the plan: it may be {name}")
    return role.address in found


def _of_attachment(resource: _Resource, resources: list[_Resource]) -> Policy:
    if not resource.unknown.get("policy_arn"):
        return _managed(resource.address, resource.values.get("policy_arn"), resources)
    wanted = _module_of(resource) + _base(_references(resource, "policy_arn"))
    for other in resources:
        if other.type == "aws_iam_policy" and other.address == wanted:
            return parse_policy(other.address, other.known("policy"))
    raise Unreadable(f"{resource.address}.policy_arn is not known in the plan")


def _managed(where: str, arn: Any, resources: list[_Resource]) -> Policy:
    for resource in resources:
        if resource.type == "aws_iam_policy" and arn and resource.values.get("arn") == arn:
            return parse_policy(resource.address, resource.known("policy"))
    raise Unreadable(f"{where} attaches {arn}, which is not in the plan")


def _references(resource: _Resource, attribute: str) -> list[str]:
    return list((resource.expressions.get(attribute) or {}).get("references") or [])


def _base(references: list[str]) -> str:
    """Return the resource that an expression refers to, if it is one of the same module."""
    return min((name for name in references if name.startswith("aws_")), key=len, default="?")


def _module_of(resource: _Resource) -> str:
    found = re.match(r"((?:module\.[^.\[]+(?:\[[^]]*\])?\.)*)", resource.address)
    return found[1] if found else ""


def _refuse_others(resource: _Resource, role: str) -> None:
    """Refuse other resources that could give the role permissions."""
    if not resource.type.startswith("aws_iam_") or resource.type in _READ:
        return
    if (
        role in json.dumps(resource.values)
        or resource.unknown.get("role")
        or resource.unknown.get("role_name")
    ):
        raise Unreadable(f"{resource.address} bears on {role}, and its type is not read")


def _resource_policies(resources: list[_Resource]) -> Iterator[Policy]:
    for resource in resources:
        if resource.type.startswith("aws_iam_"):
            continue
        if resource.type == "aws_lambda_permission":
            if not str(resource.known("principal")).endswith(".amazonaws.com"):
                raise Unreadable(f"{resource.address} lets in {resource.values.get('principal')}")
            continue
        for attribute in ("policy", "resource_policy", "access_policy", "access_policies"):
            if resource.unknown.get(attribute) and resource.type in _COMPUTED:
                continue
            if resource.unknown.get(attribute) and attribute in resource.expressions:
                raise Unreadable(f"{resource.address}.{attribute} is not known in the plan")
            if document := resource.values.get(attribute):
                yield parse_policy(resource.address, document, with_principals=True)
