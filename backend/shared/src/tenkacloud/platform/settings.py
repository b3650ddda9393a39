"""What Terraform gives a function: a frozen dataclass of strings and whole numbers. Pure.

    @dataclass(frozen=True)
    class Settings:
        table_name: str                                     # TABLE_NAME
        region: str = variable("AWS_REGION")

    settings = read(Settings, os.environ)

No setting has a default: what a function runs with is written in one place, and that is Terraform.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Protocol, TypeVar, get_type_hints


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


_S = TypeVar("_S", bound=Dataclass)
_VARIABLE: Final = "variable"
_TYPES: Final[Mapping[type, str]] = {str: "a string", int: "a whole number"}


def variable(name: str) -> Any:
    """Return a field that is read from this variable, where its own name in capitals is not the name."""
    return dataclasses.field(metadata={_VARIABLE: name})


def variables(settings: type[Dataclass]) -> dict[str, str]:
    """Return the environment variable of each field of a settings class, by the field's name."""
    return {
        field.name: field.metadata.get(_VARIABLE, field.name.upper())
        for field in dataclasses.fields(settings)
    }


def read(settings: type[_S], environment: Mapping[str, str]) -> _S:
    """Return the settings that an environment holds.

    Raises:
        RuntimeError: a variable is missing, empty or of the wrong type: a mistake in the deployment.
        TypeError: a field is neither a `str` nor an `int`: a mistake in the class.
    """
    types = get_type_hints(settings)
    return settings(
        **{
            field: _value(name, types[field], environment.get(name))
            for field, name in variables(settings).items()
        }
    )


def _value(name: str, wanted: type, text: str | None) -> str | int:
    if wanted not in _TYPES:
        raise TypeError(f"{name}: a setting is a str or an int, not {wanted}")
    if not text:
        raise RuntimeError(f"environment variable {name} is not set")
    try:
        return int(text) if wanted is int else text
    except ValueError:
        raise RuntimeError(f"environment variable {name} is not {_TYPES[wanted]}: {text!r}") from None
