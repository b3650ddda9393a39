"""Control plane → application plane: delete all that this tenant has, or look whether it is gone. Pure.

It goes out when the retention is over, not when somebody asks for it: until then all can be restored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tenkacloud.events.contract import CONTROL_PLANE, Detail
from tenkacloud.events.operation import OperationEvent, parse_places
from tenkacloud.isolation.places import Place
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.validation import Slug, Tier, parse_slug, parse_tier


@dataclass(frozen=True, kw_only=True)
class TenantOffboarding(OperationEvent):
    """PURGE or VERIFY. `places`: every one that the tenant's objects are known to be in, or to have been.

    `tier` and `slug` are None where the control plane does not know them any more.
    """

    SOURCE: ClassVar[str] = CONTROL_PLANE
    DETAIL_TYPE: ClassVar[str] = "TenantOffboarding"
    VERSION: ClassVar[int] = 1

    places: tuple[Place, ...]
    tier: Tier | None = None
    slug: Slug | None = None

    @classmethod
    def phases(cls) -> frozenset[Phase]:
        """Return the phases that it is of."""
        return frozenset({Phase.PURGE, Phase.VERIFY})

    @classmethod
    def _parse(cls, fields: Mapping[str, object]) -> Self:
        return cls(
            **cls._common(fields),
            places=parse_places("detail.places", fields.get("places")),
            tier=parse_tier("detail.tier", fields["tier"]) if "tier" in fields else None,
            slug=parse_slug("detail.slug", fields["slug"]) if "slug" in fields else None,
        )

    def detail(self) -> Detail:
        """Return the `detail` to publish."""
        return {
            **self._common_detail(),
            "places": [place.as_resources() for place in self.places],
            **({} if self.tier is None else {"tier": self.tier}),
            **({} if self.slug is None else {"slug": self.slug}),
        }
