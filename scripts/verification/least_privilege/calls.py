"""Which AWS calls a service's code makes, read from its source: what its role has to allow, and no more.

A call is a method of a boto3 client. One made on a `session` is made with a tenant's session
(`tenkacloud.isolation.sessions`), any other with the function's own role. Followed are the imports within the
service and the shared package, so a call counts where its module is imported.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import botocore.session
from botocore import xform_name

from scripts.tooling.build import SERVICES, SHARED

_SERVICES: Final = ("dynamodb", "events", "s3", "sqs", "sts")
#: Operations whose IAM action has another name (Service Authorization Reference).
_ACTIONS: Final[dict[str, tuple[str, ...]]] = {
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    # A transaction is allowed by its parts: the store's are these.
    "dynamodb:TransactWriteItems": ("dynamodb:PutItem", "dynamodb:UpdateItem"),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
}
#: Arguments that need an action of their own.
_ARGUMENTS: Final = {
    ("sts:AssumeRole", "Tags"): "sts:TagSession",
    ("sts:AssumeRole", "SourceIdentity"): "sts:SetSourceIdentity",
}


@dataclass(frozen=True)
class Calls:
    """IAM actions that a service's code needs: by its own role, and by a tenant's session."""

    own: frozenset[str]
    by_session: frozenset[str]


def calls_of(service: str) -> Calls:
    """Return the calls of a service, by its folder's name.

    Raises:
        ValueError: there is no such service.
    """
    sources = list(SERVICES.glob(f"*/{service}/src"))
    if len(sources) != 1:
        raise ValueError(f"there is no service {service}")
    calls = {call for module in _modules(sources[0]) for call in calls_in(module.read_text())}
    return Calls(
        own=frozenset(action for action, with_session in calls if not with_session),
        by_session=frozenset(action for action, with_session in calls if with_session),
    )


def calls_in(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the IAM action of each AWS call in a source text, and whether a tenant's session makes it."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        operation = _operations().get(node.func.attr)
        if operation is None:
            continue
        with_session = isinstance(receiver := node.func.value, ast.Attribute) and (
            isinstance(receiver.value, ast.Name) and receiver.value.id == "session"
        )
        for action in _ACTIONS.get(operation, (operation,)):
            yield action, with_session
        for keyword in node.keywords:
            if (operation, keyword.arg) in _ARGUMENTS:
                yield _ARGUMENTS[operation, str(keyword.arg)], with_session


def _modules(source: Path) -> set[Path]:
    """Return the service's modules, and those of the shared package that they import, however indirectly."""
    found: set[Path] = set()
    wanted = list(source.rglob("*.py"))
    while wanted:
        path = wanted.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tenkacloud":
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                candidates = [SHARED / f"{name.replace('.', '/')}.py" for name in names]
                wanted += [candidate for candidate in candidates if candidate.is_file()]
    return found


@cache
def _operations() -> dict[str, str]:
    """Return `service:Operation` by the name of the boto3 client's method; of one name, each that has it."""
    session = botocore.session.get_session()
    operations: dict[str, str] = {}
    for service in _SERVICES:
        for operation in session.get_service_model(service).operation_names:
            method = xform_name(operation)
            known = f"{operations[method]} or " if method in operations else ""
            operations[method] = f"{known}{service}:{operation}"
    return operations
