"""The options that commands share, and how their values are read. Pure, but for the list of environments."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from scripts.operator.output import Format
from scripts.tooling.project import ENVIRONMENTS, LOCAL

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_SIZES: Final = (86_400, 3_600, 60, 1)


class MessageKind(StrEnum):
    """What put a message into a dead-letter queue."""

    REJECTED = "rejected"  # one of our functions: the event breaks the contract
    INVOCATION = "invocation"  # Lambda: a function failed on an event
    EVENT = "event"  # EventBridge: it could not hand over an event
    STREAM = "stream"  # Lambda: it stopped retrying a batch of the stream
    QUEUE = "queue"  # SQS: a function failed on it each time that its queue gave it
    UNKNOWN = "unknown"


class Status(StrEnum):
    """What a list can be of: a tenant's own status, or that of its provisioning. Typed in any case."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    OFFBOARDING = "OFFBOARDING"
    DELETED = "DELETED"
    PENDING = "PENDING"
    PROVISIONING = "PROVISIONING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"  # also operations, and deprovisioning
    DEPROVISIONING = "DEPROVISIONING"
    DEPROVISIONED = "DEPROVISIONED"
    DEPROVISION_FAILED = "DEPROVISION_FAILED"


class OperationState(StrEnum):
    """How far a phase of an operation is. KEPT: a place that a move left, and that nobody retires."""

    REQUESTED = "REQUESTED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    FAILED = "FAILED"
    KEPT = "KEPT"


def duration(text: str) -> float:
    """Return a duration in seconds: 90, 90s, 15m, 1h30m, 2d.

    Raises:
        typer.BadParameter: it is not one.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise typer.BadParameter(f"{text!r} is not a duration like 90, 15m, 1h30m or 2d")
    return float(sum(int(part or 0) * size for part, size in zip(found.groups(), _SIZES, strict=True)))


def moment(text: str) -> datetime:
    """Return a time: RFC 3339, with a zone.

    Raises:
        typer.BadParameter: it is not one.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is not a time like 2026-01-31T09:00:00Z")
    return found


#: What lists of tenants can be sorted by, and how. What has no value comes first.
SORTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "id": lambda row: row["tenantId"],
    "name": lambda row: str(row.get("name") or "").casefold(),
    "slug": lambda row: str(row.get("slug") or ""),
    "status": lambda row: str(row.get("provisioningStatus") or ""),
    "tier": lambda row: str(row.get("tier") or ""),
    "age": lambda row: row["ageSeconds"] or 0,
    "created": lambda row: str(row.get("createdAt") or ""),
    "updated": lambda row: str(row.get("updatedAt") or ""),
}


def sort_field(text: str) -> str:
    """Return what a list is sorted by, `-` in front for descending.

    Raises:
        typer.BadParameter: it is not one of `SORTS`.
    """
    chosen = text.strip().lower()
    if chosen.removeprefix("-") not in SORTS:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(SORTS)}, maybe with - in front")
    return chosen


def _sort_fields() -> list[str]:
    return [*SORTS, *(f"-{each}" for each in SORTS)]


def _environments() -> list[str]:
    return sorted(path.parent.name for path in ENVIRONMENTS.glob("*/main.tf"))


Env = Annotated[
    str,
    typer.Option(
        "--env",
        "-e",
        envvar="TENKACLOUD_ENV",
        metavar="ENV",
        help="The environment.",
        autocompletion=_environments,
        rich_help_panel="Common",
    ),
]
Output = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        case_sensitive=False,
        help="How to print; else a table on a terminal, and tsv in a pipe.",
        rich_help_panel="Common",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The same as -o json.", rich_help_panel="Common")]
NoHeaders = Annotated[
    bool, typer.Option("--no-headers", help="csv and tsv without the first line.", rich_help_panel="Common")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: for scripts.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Rate = Annotated[float, typer.Option("--rate", min=0.1, help="Send at most so many a second.")]
OlderThan = Annotated[
    float | None,
    typer.Option(
        "--older-than", parser=duration, metavar="DURATION", help="At least so old: 90, 15m, 2h, 3d."
    ),
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", parser=duration, metavar="DURATION", help="Wait at most so long: 90, 15m, 2h."),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        parser=sort_field,
        metavar="[-]FIELD",
        autocompletion=_sort_fields,
        help=f"Sort by {', '.join(SORTS)}; - in front: descending.",
    ),
]
TenantIdArgument = Annotated[str, typer.Argument(metavar="TENANT_ID", help="The tenant's id.")]
Interval = Annotated[float, typer.Option("--interval", min=0.2, help="Seconds between two looks.")]
Service = Annotated[str | None, typer.Option("--service", help="Only this service's queue.")]
DEFAULT_ENVIRONMENT: Final = LOCAL
