"""Nothing lost: thousands of seeds of faults, and bugs that are found."""

import warnings

import pytest

from tests import background
from tests.simulation.bugs import BUGS, Bug
from tests.simulation.cloud import state
from tests.simulation.run import DEFAULT_SEEDS, Failure, play
from tests.simulation.world import Stage


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Powertools warns of each invocation without a metric; here there are hundred thousands."""
    warnings.filterwarnings("ignore", category=UserWarning, module="aws_lambda_powertools")


def test_every_invariant_holds_for_every_seed() -> None:
    """The seeds have been played since the tests began (`background`)."""
    code, printed = background.result("test_every_invariant_holds_for_every_seed", seconds=500)
    assert code == 0, printed[-20_000:]
    assert printed.strip().endswith(f"{DEFAULT_SEEDS} seeds from 0: 0 broke an invariant")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_each_deliberate_bug_is_found(bug: Bug) -> None:
    with state() as cloud, Stage(cloud) as stage, bug():
        found = next(filter(None, (play(stage, seed) for seed in range(DEFAULT_SEEDS))), None)
    assert found, f"no seed below {DEFAULT_SEEDS} finds it"


def test_a_seed_replays_exactly() -> None:
    def history(seed: int) -> list[str]:
        with state() as cloud, Stage(cloud) as stage, BUGS[0]():
            failure = play(stage, seed)
        assert isinstance(failure, Failure)
        return failure.log

    assert history(0) == history(0)
