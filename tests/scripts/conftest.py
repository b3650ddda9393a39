"""What the tests of the operator's tool share: an AWS of moto, and a way to run commands on it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from scripts.operator.app import main
from tests.scripts.operator_cloud import REGION, Cloud, Operate


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield Cloud()


@pytest.fixture
def operate(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> Operate:
    """Run a command unattended, with --yes where it has that; return its code, its JSON, and what it said."""

    def run(command: str, *arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        asks = command in ("tenants retry", "tenants repair", "dead-letters redrive", "dead-letters discard")
        asks = asks and "--dry-run" not in arguments
        code = main([*command.split(), *(["--yes"] if asks else []), "--json", *arguments], cloud.session())
        told = capsys.readouterr()
        return code, json.loads(told.out), told.err

    return run
