"""Application plane → control plane: what came of an export. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import APPLICATION_PLANE, Detail
from tenkacloud.events.operation import OperationResult
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import parse_count, parse_text


@dataclass(frozen=True, kw_only=True)
class TenantExported(OperationResult):
    """The result of an export.

    `location` is the URL of its manifest, `s3://<bucket>/<tenantId>/<exportId>/manifest.json`, and
    `manifest_sha256` the manifest's SHA-256 in hex; COMPLETED has both. `bytes` are those of the objects.
    """

    SOURCE: ClassVar[str] = APPLICATION_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantExported"
    VERSION: ClassVar[int] = 1

    location: str | None = None
    manifest_sha256: str | None = None
    objects: int = 0
    items: int = 0
    bytes: int = 0

    @classmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""
        return frozenset({Phase.EXPORT})

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        def text(name: str) -> str | None:
            return parse_text(f"detail.{name}", fields[name]) if name in fields else None

        def count(name: str) -> int:
            return parse_count(f"detail.{name}", fields[name]) if name in fields else 0

        event = cls(
            **cls._common(fields),
            location=text("location"),
            manifest_sha256=text("manifestSha256"),
            objects=count("objects"),
            items=count("items"),
            bytes=count("bytes"),
        )
        if event.succeeded:
            for name, value in (("location", event.location), ("manifestSha256", event.manifest_sha256)):
                if value is None:
                    raise InvalidFieldError(f"detail.{name}", "is missing")
        return event

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            **self._common_detail(),
            **({} if self.location is None else {"location": self.location}),
            **({} if self.manifest_sha256 is None else {"manifestSha256": self.manifest_sha256}),
            "objects": self.objects,
            "items": self.items,
            "bytes": self.bytes,
        }
