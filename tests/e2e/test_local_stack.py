"""Deploying beside a stack that is there already."""

from pathlib import Path

import pytest

from scripts.local_aws import local
from scripts.tooling import terraform
from scripts.tooling.project import CommandError
from tests.conftest import Stack, running_engine


def test_an_engine_that_answers_is_used(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert local.ensure_engine(stack.engine.endpoint) is False
    assert "without our extension" not in capsys.readouterr().err


def test_a_restarted_engine_is_noticed_behind_an_old_state(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = stack.terraform.state
    assert state is not None
    assert local._is_stale(state) is False
    with running_engine() as fresh:
        monkeypatch.setenv("AWS_ENDPOINT_URL", fresh.endpoint.url)
        assert local._is_stale(state) is True


def test_a_stack_of_another_checkout_is_not_taken_over(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.engine.endpoint.url)
    monkeypatch.setattr(terraform, "BUILD", tmp_path)
    with pytest.raises(CommandError, match="already holds a stack that this checkout did not deploy"):
        local.deploy()
