"""What all results of the application plane have in common. Pure."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.places import PLACE_NAMES
from tenkacloud.tenants.validation import parse_object, parse_text, truncated_repr

UNEXPLAINED: Final = "the application plane reported FAILED without a reason"
#: The name of an output of a provisioner. Others are dropped: the record is no place for them.
_OUTPUT_NAME: Final = re.compile("[a-z][A-Za-z0-9]{0,39}")
OUTPUT_MAX: Final = 512  # characters of an output's value


class ResultStatus(StrEnum):
    """`status` of a result."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


def parse_result_status(fields: Mapping[str, object]) -> ResultStatus:
    """Return the status of a result.

    Raises:
        InvalidFieldError: it is neither COMPLETED nor FAILED.
    """
    status = parse_text("detail.status", fields.get("status"))
    if status not in (*ResultStatus,):
        raise InvalidFieldError(
            "detail.status", f"{truncated_repr(status)} is unknown: one of {', '.join(ResultStatus)}"
        )
    return ResultStatus(status)


def parse_failure_reason(status: ResultStatus, fields: Mapping[str, object]) -> str | None:
    """Return why a result is FAILED, None if it is not."""
    if status is ResultStatus.COMPLETED:
        return None
    reason = fields.get("failureReason")
    return reason if isinstance(reason, str) and reason.strip() else UNEXPLAINED


def parse_resources(value: object) -> dict[str, str]:
    """Return the resources of a result: its places, and the outputs of provisioners.

    An output that is not text of a reasonable size is dropped: a plane may add what it likes.

    Raises:
        InvalidFieldError: it is not an object, or a place in it is not a name.
    """
    given = parse_object("detail.resources", value)
    places: dict[str, str] = {
        name: parse_text(f"detail.resources.{name}", given[name]) for name in PLACE_NAMES if name in given
    }
    outputs = {
        name: output
        for name, output in given.items()
        if name not in PLACE_NAMES
        and _OUTPUT_NAME.fullmatch(name)
        and isinstance(output, str)
        and 0 < len(output) <= OUTPUT_MAX
    }
    return {**places, **outputs}


def places_in(resources: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the places among resources."""
    return tuple(name for name in PLACE_NAMES if name in resources)
