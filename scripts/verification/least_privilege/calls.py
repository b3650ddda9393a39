"""Which AWS calls a service's code makes, read from its source: what its role has to allow, and no more.

A call is a method of a boto3 client. One made on a `session` is made with a tenant's session
(`tenkacloud.isolation.sessions`), any other with the function's own role. Of the service, all code counts; of
the shared package, what that may come to: the functions and methods whose names it mentions, in modules that
it imports, and so on from there.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import botocore.session
from botocore import xform_name

from scripts.tooling.build import SHARED
from scripts.tooling.services import SERVICES

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
    """Return the calls of a service, by its name.

    Raises:
        KeyError: there is no such service.
    """
    calls = {call for code in _reached(SERVICES[service].source) for call in _calls_in(code)}
    return Calls(
        own=frozenset(action for action, with_session in calls if not with_session),
        by_session=frozenset(action for action, with_session in calls if with_session),
    )


def calls_in(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the IAM action of each AWS call in a source text, and whether a tenant's session makes it."""
    yield from _calls_in(ast.parse(source))


def _calls_in(code: ast.AST) -> Iterator[tuple[str, bool]]:
    for node in ast.walk(code):
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


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _reached(source: Path) -> Iterator[ast.AST]:
    """Yield the code of a service, and what of the shared package it may come to."""
    service = [ast.parse(path.read_text()) for path in source.rglob("*.py")]
    shared = _imported(service)
    # A name that is an attribute of some class, too, is one of its methods only where it is called.
    values = {name for module in shared for name in _values_of(module)}
    functions = [function for module in shared for function in _functions_of(module)]
    waiting: list[ast.AST] = [*service, *(_without_functions(module) for module in shared)]
    names: set[str] = set()
    while waiting:
        for code in waiting:
            names |= _mentioned_in(code, values)
        yield from waiting
        waiting = [code for name, code in functions if name in names or name.startswith(".__")]
        functions = [(name, code) for name, code in functions if code not in waiting]


def _imported(modules: Sequence[ast.Module]) -> list[ast.Module]:
    """Return the modules of the shared package that some modules import, however indirectly."""
    found: dict[Path, ast.Module] = {}
    waiting = list(modules)
    while waiting:
        for node in ast.walk(waiting.pop()):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tenkacloud":
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    path = SHARED / f"{name.replace('.', '/')}.py"
                    if path.is_file() and path not in found:
                        found[path] = ast.parse(path.read_text())
                        waiting.append(found[path])
    return list(found.values())


def _functions_of(module: ast.Module) -> Iterator[tuple[str, _Function]]:
    """Yield a module's functions and its classes' methods by name, that of a method with a dot before it."""
    for node in module.body:
        if isinstance(node, _Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f".{each.name}", each) for each in node.body if isinstance(each, _Function))


def _without_functions(module: ast.Module) -> ast.Module:
    """Return what of a module runs when it is imported."""
    body: list[ast.stmt] = []
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            body += [each for each in node.body if not isinstance(each, _Function)]
        elif not isinstance(node, _Function):
            body.append(node)
    return ast.Module(body, [])


def _values_of(module: ast.Module) -> Iterator[str]:
    """Yield the names of the attributes that a module's classes declare."""
    for node in module.body:
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                yield each.target.id


def _mentioned_in(code: ast.AST, values: set[str]) -> set[str]:
    called = {id(node.func) for node in ast.walk(code) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(code) if isinstance(node, ast.Name)}
    attributes = {
        node.attr
        for node in ast.walk(code)
        if isinstance(node, ast.Attribute) and (node.attr not in values or id(node) in called)
    }
    return names | attributes | {f".{name}" for name in attributes}


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
