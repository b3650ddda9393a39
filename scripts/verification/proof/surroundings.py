"""What stands around the roles of sessions: whatever else in a plan could lead to tenants' data.

A closed world: a type of resource that nobody has thought about is rejected by name (`declared`). Each check
returns what is wrong, in words; nothing, if all is well.
"""

import fnmatch
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from scripts.verification.proof import declared
from scripts.verification.proof.plan import Resource, Role, Stack, Tenancy
from scripts.verification.proof.policy import Policy, Statement, UnreadableError, parse_policy

Check = Callable[[Tenancy], Iterator[str]]
_LAMBDA: Final = ("Service", "lambda.amazonaws.com")


def service_of(role: Role, tenancy: Tenancy) -> str:
    """Return the service whose function runs as a role; the role's ARN, if it is none that is declared."""
    for name, service in declared.SERVICES.items():
        own = f"tenkacloud-{tenancy.environment}-{name}"
        path = f"/tenkacloud/{tenancy.environment}/{service.plane}/"
        if role.arn == f"arn:{tenancy.partition}:iam::{tenancy.account_id}:role{path}{own}":
            return name
    return role.arn


def trusted_arns(tenancy: Tenancy) -> list[str]:
    """Return the roles that may start sessions of the role that is proved, as declared."""
    return [_function_arn(name, tenancy) for name in _starting(tenancy.sessions)]


def _starting(*sessions: declared.Sessions) -> list[str]:
    """Return the services that start such sessions, as declared."""
    return [name for name, service in declared.SERVICES.items() if service.sessions in sessions]


def _function_arn(service: str, tenancy: Tenancy) -> str:
    root = f"arn:{tenancy.partition}:iam::{tenancy.account_id}:role/tenkacloud/{tenancy.environment}"
    return f"{root}/{declared.SERVICES[service].plane}/{_function_name(service, tenancy)}"


def _function_name(service: str, tenancy: Tenancy) -> str:
    return f"tenkacloud-{tenancy.environment}-{service}"


def _starts(function: Resource, tenancy: Tenancy, *sessions: declared.Sessions) -> bool:
    """Tell whether a function starts sessions of one of these roles."""
    names = [_function_name(service, tenancy) for service in _starting(*sessions)]
    return str(function.known("function_name")) in names


def unknown_types(tenancy: Tenancy) -> Iterator[str]:
    """Yield what is in the plan and known to nobody here."""
    for resource in tenancy.stack.resources:
        if resource.type not in declared.PROVED_TYPES | declared.HARMLESS_TYPES:
            yield f"the proof does not know {resource.type} ({resource.address})"
    for address, written in tenancy.stack.configuration.resources():
        if written.get("mode") == "data" and written.get("type") not in declared.HARMLESS_DATA:
            yield f"the proof does not know the data source {written.get('type')} ({address})"
        if written.get("provisioners"):
            yield f"{address} runs a program when it is applied"
    for address in tenancy.stack.forgotten:
        yield f"{address} leaves Terraform's state and stays in the account"


def missing_places(tenancy: Tenancy) -> Iterator[str]:
    """Yield which of the places that the outputs name is not one of the plan's."""
    for kind, attribute, name in (
        ("aws_s3_bucket", "bucket", tenancy.data_bucket),
        ("aws_s3_bucket", "bucket", tenancy.exports_bucket),
        ("aws_dynamodb_table", "name", tenancy.table),
        ("aws_dynamodb_table", "name", tenancy.data_table),
    ):
        if name not in [each.values.get(attribute) for each in tenancy.stack.of_type(kind)]:
            yield f"the outputs name {name}, and the plan has no such {kind}"


def open_places(tenancy: Tenancy) -> Iterator[str]:
    """Yield by what a bucket or table of the plan is open to somebody without a permission of the plan."""
    yield from _let_in(tenancy.stack)
    for bucket in tenancy.stack.of_type("aws_s3_bucket"):
        yield from _open_bucket(bucket, tenancy.stack)
    for table in tenancy.stack.of_type("aws_dynamodb_table"):
        if table.has("replica"):
            yield f"{table.address} has replicas, whose policies the proof does not know"


def _let_in(stack: Stack) -> Iterator[str]:
    for resource in stack.resources:
        if resource.type in ("aws_s3_bucket", "aws_s3_bucket_policy", "aws_dynamodb_resource_policy"):
            if resource.is_unknown("policy") or not resource.values.get("policy"):
                continue  # rejected already where it is written
            policy = parse_policy(resource.address, resource.values["policy"], with_principals=True)
            for statement in policy.statements:
                if statement.allow:
                    yield f"{resource.address}, statement {statement.sid or '?'}, lets somebody in"


def _open_bucket(bucket: Resource, stack: Stack) -> Iterator[str]:
    if bucket.has("replication_configuration"):
        yield f"{bucket.address} is replicated"
    controls = [
        rule.get("object_ownership")
        for each in stack.of_type("aws_s3_bucket_ownership_controls")
        if bucket in stack.pointed(each, "bucket", "aws_s3_bucket")
        for rule in each.known("rule") or []
    ]
    if controls != ["BucketOwnerEnforced"]:
        yield f"{bucket.address} has not BucketOwnerEnforced: ACLs would count"
    blocks = [
        each
        for each in stack.of_type("aws_s3_bucket_public_access_block")
        if bucket in stack.pointed(each, "bucket", "aws_s3_bucket")
    ]
    wanted = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    if len(blocks) != 1 or not all(blocks[0].known(name) is True for name in wanted):
        yield f"{bucket.address} does not block all public access"


def misused_roles(tenancy: Tenancy) -> Iterator[str]:
    """Yield by what somebody else than a role's own function could run as that role."""
    for role in tenancy.others:
        for statement in role.trust.statements:
            if statement.allow and (
                set(statement.principals) != {_LAMBDA} or statement.actions != ("sts:AssumeRole",)
            ):
                yield f"{role.trust.name}, lets in somebody else than Lambda, or by more than sts:AssumeRole"
    for function in tenancy.stack.of_type("aws_lambda_function"):
        name = function.known("function_name")
        roles = [role.known("name") for role in tenancy.stack.pointed(function, "role", "aws_iam_role")]
        if roles != [name]:
            yield f"{function.address} runs as {', '.join(map(str, roles)) or 'a role outside the plan'}"
        if _starts(function, tenancy, *declared.SESSIONS):
            for attribute in ("layers", "s3_bucket", "image_uri", "file_system_config"):
                if function.has(attribute):
                    yield f"{function.address} takes code from elsewhere: {attribute}"


def wakers(tenancy: Tenancy) -> Iterator[str]:
    """Yield by what a function may be woken without a source, or by another than the API for a tenant.

    A function that maintains tenants' data is woken by its queue alone (`queues`).
    """
    stack = tenancy.stack
    for permission in stack.of_type("aws_lambda_permission"):
        functions = stack.pointed(permission, "function_name", "aws_lambda_function")
        trusted = [each for each in functions if _starts(each, tenancy, declared.ACCESS)]
        if not functions:
            yield f"{permission.address} is for a function outside the plan"
        if permission.has("function_url_auth_type") or permission.known("action") != "lambda:InvokeFunction":
            yield f"{permission.address} allows more than to invoke the function"
        source = _source(permission, tenancy)
        if not source:
            yield f"{permission.address} names no source of this plan: whoever uses the service may invoke it"
        if trusted and (source != "execute-api" or permission.known("principal") != _API):
            yield f"{permission.address} lets {permission.values.get('principal')} wake {_name(trusted)}"
    for mapping in stack.of_type("aws_lambda_event_source_mapping"):
        functions = stack.pointed(mapping, "function_name", "aws_lambda_function")
        if not functions or any(_starts(each, tenancy, declared.ACCESS) for each in functions):
            yield f"{mapping.address} wakes {_name(functions) or 'a function outside the plan'}"
    for target in stack.of_type("aws_cloudwatch_event_target"):
        if target.has("role_arn"):
            yield f"{target.address} acts with a role"


def queues(tenancy: Tenancy) -> Iterator[str]:
    """Yield by what a function that maintains tenants' data takes anything but the control plane's events.

    Its own role may send, too: the rest of its work (`declared`).
    """
    stack = tenancy.stack
    for service in _starting(declared.MAINTENANCE):
        name = _function_name(service, tenancy)
        queue = f"{name}-queue"
        bus = f"tenkacloud-{tenancy.environment}-tenant-events"
        where = f"{tenancy.partition}:{{}}:{tenancy.region}:{tenancy.account_id}"
        rule_arn = f"arn:{where.format('events')}:rule/{bus}/{name}"
        for mapping in stack.of_type("aws_lambda_event_source_mapping"):
            woken = [each.known("function_name") for each in _functions_of(mapping, stack)]
            if name in woken and mapping.known("event_source_arn") != f"arn:{where.format('sqs')}:{queue}":
                yield f"{mapping.address} wakes {name}, and is not of {queue}"
        for permission in stack.of_type("aws_lambda_permission"):
            if name in [each.known("function_name") for each in _functions_of(permission, stack)]:
                yield f"{permission.address} lets {permission.values.get('principal')} wake {name}"
        for policy in _policies_of_queue(queue, stack):
            for statement in policy.statements:
                if statement.allow and (
                    set(statement.principals) != {_EVENTS} or _sent_from(statement) != (rule_arn,)
                ):
                    yield f"{policy.name}, statement {statement.sid or '?'}, lets others send to {queue}"
        rules = [each for each in stack.of_type("aws_cloudwatch_event_rule") if each.known("name") == name]
        patterns = [json.loads(str(each.known("event_pattern") or "{}")) for each in rules]
        if [pattern.get("source") for pattern in patterns] != [[declared.SOURCES["control-plane"]]]:
            yield f"the rule {name} takes events of others than the control plane"


def _functions_of(resource: Resource, stack: Stack) -> list[Resource]:
    return stack.pointed(resource, "function_name", "aws_lambda_function")


def _policies_of_queue(name: str, stack: Stack) -> Iterator[Policy]:
    """Yield the policies of a queue: its own, and those of resources that put one on it or on an unknown."""
    for queue in stack.of_type("aws_sqs_queue"):
        if queue.known("name") == name and (document := queue.known("policy")):
            yield parse_policy(queue.address, document, with_principals=True)
    for other in stack.of_type("aws_sqs_queue_policy"):
        if other.is_unknown("queue_url") or name in str(other.values.get("queue_url")):
            yield parse_policy(other.address, other.known("policy"), with_principals=True)


def _sent_from(statement: Statement) -> tuple[str, ...]:
    """Return the only sources that a statement is for; none, where it is for others, too."""
    for condition in statement.conditions:
        if (condition.operator, condition.key) == ("arnequals", "aws:sourcearn") and not condition.if_exists:
            return condition.values
    return ()


def _source(permission: Resource, tenancy: Tenancy) -> str:
    """Return the service whose resource alone may use a permission; nothing, where it is not one."""
    if permission.is_unknown("source_arn") and "source_arn" in permission.expressions:
        # Ids that AWS gives are known after the apply only.
        made_of = tenancy.stack.configuration.of(permission.address, "source_arn").resources
        return "execute-api" if any(".aws_apigatewayv2_api." in f".{each}" for each in made_of) else ""
    parts = str(permission.values.get("source_arn") or "").split(":")
    if len(parts) < 6 or any(mark in "".join(parts[:5]) for mark in "*?"):  # noqa: PLR2004 - ARNs have six parts
        return ""
    if (parts[1], parts[4]) != (tenancy.partition, tenancy.account_id):
        return ""
    apis = [api.values.get("id") for api in tenancy.stack.of_type("aws_apigatewayv2_api")]
    if parts[2] == "execute-api" and parts[5].split("/")[0] not in apis:
        return ""
    return parts[2]


_EVENTS: Final = ("Service", "events.amazonaws.com")
_API: Final = "apigateway.amazonaws.com"


def _name(functions: list[Resource]) -> str:
    return ", ".join(str(function.values.get("function_name")) for function in functions)


def open_routes(tenancy: Tenancy) -> Iterator[str]:
    """Yield which requests the API passes on without a verified token."""
    stack = tenancy.stack
    for api in stack.of_type("aws_apigatewayv2_api"):
        # Each of these makes routes that are not in the plan.
        hidden = [name for name in ("body", "target", "route_key", "credentials_arn") if api.has(name)]
        yield from (f"{api.address} has {attribute}" for attribute in hidden)
    for authorizer in stack.of_type("aws_apigatewayv2_authorizer"):
        if not _verifies_tokens(authorizer):
            yield f"{authorizer.address} does not verify tokens of one issuer for one audience"
    for route in stack.of_type("aws_apigatewayv2_route"):
        if route.known("authorization_type") != "JWT":
            yield f"{route.address} asks for no token"
        elif len(stack.pointed(route, "authorizer_id", "aws_apigatewayv2_authorizer")) != 1:
            yield f"{route.address} has an authorizer outside the plan"
    for integration in stack.of_type("aws_apigatewayv2_integration"):
        if (
            integration.known("integration_type") != "AWS_PROXY"
            or integration.has("integration_subtype")
            or integration.has("credentials_arn")
            or not stack.pointed(integration, "integration_uri", "aws_lambda_function")
        ):
            yield f"{integration.address} leads to something else than a function of the plan"


def _verifies_tokens(authorizer: Resource) -> bool:
    configuration = authorizer.values.get("jwt_configuration") or [{}]
    unknown = authorizer.unknown.get("jwt_configuration") or [{}]
    both = {**configuration[0], **{name: True for name, mark in unknown[0].items() if mark}}
    return bool(authorizer.known("authorizer_type") == "JWT" and both.get("issuer") and both.get("audience"))


def writable_claims(tenancy: Tenancy) -> Iterator[str]:
    """Yield by what a user of a pool of the plan could choose a tenant."""
    for pool in tenancy.stack.of_type("aws_cognito_user_pool"):
        created = pool.known("admin_create_user_config") or [{}]
        if created[0].get("allow_admin_create_user_only") is not True:
            yield f"{pool.address} lets people sign up"
        if pool.has("lambda_config"):
            yield f"{pool.address} has functions that may change claims"
    for client in tenancy.stack.of_type("aws_cognito_user_pool_client"):
        writable = client.known("write_attributes")
        if not writable or tenancy.tenant_claim in writable:
            yield f"{client.address} lets users write {tenancy.tenant_claim}"


def strangers_at_a_silo(policy: Policy, tenancy: Tenancy) -> Iterator[str]:
    """Yield whom a silo bucket's policy lets in beside the roles that act for one tenant."""
    roles = [{("AWS", role.arn)} for role in tenancy.roles.values()]
    for statement in policy.statements:
        if statement.allow and set(statement.principals) not in roles:
            yield f"statement {statement.sid} lets in {statement.principals}"


def strangers_at_the_role(tenancy: Tenancy) -> Iterator[str]:
    """Yield whom the trust of the role that is proved names beside the account and the roles declared."""
    account = tenancy.account_id
    fine = {
        ("AWS", account),
        ("AWS", f"arn:{tenancy.partition}:iam::{account}:root"),
        *(("AWS", arn) for arn in trusted_arns(tenancy)),
    }
    for statement in tenancy.role.trust.statements:
        if statement.allow and not set(statement.principals) <= fine:
            yield f"statement {statement.sid or '?'} lets in {sorted(set(statement.principals) - fine)}"


def undeclared(role: Role, service: str, tenancy: Tenancy) -> Iterator[str]:
    """Yield what a role's policies allow and nobody has declared for its service.

    Compared as written, so it is rejected where it merely looks different: an action with a wildcard, a
    resource that is not the one declared nor a name that it covers, a condition less.
    """
    document = declared.policy_of(service, _places(tenancy))
    bound = parse_policy(f"declared for {service}", document).statements
    for policy in role.policies:
        for statement in policy.statements:
            if not statement.allow:
                continue
            if statement.actions is None or statement.resources is None:
                yield f"{policy.name}, statement {statement.sid or '?'}, allows all but something"
                continue
            for action in statement.actions:
                for resource in statement.resources:
                    if not any(_covers(each, action, resource, statement) for each in bound):
                        yield f"{policy.name} allows {action} on {resource}"


def standing(role: Role, tenancy: Tenancy) -> Iterator[str]:
    """Yield by what a role reaches tenants' data with permissions of its own, whatever is declared for it.

    Conditions don't count: none is taken to keep anybody out.
    """
    for policy in role.policies:
        for statement in policy.statements:
            if not statement.allow:
                continue
            if statement.actions is None or statement.resources is None:
                yield f"{policy.name}, statement {statement.sid or '?'}, allows all but something"
                continue
            for action in statement.actions:
                for resource in statement.resources:
                    if _is_data(action, resource, tenancy):
                        yield f"{policy.name} allows {action} on {resource}"


def _is_data(action: str, resource: str, tenancy: Tenancy) -> bool:
    """Tell whether an action on what a pattern matches may be one on objects, their names, or items."""
    service = action.split(":", 1)[0].lower()
    if any(mark in service for mark in "*?"):
        return True
    places = _places(tenancy)
    if service == "dynamodb":
        items = f"{places['table'].removesuffix(tenancy.table)}{tenancy.data_table}"
        return _overlap(resource, items) or _overlap(resource, f"{items}/*")
    if service != "s3":
        return False
    pool, exports = places["data-bucket"], places["exports-bucket"]
    if action in declared.BUCKET_ACTIONS:
        return any(_overlap(resource, bucket) for bucket in (pool, exports))
    # Markers, and names of uploads that nobody finished, which no session may list.
    of_marker = resource.startswith(f"{pool}/tenants/") and resource.endswith(declared.MARKER)
    if (of_marker and action in ("s3:PutObject", "s3:DeleteObject")) or (
        resource == pool and action == declared.LISTING_OF_UPLOADS
    ):
        return False
    silo = places["silo-bucket"]
    return any(_overlap(resource, f"{bucket}/*") for bucket in (pool, silo, exports)) or any(
        _overlap(resource, bucket) for bucket in (pool, silo, exports)
    )


def _overlap(one: str, other: str) -> bool:
    """Tell whether some text matches two patterns; a variable may be any text."""
    patterns = [re.sub(r"\$\{[^}]*\}", "*", pattern) for pattern in (one, other)]

    @cache
    def meet(i: int, j: int) -> bool:
        a, b = patterns[0][i : i + 1], patterns[1][j : j + 1]
        if a == "*":
            return meet(i + 1, j) or (bool(b) and meet(i, j + 1))
        if b == "*":
            return meet(i, j + 1) or (bool(a) and meet(i + 1, j))
        if not a or not b:
            return a == b
        return (a == b or "?" in (a, b)) and meet(i + 1, j + 1)

    return meet(0, 0)


def _covers(bound: Statement, action: str, resource: str, statement: Statement) -> bool:
    return (
        action.lower() in {each.lower() for each in bound.actions or ()}
        and any(_is_within(resource, each) for each in bound.resources or ())
        and set(bound.conditions) <= set(statement.conditions)
    )


def _is_within(resource: str, bound: str) -> bool:
    """Tell whether one pattern is within another: the same, everything, or one plain name of it."""
    if bound in (resource, "*"):
        return True
    plain = not any(mark in resource for mark in "*?$")
    return plain and fnmatch.fnmatchcase(resource, bound.replace("[", "[[]"))


def _places(tenancy: Tenancy) -> dict[str, str]:
    def arn(service: str, rest: str) -> str:
        return f"arn:{tenancy.partition}:{service}:{tenancy.region}:{tenancy.account_id}:{rest}"

    environment = tenancy.environment
    return {
        "table": arn("dynamodb", f"table/{tenancy.table}"),
        "data-bucket": f"arn:{tenancy.partition}:s3:::{tenancy.data_bucket}",
        "exports-bucket": f"arn:{tenancy.partition}:s3:::{tenancy.exports_bucket}",
        "silo-bucket": f"arn:{tenancy.partition}:s3:::tenkacloud-{environment}-silo-*",
        "tenant-log-group": arn("logs", f"log-group:/tenkacloud/{environment}/tenants/*"),
        "bus": arn("events", f"event-bus/tenkacloud-{environment}-tenant-events"),
        "queues": arn("sqs", f"tenkacloud-{environment}-"),
        **{f"{name}-role": role.arn for name, role in tenancy.roles.items()},
        "account": tenancy.account_id,
    }


CHECKS: Final[dict[str, Check]] = {
    "G1 nothing in the plan that the proof does not know": unknown_types,
    "G2 the buckets and both tables are the plan's": missing_places,
    "G3 no bucket or table is open by a policy, an ACL or a copy": open_places,
    "G4 each function runs as its own role, and nobody else does": misused_roles,
    "G5 functions are woken by named sources, those that act for tenants by the API": wakers,
    "G6 the API passes nothing on without a verified token": open_routes,
    "G7 no user can write the tenant's claim": writable_claims,
    "G8 functions that maintain tenants' data take the control plane's events alone": queues,
}


def problems(check: Check, tenancy: Tenancy) -> str:
    """Return what a check finds, in one line; what it can't read is a finding, too."""
    try:
        return "; ".join(check(tenancy))
    except UnreadableError as error:
        return str(error)
