"""One plan of the local environment, from nothing, for all proofs."""

from functools import cache
from typing import Any

import pytest
import z3

from scripts.local_aws.stack import running_engine
from scripts.tooling.build import build
from scripts.tooling.project import ZIPS
from scripts.verification.proof.prove import local_plan


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    build(ZIPS)
    with running_engine() as engine:
        return local_plan(engine.endpoint, tmp_path_factory.mktemp("plan"))


@cache
def _nothing() -> Any:
    """Return a model that says nothing."""
    solver = z3.Solver()
    solver.check()
    return solver.model()


def value(term: Any) -> Any:
    """Return the value of a term of z3's without symbols."""
    return _nothing().evaluate(term)
