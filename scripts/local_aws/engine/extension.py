"""What we fill in of the engine, pinned to its version.

What is left open is told in `docs/local-engine.md`.

- The loopback counts as secure transport. Bucket policies deny everything that does not come over TLS; on
  AWS that is right, but here no request leaves the machine, and the engine speaks plain HTTP.
- A stream filter's `exists: false` holds for a leaf whose parents are missing, too: so a record that had no
  `provisioningStatus` at all wakes its function when it becomes PENDING, as on AWS.
- `policies`: policy variables, the role's ARN, the account of a bucket.
- `leading_keys`: `dynamodb:LeadingKeys`, and PartiQL's actions.
- `sessions`: transitive tags, source identity and role chaining.
- `objects`: keys exactly as they are, versions in a batch of deletions, tags to copy, expected owners.
- `copies`: checksums, ETags, conditions and tags of copies and of uploads in parts.
- `listings`: versions and uploads with any key, and from a version on that is gone.
- `logs`: all that a function prints is logged with the invocation that printed it.
- `queues`: Lambda's queue of asynchronous invocations.
- `responses`: head and body in one write.
- `retries`: a call that Terraform sends again has one effect and one answer.

Imported only in the engine's own environment.
"""

import functools
import importlib
import importlib.metadata
import inspect
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Final

from scripts.local_aws.engine import (
    copies,
    leading_keys,
    listings,
    logs,
    objects,
    policies,
    queues,
    responses,
    retries,
    sessions,
)

VERSION = "1.5.33"
#: What is patched: the engine, and the HTTP server that it runs on.
VERSIONS: Final = {"ministack": VERSION, "hypercorn": "0.18.0"}


class UnknownEngineError(RuntimeError):
    """The installed engine is not the one that the extension was written for."""


def install() -> None:
    """Patch the engine, before it serves.

    Raises:
        UnknownEngineError: the engine has another version, or lacks what is patched.
    """
    for package, version in VERSIONS.items():
        installed = importlib.metadata.version(package)
        if installed != version:
            raise UnknownEngineError(
                f"the extension is written for {package} {version}, but {installed} is installed; "
                "install requirements/engine.txt, or check this extension against the new one"
            )
    replace("ministack.app", "pin_request_origin", "source_ip secure_transport", pin_loopback_as_secure)
    replace("ministack.services.lambda_svc", "_match_esm_filter", "record pattern", with_missing_parents)
    for part in (
        policies,
        leading_keys,
        logs,
        objects,
        copies,
        listings,
        sessions,
        queues,
        responses,
        retries,
    ):
        part.install(replace)


def replace(
    module_name: str, name: str, parameters: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    """Replace a function of the engine by what `wrapper` makes of it, in its module.

    `name` is a function's, or a method's as `Class.method`.

    Raises:
        UnknownEngineError: it is not there, or its parameters are not these (names, with blanks between).
    """
    owner: Any = importlib.import_module(module_name)
    *classes, function = name.split(".")
    for each in classes:
        owner = getattr(owner, each, None)
    original = getattr(owner, function, None)
    found = " ".join(inspect.signature(original).parameters) if callable(original) else "nothing"
    if original is None or found != parameters:
        raise UnknownEngineError(f"{module_name}.{name} takes {found}, not {parameters}")
    replacement = functools.wraps(original)(wrapper(original))
    setattr(owner, function, replacement)


def pin_loopback_as_secure(pin: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    """Return a pin of a request's origin that takes the loopback for secure."""

    def pinned(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, secure_transport or is_loopback(source_ip))

    return pinned


def is_loopback(address: str) -> bool:
    """Tell whether an IP address is of this machine's loopback; False for what is no address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def with_missing_parents(
    match: Callable[[dict[str, Any], dict[str, Any]], bool],
) -> Callable[[dict[str, Any], dict[str, Any]], bool]:
    """Return a filter match that takes a missing object for an empty one, level by level."""

    def matches(record: dict[str, Any], pattern: dict[str, Any]) -> bool:
        missing: dict[str, Any] = {
            name: {} for name, part in pattern.items() if isinstance(part, Mapping) and name not in record
        }
        return match({**record, **missing}, pattern)

    return matches
