"""Running seeds: `make simulate SEEDS=100000`, or `FIRST=12345 SEEDS=1` to replay one with its history."""

import argparse
import gc
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.progress import Progress

from tenkacloud.platform.telemetry import logger
from tenkacloud.tenants.keys import table_definition
from tests.settings import TABLE
from tests.simulation.cloud import State
from tests.simulation.delivery import consumers
from tests.simulation.invariants import violations
from tests.simulation.simulator import Simulator
from tests.simulation.workload import Workload

DEFAULT_SEEDS: Final = 2000
_PORTION: Final = 50


@dataclass(frozen=True)
class Run:
    """A seed that has been played: which invariants it broke, and its history."""

    seed: int
    problems: list[str]
    log: list[str]

    def __str__(self) -> str:
        history = "\n".join(self.log)
        if not self.problems:
            return f"{history}\nseed {self.seed}: every invariant holds"
        problems = "\n".join(f"  {problem}" for problem in self.problems)
        return (
            f"{history}\nseed {self.seed} broke:\n{problems}\nreplay: make simulate FIRST={self.seed} SEEDS=1"
        )


@contextmanager
def on_stage(state: State) -> Iterator[None]:
    """Let seeds be played in a simulated AWS: with the tenant table, and functions that log nothing."""
    state.create_tables(table_definition(TABLE))
    consumers()  # here, where a service that can't be wired is no function's failure
    level = logger.log_level
    logger.setLevel("CRITICAL")
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def stage() -> Iterator[State]:
    """Run a simulated AWS in which seeds can be played."""
    state = State()
    with on_stage(state):
        yield state


def play(state: State, seed: int) -> Run:
    """Play one seed."""
    simulator = Simulator(seed, state)
    workload = Workload(simulator)
    workload.play()
    return Run(seed, violations(workload), simulator.log)


def play_all(seeds: range) -> list[Run]:
    """Play seeds in this process; return those that broke an invariant."""
    # A portion makes little garbage, and looking for it takes a fifth of the time.
    gc.disable()
    try:
        with stage() as state:
            return [run for seed in seeds if (run := play(state, seed)).problems]
    finally:
        gc.enable()


def play_side_by_side(seeds: range) -> Iterator[tuple[int, list[Run]]]:
    """Play seeds on all cores; yield portions as they end: how many seeds, and those that broke something."""
    portions = [seeds[start : start + _PORTION] for start in range(0, len(seeds), _PORTION)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from zip(map(len, portions), pool.map(play_all, portions), strict=True)


def main(arguments: list[str]) -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description="Play seeds of the simulation of delivery.")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help="how many")
    options = parser.parse_args(arguments)
    if options.seeds == 1:
        with stage() as state:
            run = play(state, options.first)
        print(run)
        return 1 if run.problems else 0
    broken: list[Run] = []
    with Progress(redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task("seeds", total=options.seeds)
        for played, found in play_side_by_side(range(options.first, options.first + options.seeds)):
            broken += found
            progress.advance(task, played)
    for run in broken[:3]:
        print(run)
    print(f"{options.seeds} seeds from {options.first}: {len(broken)} broke an invariant")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
