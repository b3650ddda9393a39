"""An export, read back from the bucket it was put into: what is in it, and whether its manifest is right."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.waiting import wait_until
from scripts.verification.flow.bus import Recording
from tenkacloud.events.results import ResultStatus
from tenkacloud.events.tenant_exported import TenantExported


@dataclass
class Checked:
    """What an export holds: objects by their keys relative to the tenant's place, and items."""

    objects: dict[str, bytes] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check(
    deployment: Deployment, clients: Clients, bus: Recording, tenant_id: str, since: float, seconds: float
) -> Checked:
    """Return what is in the export that a tenant was given after `since`, in seconds since the epoch.

    Raises:
        CommandError: there is none within `seconds`.
    """

    def completed() -> dict[str, Any] | None:
        copies = bus.of(tenant_id, TenantExported.DETAIL_TYPE, since)
        found = [copy.detail for copy in copies if copy.detail["status"] == ResultStatus.COMPLETED]
        return found[-1] if found else None

    told = wait_until(f"{tenant_id}: its export to be told", completed, seconds)
    location = urlsplit(told["location"])
    folder = location.path.lstrip("/").rsplit("/", 1)[0] + "/"
    content = _read(clients, location.netloc, folder)
    checked = Checked()
    manifest = content.get("manifest.json", b"")
    if location.netloc != deployment.exports_bucket_name:
        checked.problems.append(f"it is in {location.netloc}, not {deployment.exports_bucket_name}")
    if hashlib.sha256(manifest).hexdigest() != told["manifestSha256"]:
        checked.problems.append("its manifest is another one than its result says")
    for key, body in content.items():
        if key.startswith("objects/"):
            checked.objects[key.removeprefix("objects/")] = body
        elif key.startswith("items"):
            checked.items += [json.loads(line) for line in body.splitlines() if line]
    counts = {"objects": len(checked.objects), "items": len(checked.items)}
    checked.problems += [
        f"it has {count} {name}, not {told[name]}" for name, count in counts.items() if count != told[name]
    ]
    return checked


def _read(clients: Clients, bucket: str, folder: str) -> dict[str, bytes]:
    """Return all objects of a folder, by their keys relative to it."""
    keys = [
        entry["Key"]
        for page in clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
        for entry in page.get("Contents", [])
    ]
    return {
        key.removeprefix(folder): clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys
    }
