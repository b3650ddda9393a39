"""What disturbs lives that are under way: functions that end in the middle of their work, and duplicates."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import ZIPS
from scripts.verification.flow import reconciling
from scripts.verification.flow.bus import Recording
from tenkacloud.events.registry import EVENTS
from tenkacloud.isolation.resource_names import export_prefix
from tenkacloud.objects.lease import FOLDER
from tenkacloud.platform.clock import rfc3339
from tenkacloud.tenants.validation import TenantId

_LOOK_SECONDS: Final = 0.05


class Kills:
    """Ends a function that is at work, once in each phase of the first of some tenants, and counts how often.

    A function is given its code anew, as a deployment does: that ends its process in the middle of a call, of
    whichever tenant. `delays`: for each phase, how many seconds after its event was seen. Nobody waits until
    the leases of what was ended have run out, or until it counts as stuck: both are so at once.
    """

    def __init__(
        self,
        deployment: Deployment,
        clients: Clients,
        bus: Recording,
        tenant_ids: Sequence[str],
        delays: Mapping[str, float],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._deployment = deployment
        self._clients = clients
        self._bus = bus
        self._tenant_ids = tuple(tenant_ids)
        self._delays = dict(delays)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._kill, daemon=True)

    def __enter__(self) -> "Kills":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _kill(self) -> None:
        seen: set[tuple[str, int]] = set()
        while not self._over.wait(_LOOK_SECONDS):
            for copy in self._bus.of(self._tenant_ids[0]):
                phase, attempt = str(copy.detail.get("phase", "")), int(copy.detail.get("attempt", 0))
                service = WORKERS.get(copy.kind)
                if service is None or phase not in self._delays or (phase, attempt) in seen:
                    continue
                seen.add((phase, attempt))
                if self.counts[phase] == 0:
                    self._over.wait(self._delays[phase])
                    end(self._deployment, self._clients, service)
                    for tenant_id in self._tenant_ids:
                        release(self._deployment, self._clients, tenant_id)
                    reconciling.sweep(self._deployment, self._clients, older_than=0)
                    self.counts[phase] += 1


#: The functions that work on the phases of an operation, by the event that requests one.
WORKERS: Final = {
    "TenantTierChanging": "tenant-mover",
    "TenantExporting": "tenant-mover",
    "TenantOffboarding": "tenant-deprovisioner",
}


def end(deployment: Deployment, clients: Clients, service: str) -> None:
    """End what a function is doing: it gets its code once more."""
    clients.lambda_.update_function_code(
        FunctionName=deployment.lambda_function_names[service], ZipFile=(ZIPS / f"{service}.zip").read_bytes()
    )


def release(deployment: Deployment, clients: Clients, tenant_id: str) -> None:
    """Let the last lease of a tenant's data have run out, as if the time had passed."""
    bucket = deployment.exports_bucket_name
    found = clients.s3.list_objects_v2(
        Bucket=str(bucket), Prefix=f"{export_prefix(TenantId(tenant_id))}{FOLDER}", MaxKeys=1
    )
    for entry in found.get("Contents", []):
        where: Any = {"Bucket": bucket, "Key": entry["Key"]}
        state = json.loads(clients.s3.get_object(**where)["Body"].read())
        state["until"] = rfc3339(datetime.now(UTC))
        clients.s3.put_object(**where, Body=json.dumps(state).encode(), ContentType="application/json")


@contextmanager
def duplicates(
    deployment: Deployment, clients: Clients, bus: Recording, tenant_ids: Sequence[str]
) -> Iterator[Counter[str]]:
    """Send each event of these tenants to the bus once more once it is seen; yield the counts by kind."""
    counts: Counter[str] = Counter()
    over = threading.Event()

    def send_again() -> None:
        sent: set[str] = set()
        while not over.wait(_LOOK_SECONDS):
            for tenant_id in tenant_ids:
                for copy in bus.of(tenant_id):
                    detail = json.dumps(copy.detail, sort_keys=True)
                    if detail in sent:
                        continue
                    sent.add(detail)
                    entry: Any = {
                        "EventBusName": deployment.event_bus_name,
                        "Source": EVENTS[copy.kind].SOURCE,
                        "DetailType": copy.kind,
                        "Detail": detail,
                    }
                    clients.events.put_events(Entries=[entry])
                    counts[copy.kind] += 1

    thread = threading.Thread(target=send_again, daemon=True)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join()
