"""Replaying a time range from the archive of the tenant bus."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from scripts.operator.environment import Environment
from scripts.tooling.project import CommandError
from tenkacloud.platform.clock import Clock

_POLL_SECONDS: Final = 1.0
_ENDED: Final = ("COMPLETED", "FAILED", "CANCELLED")


def replay(
    environment: Environment,
    start: datetime,
    end: datetime,
    clock: Clock,
    *,
    seconds: float,
    tell: Callable[[datetime], None],
) -> dict[str, Any]:
    """Send every event of a range to the bus once more; wait until it is done, at most `seconds`.

    Safe at any time: results of attempts that have ended change nothing, onboardings only make what is
    missing, and requests of operations that are over are dropped by those who take them. `tell` is called
    with the time of the last event that was sent.

    Raises:
        CommandError: the replay fails or does not end.
    """
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
    deadline = clock.now() + timedelta(seconds=seconds)
    while True:
        found = events.describe_replay(ReplayName=name)
        last = found.get("EventLastReplayedTime")
        if last is not None:
            tell(last)
        if found["State"] in _ENDED:
            break
        if clock.now() > deadline:
            raise CommandError(
                f"replay {name} is {found['State']} after {seconds:.0f} s; it goes on: "
                f"aws events describe-replay --replay-name {name} follows it"
            )
        clock.sleep(_POLL_SECONDS)
    if found["State"] != "COMPLETED":
        raise CommandError(f"replay {name} is {found['State']}: {found.get('StateReason', '')}")
    return {"replay": name, "from": start.isoformat(), "to": end.isoformat(), "state": found["State"]}
