"""Application plane → control plane: a long phase is under way, and how far it is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.events.contract import APPLICATION_PLANE, Detail
from tenkacloud.events.operation import OperationEvent
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import parse_count


@dataclass(frozen=True, kw_only=True)
class TenantOperationProgressed(OperationEvent):
    """A sign of life: objects and their bytes that are done, of how many objects where that is known."""

    SOURCE: ClassVar[str] = APPLICATION_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantOperationProgressed"
    VERSION: ClassVar[int] = 1

    objects: int
    bytes: int
    total_objects: int | None = None

    @classmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""
        return frozenset(Phase) - {Phase.RETAIN}

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        total = "totalObjects"
        return cls(
            **cls._common(fields),
            objects=parse_count("detail.objects", fields.get("objects")),
            bytes=parse_count("detail.bytes", fields.get("bytes")),
            total_objects=parse_count(f"detail.{total}", fields[total]) if total in fields else None,
        )

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            **self._common_detail(),
            "objects": self.objects,
            "bytes": self.bytes,
            **({} if self.total_objects is None else {"totalObjects": self.total_objects}),
        }
