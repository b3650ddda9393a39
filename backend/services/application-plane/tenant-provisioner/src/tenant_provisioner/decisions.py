"""Is what a replayed event requests still wanted? Pure.

A replay brings events of any age from the archive: also of tenants that were deleted since, or deleted and
created anew with another tier or slug. What those would build would be nobody's.
"""

from typing import Final

from tenkacloud.events.contract import Correlation
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.tenants.record import Item
from tenkacloud.tenants.validation import TenantStatus

#: What `is_wanted` looks at.
ATTRIBUTES: Final = ("status", "tier", "slug")
_WITH_RESOURCES: Final = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)


def is_wanted(record: Item | None, request: TenantOnboarding | Correlation) -> bool:
    """Tell whether a tenant's record, None if there is none, requests what a request of it would build.

    A request that is not valid builds nothing: there only has to be somebody to report on.
    """
    if record is None or record.get("status", TenantStatus.ACTIVE) not in _WITH_RESOURCES:
        return False
    if isinstance(request, Correlation):
        return True
    # A record has no slug until its first attempt is marked.
    return record.get("tier") == request.tier and record.get("slug", request.slug) == request.slug
