"""Where a tenant's objects are: a prefix of the data bucket, or a bucket of the tenant's own. Pure.

`resources` of a record or an event names exactly one place, beside whatever else the provisioners gave the
tenant (a log group, say). An operation on the tenant's data names its places in the same shape.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.resource_names import pool_prefix
from tenkacloud.tenants.validation import (
    TENANT_ID_PATTERN,
    TenantId,
    parse_object,
    parse_text,
    truncated_repr,
)

PlaceName = Literal["s3Prefix", "dedicatedBucket"]

POOL_PLACE: Final = "s3Prefix"
SILO_PLACE: Final = "dedicatedBucket"
#: The names of `resources` that are places; all others are outputs of provisioners.
PLACE_NAMES: Final[tuple[PlaceName, ...]] = (POOL_PLACE, SILO_PLACE)

#: S3's rule for bucket names, as far as it is one pattern.
_BUCKET: Final = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: The closing slash keeps `a` out of `ab`.
_PREFIX: Final = re.compile(f"tenants/{TENANT_ID_PATTERN}/")


@dataclass(frozen=True, order=True)
class Place:
    """One place. `name` is a prefix with its closing slash (`s3Prefix`) or a bucket (`dedicatedBucket`).

    Raises:
        InvalidFieldError: the name cannot be one of its kind.
    """

    kind: PlaceName
    name: str

    def __post_init__(self) -> None:
        """Check the name: objects are deleted by it."""
        if self.kind not in PLACE_NAMES:
            raise InvalidFieldError("resources", f"must name one of {', '.join(PLACE_NAMES)}")
        if not (is_bucket_name if self.is_silo else _PREFIX.fullmatch)(self.name):
            what = "a bucket's name" if self.is_silo else "tenants/<tenant id>/"
            raise InvalidFieldError(f"resources.{self.kind}", f"{truncated_repr(self.name)} is not {what}")

    @classmethod
    def of(cls, resources: object) -> Self:
        """Return the one place that a map like `resources` names; its other entries don't matter.

        Raises:
            InvalidFieldError: it is not a map, names no place or two, or one that cannot be.
        """
        given = parse_object("resources", resources)
        named = [name for name in PLACE_NAMES if given.get(name) is not None]
        if len(named) != 1:
            raise InvalidFieldError("resources", f"must name one of {', '.join(PLACE_NAMES)}")
        (kind,) = named
        return cls(kind, parse_text(f"resources.{kind}", given[kind]))

    def as_resources(self) -> dict[str, str]:
        """Return it in the shape of `resources`."""
        return {self.kind: self.name}

    @property
    def is_silo(self) -> bool:
        """Whether it is a bucket of the tenant's own."""
        return self.kind == SILO_PLACE


def is_bucket_name(text: str) -> bool:
    """Tell whether a bucket may have this name."""
    return _BUCKET.fullmatch(text) is not None


def pool_place(tenant_id: TenantId) -> Place:
    """Return the tenant's prefix in the data bucket."""
    return Place(POOL_PLACE, pool_prefix(tenant_id))


def silo_place(bucket: str) -> Place:
    """Return a tenant's own bucket, as a place.

    Raises:
        InvalidFieldError: no bucket can have this name.
    """
    return Place(SILO_PLACE, bucket)


def other_resources(resources: Mapping[str, object]) -> dict[str, object]:
    """Return what a map like `resources` holds beside its place: outputs of provisioners."""
    return {name: value for name, value in resources.items() if name not in PLACE_NAMES}
