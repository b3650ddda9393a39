"""All events there are. Pure."""

from collections.abc import Mapping
from typing import Final

from tenkacloud.events import tenant_onboarding, tenant_provisioned
from tenkacloud.events.contract import Event
from tenkacloud.events.tenant_deprovisioned import TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_status import TenantReactivated, TenantSuspended
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging

#: By detail type. Tests, the simulator and the operator's tool loop over it.
EVENTS: Final[Mapping[str, type[Event]]] = {
    event.DETAIL_TYPE: event
    for event in (
        tenant_onboarding.TenantOnboarding,
        tenant_provisioned.ProvisioningResult,
        TenantTierChanging,
        TenantTierChanged,
        TenantExporting,
        TenantExported,
        TenantOffboarding,
        TenantDeprovisioned,
        TenantOperationProgressed,
        TenantSuspended,
        TenantReactivated,
    )
}
