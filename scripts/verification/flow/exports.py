"""An export, read back from the bucket it was put into: what is in it, and whether its manifest is right."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.waiting import wait_until
from scripts.verification.flow.bus import Recording
from tenkacloud.events.results import ResultStatus
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.objects.export_format import MANIFEST


@dataclass
class Checked:
    """What an export holds: objects by their keys relative to the tenant's place, and items' plain values."""

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
    files = _read(clients, location.netloc, folder)
    checked = content_of(files)
    if location.netloc != deployment.exports_bucket_name:
        checked.problems.append(f"it is in {location.netloc}, not {deployment.exports_bucket_name}")
    if hashlib.sha256(files.get(MANIFEST, b"")).hexdigest() != told["manifestSha256"]:
        checked.problems.append("its manifest is another one than its result says")
    counts = {"objects": len(checked.objects), "items": len(checked.items)}
    checked.problems += [
        f"it has {count} {name}, not {told[name]}" for name, count in counts.items() if count != told[name]
    ]
    return checked


def content_of(files: Mapping[str, bytes]) -> Checked:
    """Return what the files of an export hold, by their paths relative to it, as its manifest says.

    Whatever is not as the manifest says is one of the problems.
    """
    checked = Checked()
    if MANIFEST not in files:
        checked.problems.append(f"{MANIFEST} is missing")
        return checked
    manifest = json.loads(files[MANIFEST])
    named = {MANIFEST}

    def file(entry: Mapping[str, Any]) -> bytes:
        path, content = entry["path"], files.get(entry["path"])
        named.add(path)
        if content is None:
            checked.problems.append(f"{path} is missing")
            return b""
        if (len(content), hashlib.sha256(content).hexdigest()) != (entry["bytes"], entry["sha256"]):
            checked.problems.append(f"{path} is not as the manifest says")
        return content

    for part in manifest["objectParts"]:
        for line in file(part).splitlines():
            entry = json.loads(line)
            checked.objects[entry["key"]] = file(entry)
    for part in manifest["itemParts"]:
        checked.items += [_plain(json.loads(line)) for line in file(part).splitlines()]
    checked.problems += _wrong_sums(manifest, checked)
    checked.problems += [f"{path} is not in the manifest" for path in sorted(files.keys() - named)]
    return checked


def _plain(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: next(iter(value.values())) for name, value in item.items()}


def _wrong_sums(manifest: Mapping[str, Any], checked: Checked) -> Iterator[str]:
    counts = {"objects": len(checked.objects), "items": len(checked.items)}
    for name, count in counts.items():
        if manifest[name] != count:
            yield f"the manifest says {manifest[name]} {name}, and lists {count}"
    size = sum(map(len, checked.objects.values()))
    if manifest["bytes"] != size:
        yield f"the manifest says {manifest['bytes']} bytes of objects, which have {size}"


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
