"""All events there are. Pure."""

from collections.abc import Mapping
from typing import Final

from tenkacloud.events import tenant_onboarding, tenant_provisioned
from tenkacloud.events.contract import Event

#: By detail type. Tests, the simulator and the operator's tool loop over it.
EVENTS: Final[Mapping[str, type[Event]]] = {
    event.DETAIL_TYPE: event
    for event in (tenant_onboarding.TenantOnboarding, tenant_provisioned.ProvisioningResult)
}
