"""The engine's functions are replaced only where they are what they were written against."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from scripts.local_aws.engine.extension import UnknownEngineError, replace


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module with one function."""
    module: Any = ModuleType("an_engine")
    module.double = lambda number: 2 * number
    monkeypatch.setitem(sys.modules, "an_engine", module)
    return module


def plus_one(function: Callable[..., int]) -> Callable[..., int]:
    return lambda *arguments: function(*arguments) + 1


def test_replacements_are_laid_over_each_other(engine: Any) -> None:
    replace("an_engine", "double", "number", plus_one)
    replace("an_engine", "double", "number", plus_one)
    assert engine.double(4) == 10


def test_a_method_is_replaced_in_its_class(engine: Any) -> None:
    engine.Doubler = type("Doubler", (), {"double": lambda self, number: 2 * number})
    replace("an_engine", "Doubler.double", "self number", plus_one)
    assert engine.Doubler().double(4) == 9


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("Doubler.double", "self number"), ("triple", "number"), ("double", "number unit"), ("double", "")],
)
def test_another_engine_is_told_and_left_alone(engine: Any, name: str, parameters: str) -> None:
    with pytest.raises(UnknownEngineError, match=f"an_engine.{name}"):
        replace("an_engine", name, parameters, plus_one)
    assert engine.double(4) == 8
