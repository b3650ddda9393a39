"""Replaying a time range from the archive of the tenant bus."""

import time
import uuid
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress

from scripts.operator.environment import Environment
from scripts.tooling.project import CommandError, UsageError

_POLL_SECONDS: Final = 1.0
_ENDED: Final = ("COMPLETED", "FAILED", "CANCELLED")


def moment(text: str) -> datetime:
    """Return a time that a user typed: RFC 3339, with a zone.

    Raises:
        UsageError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f"{text!r} is no time like 2026-01-31T09:00:00Z")
    return found


def replay(
    environment: Environment, start: datetime, end: datetime, *, seconds: float, visible: bool
) -> dict[str, Any]:
    """Send every event of a range to the bus once more; wait until it is done, at most `seconds`.

    Safe at any time: results of settled attempts change nothing, and onboardings only make what is missing.

    Raises:
        UsageError: the range is empty.
        CommandError: the replay fails or does not end.
    """
    if start >= end:
        raise UsageError("FROM must be before TO")
    deployment, events = environment.deployment, environment.clients.events
    name = f"tenkacloud-{uuid.uuid4().hex[:16]}"
    partition = deployment.event_bus_arn.split(":")[1]
    account = f"{deployment.region}:{deployment.account_id}"
    events.start_replay(
        ReplayName=name,
        EventSourceArn=f"arn:{partition}:events:{account}:archive/{deployment.event_archive_name}",
        EventStartTime=start,
        EventEndTime=end,
        Destination={"Arn": deployment.event_bus_arn},
    )
    deadline = time.monotonic() + seconds
    with Progress(console=Console(stderr=True), disable=not visible) as progress:
        task = progress.add_task("replaying", total=(end - start).total_seconds())
        while True:
            found = events.describe_replay(ReplayName=name)
            last = found.get("EventLastReplayedTime")
            if last is not None:
                progress.update(task, completed=(last - start).total_seconds())
            if found["State"] in _ENDED:
                break
            if time.monotonic() > deadline:
                raise CommandError(f"replay {name} is {found['State']} after {seconds:.0f} s; it goes on")
            time.sleep(_POLL_SECONDS)
    if found["State"] != "COMPLETED":
        raise CommandError(f"replay {name} is {found['State']}: {found.get('StateReason', '')}")
    return {"replay": name, "from": start.isoformat(), "to": end.isoformat(), "state": found["State"]}
