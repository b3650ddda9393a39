"""Exporting a tenant's objects and items to the exports bucket, with a manifest that can be checked offline.

Each object is copied as it is when the export comes by. Its hash is S3's own, of the copy's content; where S3
has none, the copy is read. What is in an export is in `objects.export_format`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tenant_mover.decisions import ExportCursor, Stage
from tenant_mover.moving import let_maintenance_in
from tenant_mover.service import Failure, Next, SliceRunner, Step, exports_of, location_of
from tenkacloud.errors import PermanentError
from tenkacloud.events.operation import OperationResult
from tenkacloud.events.queue_consumer import Slice
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.isolation.context import from_operation
from tenkacloud.isolation.maintenance import MaintenanceAccess, MaintenanceSession
from tenkacloud.objects import export_format as export
from tenkacloud.objects.comparison import StoredObject
from tenkacloud.objects.copying import KEY_MAX, ObjectCopier, Together, raise_first
from tenkacloud.objects.listing import Listing, Location, VersionListing
from tenkacloud.provisioners.catalogue import Catalogue
from tenkacloud.tenants.keys import PARTITION, Key
from tenkacloud.tenants.validation import truncated_repr

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COUNTED_MAX: Final = 50_000  # objects; as for a move
CHUNK: Final = 1000  # objects between two looks at the time
CHUNK_BYTES: Final = 16 * 1024**3
#: Objects that one file of the manifest names: a few megabytes.
PART_OBJECTS: Final = 20_000
PART_BYTES: Final = 8 * 1024**2  # of items, about
_READ: Final = 1024**2
#: Seconds that are left when a hash is no longer worth going on with.
_HASHING_RESERVE: Final = 15.0
_MISSING: Final = "NoSuchBucket"


@dataclass(frozen=True)
class TenantExporter:
    """Carries out exports.

    `access` gives the sessions that tenants' data is reached with. `together` makes many calls at a time.
    """

    runner: SliceRunner
    access: MaintenanceAccess
    catalogue: Catalogue
    together: Together
    multipart_threshold: int

    def handle(self, event: TenantExporting, slice_: Slice) -> None:
        """Do one slice of an export.

        Raises:
            InvalidFieldError: the cursor is none of ours.
            PublishError, NotReadyError, botocore.exceptions.ClientError: as `SliceRunner.run`.
        """
        cursor = ExportCursor.of(slice_.cursor)

        def do(step: Step) -> Next | OperationResult:
            if not cursor.number:
                let_maintenance_in(self.catalogue, event.tenant_id, event.place)
            session = self.access.session(from_operation(event), [event.place], exports=True)
            exports = exports_of(session)
            folder = replace(exports, prefix=exports.key(f"{event.export_id}/"))
            work = _Export(event, session, folder, step, self.together, self.multipart_threshold)
            stages: Mapping[Stage, Callable[[ExportCursor], Next | OperationResult]] = {
                Stage.OBJECTS: work.copy_objects,
                Stage.ITEMS: work.write_items,
                Stage.MANIFEST: work.finish,
            }
            try:
                return stages[cursor.stage](cursor)
            except ClientError as error:
                if error.response["Error"]["Code"] == _MISSING:
                    raise PermanentError(f"a bucket of this export does not exist: {error}") from error
                raise

        self.runner.run(event, slice_, cursor.number, do, Failure(TenantExported))


@dataclass(frozen=True)
class _Export:
    """A slice of an export. `folder` is where its files go."""

    event: TenantExporting
    session: MaintenanceSession
    folder: Location
    step: Step
    together: Together
    multipart_threshold: int

    @property
    def _s3(self) -> "S3Client":
        return self.session.s3

    # --- objects --------------------------------------------------------------------------------------------

    def copy_objects(self, cursor: ExportCursor) -> Next:
        """Copy objects as far as time allows, and write the file that names them."""
        source = location_of(self.session, self.event.place)
        copier = ObjectCopier(
            self._s3, source, self.folder, self.multipart_threshold, self.together, self.step.lease.hold
        )
        listing = VersionListing(self._s3, source).objects(cursor.after)
        stored: Iterator[StoredObject] = listing
        if not cursor.number:
            # Whoever follows an export wants to know of how many.
            first = list(islice(listing, COUNTED_MAX))
            stored = chain(first, listing)
            cursor = replace(cursor, total=len(first) if len(first) < COUNTED_MAX else None)
        ancestors = export.Ancestors(cursor.ancestors)
        entries: list[dict[str, Any]] = []
        ended = True
        for chunk in _chunks(stored, copier):
            is_huge = copier.is_huge(chunk[0])
            if entries and (is_huge or len(entries) >= PART_OBJECTS or not self.step.has_time()):
                ended = False
                break
            entries += self._copy_chunk(copier, chunk, ancestors, listing)
            cursor = replace(cursor, after=chunk[-1].key, ancestors=ancestors.keys)
            size = cursor.bytes + sum(entry["bytes"] for entry in entries)
            self.step.report(cursor.objects + len(entries), size, cursor.total)
        if entries:
            part = self._put_part("manifest", len(cursor.parts), map(export.json_line, entries))
            part["objects"] = len(entries)
            cursor = replace(
                cursor,
                objects=cursor.objects + len(entries),
                bytes=cursor.bytes + sum(entry["bytes"] for entry in entries),
                parts=[*cursor.parts, part],
            )
        self.step.runner.report(self.event, cursor.objects, cursor.bytes, cursor.total)
        return Next((replace(cursor, stage=Stage.ITEMS, ancestors=()) if ended else cursor).onward())

    def _copy_chunk(
        self,
        copier: ObjectCopier,
        chunk: Sequence[StoredObject],
        ancestors: export.Ancestors,
        listing: Listing,
    ) -> list[dict[str, Any]]:
        hashes: dict[str, str] = {}
        paths = {stored.key: self._path(stored.key, ancestors) for stored in chunk}

        def copy(stored: StoredObject) -> None:
            made = copier.copy(stored, paths[stored.key])
            if made is not None:
                hashes[stored.key] = made.sha256 or self._hash(paths[stored.key])

        if copier.is_huge(chunk[0]):
            copy(chunk[0])  # its parts are copied together
        else:
            page = partial(listing.prefetch, CHUNK)
            raise_first(self.together([page, *(partial(copy, stored) for stored in chunk)]))
        # One that is gone since it was listed was deleted by the tenant.
        return [
            {
                "key": stored.key,
                "path": paths[stored.key],
                "bytes": stored.size,
                "sha256": hashes[stored.key],
            }
            for stored in chunk
            if stored.key in hashes
        ]

    def _path(self, key: str, ancestors: export.Ancestors) -> str:
        room = len(self.folder.prefix.encode())
        return export.object_path(key, room, KEY_MAX, lies_under=ancestors.have(key))

    def _hash(self, path: str) -> str:
        """Return the hash of a file of the export, read for it."""
        digest = hashlib.sha256()
        body = self._s3.get_object(**self.folder.arguments, Key=self.folder.key(path))["Body"]
        for piece in body.iter_chunks(_READ):
            digest.update(piece)
            self.step.lease.hold()
            if self.step.remaining() < _HASHING_RESERVE:
                raise PermanentError(
                    f"{truncated_repr(path)} is too large to be read, for its SHA-256, in one invocation"
                )
        return digest.hexdigest()

    # --- items ----------------------------------------------------------------------------------------------

    def write_items(self, cursor: ExportCursor) -> Next:
        """Write items as far as time allows: a file, or several."""
        while True:
            lines, start = self._read_items(cursor.start)
            ended = start is None
            if ended and not cursor.item_parts:
                part = self._put(export.ITEMS, b"".join(lines))
            else:
                part = self._put_part("items", len(cursor.item_parts), lines)
            part["items"] = len(lines)
            cursor = replace(
                cursor,
                start=start,
                items=cursor.items + len(lines),
                item_parts=[*cursor.item_parts, part],
            )
            if ended:
                return Next(replace(cursor, stage=Stage.MANIFEST).onward())
            if not self.step.has_time():
                self.step.runner.report(self.event, cursor.objects, cursor.bytes, cursor.total)
                return Next(cursor.onward())

    def _read_items(self, start: Mapping[str, Any] | None) -> tuple[list[bytes], Mapping[str, Any] | None]:
        """Return the lines of about `PART_BYTES` of items, and where to go on, None at the end."""
        lines: list[bytes] = []
        size = 0
        while size < PART_BYTES:
            onward: dict[str, Any] = {} if start is None else {"ExclusiveStartKey": start}
            page = self.session.dynamodb.query(
                TableName=self.session.data_table_name,
                KeyConditionExpression="#pk = :pk",
                ExpressionAttributeNames={"#pk": PARTITION},
                ExpressionAttributeValues={":pk": {"S": Key.of(self.event.tenant_id).pk}},
                ConsistentRead=True,
                **onward,
            )
            found = [export.json_line(item) for item in page["Items"]]
            lines += found
            size += sum(map(len, found))
            start = page.get("LastEvaluatedKey")
            if start is None:
                break
        return lines, start

    # --- manifest -------------------------------------------------------------------------------------------

    def finish(self, cursor: ExportCursor) -> OperationResult:
        """Read back what was written, write the manifest, and read that back, too."""
        self._verify(cursor)
        manifest = {
            "format": export.FORMAT,
            "version": export.VERSION,
            "tenantId": self.event.tenant_id,
            "exportId": self.event.export_id,
            "requestedAt": self.event.timestamp,
            "expiresAt": self.event.expires_at,
            "objects": cursor.objects,
            "bytes": cursor.bytes,
            "items": cursor.items,
            "objectParts": list(cursor.parts),
            "itemParts": list(cursor.item_parts),
        }
        body = f"{json.dumps(manifest, indent=2, sort_keys=True)}\n".encode()
        written = self._put(export.MANIFEST, body)
        if self._hash(export.MANIFEST) != written["sha256"]:
            raise PermanentError("the manifest is not read back as it was written")
        return TenantExported.answering(
            self.event,
            self.step.timestamp(),
            location=f"s3://{self.folder.bucket}/{self.folder.key(export.MANIFEST)}",
            manifest_sha256=written["sha256"],
            objects=cursor.objects,
            items=cursor.items,
            bytes=cursor.bytes,
        )

    def _verify(self, cursor: ExportCursor) -> None:
        """Compare what the files say with what is there.

        Raises:
            PermanentError: something is missing, or not what was written.
        """
        for part in (*cursor.parts, *cursor.item_parts):
            if self._hash(part["path"]) != part["sha256"]:
                raise PermanentError(f"{part['path']} is not read back as it was written")
        sizes = self._sizes()
        for part in cursor.parts:
            body = self._s3.get_object(**self.folder.arguments, Key=self.folder.key(part["path"]))["Body"]
            for line in body.iter_lines():
                entry = json.loads(line)
                if sizes.get(entry["path"]) != entry["bytes"]:
                    raise PermanentError(
                        f"the copy of object {truncated_repr(entry['key'])} has {sizes.get(entry['path'])} "
                        f"bytes, and not {entry['bytes']}"
                    )

    def _sizes(self) -> dict[str, int]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            **self.folder.arguments, Prefix=self.folder.prefix
        )
        return {
            self.folder.relative(entry["Key"]): entry["Size"]
            for page in pages
            for entry in page.get("Contents", ())
        }

    def _put_part(self, folder: str, number: int, lines: Sequence[bytes] | Iterator[bytes]) -> dict[str, Any]:
        body = b"".join(lines)
        return self._put(export.part_path(folder, number, hashlib.sha256(body).hexdigest()), body)

    def _put(self, path: str, body: bytes) -> dict[str, Any]:
        """Write a file of the export; return its entry in the manifest."""
        self.step.lease.hold()
        self._s3.put_object(
            **self.folder.arguments,
            Key=self.folder.key(path),
            Body=body,
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",
        )
        return {"path": path, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _chunks(listing: Iterator[StoredObject], copier: ObjectCopier) -> Iterator[list[StoredObject]]:
    """Yield the objects in chunks of bounded size; a huge one is alone."""
    chunk: list[StoredObject] = []
    size = 0
    for stored in listing:
        is_huge = copier.is_huge(stored)
        if chunk and (is_huge or len(chunk) >= CHUNK or size >= CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(stored)
        size += stored.size
        if is_huge:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
