"""The policies of a Terraform plan that bear on tenants' sessions. All of them, or the reading fails.

Terraform, "JSON Output Format": `planned_values` holds what will be,
`resource_changes[].change.after_unknown` what is not known yet, `configuration` how it is written.
Over an applied stack nothing is unknown, and `planned_values` holds what was found there as well.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scripts.verification.proof.declared import ACCESS, SESSIONS, Sessions
from scripts.verification.proof.policy import Policy, UnreadableError, parse_policy
from scripts.verification.proof.references import Configuration, without_indexes

ROLE_NAME: Final = re.compile(
    rf"tenkacloud-([a-z][a-z0-9]{{1,11}})-({'|'.join(sessions.role for sessions in SESSIONS)})"
)
#: Types whose policy the provider computes where none is written. They hold no tenant's data.
_COMPUTED: Final = frozenset({"aws_sqs_queue"})
_TENANT_TAG: Final = "tenantId"
#: Attributes by which one resource is named in another.
_NAMES: Final = ("id", "arn", "name", "bucket", "function_name", "execution_arn")


@dataclass(frozen=True)
class Role:
    """A role of the plan: who may assume it, and what it may do."""

    name: str
    arn: str
    trust: Policy
    policies: tuple[Policy, ...]


@dataclass(frozen=True)
class Resource:
    """A managed resource of the plan.

    `values` lacks what is not known yet, `unknown` marks it, `expressions` is how it is written (as far as
    the plan shows it: blocks made by `dynamic` are left out there), `before` what is there now.
    """

    address: str
    type: str
    values: Mapping[str, Any]
    unknown: Mapping[str, Any]
    expressions: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)

    def known(self, name: str) -> Any:
        """Return an attribute; reject one that is known after the apply only."""
        if self.is_unknown(name):
            raise UnreadableError(f"{self.address}.{name} is not known in the plan")
        return self.values.get(name)

    def is_unknown(self, name: str) -> bool:
        """Tell whether an attribute, or a part of it, is known after the apply only."""
        return _any(self.unknown.get(name))

    def has(self, name: str) -> bool:
        """Tell whether an attribute is set: to something, or to what is not known yet."""
        if self.is_unknown(name) and (name in self.expressions or self.unknown[name] is not True):
            return True
        return bool(self.values.get(name))


@dataclass(frozen=True)
class Stack:
    """All resources of a plan, and how they refer to each other."""

    resources: tuple[Resource, ...]
    configuration: Configuration
    #: What the plan deletes: type and values.
    deleted: tuple[tuple[str, Mapping[str, Any]], ...]
    #: What leaves the state and stays in the account.
    forgotten: tuple[str, ...]

    def of_type(self, *types: str) -> list[Resource]:
        """Return the resources of some types."""
        return [resource for resource in self.resources if resource.type in types]

    def pointed(self, resource: Resource, attribute: str, kind: str) -> list[Resource]:
        """Return the resources of a type that an attribute names; where it is unknown, that it may name.

        Raises:
            UnreadableError: the attribute is unknown, and the plan does not show all that it is made of.
        """
        others = self.of_type(kind)
        if not resource.is_unknown(attribute):
            value = resource.values.get(attribute)
            given = [
                text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)
            ]
            return [other for other in others if any(_names(other, text) for text in given)]
        found = self.configuration.of(resource.address, attribute)
        if found.unclear or not found.resources:
            parts = ", ".join(sorted(found.unclear)) or "nothing that the plan shows"
            raise UnreadableError(
                f"{resource.address}.{attribute} is not known in the plan, and made of {parts}"
            )
        return [other for other in others if without_indexes(other.address) in found.resources]


@dataclass(frozen=True)
class Tenancy:
    """What the proof is about: the roles of sessions, the other roles, resource policies, and names.

    `role` is the one whose sessions are proved, as far as it is about one: `of`. `roles` holds it and the
    other that acts for one tenant, by the name after the environment's.
    """

    environment: str
    partition: str
    account_id: str
    region: str
    role: Role
    sessions: Sessions
    roles: Mapping[str, Role]
    others: tuple[Role, ...]
    resource_policies: tuple[Policy, ...]
    data_bucket: str
    exports_bucket: str
    table: str
    data_table: str
    tenant_claim: str
    stack: Stack

    def of(self, sessions: Sessions) -> "Tenancy":
        """Return it as what is to be proved of the sessions of one of the roles."""
        return replace(self, role=self.roles[sessions.role], sessions=sessions)


def read(plan: Mapping[str, Any]) -> Tenancy:
    """Return what a plan says of tenants' sessions.

    Raises:
        UnreadableError: a policy that bears on them can't be read.
    """
    if plan.get("complete") is False or plan.get("errored"):
        raise UnreadableError("the plan is not complete: it was made for a part of the resources, or failed")
    stack = _stack(plan)
    # Not `planned_values`: that leaves out an output of which a part is not known yet.
    outputs = {name: change.get("after") for name, change in plan["output_changes"].items()}
    outputs |= outputs.get("deployment") or {}
    wanted = (
        "account_id",
        "region",
        "data_bucket_name",
        "exports_bucket_name",
        "table_name",
        "data_table_name",
        "tenant_access_role_arn",
        "tenant_claim",
    )
    if missing := [name for name in wanted if not outputs.get(name)]:
        raise UnreadableError(f"the plan does not say the outputs {', '.join(missing)}")
    partition, account_id = str(outputs["tenant_access_role_arn"]).split(":")[1], str(outputs["account_id"])
    roles = [_role(resource, stack, partition, account_id) for resource in stack.of_type("aws_iam_role")]
    found = {sessions.role: [role for role in roles if _acts(role, sessions)] for sessions in SESSIONS}
    for name, those in found.items():
        if len(those) != 1:
            raise UnreadableError(f"the plan has {len(those)} {name.replace('-', ' ')} roles")
    acting = {name: role for name, (role,) in found.items()}
    (environment,) = {match[1] for role in acting.values() if (match := ROLE_NAME.fullmatch(role.name))}
    return Tenancy(
        environment=environment,
        partition=partition,
        account_id=account_id,
        region=str(outputs["region"]),
        role=acting[ACCESS.role],
        sessions=ACCESS,
        roles=acting,
        others=tuple(role for role in roles if role not in acting.values()),
        resource_policies=tuple(_resource_policies(stack)),
        data_bucket=str(outputs["data_bucket_name"]),
        exports_bucket=str(outputs["exports_bucket_name"]),
        table=str(outputs["table_name"]),
        data_table=str(outputs["data_table_name"]),
        tenant_claim=str(outputs["tenant_claim"]),
        stack=stack,
    )


def _acts(role: Role, sessions: Sessions) -> bool:
    match = ROLE_NAME.fullmatch(role.name)
    return match is not None and match[2] == sessions.role


def _any(unknown: Any) -> bool:
    """Tell whether something is marked as unknown; marks of known parts are there too, as false or empty."""
    if isinstance(unknown, Mapping):
        return any(map(_any, unknown.values()))
    if isinstance(unknown, list):
        return any(map(_any, unknown))
    return bool(unknown)


def _names(resource: Resource, text: str) -> bool:
    """Tell whether a text names a resource, in any case; an ARN also by its last part."""
    known = {str(resource.values[name]).lower() for name in _NAMES if resource.values.get(name)}
    return text.lower() in known or re.split("[:/]", text.lower())[-1] in known


def _stack(plan: Mapping[str, Any]) -> Stack:
    changes = {change["address"]: change["change"] for change in plan.get("resource_changes", [])}
    configuration = Configuration(plan.get("configuration", {}).get("root_module", {}))

    def walk(module: Mapping[str, Any]) -> Iterator[Resource]:
        for resource in module.get("resources", []):
            if resource["mode"] == "managed":
                address = resource["address"]
                change = changes.get(address, {})
                yield Resource(
                    address,
                    resource["type"],
                    # A plan leaves out the values of a resource of which it knows none.
                    resource.get("values") or {},
                    change.get("after_unknown") or {},
                    configuration.expressions(address),
                    change.get("before") or {},
                )
        for child in module.get("child_modules", []):
            yield from walk(child)

    deleted = tuple(
        (change["type"], change["change"].get("before") or {})
        for change in plan.get("resource_changes", [])
        if change["change"].get("actions") == ["delete"]
    )
    forgotten = tuple(
        change["address"]
        for change in plan.get("resource_changes", [])
        if "forget" in change["change"].get("actions", [])
    )
    resources = tuple(walk(plan["planned_values"]["root_module"]))
    return Stack(resources, configuration, deleted, forgotten)


def _role(resource: Resource, stack: Stack, partition: str, account_id: str) -> Role:
    name, path = str(resource.known("name")), str(resource.known("path") or "/")
    trust = parse_policy(
        f"{resource.address}, trust", resource.known("assume_role_policy"), with_principals=True
    )
    if ROLE_NAME.fullmatch(name):
        _reject_extras(resource)
    attached = [
        _of_attachment(attachment, stack)
        for attachment in stack.of_type(*_ATTACHING)
        if _is_of(attachment, _ATTACHING[attachment.type], resource, stack)
    ]
    policies = (*_of_the_role_itself(name, resource, stack), *attached)
    return Role(name, f"arn:{partition}:iam::{account_id}:role{path}{name}", trust, policies)


#: What attaches a policy to a role, and the attribute that says to which.
_ATTACHING: Final = {
    "aws_iam_role_policy": "role",
    "aws_iam_role_policy_attachment": "role",
    "aws_iam_policy_attachment": "roles",
}


def _reject_extras(resource: Resource) -> None:
    tags = {**(resource.values.get("tags") or {}), **(resource.values.get("tags_all") or {})}
    if _TENANT_TAG in tags:
        raise UnreadableError(f"{resource.address} carries a tag {_TENANT_TAG}: every session would have it")
    for attribute in ("tags", "tags_all"):
        if attribute in resource.expressions and resource.is_unknown(attribute):
            raise UnreadableError(f"{resource.address}.{attribute} is not known in the plan")
    if resource.has("permissions_boundary"):
        raise UnreadableError(f"{resource.address} has a permissions boundary, which is not read")


def _of_the_role_itself(name: str, role: Resource, stack: Stack) -> Iterator[Policy]:
    """Yield the policies that a role's own attributes hold.

    Where they are not written, they are what was found in the account: the policies of other resources again,
    as they were before this plan, and what was put there by hand.
    """
    blocks, unknown = role.values.get("inline_policy") or [], role.unknown.get("inline_policy")
    if unknown is True and "inline_policy" in role.expressions:
        raise UnreadableError(f"{role.address}.inline_policy is not known in the plan")
    if isinstance(unknown, list) and any(_any(each) for each in unknown):
        raise UnreadableError(f"{role.address}.inline_policy is not known in the plan")
    told = _told_elsewhere(name, role, stack)
    for inline in blocks:
        if not inline.get("policy") and not inline.get("name"):
            continue  # how Terraform writes that there are none
        if ("inline", inline.get("name")) not in told:
            yield parse_policy(f"{role.address}, inline policy {inline.get('name')}", inline.get("policy"))
    if "managed_policy_arns" in role.expressions:
        role.known("managed_policy_arns")
    for arn in role.values.get("managed_policy_arns") or []:
        if ("managed", arn) not in told:
            yield _managed(role.address, arn, stack)


def _told_elsewhere(name: str, role: Resource, stack: Stack) -> set[tuple[str, Any]]:
    """Return the policies found on a role of which another resource says what becomes of them."""
    if role.before.get("inline_policy") != role.values.get("inline_policy"):
        return set()  # written, not found
    there = [(resource.type, resource.values) for resource in stack.of_type(*_ATTACHING)]
    return {
        ("inline", values.get("name"))
        if kind == "aws_iam_role_policy"
        else ("managed", values.get("policy_arn"))
        for kind, values in (*there, *stack.deleted)
        if _ATTACHING.get(kind) == "role" and values.get("role") == name
    }


def _is_of(resource: Resource, attribute: str, role: Resource, stack: Stack) -> bool:
    """Tell whether a policy is attached to a role.

    Where the plan does not know, no reference says it: `replace(aws_iam_role.other.id, ...)` refers to the
    other role and may name this one.
    """
    if resource.is_unknown(attribute):
        found = stack.configuration.of(resource.address, attribute)
        made_of = ", ".join(sorted(found.resources | found.unclear)) or "what it does not show"
        raise UnreadableError(
            f"{resource.address}.{attribute} is not known in the plan (it is made of {made_of}), so it may "
            f"be {role.values.get('name')}: name the role by its name"
        )
    return role in stack.pointed(resource, attribute, "aws_iam_role")


def _of_attachment(resource: Resource, stack: Stack) -> Policy:
    if resource.type == "aws_iam_role_policy":
        return parse_policy(resource.address, resource.known("policy"))
    if resource.type == "aws_iam_policy_attachment" and (resource.has("users") or resource.has("groups")):
        raise UnreadableError(f"{resource.address} attaches a policy to users or groups, which are not read")
    return _managed(resource.address, resource.known("policy_arn"), stack)


def _managed(where: str, arn: Any, stack: Stack) -> Policy:
    for resource in stack.of_type("aws_iam_policy"):
        known = resource.values.get("arn")
        path, name = resource.values.get("path") or "/", resource.values.get("name")
        if arn and (arn == known or (not known and name and str(arn).endswith(f":policy{path}{name}"))):
            return parse_policy(resource.address, resource.known("policy"))
    raise UnreadableError(f"{where} attaches {arn}, which is not in the plan")


def _resource_policies(stack: Stack) -> Iterator[Policy]:
    for resource in stack.resources:
        if resource.type.startswith("aws_iam_"):
            continue
        if resource.type == "aws_lambda_permission":
            if not str(resource.known("principal")).endswith(".amazonaws.com"):
                raise UnreadableError(f"{resource.address} lets in {resource.values.get('principal')}")
            continue
        for attribute in POLICY_ATTRIBUTES:
            if resource.is_unknown(attribute):
                if attribute in resource.expressions and resource.type not in _COMPUTED:
                    raise UnreadableError(f"{resource.address}.{attribute} is not known in the plan")
                continue
            if document := resource.values.get(attribute):
                if resource.type == "aws_s3_bucket" and _replaced(resource, stack):
                    continue
                yield parse_policy(resource.address, document, with_principals=True)


#: Attributes that hold a resource policy.
POLICY_ATTRIBUTES: Final[Sequence[str]] = ("policy", "resource_policy", "access_policy", "access_policies")


def _replaced(bucket: Resource, stack: Stack) -> bool:
    """Tell whether a bucket's policy, as found, is told by a resource of its own."""
    return "policy" not in bucket.expressions and any(
        bucket in stack.pointed(policy, "bucket", "aws_s3_bucket")
        for policy in stack.of_type("aws_s3_bucket_policy")
    )
