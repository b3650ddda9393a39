"""The tenant record: what this code reads of it, and what it says. Pure.

Keys and indexes are in `keys`, the changes that are made to it in `transitions`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

from tenkacloud.errors import InvalidFieldError
from tenkacloud.isolation.places import PLACE_NAMES
from tenkacloud.isolation.resource_names import pool_prefix
from tenkacloud.tenants.keys import IN_FLIGHT, METADATA, PARTITION, TENANT_PREFIX, Key
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import (
    LEFTOVERS,
    OPERATION,
    OUTBOX,
    Leftover,
    Operation,
    parse_leftovers,
    parse_operation,
)
from tenkacloud.tenants.validation import (
    NULL,
    RESOURCE_OF,
    Opaque,
    Slug,
    TenantId,
    TenantStatus,
    Tier,
    derive_slug,
    kind_of,
    parse_attempt,
    parse_name,
    parse_slug,
    parse_tenant_id,
    parse_tenant_status,
    parse_tier,
    truncated_repr,
)

#: The attribute that counts the attempts which no operator and no user requested.
AUTOMATIC_RETRIES: Final = "resumptions"
#: The attribute that grows with every change.
REVISION: Final = "revision"
#: What this code reads of a record.
READ_ATTRIBUTES: Final = (
    "id",
    "name",
    "slug",
    "tier",
    "status",
    "provisioningStatus",
    "provisioningAttempt",
    AUTOMATIC_RETRIES,
    "resources",
    "createdAt",
    "deletedAt",
    REVISION,
    OPERATION,
    LEFTOVERS,
    OUTBOX,
    "statusReason",
    IN_FLIGHT.sort,
)
#: What a decision about a record is made from. Whoever acts on one requires all of it to be as it was.
DECISIVE_ATTRIBUTES: Final = (
    "id",
    "name",
    "slug",
    "tier",
    "status",
    "provisioningStatus",
    "provisioningAttempt",
)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")

#: How far a clock may be ahead of ours.
CLOCK_SKEW: Final = timedelta(hours=1)
#: Since when a tenant is in flight whose index key is no time: for so long that somebody looks at it.
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

Item = Mapping[str, object]
_C = TypeVar("_C", bound=StrEnum)


@dataclass(frozen=True)
class Tenant:
    """A valid tenant record.

    `attempt` is the last one begun, None if none was. `automatic_retries` counts the attempts
    that were begun since it last entered PENDING because it was stuck. `created_at` is RFC 3339, as written.
    `operation` is what is under way of it, None if nothing is; `leftovers` are places that it has left.
    `item` is the record that all this was read from.
    """

    key: Key
    id: TenantId
    name: str
    slug: Slug
    tier: Tier
    status: TenantStatus
    provisioning_status: ProvisioningStatus
    attempt: int | None
    automatic_retries: int
    created_at: str | None
    operation: Operation | None
    leftovers: tuple[Leftover, ...]
    item: Item

    @property
    def next_attempt(self) -> int:
        """The attempt to begin next; the same for every delivery of one change."""
        return (self.attempt or 0) + 1


def read(image: Mapping[str, Any], attributes: Iterable[str] = READ_ATTRIBUTES) -> Item:
    """Return what this code reads of a record in DynamoDB's JSON, as Python values.

    Attributes of other names are not touched, whatever they hold. No two types become the same, and NULL is
    not the same as absent: the parsers then say what is wrong, and conditions require what was there.
    """
    return {name: _plain(image[name]) for name in attributes if name in image}


def _plain(attribute: Mapping[str, Any]) -> object:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return Decimal(value)
        case "NULL":
            return NULL
        case "M":
            return {name: _plain(each) for name, each in value.items()}
        case "L":
            return [_plain(each) for each in value]
        case "S" | "BOOL":
            return value
        case _:
            # Binary is a string in streams, bytes from the API; nobody needs to see which.
            return Opaque(kind)


def record_request(table_name: str, key: Key, attributes: Sequence[str]) -> Any:
    """Return the arguments of GetItem for a record as it is now, as far as `attributes` go.

    With PK, so that a record without any of them is not taken for none.
    """
    names = aliases((PARTITION, *attributes))
    return {
        "TableName": table_name,
        "Key": key.attributes,
        "ConsistentRead": True,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }


def aliases(attributes: Iterable[str]) -> dict[str, str]:
    """Return names of attributes by the aliases that expressions call them by: some names are reserved."""
    return {f"#{number}": name for number, name in enumerate(attributes)}


def is_as_read(item: Item, read_before: Item) -> bool:
    """Tell whether a record says of each decisive attribute what it said before."""
    return all(item.get(name) == read_before.get(name) for name in DECISIVE_ATTRIBUTES)


def in_flight_since(value: object, now: datetime) -> datetime:
    """Return the time that the in-flight index has of a tenant, in UTC.

    Long ago, if what it has is no time, or one that is still to come: no writer of ours writes that.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            since = datetime.fromisoformat(value).astimezone(UTC)
            return since if since <= now + CLOCK_SKEW else _LONG_AGO
        except (ValueError, OverflowError):
            pass  # the 99th of a month; a time that in UTC is before the year 1
    return _LONG_AGO


def parse_key(pk: object, sk: object) -> Key:
    """Return the key of a record that the stream's filter let through.

    Raises:
        InvalidFieldError: it is not the key of a tenant's METADATA record.
    """
    if not isinstance(pk, str) or not pk.startswith(TENANT_PREFIX) or sk != METADATA:
        raise InvalidFieldError("key", f"is not {TENANT_PREFIX}<id> / {METADATA}")
    return Key(pk)


def parse_tenant(key: Key, item: Item) -> Tenant:
    """Return the tenant that a record describes, its slug derived where it has none.

    Raises:
        InvalidFieldError: a field breaks its rule, the id differs from the key's, or the tenant is being
            offboarded, or was: such a one is not provisioned.
    """
    tenant = parse_any_tenant(key, item)
    if tenant.status in (TenantStatus.OFFBOARDING, TenantStatus.DELETED):
        raise InvalidFieldError("status", f"is {tenant.status}: such a tenant is not provisioned")
    return tenant


def parse_any_tenant(key: Key, item: Item) -> Tenant:
    """Return the tenant that a record describes, whatever its status.

    Raises:
        InvalidFieldError: a field breaks its rule, or the id differs from the key's.
    """
    tenant_id = parse_tenant_id("id", item.get("id"))
    if key.pk != Key.of(tenant_id).pk:
        raise InvalidFieldError("id", f"{tenant_id!r} differs from the id in the record's key")
    slug = item.get("slug")
    status = item.get("status")
    # What stays of a tenant that was deleted has no name.
    name = tenant_id if _is_tombstone(item) else parse_name("name", item.get("name"))
    attempt = item.get("provisioningAttempt")
    if not is_counted(item):
        raise InvalidFieldError(REVISION, f"must be a number, not {kind_of(item[REVISION])}")
    return Tenant(
        key=key,
        id=tenant_id,
        name=name,
        slug=derive_slug(name, tenant_id) if slug in (None, "") else parse_slug("slug", slug),
        tier=parse_tier("tier", item.get("tier")),
        status=TenantStatus.ACTIVE if status is None else parse_tenant_status("status", status),
        provisioning_status=parse_provisioning_status(item.get("provisioningStatus")),
        attempt=None if attempt is None else parse_attempt("provisioningAttempt", attempt, minimum=0),
        automatic_retries=_count(item, AUTOMATIC_RETRIES),
        created_at=created_at(item),
        operation=parse_operation(item),
        leftovers=parse_leftovers(item),
        item=item,
    )


def _is_tombstone(item: Item) -> bool:
    return item.get("status") == TenantStatus.DELETED and "name" not in item


def parse_provisioning_status(value: object) -> ProvisioningStatus:
    """Return the provisioning status that a record has.

    Raises:
        InvalidFieldError: it has none, or one that is unknown.
    """
    if not isinstance(value, str) or value not in (*ProvisioningStatus,):
        allowed = ", ".join(ProvisioningStatus)
        raise InvalidFieldError("provisioningStatus", f"{truncated_repr(value)} is unknown: one of {allowed}")
    return ProvisioningStatus(value)


def created_at(item: Item) -> str | None:
    """Return when a record was created (RFC 3339, as it has it), None if it does not validly say so."""
    value = item.get("createdAt")
    return value if isinstance(value, str) and _RFC3339.fullmatch(value) else None


def revision(item: Item) -> int:
    """Return how often a record was changed, 0 where it does not validly say so."""
    value = item.get(REVISION)
    return int(value) if isinstance(value, Decimal) and value >= 0 else 0


def is_counted(item: Item) -> bool:
    """Tell whether a record's revision can be counted on from. Where it can't, a change has to set it."""
    return isinstance(item.get(REVISION, Decimal(0)), Decimal)


def attempts_begun(item: Item) -> int:
    """Return the record's attempt, 0 where it has none that can be counted on from."""
    return _count(item, "provisioningAttempt")


def _count(item: Item, name: str) -> int:
    """Return a count that only our own writers write; a bad one counts as none."""
    try:
        return parse_attempt(name, item.get(name), minimum=0)
    except InvalidFieldError:
        return 0


def status_and_tier(item: Item) -> tuple[TenantStatus | None, Tier | None]:
    """Return a record's status and tier, None for what is not a valid one."""
    status, tier = item.get("status"), item.get("tier")
    return (
        TenantStatus.ACTIVE if status is None else _choice(TenantStatus, status),
        _choice(Tier, tier),
    )


def _choice(choices: type[_C], value: object) -> _C | None:
    return choices(value) if isinstance(value, str) and value in (*choices,) else None


def resource_mismatch(item: Item) -> str | None:
    """Say how the resources of a COMPLETED record do not fit its tier; None if they do, or it is not so far.

    A DELETED tenant gets no other resources any more, so its own are not looked at.
    A silo bucket's name is not compared: it was derived from the slug that the tenant had then.
    """
    tier, tenant_id = _choice(Tier, item.get("tier")), item.get("id")
    done = item.get("provisioningStatus") == ProvisioningStatus.COMPLETED
    if not done or tier is None or item.get("status") == TenantStatus.DELETED:
        return None
    resources = item.get("resources")
    given = dict(resources) if isinstance(resources, Mapping) else {}
    # Beside the place: what provisioners' own steps put out.
    named = {name: value for name, value in given.items() if name in PLACE_NAMES}
    kind = RESOURCE_OF[tier]
    resource = named.get(kind)
    fits = list(named) == [kind] and isinstance(resource, str) and bool(resource)
    if tier is not Tier.ENTERPRISE:
        fits = fits and resource == pool_prefix(TenantId(str(tenant_id)))
    return None if fits else f"resources do not fit tier {tier}: the record names {named or 'none'}"
