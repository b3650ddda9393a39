"""Running seeds: `make simulate SEEDS=100000`, or `FIRST=12345 SEEDS=1` to replay one with its history."""

import argparse
import gc
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from rich.progress import Progress

from tests.simulation.cloud import state
from tests.simulation.invariants import violations
from tests.simulation.scenario import Workload
from tests.simulation.world import Stage

DEFAULT_SEEDS: Final = 2000
_PORTION: Final = 50


@dataclass(frozen=True)
class Failure:
    """A seed whose run broke an invariant, with its history."""

    seed: int
    problems: list[str]
    log: list[str]

    def __str__(self) -> str:
        history = "\n".join(self.log)
        problems = "\n".join(f"  {problem}" for problem in self.problems)
        return (
            f"{history}\nseed {self.seed} broke:\n{problems}\nreplay: make simulate FIRST={self.seed} SEEDS=1"
        )


def play(stage: Stage, seed: int) -> Failure | None:
    """Play one seed; return what it broke, None if nothing."""
    world = stage.new_world(seed)
    scenario = Workload(world)
    scenario.play()
    problems = violations(scenario)
    return Failure(seed, problems, world.log) if problems else None


def play_all(seeds: range) -> list[Failure]:
    """Play seeds in this process; return those that broke something."""
    # A portion makes little garbage, and looking for it takes a fifth of the time.
    gc.disable()
    try:
        with state() as cloud, Stage(cloud) as stage:
            return [failure for seed in seeds if (failure := play(stage, seed))]
    finally:
        gc.enable()


def play_side_by_side(seeds: range) -> Iterator[tuple[int, list[Failure]]]:
    """Play seeds on all cores; yield portions as they end: how many seeds, and the failures."""
    portions = [seeds[start : start + _PORTION] for start in range(0, len(seeds), _PORTION)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from zip(map(len, portions), pool.map(play_all, portions), strict=True)


def main(arguments: list[str]) -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description="Play seeds of the simulation of delivery.")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help="how many")
    options = parser.parse_args(arguments)
    failures: list[Failure] = []
    if options.seeds == 1:
        with state() as cloud, Stage(cloud) as stage:
            world = stage.new_world(options.first)
            scenario = Workload(world)
            scenario.play()
            problems = violations(scenario)
            print(Failure(options.first, problems, world.log) if problems else "\n".join(world.log))
        print(f"seed {options.first}: {'broken' if problems else 'every invariant holds'}")
        return 1 if problems else 0
    with Progress(redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task("seeds", total=options.seeds)
        for played, broken in play_side_by_side(range(options.first, options.first + options.seeds)):
            failures += broken
            progress.advance(task, played)
    for failure in failures[:3]:
        print(failure)
    print(f"{options.seeds} seeds from {options.first}: {len(failures)} broke an invariant")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
