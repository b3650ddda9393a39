"""Application plane → control plane: what was deleted of a tenant, and what is left. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.events.contract import APPLICATION_PLANE, Detail
from tenkacloud.events.operation import OperationResult
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import parse_count, parse_object, parse_text


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Counts of what a purge deleted, of what an independent listing then found, and when it looked.

    `remaining` counts whatever is left, of every store. `checked_at` is RFC 3339 UTC, as it is written.
    """

    object_versions: int = 0
    delete_markers: int = 0
    uploads: int = 0
    items: int = 0
    buckets_deleted: int = 0
    remaining: int = 0
    checked_at: str

    @classmethod
    def parse(cls, field: str, value: object) -> Self:
        """Return the evidence of an event or a record.

        Raises:
            InvalidFieldError: a field is missing or breaks its rule.
        """
        fields = parse_object(field, value)

        def count(name: str) -> int:
            return parse_count(f"{field}.{name}", fields.get(name))

        return cls(
            object_versions=count("objectVersions"),
            delete_markers=count("deleteMarkers"),
            uploads=count("uploads"),
            items=count("items"),
            buckets_deleted=count("bucketsDeleted"),
            remaining=count("remaining"),
            checked_at=parse_text(f"{field}.checkedAt", fields.get("checkedAt")),
        )

    def attributes(self) -> dict[str, object]:
        """Return it as events and records have it."""
        return {
            "objectVersions": self.object_versions,
            "deleteMarkers": self.delete_markers,
            "uploads": self.uploads,
            "items": self.items,
            "bucketsDeleted": self.buckets_deleted,
            "remaining": self.remaining,
            "checkedAt": self.checked_at,
        }


@dataclass(frozen=True, kw_only=True)
class TenantDeprovisioned(OperationResult):
    """The result of a PURGE or of a VERIFY."""

    SOURCE: ClassVar[str] = APPLICATION_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantDeprovisioned"
    VERSION: ClassVar[int] = 1

    evidence: Evidence

    @classmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""
        return frozenset({Phase.PURGE, Phase.VERIFY})

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        return cls(**cls._common(fields), evidence=Evidence.parse("detail.evidence", fields.get("evidence")))

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {**self._common_detail(), "evidence": self.evidence.attributes()}
