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
from typing import Final

from scripts.tooling.project import ROOT
from tests.simulation.cloud import State, simulated_aws

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
MUTANTS: Final = ()


def main() -> int:
    """Find every mutant; print the first seed that finds each, null for none. Return the exit code."""
    found = find(MUTANTS)
    print(json.dumps({mutant.name: found[mutant.name] for mutant in MUTANTS}, indent=2))  # noqa: T201
    return 0 if None not in found.values() else 1


def find(mutants: tuple[Mutant, ...]) -> dict[str, int | None]:
    """Return the first seed that finds each mutant, by its name; None: no seed does.

    Raises:
        RuntimeError: a mutant could not be played.
    """
    context = get_context("fork")  # so that what is loaded here is there in each
    waiting = list(mutants)
    running: dict[int, tuple[Mutant, Connection]] = {}
    found: dict[str, int | None] = {}
    with tempfile.TemporaryDirectory() as folder, simulated_aws() as state:
        while waiting or running:
            while waiting and len(running) < _SIDE_BY_SIDE:
                mutant = waiting.pop(0)
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_play, args=(mutant, Path(folder), state, sender))
                process.start()
                sender.close()
                running[process.sentinel] = mutant, receiver
            for sentinel in wait(list(running)):
                mutant, receiver = running.pop(int(sentinel))  # type: ignore[call-overload]
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
