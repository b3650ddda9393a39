"""The one way to wait."""

import time

import pytest

from scripts.tooling.waiting import DeadlineError, is_reached, wait_until


def test_what_is_true_already_is_returned_at_once() -> None:
    assert wait_until("a value", lambda: "it", seconds=0) == "it"


def test_a_condition_is_asked_until_it_is_true() -> None:
    answers = iter([None, "", "it"])
    assert wait_until("a value", lambda: next(answers), seconds=60, poll=0) == "it"


def test_what_does_not_come_is_named_with_how_far_it_got() -> None:
    seen: list[int] = []

    def look() -> bool:
        seen.append(1)
        return False

    with pytest.raises(DeadlineError) as raised:
        wait_until(lambda: f"{len(seen)} looks", look, seconds=0.02, poll=0.005)
    assert str(raised.value) == f"error: {len(seen)} looks: not within 0.02 s"
    assert len(seen) > 1


def test_a_condition_is_asked_once_more_when_the_time_is_up() -> None:
    """Whoever was kept from looking, by a busy machine, must not miss what has come meanwhile."""
    began = time.monotonic()
    assert wait_until("a value", lambda: time.monotonic() - began > 0.05, seconds=0.01, poll=0.1)


def test_either_answer_can_be_wanted() -> None:
    assert is_reached(lambda: True, seconds=0)
    assert not is_reached(lambda: False, seconds=0)
