"""Control plane → application plane: write a copy of all that this tenant has. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.events.contract import CONTROL_PLANE, Detail
from tenkacloud.events.operation import OperationEvent, parse_place
from tenkacloud.isolation.places import Place
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import parse_operation_id, parse_text


@dataclass(frozen=True, kw_only=True)
class TenantExporting(OperationEvent):
    """A request for an export. `place` is where the objects are; `expires_at` is RFC 3339 UTC."""

    SOURCE: ClassVar[str] = CONTROL_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantExporting"
    VERSION: ClassVar[int] = 1

    place: Place
    export_id: str
    expires_at: str

    @classmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""
        return frozenset({Phase.EXPORT})

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        return cls(
            **cls._common(fields),
            place=parse_place("detail.resources", fields.get("resources")),
            export_id=parse_operation_id("detail.exportId", fields.get("exportId")),
            expires_at=parse_text("detail.expiresAt", fields.get("expiresAt")),
        )

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            **self._common_detail(),
            "resources": self.place.as_resources(),
            "exportId": self.export_id,
            "expiresAt": self.expires_at,
        }
