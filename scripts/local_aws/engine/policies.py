"""What the engine's policy evaluation lacks: policy variables, the role's ARN, the account of a bucket.

AWS: IAM User Guide, "IAM policy elements: Variables and tags" (reference_policies_variables) and "AWS global
condition context keys" (reference_policies_condition-keys).
"""

import dataclasses
import functools
import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Function = Callable[..., Any]
Replace = Callable[[str, str, str, Callable[[Function], Function]], None]
#: Looks a condition key of the request up; None if it is not there.
Lookup = Callable[[str], Any]

#: The one Version of policies that have variables. In others they are text like any other.
_VERSION: Final = "2012-10-17"
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_WITH_DEFAULT: Final = re.compile(r"([^,']*?)\s*,\s*'([^']*)'\s*")
#: Stand for the wildcard characters that are meant literally, in a pattern. No Unicode characters.
_LITERAL: Final = {"*": "\ufdd0", "?": "\ufdd1"}
_MEANT: Final = {stand_in: character for character, stand_in in _LITERAL.items()}
_WILDCARDS: Final = {"*": ".*", "?": "."}
_STRING_OPERATORS: Final = frozenset(
    {"stringequals", "stringnotequals", "stringequalsignorecase", "stringnotequalsignorecase"}
)
_PATTERN_OPERATORS: Final = frozenset(
    {"stringlike", "stringnotlike", "arnequals", "arnnotequals", "arnlike", "arnnotlike"}
)
_ASSUMED_ROLE: Final = re.compile(r"arn:([^:]+):sts::(\d{12}):assumed-role/([^/]+)/.*", re.DOTALL)
_BUCKET: Final = re.compile(r"arn:[^:]+:s3:::([^/]+).*", re.DOTALL)


class UnresolvedVariableError(Exception):
    """A policy variable has no value in this request, and no default."""


class Conditions(dict[str, Any]):
    """The conditions of a statement whose policy has variables: this type is the mark of such a statement."""


def install(replace: Replace) -> None:  # noqa: C901 - one small function for each that is patched
    """Patch the engine's policy evaluation."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    iam = importlib.import_module("ministack.services.iam")
    s3 = importlib.import_module("ministack.services.s3")

    def lookup_in(context: Any) -> Lookup:
        # Looked up at each call: it is patched below.
        return lambda key: evaluator._resolve_condition_key(key, context)

    def first_match(original: Function) -> Function:
        def match(ctx: Any, stmts: list[Any], effect: str) -> Any:
            resolved = (resolved_statement(stmt, lookup_in(ctx)) for stmt in stmts if stmt.effect == effect)
            return original(ctx, [stmt for stmt in resolved if stmt is not None], effect)

        return match

    def conditions_met(original: Function) -> Function:
        def met(conditions: Any, ctx: Any) -> Any:
            try:
                return original(resolved_conditions(conditions, lookup_in(ctx)), ctx)
            except UnresolvedVariableError:
                return False

        return met

    def resolve_condition_key(original: Function) -> Function:
        def resolve(key: str, ctx: Any) -> Any:
            name = key.lower()
            if name == "aws:principalarn":
                return principal_arn(ctx.principal_arn, functools.partial(_role, iam))
            if name in {"aws:resourceaccount", "s3:resourceaccount"} and (
                owner := bucket_owner(ctx.resource_arn, s3._bucket_owner_account)
            ):
                return owner
            value = original(key, ctx)
            return None if value == [] else value  # a key without values is not in the request

        return resolve

    def of_marked(original: Function) -> Function:
        return lambda doc, *args, **more: original(with_variables_marked(doc), *args, **more)

    where = "ministack.core.iam_evaluator"
    replace(where, "_fnmatch_compile", "pattern ignore_case", lambda _: compiled)
    replace(where, "parse_policy_document", "doc", of_marked)
    replace(where, "evaluate_trust_policy", "trust_doc caller_arn ctx", of_marked)
    # Takes the statements that name the caller out of the document, and so loses its Version.
    replace(where, "evaluate_resource_policy", "doc ctx service named_only direct_only", of_marked)
    replace(where, "_first_match", "ctx stmts effect", first_match)
    replace(where, "_conditions_met", "conditions ctx", conditions_met)
    replace(where, "_resolve_condition_key", "key ctx", resolve_condition_key)


def with_variables_marked(document: Any) -> Any:
    """Return a policy document with each statement marked as one with variables, if its Version has them.

    AWS: reference_policies_elements_version. The engine forgets the Version when it parses a document.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return document
    if not isinstance(document, Mapping) or document.get("Version") != _VERSION:
        return document
    statements = document.get("Statement", [])
    return {
        **document,
        "Statement": [
            {**statement, "Condition": Conditions(statement.get("Condition") or {})}
            if isinstance(statement, Mapping)
            else statement
            for statement in ([statements] if isinstance(statements, Mapping) else statements)
        ],
    }


def resolved_statement(statement: Any, lookup: Lookup) -> Any:
    """Return a parsed statement with the variables in Resource and NotResource replaced.

    None if one has no value: then the statement does not match, be it Allow or Deny.
    AWS: reference_policies_variables, "Resource element".
    """
    if not isinstance(statement.conditions, Conditions):
        return statement
    try:
        return dataclasses.replace(
            statement,
            resources=_all_substituted(statement.resources, lookup, wildcards=True),
            not_resources=_all_substituted(statement.not_resources, lookup, wildcards=True),
        )
    except UnresolvedVariableError:
        return None


def resolved_conditions(conditions: Any, lookup: Lookup) -> Any:
    """Return the conditions of a statement with the variables in their values replaced.

    AWS: reference_policies_variables, "Condition element": string and ARN operators only.

    Raises:
        UnresolvedVariableError: one has no value.
    """
    if not isinstance(conditions, Conditions):
        return conditions
    return {
        operator: {key: _resolved_values(operator, values, lookup) for key, values in block.items()}
        if isinstance(block, Mapping)
        else block
        for operator, block in conditions.items()
    }


def _resolved_values(operator: str, values: Any, lookup: Lookup) -> Any:
    base = (
        operator.lower().removeprefix("forallvalues:").removeprefix("foranyvalue:").removesuffix("ifexists")
    )
    if base not in _STRING_OPERATORS | _PATTERN_OPERATORS:
        return values
    many = values if isinstance(values, list) else [values]
    return _all_substituted(map(str, many), lookup, wildcards=base in _PATTERN_OPERATORS)


def _all_substituted(texts: Iterable[str], lookup: Lookup, *, wildcards: bool) -> list[str]:
    return [substituted(text, lookup, wildcards=wildcards) for text in texts]


def substituted(text: str, lookup: Lookup, *, wildcards: bool) -> str:
    """Return a text of a policy with its variables replaced by values of the request.

    `${*}`, `${?}` and `${$}` are these characters. `${key, 'default'}` has a default. Keys of more than one
    value are no variables. `wildcards` tells that the text is a pattern: wildcard characters that come from
    a variable are not wildcards.

    AWS: reference_policies_variables.

    Raises:
        UnresolvedVariableError: a variable has neither value nor default.
    """

    def value(match: re.Match[str]) -> str:
        variable = match[1]
        if variable in {"*", "?", "$"}:
            found: Any = variable
        elif with_default := _WITH_DEFAULT.fullmatch(variable):
            found = lookup(with_default[1].strip())
            found = with_default[2] if found is None else found
        else:
            found = lookup(variable.strip())
        if found is None or isinstance(found, list):
            raise UnresolvedVariableError(variable)
        literal = str(found)
        return "".join(_LITERAL.get(c, c) for c in literal) if wildcards else literal

    return _VARIABLE.sub(value, text)


@functools.lru_cache(maxsize=4096)
def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """Return the expression that matches what an IAM pattern does: `*` any text, `?` any character.

    All of the value, line ends included: the engine's own takes neither a line end for a character nor one
    at the end for a difference. AWS: reference_policies_elements_resource, "wildcards".
    """
    parts = (_WILDCARDS.get(c) or re.escape(_MEANT.get(c, c)) for c in pattern)
    return re.compile("".join(parts) + r"\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def principal_arn(arn: str, role_arn: Callable[[str, str], str | None]) -> str:
    """Return `aws:PrincipalArn`: for the session of a role, the role's ARN with its path.

    `role_arn` finds the ARN of a role by account and name. AWS: reference_policies_condition-keys,
    "aws:PrincipalArn".
    """
    session = _ASSUMED_ROLE.fullmatch(arn)
    if session is None:
        return arn
    partition, account, name = session.groups()
    return role_arn(account, name) or f"arn:{partition}:iam::{account}:role/{name}"


def _role(iam: Any, account: str, name: str) -> str | None:
    arn: str | None = (iam._roles.get_scoped(account, None, name) or {}).get("Arn")
    return arn


def bucket_owner(resource_arn: str, owner: Callable[[str], str | None]) -> str | None:
    """Return the account of a bucket's or object's ARN, None for other ARNs and unknown buckets.

    `owner` finds the account of a bucket by its name. AWS: reference_policies_condition-keys,
    "aws:ResourceAccount". Bucket ARNs don't tell their account; the engine takes it for the caller's.
    """
    bucket = _BUCKET.fullmatch(resource_arn)
    return owner(bucket[1]) if bucket else None
