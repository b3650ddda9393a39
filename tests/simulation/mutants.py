"""Deliberate bugs, of the kind that are made in such systems. The simulation has to find each of them.

Each is one change of a source text, made in a copy. `python -m tests.simulation.mutants` plays seeds against
each copy until one breaks an invariant, and prints which. The copies are played in processes that are forked
from one that has loaded all but our own sources.
"""

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from scripts.tooling.deployment import COMPLETION, DEPROVISIONER, MOVER, PROVISIONING
from scripts.tooling.project import ROOT
from scripts.tooling.services import SERVICES
from scripts.verification.flow import reconciling
from tests.simulation.cloud import State

BACKEND: Final = ROOT / "backend"
#: As many as the simulation plays: what it finds, it finds in those.
SEEDS: Final = 2000
_SIDE_BY_SIDE: Final = 2


@dataclass(frozen=True)
class Mutant:
    """A bug: in `file`, a path in `backend`, `new` stands for `old`, which is there once."""

    name: str
    what: str
    file: str
    old: str
    new: str

    def applied(self, source: str) -> str:
        """Return the source text with the bug.

        Raises:
            ValueError: the text is not there, or there more than once: the bug has to follow the sources.
        """
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.file} holds the text {source.count(self.old)} times")
        return source.replace(self.old, self.new)

    def apply(self, backend: Path) -> None:
        """Make the bug in a copy of `backend`."""
        path = backend / self.file
        path.write_text(self.applied(path.read_text()))


_SHARED: Final = "shared/src/tenkacloud"


def _of(service: str, module: str) -> str:
    """Return the path of a module of a service."""
    found = SERVICES[service]
    return str((found.source / found.package / module).relative_to(BACKEND))


MUTANTS: Final = (
    Mutant(
        "mark_before_publish",
        "A crash between the two leaves a tenant that was never requested.",
        f"{_SHARED}/tenants/requester.py",
        old="""        codes = iter(self.bus.put(events) if events else ())
        errors = [next(filter(None, list(islice(codes, len(request.events)))), None) for request in requests]
        published = [request for request, error in zip(requests, errors, strict=True) if not error]
        marks = iter(self.repository.apply_all([request.mark for request in published]))
""",
        new="""        marks = iter(self.repository.apply_all([request.mark for request in requests]))
        codes = iter(self.bus.put(events) if events else ())
        errors = [next(filter(None, list(islice(codes, len(request.events)))), None) for request in requests]
""",
    ),
    Mutant(
        "swallow_a_record_error",
        "A record that failed is taken for done.",
        _of(PROVISIONING, "service.py"),
        old="""            for delivery, outcome in zip(chunk, outcomes, strict=True):
                delivery.outcome = outcome
""",
        new="""            for delivery, outcome in zip(chunk, outcomes, strict=True):
                delivery.outcome = NotApplied(None) if isinstance(outcome, Exception) else outcome
""",
    ),
    Mutant(
        "drop_the_condition",
        "Writes go through whatever the record says.",
        f"{_SHARED}/tenants/repository.py",
        old='"ConditionExpression": " OR ".join(condition(*state) for',
        new='"ConditionExpression": "attribute_exists(PK) OR " + " OR ".join(condition(*state) for',
    ),
    Mutant(
        "ignore_failed_entry_count",
        "PutEvents answered, so everything is taken.",
        f"{_SHARED}/events/bus.py",
        old='return [entry.get("ErrorCode") for entry in response["Entries"]]',
        new='return [None for _ in response["Entries"]]',
    ),
    Mutant(
        "trust_a_stale_attempt",
        "A result is recorded whatever attempt it is of.",
        f"{_SHARED}/tenants/transitions/results.py",
        old="requires = {**_answered(result), **attempt, ",
        new="requires = {**_answered(result), ",
    ),
    Mutant(
        "random_bucket_name",
        "Each delivery makes a bucket of its own.",
        f"{_SHARED}/isolation/resource_names.py",
        old="digest = hashlib.sha256(identity.encode())",
        new="digest = hashlib.sha256(identity.encode() + __import__('os').urandom(8))",
    ),
    Mutant(
        "history_in_a_call_of_its_own",
        "The entry of history is written after the change, where a crash can come between.",
        f"{_SHARED}/tenants/repository.py",
        old="""                for item in (*history_of(transition, self._writer), *puts_of(transition))
            ]
        self._client.transact_write_items(TransactItems=writes)
""",
        new="""                for item in puts_of(transition)
            ]
        self._client.transact_write_items(TransactItems=writes)
        for transition in transitions:
            for item in history_of(transition, self._writer):
                self._client.put_item(TableName=self._table_name, Item=item)
""",
    ),
    Mutant(
        "retry_without_waiting",
        "Every tenant in flight is taken for stuck.",
        _of(reconciling.SERVICE, "decisions.py"),
        old="return self.now - patience * self.stuck_after",
        new="return self.now - patience * timedelta(0)",
    ),
    Mutant(
        "forget_who_could_not_be_requested",
        "A tenant whose record the stream delivers no more is listed nowhere.",
        _of(PROVISIONING, "service.py"),
        old="if each.failed and not isinstance(each.plan, Ignore)",
        new="if False",
    ),
    Mutant(
        "drop_what_breaks_the_contract",
        "A rejected event is logged, and kept nowhere.",
        f"{_SHARED}/events/dead_letters.py",
        old="self.client().send_message(QueueUrl=self.queue_url, MessageBody=body)",
        new="_ = body",
    ),
    Mutant(
        "mark_what_was_not_read",
        "A change requires the status and the attempt only, and writes what was read of the rest.",
        f"{_SHARED}/tenants/transitions/transition.py",
        old="for name in DECISIVE_ATTRIBUTES}",
        new='for name in ("provisioningStatus", "provisioningAttempt")}',
    ),
    Mutant(
        "take_any_result_for_an_answer",
        "A result is recorded whatever was requested when it was made.",
        f"{_SHARED}/tenants/transitions/results.py",
        old="requires = {**_answered(result), **attempt, ",
        new="requires = {**attempt, ",
    ),
    Mutant(
        "be_impatient_with_a_backlog",
        "Each automatic retry waits no longer than the first attempt did.",
        _of(reconciling.SERVICE, "decisions.py"),
        old="PATIENCE_MAX: Final = 8",
        new="PATIENCE_MAX: Final = 1",
    ),
    Mutant(
        "switch_before_the_last_changes",
        "The record names the new place as soon as everything was copied once.",
        f"{_SHARED}/tenants/transitions/tier.py",
        old="""        case Phase.COPY:
            # The drain""",
        new="""        case Phase.COPY:
            over = entered(operation, Phase.CUTOVER, PhaseState.REQUESTED)
            return _switch(tenant, over, result, waits, now)
            # The drain""",
    ),
    Mutant(
        "skip_the_drain",
        "The last changes move while requests that began before are still under way.",
        f"{_SHARED}/tenants/transitions/operation.py",
        old="ends = now + timedelta(seconds=operation.drain_seconds)",
        new="ends = now + timedelta(seconds=0)",
    ),
    Mutant(
        "forget_deletions",
        "What was deleted since it was copied is in the new place.",
        f"{_SHARED}/objects/sync.py",
        old="self.copier.together([*pages, *copies, *deletions])",
        new="self.copier.together([*pages, *copies])",
    ),
    Mutant(
        "delete_by_prefix_without_the_slash",
        "The purge of `a` lists what begins with `tenants/a`.",
        f"{_SHARED}/objects/purging.py",
        old='return {"Prefix": self.session.prefix_of(self.place)}',
        new='return {"Prefix": self.session.prefix_of(self.place).rstrip("/")}',
    ),
    Mutant(
        "purge_before_the_export",
        "The retention is over, so everything goes, whether an export was requested or not.",
        f"{_SHARED}/tenants/transitions/offboarding.py",
        old="if operation.export_requested and tenant",
        new="if not operation.export_requested and tenant",
    ),
    Mutant(
        "forget_delete_markers",
        "The purge deletes versions, and leaves the markers that say which were deleted.",
        f"{_SHARED}/objects/purging.py",
        old="for kind in (_VERSIONS, _MARKERS):\n            entries",
        new="for kind in (_VERSIONS,):\n            entries",
    ),
    Mutant(
        "act_on_a_stale_operation_id",
        "A result counts for whatever operation is in that phase.",
        f"{_SHARED}/tenants/transitions/operation.py",
        old="(event.operation_id, event.phase) != (operation.id, operation.phase)",
        new="event.phase != operation.phase",
    ),
    Mutant(
        "lose_the_tombstone",
        "A put-item over a record that must stay is taken for a new tenant.",
        f"{_SHARED}/tenants/overwrites.py",
        old="    if not is_protected(old):\n        return False",
        new="    if not is_protected(new):\n        return False",
    ),
    Mutant(
        "no_fence_in_the_session",
        "A tenant whose last changes move gets sessions that can write.",
        f"{_SHARED}/isolation/sessions.py",
        old="read_only=is_read_only(item)",
        new="read_only=is_read_only({})",
    ),
    Mutant(
        "retire_a_changed_source",
        "The old place is emptied, whatever came there since the switch.",
        _of(MOVER, "moving.py"),
        old="if reason := self._why_kept(event, session):",
        new="if reason := self._why_kept(event, session) and None:",
    ),
    Mutant(
        "operate_without_the_condition",
        "What operators and results change is written whatever the record has become: a restore, too.",
        f"{_SHARED}/tenants/transitions/operation.py",
        old="""        **operation,
        REVISION: same(item.get(REVISION)),
        OUTBOX: same(item.get(OUTBOX)),
    }
    return Precondition""",
        new="""    }
    return Precondition""",
    ),
    Mutant(
        "skip_the_second_verification",
        "The tombstone follows the first look that finds nothing.",
        f"{_SHARED}/tenants/transitions/offboarding.py",
        old="if verified.verifications == 1:",
        new="if verified.verifications == 0:",
    ),
    Mutant(
        "forget_leftovers",
        "What a move left behind goes neither at its time nor with the tenant.",
        f"{_SHARED}/tenants/transitions/tier.py",
        old="leftovers=(*tenant.leftovers, leftover),",
        new="leftovers=tenant.leftovers,",
    ),
    Mutant(
        "verify_nothing",
        "The verification takes the purge's word for it.",
        _of(DEPROVISIONER, "verifying.py"),
        old="return {what: number for what, number in found.items() if number}",
        new="return {what: number for what, number in found.items() if not number}",
    ),
    Mutant(
        "let_the_suspended_in",
        "A session is given whatever the tenant's status is.",
        f"{_SHARED}/isolation/sessions.py",
        old='if "status" in item and status != TenantStatus.ACTIVE:',
        new='if "status" not in item and status != TenantStatus.ACTIVE:',
    ),
    Mutant(
        "trust_a_stale_slice",
        "A slice of an operation that was given up, or is over, is done.",
        _of(MOVER, "service.py"),
        old="if record is not None and decisions.is_wanted(record, event):",
        new="if record is not None:",
    ),
    Mutant(
        "forget_what_comes_back",
        "What a late event makes of a deleted tenant stays.",
        _of(COMPLETION, "decisions.py"),
        old="if not result.succeeded and not (deleted and result.slug):",
        new="if result:",
    ),
)


def main() -> int:
    """Find every mutant; print, alone on the last line, the first seed that finds each, null for none."""
    found = find(MUTANTS)
    print(json.dumps({mutant.name: found[mutant.name] for mutant in MUTANTS}))
    return 0 if None not in found.values() else 1


def find(mutants: tuple[Mutant, ...]) -> dict[str, int | None]:
    """Return the first seed that finds each mutant, by its name; None: no seed does.

    Raises:
        RuntimeError: a mutant could not be played.
    """
    context = get_context("fork")  # so that what is loaded here is there in each
    waiting = list(mutants)
    running: dict[Any, tuple[Mutant, Connection]] = {}
    found: dict[str, int | None] = {}
    state = State()
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < _SIDE_BY_SIDE:
                mutant = waiting.pop(0)
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_play, args=(mutant, Path(folder), state, sender))
                process.start()
                sender.close()
                running[process.sentinel] = mutant, receiver
            for sentinel in wait(list(running)):
                mutant, receiver = running.pop(sentinel)
                try:
                    found[mutant.name] = receiver.recv()
                except EOFError:
                    raise RuntimeError(f"{mutant.name} could not be played: see above") from None
    return found


def _play(mutant: Mutant, folder: Path, state: State, sender: Connection) -> None:
    """Play seeds with a mutant until one finds it; send that seed, None if there is none."""
    copy = folder / mutant.name
    shutil.copytree(BACKEND, copy, ignore=shutil.ignore_patterns("__pycache__"))
    mutant.apply(copy)
    sys.path[:] = [path.replace(str(BACKEND), str(copy)) for path in sys.path]
    # Here, and not above: of what is imported now, ours comes from the copy.
    import tenkacloud
    from tests.simulation.run import on_stage, play

    if copy not in Path(tenkacloud.__file__).parents:
        raise RuntimeError(f"{tenkacloud.__file__} was loaded, and not the mutant")
    with on_stage(state):
        sender.send(next((seed for seed in range(SEEDS) if play(state, seed).problems), None))


if __name__ == "__main__":
    sys.exit(main())
