"""Control plane → application plane: move this tenant's objects to the place of another tier. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import CONTROL_PLANE, Detail
from tenkacloud.events.operation import OperationEvent, parse_place
from tenkacloud.isolation.places import Place
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import Slug, Tier, parse_name, parse_slug, parse_text, parse_tier


@dataclass(frozen=True, kw_only=True)
class TenantTierChanging(OperationEvent):
    """One phase of a move: COPY, CUTOVER, ROLLBACK or RETIRE.

    `from_` is the place that the objects leave; `to` the one that they come to, None where the application
    plane is to name it. CUTOVER carries `not_before`: until then requests may be in flight that began before
    the tenant was read-only. RETIRE may carry `digest`, of what was in `from_` at the switch, or
    `operations.ANY_DIGEST`: whatever is in it goes.
    """

    SOURCE: ClassVar[str] = CONTROL_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantTierChanging"
    VERSION: ClassVar[int] = 1

    tenant_name: str
    slug: Slug
    from_tier: Tier
    to_tier: Tier
    from_: Place
    to: Place | None = None
    not_before: str | None = None
    digest: str | None = None

    @classmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""
        return frozenset({Phase.COPY, Phase.CUTOVER, Phase.ROLLBACK, Phase.RETIRE})

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        event = cls(
            **cls._common(fields),
            tenant_name=parse_name("detail.tenantName", fields.get("tenantName")),
            slug=parse_slug("detail.slug", fields.get("slug")),
            from_tier=parse_tier("detail.fromTier", fields.get("fromTier")),
            to_tier=parse_tier("detail.toTier", fields.get("toTier")),
            from_=parse_place("detail.from", fields.get("from")),
            to=parse_place("detail.to", fields["to"]) if "to" in fields else None,
            not_before=parse_text("detail.notBefore", fields["notBefore"]) if "notBefore" in fields else None,
            digest=parse_text("detail.digest", fields["digest"]) if "digest" in fields else None,
        )
        if event.phase is Phase.CUTOVER and event.not_before is None:
            raise InvalidFieldError("detail.notBefore", "is missing")
        return event

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            **self._common_detail(),
            "tenantName": self.tenant_name,
            "slug": self.slug,
            "fromTier": self.from_tier,
            "toTier": self.to_tier,
            "from": self.from_.as_resources(),
            **({} if self.to is None else {"to": self.to.as_resources()}),
            **({} if self.not_before is None else {"notBefore": self.not_before}),
            **({} if self.digest is None else {"digest": self.digest}),
        }
