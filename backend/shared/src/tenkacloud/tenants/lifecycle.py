"""The state machines of a tenant: `provisioningStatus`, and `status`. Pure.

`provisioningStatus` says how far a tenant's resources are:

```
              ┌──┐ (an automatic retry)
PENDING → PROVISIONING → COMPLETED ────────┐
   ↓           ↓            ↑ (a late success of the same attempt)
   └────────→ FAILED ───────┘              ↓
                 ↓ (retry)    ↘──→ DEPROVISIONING ⇄ DEPROVISION_FAILED
              PENDING ← COMPLETED          ↓ ↑ (something of it came back)
            (a repair)                DEPROVISIONED
```

PENDING → FAILED is a record that can't be requested at all: unknown tier, bad id. Entering PENDING, by
insert or by update, requests provisioning; whoever writes the record does that, or an operator's retry.

`status` says whether the tenant may use the platform:

```
ACTIVE ⇄ SUSPENDED,  either → OFFBOARDING → DELETED (for ever)
                                    ↓ (restored)
                                SUSPENDED
```
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tenkacloud.tenants.validation import TenantStatus


class ProvisioningStatus(StrEnum):
    """How far a tenant's resources are."""

    PENDING = "PENDING"
    PROVISIONING = "PROVISIONING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    DEPROVISIONING = "DEPROVISIONING"
    DEPROVISIONED = "DEPROVISIONED"
    DEPROVISION_FAILED = "DEPROVISION_FAILED"


_P = ProvisioningStatus

#: Every transition there is. Writers go through `allowed_from`.
TRANSITIONS: Final[Mapping[ProvisioningStatus, frozenset[ProvisioningStatus]]] = {
    _P.PENDING: frozenset({_P.PROVISIONING, _P.FAILED}),
    _P.PROVISIONING: frozenset({_P.PROVISIONING, _P.COMPLETED, _P.FAILED}),
    _P.FAILED: frozenset({_P.PENDING, _P.COMPLETED, _P.DEPROVISIONING}),
    _P.COMPLETED: frozenset({_P.PENDING, _P.DEPROVISIONING}),
    _P.DEPROVISIONING: frozenset({_P.DEPROVISIONED, _P.DEPROVISION_FAILED}),
    _P.DEPROVISION_FAILED: frozenset({_P.DEPROVISIONING}),
    _P.DEPROVISIONED: frozenset({_P.DEPROVISIONING}),
}

#: Every transition of `status`.
STATUS_TRANSITIONS: Final[Mapping[TenantStatus, frozenset[TenantStatus]]] = {
    TenantStatus.ACTIVE: frozenset({TenantStatus.SUSPENDED, TenantStatus.OFFBOARDING}),
    TenantStatus.SUSPENDED: frozenset({TenantStatus.ACTIVE, TenantStatus.OFFBOARDING}),
    TenantStatus.OFFBOARDING: frozenset({TenantStatus.SUSPENDED, TenantStatus.DELETED}),
    TenantStatus.DELETED: frozenset(),
}

#: Onboarding is at it, or has to be: the tenant leaves these without an operator.
IN_FLIGHT: Final = frozenset({_P.PENDING, _P.PROVISIONING})
#: The tenant stays in these until somebody wants another attempt, or another life.
FINAL: Final = frozenset({_P.COMPLETED, _P.FAILED})
#: The tenant is being offboarded, or was: its resources go, or are gone.
DEPROVISION: Final = frozenset({_P.DEPROVISIONING, _P.DEPROVISION_FAILED, _P.DEPROVISIONED})


def allowed_from(target: ProvisioningStatus) -> frozenset[ProvisioningStatus]:
    """Return the statuses from which `target` may be entered."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)


def status_allowed_from(target: TenantStatus) -> frozenset[TenantStatus]:
    """Return the values of `status` from which `target` may be entered."""
    return frozenset(source for source, targets in STATUS_TRANSITIONS.items() if target in targets)
