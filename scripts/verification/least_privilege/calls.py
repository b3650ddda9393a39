"""Which AWS calls a service's code makes, read from its source: what its role has to allow, and no more.

A call is a method of a boto3 client, or its name given to `get_paginator`. One made on a `session` is made
with a session for one tenant (`tenkacloud.isolation`), as is all that `tenkacloud.objects` does, and what a
service does with a client that it never got of its own (`clients.s3`); any other is made with the function's
own role. Of the service, all code counts; of the shared package, what that may come to: the functions and
methods whose names it mentions, in modules that it imports, and so on from there.
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

_SERVICES: Final = ("dynamodb", "events", "logs", "s3", "sqs", "sts")
#: Operations whose IAM action has another name (Service Authorization Reference).
_ACTIONS: Final[dict[str, tuple[str, ...]]] = {
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    # A transaction is allowed by its parts: the store's are these.
    "dynamodb:TransactWriteItems": ("dynamodb:PutItem", "dynamodb:UpdateItem"),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:UploadPartCopy": ("s3:GetObject", "s3:PutObject"),
}
#: Whoever calls what is in there gives it a session's clients.
_BY_SESSION: Final = SHARED / "tenkacloud" / "objects"
#: Arguments that need an action of their own.
_ARGUMENTS: Final = {
    ("sts:AssumeRole", "Tags"): "sts:TagSession",
    ("sts:AssumeRole", "SourceIdentity"): "sts:SetSourceIdentity",
    ("logs:CreateLogGroup", "tags"): "logs:TagResource",
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
    source = SERVICES[service].source
    modules = [ast.parse(path.read_text()) for path in sorted(source.rglob("*.py"))]
    given = {name for name in _SERVICES if any(_gets_client(module, name) for module in modules)}
    without = frozenset(_SERVICES) - given
    calls = {call for module in modules for call in _calls_in(module, without)}
    for code, path in _reached(modules):
        by_session = path.is_relative_to(_BY_SESSION)
        calls |= set(_calls_in(code, frozenset(_SERVICES) if by_session else frozenset()))
    return Calls(
        own=frozenset(action for action, with_session in calls if not with_session),
        by_session=frozenset(action for action, with_session in calls if with_session),
    )


def calls_in(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the IAM action of each AWS call in a source text, and whether a tenant's session makes it."""
    yield from _calls_in(ast.parse(source), frozenset())


def _calls_in(code: ast.AST, by_session: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Yield the calls in a piece of code, in which clients of some services are always a session's."""
    for node in ast.walk(code):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        receiver = set(_names_in(node.func.value))
        operation = _operation(node, receiver)
        if operation is None:
            continue
        with_session = "session" in receiver or operation.partition(":")[0] in by_session
        for action in _ACTIONS.get(operation, (operation,)):
            yield action, with_session
        for keyword in node.keywords:
            if (operation, keyword.arg) in _ARGUMENTS:
                yield _ARGUMENTS[operation, str(keyword.arg)], with_session


def _operation(call: ast.Call, receiver: set[str]) -> str | None:
    """Return `service:Operation` of a call, None if it is none of a client.

    Of operations of one name, that of the service that the receiver is called after.
    """
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method == "get_paginator" and call.args and isinstance(call.args[0], ast.Constant):
        method = str(call.args[0].value)
    found = _operations().get(method, ())
    named = [operation for operation in found if operation.partition(":")[0] in receiver]
    return next(iter(named or found), None)


def _names_in(receiver: ast.AST) -> Iterator[str]:
    """Yield the names in what a method is called on: `self.session.s3`, `self.logs()`."""
    for node in ast.walk(receiver):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _gets_client(module: ast.Module, service: str) -> bool:
    """Tell whether a module takes the client of a service for the function's own role."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == service
        and isinstance(node.value, ast.Name)
        and node.value.id == "clients"
        for node in ast.walk(module)
    )


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _reached(service: Sequence[ast.Module]) -> Iterator[tuple[ast.AST, Path]]:
    """Yield what of the shared package a service may come to, and the modules' paths."""
    shared = _imported(service)
    # A name that is an attribute of some class, too, is one of its methods only where it is called.
    values = {name for module in shared.values() for name in _values_of(module)}
    functions = [
        (name, code, path) for path, module in shared.items() for name, code in _functions_of(module)
    ]
    waiting: list[tuple[ast.AST, Path]] = [
        (_without_functions(module), path) for path, module in shared.items()
    ]
    names = {name for module in service for name in _mentioned_in(module, values)}
    while waiting:
        for code, path in waiting:
            # What a private class of the same module has is meant, and not what others call the same.
            names |= _mentioned_in(code, values) - _private_methods(shared[path])
        yield from waiting
        waiting = [
            (code, path)
            for name, code, path in functions
            if name in names | _private_methods(shared[path]) or name.startswith(".__")
        ]
        reached = [code for code, _ in waiting]
        functions = [each for each in functions if each[1] not in reached]


def _imported(modules: Sequence[ast.Module]) -> dict[Path, ast.Module]:
    """Return the modules of the shared package that some modules import, however indirectly, by path."""
    found: dict[Path, ast.Module] = {}
    waiting = list(modules)
    while waiting:
        for node in ast.walk(waiting.pop()):
            for path in _paths_of(node):
                if path.is_file() and path not in found:
                    found[path] = ast.parse(path.read_text())
                    waiting.append(found[path])
    return found


def _paths_of(node: ast.AST) -> Iterator[Path]:
    """Yield where the modules may be that an import names. A package that is imported itself is all of it."""
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tenkacloud":
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
            yield SHARED / f"{name.replace('.', '/')}.py"
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] == "tenkacloud":
                yield from sorted((SHARED / alias.name.replace(".", "/")).glob("*.py"))


def _functions_of(module: ast.Module) -> Iterator[tuple[str, _Function]]:
    """Yield a module's functions and its classes' methods by name, that of a method with a dot before it."""
    for node in module.body:
        if isinstance(node, _Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f".{each.name}", each) for each in node.body if isinstance(each, _Function))


def _private_methods(module: ast.Module) -> set[str]:
    """Return the methods of a module's private classes, with a dot before each. They count as reached."""
    return {
        f".{each.name}"
        for node in module.body
        if isinstance(node, ast.ClassDef) and node.name.startswith("_")
        for each in node.body
        if isinstance(each, _Function)
    }


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
def _operations() -> dict[str, tuple[str, ...]]:
    """Return `service:Operation` by the name of the boto3 client's method, of each service that has it."""
    session = botocore.session.get_session()
    operations: dict[str, tuple[str, ...]] = {}
    for service in _SERVICES:
        for operation in session.get_service_model(service).operation_names:
            method = xform_name(operation)
            operations[method] = (*operations.get(method, ()), f"{service}:{operation}")
    return operations
