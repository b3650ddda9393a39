"""Whole lives of tenants on the live engine: with clients at work, and with functions that are killed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scripts.tooling.reports import LINES_MAX, Summary
from scripts.verification.chaos.disturbances import Kills, duplicates
from scripts.verification.flow import life
from scripts.verification.flow.bus import Recording
from tenkacloud.events.registry import EVENTS
from tests.conftest import Stack

if TYPE_CHECKING:
    from collections import Counter

#: Seconds for each wait of a life on a machine with much else to do.
PATIENCE = 120
#: For each phase, how many seconds after its event the function is killed that works on it.
#: The other phases, and each call of these two, are crashed in the handlers' tests, which need not wait.
DELAYS = {"CUTOVER": 0.3, "PURGE": 0.1}
#: An event that a quick phase does without.
RARE = {"TenantOperationProgressed"}


def test_whole_lives_with_clients_at_work_functions_killed_and_every_event_twice(stack: Stack) -> None:
    """The mover and the deprovisioner end in the middle of their work, and no data is the worse for it."""
    kills: list[Kills] = []
    doubled: list[Counter[str]] = []

    @contextmanager
    def disturbed(bus: Recording, tenant_ids: list[str]) -> Iterator[None]:
        with (
            Kills(stack.deployment, stack.clients, bus, tenant_ids, DELAYS) as ended,
            duplicates(stack.deployment, stack.clients, bus, tenant_ids) as counts,
        ):
            kills.append(ended)
            doubled.append(counts)
            yield

    report = life.run(stack.deployment, stack.clients, PATIENCE, meanwhile=disturbed)
    assert report.ok, json.dumps(report.as_json(), indent=2)
    assert kills[0].counts == dict.fromkeys(DELAYS, 1)
    assert set(doubled[0]) >= {event.DETAIL_TYPE for event in EVENTS.values()} - RARE
    assert [one.plan for one in report.lives] == [life.POOLED, life.SILOED]
    drain = float(stack.deployment.lifecycle["drain_seconds"])
    for one in report.lives:
        assert len(one.moves) == len(one.plan.moves)
        for move in one.moves:
            assert move.objects > 0
            assert move.writes > 0
            assert move.read_only_ms >= drain * 1000
        assert one.certificate["evidence"]["objectVersions"] > 0
    # Clients were put off for the drain at least, and could read. On a busy machine not in each single move.
    moves = [move for one in report.lives for move in one.moves]
    assert sum(move.put_off for move in moves) > 0
    assert sum(move.reads_meanwhile for move in moves) > 0
    assert max(move.read_only_seen for move in moves) >= drain
    assert report.replayed > 0
    lines = Summary(True, "", figures=report.figures()).lines()
    assert len(lines) <= LINES_MAX
    assert sum("read-only for" in line for line in lines) == sum(len(one.moves) for one in report.lives)
