"""What a function is given: read from the environment, typed, without defaults."""

from dataclasses import dataclass

import pytest

from tenkacloud.platform.settings import read, variable, variables


@dataclass(frozen=True)
class Settings:
    table_name: str
    stuck_after_seconds: int
    region: str = variable("AWS_REGION")


GIVEN = {"TABLE_NAME": "t", "STUCK_AFTER_SECONDS": "900", "AWS_REGION": "r", "OTHER": "x"}


def test_each_field_is_read_from_the_variable_of_its_name_or_of_the_one_it_names() -> None:
    assert read(Settings, GIVEN) == Settings("t", 900, "r")
    assert variables(Settings) == {
        "table_name": "TABLE_NAME",
        "stuck_after_seconds": "STUCK_AFTER_SECONDS",
        "region": "AWS_REGION",
    }


@pytest.mark.parametrize("name", ["TABLE_NAME", "STUCK_AFTER_SECONDS", "AWS_REGION"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_missing_or_empty_is_told_by_its_name(name: str, value: str | None) -> None:
    given = {each: text for each, text in GIVEN.items() if each != name}
    if value is not None:
        given[name] = value
    with pytest.raises(RuntimeError, match=f"environment variable {name} is not set"):
        read(Settings, given)


def test_a_number_that_is_not_one_is_told_by_its_name() -> None:
    with pytest.raises(RuntimeError, match="STUCK_AFTER_SECONDS is not a whole number: '15 min'"):
        read(Settings, {**GIVEN, "STUCK_AFTER_SECONDS": "15 min"})


def test_a_field_of_another_type_is_a_mistake_in_the_class() -> None:
    @dataclass(frozen=True)
    class Wrong:
        ratio: float

    with pytest.raises(TypeError, match="RATIO: a setting is a str or an int"):
        read(Wrong, {"RATIO": "0.5"})
