"""Requests to try where z3 can't tell: those that the policies themselves suggest."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from scripts.verification.proof.plan import Tenancy
from scripts.verification.proof.policy import Literal, Policy, Statement, Variable, template

#: Tenants whose ids overlap.
_PAIRS: Final = (("a", "ab"), ("ab", "a"), ("a", "b"), ("a/b", "a"))
#: Tried for a wildcard.
_ACTIONS: Final = (
    *("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:ListBucketVersions", "s3:DeleteBucket"),
    *("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:DeleteTable"),
    *("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "iam:PassRole", "lambda:UpdateFunctionCode"),
)


def combinations(tenancy: Tenancy, more: Sequence[Policy] = ()) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Yield pairs of tenants, an action and a resource each. `more`: policies beside the plan's."""
    policies = [
        *more,
        *tenancy.role.policies,
        *tenancy.resource_policies,
    ]
    allowing = [statement for policy in policies for statement in policy.statements if statement.allow]
    for pair in _PAIRS:
        seen = set()
        for statement in allowing:
            resources = [*_resources(statement, pair), *_places(tenancy, pair[1])]
            for each in itertools.product(_actions(statement), resources):
                if each not in seen and _fit(*each):
                    seen.add(each)
                    yield pair, *each


def _fit(action: str, resource: str) -> bool:
    parts = resource.split(":")
    return len(parts) < 3 or action.lower().startswith(f"{parts[2]}:")  # noqa: PLR2004 - arn:aws:service


def _actions(statement: Statement) -> list[str]:
    written = statement.actions or ()
    literal = [action for action in written if "*" not in action and "?" not in action]
    return literal if len(literal) == len(written) and written else [*literal, *_ACTIONS]


def _resources(statement: Statement, pair: tuple[str, str]) -> Iterator[str]:
    for text in statement.resources or ():
        # `*` may be the other tenant's id, nothing, or any text; a variable is the session's own.
        for wild in (pair[1], "", "x"):
            parts = template(text, wildcards=True)
            yield "".join(
                part.text if isinstance(part, Literal) else pair[0] if isinstance(part, Variable) else wild
                for part in parts
            )


def _places(tenancy: Tenancy, other: str) -> Iterator[str]:
    bucket = f"arn:{tenancy.partition}:s3:::{tenancy.data_bucket}"
    tables = f"arn:{tenancy.partition}:dynamodb:{tenancy.region}:{tenancy.account_id}:table/"
    exports = f"arn:{tenancy.partition}:s3:::{tenancy.exports_bucket}"
    yield from (f"{bucket}/tenants/{other}/x", bucket, f"{exports}/{other}/x", exports)
    yield from (f"{tables}{tenancy.data_table}", f"{tables}{tenancy.table}")
