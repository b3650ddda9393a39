"""Nothing lost: thousands of seeds of faults, and bugs that are found."""

import json

import pytest

from tests import background
from tests.simulation.mutants import BACKEND, MUTANTS, SEEDS, Mutant
from tests.simulation.run import DEFAULT_SEEDS, play, stage


def test_every_invariant_holds_for_every_seed() -> None:
    """The seeds have been played since the tests began (`background`)."""
    code, printed = background.result("test_every_invariant_holds_for_every_seed", seconds=500)
    assert code == 0, printed[-20_000:]
    assert printed.strip().endswith(f"{DEFAULT_SEEDS} seeds from 0: 0 broke an invariant")


def test_each_deliberate_bug_is_found() -> None:
    """They have been played since the tests began (`background`)."""
    code, printed = background.result("test_each_deliberate_bug_is_found", seconds=500)
    assert code == 0, printed[-20_000:]
    found = json.loads(printed.splitlines()[-1])
    assert set(found) == {mutant.name for mutant in MUTANTS}
    assert all(0 <= seed < SEEDS for seed in found.values())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_deliberate_bug_is_a_change_of_the_sources(mutant: Mutant) -> None:
    source = (BACKEND / mutant.file).read_text()
    changed = mutant.applied(source)
    assert changed != source
    compile(changed, mutant.file, "exec")


def test_a_bug_must_be_in_one_place() -> None:
    with pytest.raises(ValueError, match="holds the text 2 times"):
        Mutant("twice", "", "", "a", "b").applied("a a")


def test_a_seed_replays_exactly() -> None:
    """In another simulated AWS, whatever was played in it before."""
    seeds = range(20)
    with stage() as state:
        first = [play(state, seed) for seed in seeds]
    with stage() as state:
        again = [play(state, seed) for seed in reversed(seeds)]
    assert first == again[::-1]
