"""Whole lives of tenants: onboarded, moved between tiers with their clients at work, exported, offboarded.

Of a pooled tenant and of a siloed one, side by side. What its clients were told is compared with what there
is, byte for byte, after each move; and after the deletion with everything that could bring it back
(`afterlife`).
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from rich.table import Table

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import CommandError, say
from scripts.tooling.waiting import wait_until
from scripts.verification.flow import afterlife, exports, tenant_data
from scripts.verification.flow.bus import Recording
from scripts.verification.flow.journal import Journal
from scripts.verification.flow.operating import Operator
from scripts.verification.flow.tenant_api import TenantApi, user_of
from scripts.verification.flow.tenants import Tenant, new_item, remove, resources_on, status_of
from scripts.verification.flow.traffic import PROBLEM, Traffic
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.isolation.places import PLACE_NAMES
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import PhaseState
from tenkacloud.tenants.validation import TenantStatus, Tier

#: Makes a context of the bus and the ids of the tenants that live meanwhile.
Disturbance = Callable[[Recording, list[str]], AbstractContextManager[Any]]

#: Seconds that a test's patience allows for all waits of a life together (`waits`).
WAITS_MAX: Final = 60.0
#: Writes that have to be acknowledged before a move begins, and after it.
_WRITES: Final = 15
_POLL: Final = 0.1
#: How far the clocks of this machine and of the archive may be apart.
_CLOCKS: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Plan:
    """What becomes of a tenant: its tier at birth, the tiers that it then gets, and how it leaves."""

    tier: Tier
    moves: tuple[Tier, ...]
    exports_before: bool = False  # as an operation of its own, or as a part of the offboarding
    leaves_at_once: bool = False  # before the place that its last move left is retired
    name: str = ""


POOLED: Final = Plan(
    Tier.FREE, (Tier.ENTERPRISE, Tier.PRO), exports_before=True, leaves_at_once=True, name="pooled"
)
SILOED: Final = Plan(Tier.ENTERPRISE, (Tier.PRO, Tier.ENTERPRISE), name="siloed")


@dataclass(frozen=True)
class Move:
    """One move between tiers. `read_only_ms` is what the mover says; `read_only_seen`, in seconds, what the
    clients saw, from the first write that was put off to the next that was acknowledged."""  # noqa: D209, D205

    tiers: str
    seconds: float
    objects: int
    bytes: int
    read_only_ms: int
    read_only_seen: float
    writes: int
    put_off: int
    reads_meanwhile: int

    def __str__(self) -> str:
        """Return it for people."""
        return (
            f"{self.objects} objects in {self.seconds:.1f} s, "
            f"read-only for {self.read_only_ms / 1000:.1f} s; {self.writes} writes meanwhile, "
            f"{self.put_off} put off, {self.reads_meanwhile} reads served then"
        )


@dataclass
class Life:
    """A tenant's life as far as it got. `steps` maps what happened to the seconds that it took."""

    plan: Plan
    tenant: Tenant
    steps: dict[str, float] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    certificate: dict[str, Any] = field(default_factory=dict)
    acknowledged: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it got to its certificate."""
        return bool(self.certificate)

    def as_json(self) -> dict[str, Any]:
        """Return it for programs; times in seconds."""
        return {
            "tenantId": self.tenant.id,
            "plan": self.plan.name,
            "steps": self.steps,
            "moves": [vars(move) for move in self.moves],
            "certificate": self.certificate,
            "acknowledged": self.acknowledged,
            "problems": self.problems,
        }


@dataclass
class Report:
    """What came of the lives. `skipped` says why there were none."""

    lives: list[Life] = field(default_factory=list)
    problems_after: list[str] = field(default_factory=list)
    replayed: int = 0
    seconds_after: float = 0.0
    seconds: float = 0.0
    skipped: str = ""

    def problems(self) -> Iterator[str]:
        """Yield what is wrong."""
        for life in self.lives:
            yield from (f"{life.tenant.id}: {problem}" for problem in life.problems)
        yield from self.problems_after

    @property
    def ok(self) -> bool:
        """Whether every life went as planned, and nothing came back."""
        return not any(self.problems())

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "ok": self.ok,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "replayedEvents": self.replayed,
            "secondsAfter": self.seconds_after,
            "lives": [life.as_json() for life in self.lives],
            "problems": list(self.problems()),
        }

    def figures(self) -> dict[str, str]:
        """Return what was measured, for the summary."""
        found: dict[str, str] = {}
        for life in self.lives:
            found |= {f"{life.plan.name}, {move.tiers}": str(move) for move in life.moves}
            if life.is_over:
                found[f"{life.plan.name} life"] = (
                    f"{sum(life.steps.values()):.0f} s from onboarding to certificate; {life.acknowledged}"
                )
        if self.skipped:
            found["whole lives"] = self.skipped
        elif self.replayed:
            found["after deletion"] = (
                f"{self.replayed} old events of theirs once more, and nothing came back; "
                f"{self.seconds_after:.0f} s until the flow had settled"
            )
        return found

    def tables(self) -> Iterator[Table | str]:
        """Yield the timelines."""
        table = Table(title="Whole lives, s")
        for column in ("life", "step", "took"):
            table.add_column(column, justify="right" if column == "took" else "left")
        for life in self.lives:
            for step, seconds in life.steps.items():
                table.add_row(life.plan.name, step, f"{seconds:.1f}")
        yield table
        yield from (f"  {life.plan.name}: {move.tiers}: {move}" for life in self.lives for move in life.moves)


def waits(deployment: Deployment) -> float:
    """Return how many seconds of a life are waiting, by the settings of the environment."""
    found = {name: float(value) for name, value in deployment.lifecycle.items()}
    moves = max(len(POOLED.moves), len(SILOED.moves))
    return (
        moves * (found["drain_seconds"] + found["retire_after_seconds"])
        + found["verify_again_after_seconds"]
        + found["retention_days_min"] * 86_400
    )


def run(
    deployment: Deployment,
    clients: Clients,
    timeout: float,
    plans: Sequence[Plan] = (POOLED, SILOED),
    *,
    keep: bool = False,
    since: datetime | None = None,
    meanwhile: Disturbance = lambda _bus, _tenant_ids: nullcontext(),
) -> Report:
    """Let the tenants live, side by side; return what came of it.

    `timeout`: seconds for each wait. `since`: of the archive's events that are replayed in the end; None:
    those of these lives. `meanwhile` makes a context in which the lives go on: what disturbs them.
    """
    if (needed := waits(deployment)) > WAITS_MAX:
        return Report(
            skipped=f"not here: waits alone take {needed / 3600:.0f} h by this environment's settings"
        )
    run_id = uuid.uuid4().hex[:8]
    lives = [Life(plan, Tenant(new_item(f"life-{plan.name}-{run_id}", plan.tier, "Life"))) for plan in plans]
    began, since = time.monotonic(), since or datetime.now(UTC) - _CLOCKS
    with ExitStack() as cleaning:
        if not keep:
            for life in lives:
                cleaning.callback(remove, deployment, clients, life.tenant)
        bus = cleaning.enter_context(Recording(deployment, clients))
        world = _World(deployment, clients, bus, Operator(deployment, clients), timeout)
        with (
            meanwhile(bus, [life.tenant.id for life in lives]),
            ThreadPoolExecutor(len(lives)) as pool,
        ):
            list(pool.map(lambda life: _Living(world, life).live(), lives))
        report = Report(lives)
        ended = [life.tenant for life in lives if life.is_over]
        if ended:
            after_began = time.monotonic()
            say(f"{', '.join(tenant.id for tenant in ended)}: all old events once more")
            after = afterlife.run(deployment, clients, bus, world.operator, ended, timeout, since)
            report.problems_after, report.replayed = after.problems, after.replayed
            report.seconds_after = round(time.monotonic() - after_began, 1)
    report.seconds = round(time.monotonic() - began, 1)
    return report


@dataclass(frozen=True)
class _World:
    """What the lives share."""

    deployment: Deployment
    clients: Clients
    bus: Recording
    operator: Operator
    timeout: float


class _Living:
    """One tenant on its way."""

    def __init__(self, world: _World, life: Life) -> None:
        self._world = world
        self._life = life
        self._tenant = life.tenant
        self._journal = Journal()
        self._api = TenantApi(world.deployment.problem_data_api_url)
        self._token = ""

    def live(self) -> None:
        """Go through the plan; what stops it is one of the life's problems."""
        try:
            self._live()
        except CommandError as error:
            self._life.problems.append(str(error))
        for problem in self._life.problems:
            say(f"{self._life.plan.name}: ✗ {problem}")
        journal = self._journal
        self._life.acknowledged = (
            f"{journal.writes} writes, {journal.overwrites} of them over another, {journal.deletes} deletions"
        )

    def _live(self) -> None:
        plan, world = self._life.plan, self._world
        with self._step("onboarding"):
            self._tenant.write(world.deployment, world.clients)
            self._record("to be COMPLETED", lambda record: status_of(record) == ProvisioningStatus.COMPLETED)
        with user_of(world.deployment, world.clients, self._tenant.id) as self._token:
            with self._step("data"):
                self._fill()
            for number, tier in enumerate(plan.moves):
                old = self._move(tier, number)
                if number == 0:
                    self._suspend_and_reactivate()
                if number + 1 < len(plan.moves) or not plan.leaves_at_once:
                    self._wait_until_retired(f"to {tier}", old)
            if plan.exports_before:
                with self._step("export"):
                    self._export()
            self._offboard(export=not plan.exports_before)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._life.steps[name] = round(time.monotonic() - began, 2)
        say(f"{self._life.plan.name}: {name}: {self._life.steps[name]:.1f} s")

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self._life.problems.append(f"{what}: {found!r}, not {wanted!r}")

    def _record(
        self, what: str, condition: Callable[[dict[str, Any]], object], seconds: float = 0
    ) -> dict[str, Any]:
        """Return the record once a condition holds; what is due meanwhile is taken.

        Raises:
            CommandError: the operation FAILED, or the time is up.
        """
        found: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            nonlocal found
            found = self._tenant.record(self._world.deployment, self._world.clients)
            if condition(found):
                return found
            operation = found.get("operation", {}).get("M", {})
            if operation.get("state", {}).get("S") == PhaseState.FAILED:
                reason = operation.get("failureReason", {}).get("S")
                raise CommandError(f"{operation['kind']['S']} {operation['phase']['S']} FAILED: {reason}")
            self._world.operator.take_due(found)
            return None

        def what_there_is() -> str:
            shown = {
                name: found.get(name) for name in ("status", "provisioningStatus", "operation", "leftovers")
            }
            return f"tenant {what} (it is {shown})"

        return wait_until(what_there_is, look, seconds or self._world.timeout, poll=_POLL)

    def _fill(self) -> None:
        call = self._api.call
        for problem in (PROBLEM, "other"):
            self._expect(
                f"PUT {problem}",
                call("PUT", f"/problems/{problem}", self._token, {"title": problem}).status,
                200,
            )
        tenant_data.write(self._world.clients.s3, self._place(), tenant_data.ODD_FILES, self._journal)

    def _place(self) -> tuple[str, str]:
        record = self._tenant.record(self._world.deployment, self._world.clients)
        return tenant_data.place_of(self._world.deployment, resources_on(record))

    def _move(self, tier: Tier, number: int) -> tuple[str, str]:
        """Move the tenant while its clients work; return its old place."""
        world = self._world
        before = self._tenant.record(world.deployment, world.clients)
        name = f"{before['tier']['S']} → {tier}"
        since = time.time()
        with Traffic(self._api, self._token, self._journal, seed=number) as traffic:
            traffic.wait_for_writes(_WRITES, world.timeout)
            first = self._journal.writes + self._journal.deletes
            with self._step(name):
                world.operator.change_tier(self._tenant.id, tier)
                record = self._record(
                    f"to be {tier}", lambda record: record["tier"]["S"] == tier and "operation" not in record
                )
            taken = self._life.steps[name]
            count = self._journal.writes + self._journal.deletes - first
            traffic.wait_for_writes(_WRITES, world.timeout)
        seen = traffic.figures
        self._life.problems += [f"{name}: {problem}" for problem in seen.problems]
        told = [
            copy.detail
            for copy in world.bus.of(self._tenant.id, TenantTierChanged.DETAIL_TYPE, since)
            if copy.detail["phase"] == "CUTOVER"
        ]
        last: Mapping[str, Any] = told[-1] if told else {}
        self._life.moves.append(
            Move(
                tiers=name,
                seconds=taken,
                objects=last.get("objects", 0),
                bytes=last.get("bytes", 0),
                read_only_ms=last.get("readOnlyMs", 0),
                read_only_seen=round(seen.read_only_seconds, 2),
                writes=count,
                put_off=seen.denied,
                reads_meanwhile=seen.reads_meanwhile,
            )
        )
        named = [each for each in resources_on(record) if each in PLACE_NAMES]
        wanted = "dedicatedBucket" if tier == Tier.ENTERPRISE else "s3Prefix"
        self._expect(f"{name}: places on the record", named, [wanted])
        self._compare(name)
        return tenant_data.place_of(world.deployment, resources_on(before))

    def _wait_until_retired(self, name: str, old: tuple[str, str]) -> None:
        with self._step(f"{name}: the old place retired"):
            self._record("to have no leftovers", lambda record: not record.get("leftovers", {}).get("L"))
        left = tenant_data.left_in(self._world.clients.s3, old)
        self._expect(f"{name}: left in the old place", left, [])
        self._compare(f"{name}, the old place retired")

    def _compare(self, when: str) -> None:
        found = tenant_data.read(self._world.clients.s3, self._place())
        self._life.problems += [f"{when}: {problem}" for problem in self._journal.differences(found)]
        listed = self._api.call("GET", "/problems", self._token)
        titles = (
            [each["title"] for each in listed.body["problems"]]
            if listed.status == HTTPStatus.OK
            else listed.body
        )
        self._expect(f"{when}: items", titles, [PROBLEM, "other"])

    def _suspend_and_reactivate(self) -> None:
        world = self._world
        with self._step("suspended and reactivated"):
            world.operator.suspend(self._tenant.id, "shown to work")
            denied = self._api.call("GET", "/problems", self._token)
            self._expect("a request while suspended", denied.status, HTTPStatus.FORBIDDEN)
            world.operator.reactivate(self._tenant.id)
            allowed = self._api.call("GET", "/problems", self._token)
            self._expect("a request once reactivated", allowed.status, HTTPStatus.OK)

    def _export(self) -> None:
        world = self._world
        since = time.time()
        world.operator.export(self._tenant.id)
        self._record("to be exported", lambda record: "operation" not in record)
        self._check_export(since)

    def _check_export(self, since: float) -> None:
        world = self._world
        checked = exports.check(
            world.deployment, world.clients, world.bus, self._tenant.id, since, world.timeout
        )
        self._life.problems += [f"export: {problem}" for problem in checked.problems]
        content = {key: file.content for key, file in self._journal.files().items()}
        lost = sorted(key for key in content if checked.objects.get(key) != content[key])
        more = sorted(checked.objects.keys() - content.keys())
        self._expect("objects that the export lacks or has otherwise", lost, [])
        self._expect("objects that only the export has", more, [])
        problems = sorted(str(item.get("title")) for item in checked.items if "title" in item)
        self._expect("items in the export", problems, sorted([PROBLEM, "other"]))

    def _offboard(self, *, export: bool) -> None:
        world = self._world
        since = time.time()
        with self._step("offboarding"):
            world.operator.offboard(self._tenant.id, export=export)
            denied = self._api.call("GET", "/problems", self._token)
            self._expect("a request while offboarding", denied.status, HTTPStatus.FORBIDDEN)
            record = self._record(
                "to be DELETED", lambda record: record.get("status", {}).get("S") == TenantStatus.DELETED
            )
        if export:
            self._check_export(since)
        self._life.certificate = world.operator.certificate(self._tenant.id)
        self._life.problems += afterlife.problems_of_tombstone(record, self._tenant)
        left = list(tenant_data.remains(world.deployment, world.clients, self._tenant.id, self._tenant.slug))
        self._expect("left after the deletion", left, [])
        evidence = self._life.certificate.get("evidence", {})
        self._expect("remaining by the certificate", evidence.get("remaining"), 0)
