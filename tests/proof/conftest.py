"""One plan of the local environment, from nothing, for all proofs."""

from typing import Any

import pytest

from scripts.build import build
from scripts.project import ZIPS
from scripts.prove import local_plan
from tests.conftest import running_engine


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    build(ZIPS)
    with running_engine() as engine:
        return local_plan(engine, tmp_path_factory.mktemp("plan"))
