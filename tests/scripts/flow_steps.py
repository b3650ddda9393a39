"""What the flow does with a tenant's operation, a step a call: for tests of those who only look on."""

from datetime import timedelta
from typing import Any

from tenkacloud.events.tenant_deprovisioned import Evidence, TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.operations import Operation, OperationKind
from tenkacloud.tenants.transitions import offboarding, operation, tier
from tenkacloud.tenants.transitions.operation import Waits
from tests.scripts.operator_cloud import Cloud

WAITS = Waits(drain_seconds=3, retire_after_seconds=5, verify_again_after_seconds=5)
LOCATION = "s3://exports/acme/1/manifest.json"


class Flow:
    """The flow, for one tenant."""

    def __init__(self, cloud: Cloud, tenant_id: str) -> None:
        self.cloud, self.id = cloud, tenant_id

    def publish(self) -> None:
        """Publish what the record requests: the phase is RUNNING then."""
        tenant = self.cloud.tenant(self.id)
        self.cloud.write(operation.mark_published(tenant, self.cloud.clock.now()))

    def progress(self, objects: int, of: int) -> None:
        """Report how far a phase is."""
        event = self._about(TenantOperationProgressed, objects=objects, bytes=objects, total_objects=of)
        self.cloud.write(operation.record_progress(event, self.cloud.clock.now()))

    def move(self, *, failure: str | None = None, kept: str | None = None, **resources: str) -> None:
        """End a phase of a move."""
        event = self._about(
            TenantTierChanged,
            failure_reason=failure,
            resources=resources,
            objects=3,
            bytes=9,
            digest="0" * 64,
            read_only_ms=5,
            kept=kept,
        )
        tenant, under_way = self.cloud.tenant(self.id), self.cloud.operation(self.id)
        self.cloud.write(tier.record_move(tenant, under_way, event, WAITS, self.cloud.clock.now()))

    def export(self, *, failure: str | None = None) -> None:
        """End an export."""
        event = self._about(
            TenantExported,
            failure_reason=failure,
            location=LOCATION,
            objects=3,
            items=2,
            bytes=9,
            manifest_sha256="0" * 64,
        )
        tenant, under_way = self.cloud.tenant(self.id), self.cloud.operation(self.id)
        record = operation.record_export
        if under_way.kind is OperationKind.OFFBOARD:
            record = offboarding.record_offboarding_export
        self.cloud.write(record(tenant, under_way, event, self.cloud.clock.now()))

    def retention_over(self) -> None:
        """Let the retention be over."""
        tenant, under_way = self.cloud.tenant(self.id), self.cloud.operation(self.id)
        now = self.cloud.clock.now()
        self.cloud.write(offboarding.retention_over(tenant, under_way, now + timedelta(days=7), now))

    def deprovision(self, *, failure: str | None = None, **evidence: int) -> None:
        """End a purge or a verification."""
        found = Evidence(**evidence, checked_at=rfc3339(self.cloud.clock.now()))
        event = self._about(TenantDeprovisioned, failure_reason=failure, evidence=found)
        tenant, under_way = self.cloud.tenant(self.id), self.cloud.operation(self.id)
        self.cloud.write(
            offboarding.record_deprovisioning(
                tenant, under_way, event, WAITS, {"archive": "90 days"}, self.cloud.clock.now()
            )
        )

    def verify_again(self) -> None:
        """Let the second verification be due."""
        tenant, under_way = self.cloud.tenant(self.id), self.cloud.operation(self.id)
        self.cloud.write(offboarding.verify_again(tenant, under_way, self.cloud.clock.now()))

    def delete(self) -> None:
        """Take a tenant that is being offboarded from the end of its retention to its tombstone."""
        self.cloud.clock.time += timedelta(days=400)
        self.retention_over()
        self.publish()
        self.deprovision(object_versions=3)
        self.publish()
        self.deprovision()
        self.cloud.clock.time += timedelta(hours=1)
        self.verify_again()
        self.publish()
        self.deprovision()

    def _about(self, event: Any, **fields: Any) -> Any:
        under_way: Operation = self.cloud.operation(self.id)
        common = {
            "tenant_id": self.cloud.tenant(self.id).id,
            "operation_id": under_way.id,
            "phase": under_way.phase,
            "attempt": under_way.attempt,
            "timestamp": rfc3339(self.cloud.clock.now()),
        }
        return event(**common, **fields)
