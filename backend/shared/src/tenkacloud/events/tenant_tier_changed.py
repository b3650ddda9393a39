"""Application plane → control plane: what came of a phase of a move. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import APPLICATION_PLANE, Detail
from tenkacloud.events.operation import OperationResult
from tenkacloud.events.results import parse_resources, places_in
from tenkacloud.isolation.places import PLACE_NAMES, Place
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import parse_count, parse_text


@dataclass(frozen=True, kw_only=True)
class TenantTierChanged(OperationResult):
    """The result of one phase of a move.

    `resources` are those of the tenant in its new tier: of a CUTOVER that is COMPLETED, with exactly one
    place. `digest` is that of the place the objects left (of a CUTOVER). `read_only_ms` is for how long the
    tenant could not write, in milliseconds. `kept` says of a RETIRE why the old place is still there.
    """

    SOURCE: ClassVar[str] = APPLICATION_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantTierChanged"
    VERSION: ClassVar[int] = 1

    resources: Mapping[str, str]
    objects: int = 0
    bytes: int = 0
    digest: str | None = None
    read_only_ms: int | None = None
    kept: str | None = None

    @classmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""
        return frozenset({Phase.COPY, Phase.CUTOVER, Phase.ROLLBACK, Phase.RETIRE})

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        event = cls(
            **cls._common(fields),
            resources=parse_resources(fields.get("resources")),
            objects=parse_count("detail.objects", fields["objects"]) if "objects" in fields else 0,
            bytes=parse_count("detail.bytes", fields["bytes"]) if "bytes" in fields else 0,
            digest=parse_text("detail.digest", fields["digest"]) if "digest" in fields else None,
            read_only_ms=(
                parse_count("detail.readOnlyMs", fields["readOnlyMs"]) if "readOnlyMs" in fields else None
            ),
            kept=parse_text("detail.kept", fields["kept"]) if "kept" in fields else None,
        )
        if event.phase is Phase.CUTOVER and event.succeeded:
            if len(places_in(event.resources)) != 1:
                raise InvalidFieldError("detail.resources", f"must name one of {', '.join(PLACE_NAMES)}")
            Place.of(event.resources)
        return event

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            **self._common_detail(),
            "resources": dict(self.resources),
            "objects": self.objects,
            "bytes": self.bytes,
            **({} if self.digest is None else {"digest": self.digest}),
            **({} if self.read_only_ms is None else {"readOnlyMs": self.read_only_ms}),
            **({} if self.kept is None else {"kept": self.kept}),
        }
