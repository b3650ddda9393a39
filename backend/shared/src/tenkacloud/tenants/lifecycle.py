"""The state machine of `provisioningStatus`. Pure.

```
              ┌──┐ (a new attempt, by the reconciler)
PENDING → PROVISIONING → COMPLETED
   ↓           ↓            ↑ (a late success of the same attempt)
   └────────→ FAILED ───────┘
                 ↓ (retry, by an operator)
              PENDING ← COMPLETED (with resources of another tier: a repair)
```

PENDING → FAILED is a record that can't be requested at all: unknown tier, bad id. Entering PENDING, by
insert or by update, requests provisioning; whoever writes the record does that, or an operator's retry.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ProvisioningStatus(StrEnum):
    """How far a tenant's resources are."""

    PENDING = "PENDING"
    PROVISIONING = "PROVISIONING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


#: Every transition there is. Writers go through `allowed_from`.
TRANSITIONS: Final[Mapping[ProvisioningStatus, frozenset[ProvisioningStatus]]] = {
    ProvisioningStatus.PENDING: frozenset({ProvisioningStatus.PROVISIONING, ProvisioningStatus.FAILED}),
    ProvisioningStatus.PROVISIONING: frozenset(
        {ProvisioningStatus.PROVISIONING, ProvisioningStatus.COMPLETED, ProvisioningStatus.FAILED}
    ),
    ProvisioningStatus.FAILED: frozenset({ProvisioningStatus.PENDING, ProvisioningStatus.COMPLETED}),
    ProvisioningStatus.COMPLETED: frozenset({ProvisioningStatus.PENDING}),
}

#: Somebody is at it, or has to be: the tenant leaves these without an operator.
IN_FLIGHT: Final = frozenset({ProvisioningStatus.PENDING, ProvisioningStatus.PROVISIONING})
#: The tenant stays in these until somebody wants another attempt.
FINAL: Final = frozenset({ProvisioningStatus.COMPLETED, ProvisioningStatus.FAILED})


def allowed_from(target: ProvisioningStatus) -> frozenset[ProvisioningStatus]:
    """Return the statuses from which `target` may be entered."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)
