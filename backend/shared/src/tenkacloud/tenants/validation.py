"""The rules of a tenant's fields, and how a missing slug is derived.

Every parser takes whatever a record or an event held, and either returns the typed value or raises
`InvalidFieldError`. `fullmatch` is used throughout: `$` would accept a trailing newline.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType, TypeVar

from tenkacloud.errors import InvalidFieldError

TenantId = NewType("TenantId", str)
Slug = NewType("Slug", str)
_E = TypeVar("_E", bound=StrEnum)

#: Slugs, UUIDs and ULIDs pass. `/ * ? $ { } . #` and blanks never do: ids become S3 prefixes, DynamoDB
#: keys, session tags and parts of IAM policies.
TENANT_ID_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
SLUG_PATTERN: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
SLUG_MAX: Final = 63
NAME_MAX: Final = 256  # characters; our limit: a name is a label, and events are billed by 64 kB
ATTEMPT_MAX: Final = 1_000_000  # far above any honest count; keeps junk out of the arithmetic
COUNT_MAX: Final = 2**53 - 1  # the largest whole number that every JSON reader keeps
#: Of operations and exports: UUIDs and ULIDs pass, nothing that could lead out of a folder does.
OPERATION_ID_PATTERN: Final = "[A-Za-z0-9-]{8,64}"
REPR_MAX: Final = 40  # characters of a bad value that a reason repeats


@dataclass(frozen=True)
class Opaque:
    """A value of a type that no attribute of ours has: binary, or a set. `kind` is DynamoDB's name of it."""

    kind: str


class _Null:
    """DynamoDB's NULL. Many SDKs write it where they have no value; it is not the same as no attribute."""

    def __repr__(self) -> str:
        return "null"


NULL: Final = _Null()


class Tier(StrEnum):
    """What a tenant pays for. ENTERPRISE is siloed, the others are pooled."""

    FREE = "FREE"
    PRO = "PRO"
    ENTERPRISE = "ENTERPRISE"


#: The place of a tenant's objects in each tier, as events and records name it.
RESOURCE_OF: Final[Mapping[Tier, str]] = {
    Tier.FREE: "s3Prefix",
    Tier.PRO: "s3Prefix",
    Tier.ENTERPRISE: "dedicatedBucket",
}


class TenantStatus(StrEnum):
    """Whether a tenant may use the platform. Not to be confused with `provisioningStatus`."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    OFFBOARDING = "OFFBOARDING"
    DELETED = "DELETED"


def truncated_repr(value: object) -> str:
    """Return a bad value as a reason may repeat it: escaped, and cut to `REPR_MAX` characters."""
    text = ascii(value)
    return text if len(text) <= REPR_MAX else f"{text[:REPR_MAX]}…"


def kind_of(value: object) -> str:
    """Return what a value of a wrong type is, as a reason may say it."""
    match value:
        case Opaque("B"):
            return "binary"
        case Opaque():
            return "set"
        case _Null():
            return "null"
    return type(value).__name__


def parse_text(field: str, value: object) -> str:
    """Return a non-empty string.

    Raises:
        InvalidFieldError: the value is absent, not a string, or empty.
    """
    if value is None:
        raise InvalidFieldError(field, "is missing")
    if not isinstance(value, str):
        raise InvalidFieldError(field, f"must be a string, not {kind_of(value)}")
    if not value:
        raise InvalidFieldError(field, "is empty")
    return value


def parse_object(field: str, value: object) -> Mapping[str, object]:
    """Return a JSON object.

    Raises:
        InvalidFieldError: the value is absent or not an object.
    """
    if value is None:
        raise InvalidFieldError(field, "is missing")
    if not isinstance(value, Mapping):
        raise InvalidFieldError(field, f"must be an object, not {kind_of(value)}")
    return value


def parse_tenant_id(field: str, value: object) -> TenantId:
    """Return a valid tenant id.

    Raises:
        InvalidFieldError: it does not match `TENANT_ID_PATTERN`.
    """
    text = parse_text(field, value)
    if not re.fullmatch(TENANT_ID_PATTERN, text):
        raise InvalidFieldError(
            field,
            f"{truncated_repr(text)} is not a valid tenant id: 1 to 64 letters, digits, '-' or '_', "
            "starting with a letter or digit",
        )
    return TenantId(text)


def parse_slug(field: str, value: object) -> Slug:
    """Return a valid slug.

    Raises:
        InvalidFieldError: it does not match `SLUG_PATTERN`.
    """
    text = parse_text(field, value)
    if not re.fullmatch(SLUG_PATTERN, text):
        raise InvalidFieldError(
            field,
            f"{truncated_repr(text)} is not a valid slug: 1 to {SLUG_MAX} lower-case letters, digits "
            "or inner '-'",
        )
    return Slug(text)


def parse_name(field: str, value: object) -> str:
    """Return a tenant's display name.

    Raises:
        InvalidFieldError: it is blank, longer than `NAME_MAX`, or holds control characters.
    """
    text = parse_text(field, value)
    if not text.strip():
        raise InvalidFieldError(field, "is blank")
    if len(text) > NAME_MAX:
        raise InvalidFieldError(field, f"has {len(text)} characters; at most {NAME_MAX} are allowed")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise InvalidFieldError(field, f"{truncated_repr(text)} holds control characters")
    return text


def parse_tier(field: str, value: object) -> Tier:
    """Return a tier.

    Raises:
        InvalidFieldError: it is none of FREE, PRO, ENTERPRISE.
    """
    return _parse_choice(Tier, field, value)


def parse_tenant_status(field: str, value: object) -> TenantStatus:
    """Return a tenant status.

    Raises:
        InvalidFieldError: it is none of ACTIVE, SUSPENDED, OFFBOARDING, DELETED.
    """
    return _parse_choice(TenantStatus, field, value)


def parse_attempt(field: str, value: object, *, minimum: int = 1) -> int:
    """Return the number of a provisioning attempt, from `minimum` up.

    Raises:
        InvalidFieldError: it is not a whole number, or out of range.
    """
    # DynamoDB numbers arrive as Decimal, JSON's as int or float; a bool is an int in Python.
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidFieldError(field, f"must be a number, not {kind_of(value)}")
    if not minimum <= value <= ATTEMPT_MAX or value != int(value):
        raise InvalidFieldError(
            field, f"{truncated_repr(value)} is not a whole number from {minimum} to {ATTEMPT_MAX}"
        )
    return int(value)


def parse_count(field: str, value: object) -> int:
    """Return a count of objects, items or bytes.

    Raises:
        InvalidFieldError: it is not a whole number, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidFieldError(
            field, "is missing" if value is None else f"must be a number, not {kind_of(value)}"
        )
    if not 0 <= value <= COUNT_MAX or value != int(value):
        raise InvalidFieldError(field, f"{truncated_repr(value)} is not a whole number from 0 to {COUNT_MAX}")
    return int(value)


def parse_operation_id(field: str, value: object) -> str:
    """Return the id of an operation or an export.

    Raises:
        InvalidFieldError: it does not match `OPERATION_ID_PATTERN`.
    """
    text = parse_text(field, value)
    if not re.fullmatch(OPERATION_ID_PATTERN, text):
        raise InvalidFieldError(field, f"{truncated_repr(text)} is not 8 to 64 letters, digits or '-'")
    return text


def derive_slug(name: str, tenant_id: TenantId) -> Slug:
    """Return the slug of a tenant that was written without one: from its name, else from its id.

    A name of no Latin letters or digits leaves nothing to derive from; an id always holds one.
    """
    for source in (name, tenant_id):
        latin = unicodedata.normalize("NFKD", source).encode("ascii", "ignore").decode().lower()
        slug = re.sub("[^a-z0-9]+", "-", latin).strip("-")[:SLUG_MAX].strip("-")
        if slug:
            return parse_slug("slug", slug)
    raise AssertionError("a tenant id starts with a letter or digit")


def _parse_choice(choices: type[_E], field: str, value: object) -> _E:
    text = parse_text(field, value)
    try:
        return choices(text)
    except ValueError:
        raise InvalidFieldError(
            field, f"{truncated_repr(text)} is unknown: one of {', '.join(choices)}"
        ) from None
