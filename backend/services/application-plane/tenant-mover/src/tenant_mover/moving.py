"""Moving a tenant's objects between a prefix of the data bucket and a bucket of its own.

COPY makes the target, closed to the tenant, and fills it while the tenant goes on. CUTOVER, while the tenant
can only read, brings it up to date, verifies it and opens it; the control plane then switches. ROLLBACK takes
the target away again. RETIRE empties the old place, if it still is as it was at the switch, or an operator
says so.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from tenant_mover import decisions
from tenant_mover.decisions import MoveCursor, Stage
from tenant_mover.service import Failure, Next, SliceRunner, Step, location_of
from tenkacloud.errors import NotEmptyError, PermanentError
from tenkacloud.events.operation import OperationResult
from tenkacloud.events.queue_consumer import Slice
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.isolation.context import from_operation
from tenkacloud.isolation.maintenance import MaintenanceAccess, MaintenanceSession
from tenkacloud.isolation.places import SILO_PLACE, Place
from tenkacloud.objects.comparison import MOVE_MARKER, Digest, has_same_content, merge
from tenkacloud.objects.copying import ObjectCopier, Together
from tenkacloud.objects.lease import Note
from tenkacloud.objects.listing import Location, current_objects
from tenkacloud.objects.purging import Purge
from tenkacloud.objects.sync import SyncRun
from tenkacloud.platform.telemetry import logger
from tenkacloud.provisioners.catalogue import Catalogue
from tenkacloud.provisioners.types import TenantSpec
from tenkacloud.tenants.operations import ANY_DIGEST, Phase, moment
from tenkacloud.tenants.validation import RESOURCE_OF, TenantId, Tier, truncated_repr

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: A move of more objects than this does not say of how many: that would take too much time and memory.
COUNTED_MAX: Final = 50_000
_MISSING: Final = "NoSuchBucket"
SILO_TIER: Final = next(tier for tier in Tier if RESOURCE_OF[tier] == SILO_PLACE)


@dataclass(frozen=True)
class TenantMover:
    """Carries out the phases of moves.

    `access` gives the sessions that tenants' objects are reached with. `together` makes many calls at a time.
    """

    runner: SliceRunner
    access: MaintenanceAccess
    catalogue: Catalogue
    together: Together
    multipart_threshold: int

    def handle(self, event: TenantTierChanging, slice_: Slice) -> None:
        """Do one slice of a phase.

        Raises:
            InvalidFieldError: the cursor is none of ours.
            PublishError, NotReadyError, botocore.exceptions.ClientError: as `SliceRunner.run`.
        """
        cursor = MoveCursor.of(slice_.cursor)
        phase = {
            Phase.COPY: self._copy,
            Phase.CUTOVER: self._cut_over,
            Phase.ROLLBACK: self._roll_back,
            Phase.RETIRE: self._retire,
        }[event.phase]

        def do(step: Step) -> Next | OperationResult:
            try:
                return phase(event, cursor, step)
            except ClientError as error:
                if error.response["Error"]["Code"] == _MISSING:
                    raise PermanentError(f"a bucket of this move does not exist: {error}") from error
                raise

        # FAILED names the new place, too, where it is known: so a rollback knows what to take away.
        fields = {"resources": dict(cursor.resources or {})}
        self.runner.run(event, slice_, cursor.number, do, Failure(TenantTierChanged, fields))

    # --- before the switch ----------------------------------------------------------------------------------

    def _copy(self, event: TenantTierChanging, cursor: MoveCursor, step: Step) -> Next | OperationResult:
        cursor, move = self._begin(event, cursor, step)
        run, cursor, ended = self._run(move, cursor, step)
        if not ended:
            return Next(cursor.onward())
        if decisions.needs_another_pass(cursor):
            return Next(cursor.next_pass(Stage.ONLY).onward())
        logger.info(
            "Copied", objects=cursor.objects, passes=cursor.passes + 1, newest=str(run.listing.newest)
        )
        return TenantTierChanged.answering(
            event,
            step.timestamp(),
            resources=dict(cursor.resources or {}),
            objects=cursor.objects,
            bytes=cursor.bytes,
        )

    def _cut_over(self, event: TenantTierChanging, cursor: MoveCursor, step: Step) -> Next | OperationResult:
        not_before, fenced_at = moment(event.not_before or ""), moment(event.timestamp)
        cursor, move = self._begin(event, cursor, step)
        if cursor.stage is not Stage.AFTER:
            # What changed so far is copied while requests that began before may still be under way.
            if step.now < not_before and not cursor.is_prepared:
                # Not longer than that: what is copied then has to be compared once more anyhow.
                step.ends_at = min(step.ends_at, not_before)
                _run, cursor, ended = self._run(move, cursor, step)
                if not ended and step.now < not_before:
                    return Next(cursor.onward())
                cursor = replace(cursor, is_prepared=True)
            seconds = decisions.seconds_until(not_before, step.now)
            if seconds > decisions.WAIT_MAX:
                return Next(cursor.onward(), int(seconds - decisions.WAIT_MAX / 2))
            step.runner.clock.sleep(seconds)
            cursor = replace(cursor.next_pass(Stage.AFTER), passes=0)
        # Nobody writes any more, and the tenant waits: the record need not be looked at in between.
        step.ends_at = datetime.max.replace(tzinfo=UTC)
        while True:
            is_whole = not cursor.after
            run, cursor, ended = self._run(move, cursor, step)
            if not ended:
                return Next(cursor.onward())
            # Of a whole run that found nothing to do, the comparison is the proof that the places are equal.
            differs = None if is_whole and not run.changes else move.first_difference()
            if is_whole and differs is None:
                return self._finish(event, cursor, step, run, not_before, fenced_at)
            if cursor.passes + 1 >= decisions.FINAL_PASSES_MAX:
                raise PermanentError(
                    f"the two places do not become the same: {differs or 'there is no time'}"
                )
            cursor = cursor.next_pass(Stage.AFTER)

    def _finish(
        self,
        event: TenantTierChanging,
        cursor: MoveCursor,
        step: Step,
        run: SyncRun,
        not_before: datetime,
        fenced_at: datetime,
    ) -> OperationResult:
        """Open the target, which holds what the source does; the answer has the switch follow."""
        if decisions.written_too_late(run.listing.newest, not_before):
            raise PermanentError(
                f"something was written to {event.from_.name} at {run.listing.newest}, "
                f"when the tenant was read-only since {not_before}"
            )
        resources = dict(cursor.resources or {})
        step.lease.hold()
        self.catalogue.open(_spec(event, event.to_tier), resources)
        logger.info("Verified", objects=run.objects, passes=cursor.passes + 1)
        return TenantTierChanged.answering(
            event,
            step.timestamp(),
            resources=resources,
            objects=run.objects,
            bytes=run.bytes,
            digest=run.digest.hex(),
            read_only_ms=decisions.milliseconds(step.now - fenced_at),
        )

    def _begin(self, event: TenantTierChanging, cursor: MoveCursor, step: Step) -> tuple[MoveCursor, "_Move"]:
        """Make the target if this is the first slice of the phase; return both places of the move."""
        is_first = cursor.resources is None
        if is_first:
            step.lease.hold()
            let_maintenance_in(self.catalogue, event.tenant_id, event.from_)
            resources = self.catalogue.ensure(_spec(event, event.to_tier, open_to_tenant=False))
            cursor = replace(cursor, resources=resources)
        target = Place.of(cursor.resources)
        if event.to not in (None, target) or target == event.from_:
            raise PermanentError(f"tier {event.to_tier} has {target.name}, not the place that was requested")
        session = self.access.session(from_operation(event), [event.from_, target])
        copier = ObjectCopier(
            session.s3,
            location_of(session, event.from_),
            location_of(session, target),
            self.multipart_threshold,
            self.together,
            step.lease.hold,
        )
        move = _Move(target, copier)
        if is_first:
            move.claim(event.operation_id)
        return cursor, move

    def _run(self, move: "_Move", cursor: MoveCursor, step: Step) -> tuple[SyncRun, MoveCursor, bool]:
        """Make the target equal to the source as far as time allows; return whether that was to the end."""
        # Whoever follows a move wants to know of how many; only the first slice can say so at little cost.
        is_first = step.event.phase is Phase.COPY and not cursor.number
        run = SyncRun(move.copier, cursor.after, look_ahead=COUNTED_MAX if is_first else 0)

        def keep_going() -> bool:
            total = run.total if cursor.total is None else cursor.total
            step.report(cursor.objects + run.objects, cursor.bytes + run.bytes, total)
            return step.has_time()

        ended = run.run(keep_going)
        onward = replace(
            cursor,
            after=run.after,
            objects=cursor.objects + run.objects,
            bytes=cursor.bytes + run.bytes,
            changes=cursor.changes + run.changes,
            total=run.total if cursor.total is None else cursor.total,
        )
        if not ended:
            step.runner.report(step.event, onward.objects, onward.bytes, onward.total)
        return run, onward, ended

    # --- taking away ----------------------------------------------------------------------------------------

    def _roll_back(self, event: TenantTierChanging, cursor: MoveCursor, step: Step) -> Next | OperationResult:
        """Take the target away, as far as this move filled it. What was there before stays, and is named."""
        kept = None
        named = {} if event.to is None else event.to.as_resources()
        for place in self._places_of(event, event.to_tier, event.from_tier, named):
            if place == event.from_ or decisions.is_in_use(step.record, place):
                raise PermanentError(f"{place.name} is the tenant's place: it is not removed")
            session = self.access.session(from_operation(event), [place])
            decided = Note(step.lease.leases, f"rollback-{event.operation_id}-{place.kind}")
            if not decided.is_there():
                target = location_of(session, place)
                found = next(current_objects(session.s3, target, page_size=1), None)
                if found is not None and marked_by(session.s3, target) != event.operation_id:
                    kept = f"{place.name} holds {truncated_repr(found.key)}, which this move did not bring"
                    continue
                # The mark goes with the first objects. So it is noted first.
                step.lease.hold()
                decided.write()
            if not self._purge(session, place, step):
                return Next(cursor.onward())
        if kept is None and not self._remove(event, event.to_tier, event.from_tier, named, step):
            return Next(cursor.onward())
        return TenantTierChanged.answering(event, step.timestamp(), resources={}, kept=kept)

    def _retire(self, event: TenantTierChanging, cursor: MoveCursor, step: Step) -> Next | OperationResult:
        """Empty the old place and take it away, if nothing was written there since the switch."""
        if decisions.is_in_use(step.record, event.from_):
            raise PermanentError(f"{event.from_.name} is the tenant's place: it is not retired")
        named = event.from_.as_resources()
        if RESOURCE_OF[event.from_tier] == RESOURCE_OF[event.to_tier]:
            # What removes the one would be at the other, too: somebody has changed the record by hand.
            kept = (
                f"{event.from_.name} is a place like the tenant's own: it is not told from that by its tier"
            )
            return TenantTierChanged.answering(event, step.timestamp(), resources={}, kept=kept)
        # None where it is gone: emptied and removed by an attempt whose answer was lost.
        for place in self._places_of(event, event.from_tier, event.to_tier, named):
            if place != event.from_:
                continue
            session = self.access.session(from_operation(event), [place])
            decided = Note(step.lease.leases, f"retire-{event.operation_id}")
            if not decided.is_there():
                if reason := self._why_kept(event, session):
                    logger.warning("Old place kept", reason=reason)
                    return TenantTierChanged.answering(event, step.timestamp(), resources={}, kept=reason)
                # Of a place that is half emptied, nobody can tell any more. So it is noted first.
                step.lease.hold()
                decided.write()
            if not self._purge(session, place, step):
                return Next(cursor.onward())
        if not self._remove(event, event.from_tier, event.to_tier, named, step):
            return Next(cursor.onward())
        self._unmark(event, step)
        return TenantTierChanged.answering(event, step.timestamp(), resources={})

    @staticmethod
    def _why_kept(event: TenantTierChanging, session: MaintenanceSession) -> str | None:
        """Return why an old place must not be emptied.

        None if it is as it was at the switch, or an operator has looked at what is in it.
        """
        if event.digest == ANY_DIGEST:
            return None
        if event.digest is None:
            return f"nobody knows what was in {event.from_.name} at the switch"
        digest = Digest()
        for stored in current_objects(session.s3, location_of(session, event.from_)):
            digest.add(stored)
        return None if digest.hex() == event.digest else f"{event.from_.name} has changed since the switch"

    def _places_of(
        self, event: TenantTierChanging, tier: Tier, other: Tier, resources: dict[str, str]
    ) -> tuple[Place, ...]:
        """Return the places that a tier has and another has not, as far as they exist, ready to be emptied.

        Not those of all tiers: this closes them to the tenant, whose own place has to stay open.
        """
        spec = _spec(event, tier, open_to_tenant=False)
        steps = [each for each in self.catalogue.for_tier(tier) if other not in each.tiers]
        return tuple(
            dict.fromkeys(place for each in steps for place in each.places_to_purge(spec, resources))
        )

    def _purge(self, session: MaintenanceSession, place: Place, step: Step) -> bool:
        """Delete all versions of a place as far as time allows; return whether it is empty."""

        def has_time() -> bool:
            step.lease.hold()
            return step.has_time()

        progress = Purge(session, place, self.together, has_time).run()
        logger.info("Purged", versions=progress.versions, markers=progress.markers, uploads=progress.uploads)
        step.runner.report(step.event, progress.versions + progress.markers, 0, None)
        return progress.done

    def _remove(
        self, event: TenantTierChanging, tier: Tier, other: Tier, resources: dict[str, str], step: Step
    ) -> bool:
        """Take away what a tier has and another has not; return whether it is gone."""
        step.lease.hold()
        try:
            self.catalogue.remove(_spec(event, tier), resources, except_for=other)
        except NotEmptyError as error:
            logger.warning("Not empty: purged again", error=str(error))
            return False
        return True

    def _unmark(self, event: TenantTierChanging, step: Step) -> None:
        """Delete what marked the tenant's present place as the target of the move."""
        place = Place.of(step.record.get("resources"))
        session = self.access.session(from_operation(event), [place])
        step.lease.hold()
        session.s3.delete_object(**session.target_of(place), Key=location_of(session, place).key(MOVE_MARKER))


@dataclass(frozen=True)
class _Move:
    """The two places of a move that is under way."""

    target: Place
    copier: ObjectCopier

    def claim(self, operation_id: str) -> None:
        """Mark the target as this operation's, if it is, or is empty.

        Raises:
            PermanentError: something else is in it.
        """
        s3, location = self.copier.s3, self.copier.target
        marked = marked_by(s3, location)
        if marked == operation_id:
            return
        found = next(current_objects(s3, location, page_size=10), None)
        if found is not None:
            whose = f" of operation {marked}" if marked else ""
            raise PermanentError(
                f"{self.target.name} is not empty: it holds {truncated_repr(found.key)}{whose}"
            )
        self.copier.hold()
        s3.put_object(
            **location.arguments,
            Key=location.key(MOVE_MARKER),
            Body=json.dumps({"operationId": operation_id}).encode(),
            ContentType="application/json",
        )

    def first_difference(self) -> str | None:
        """Say how the places differ, None if they do not, by keys, sizes and ETags."""
        s3, source, target = self.copier.s3, self.copier.source, self.copier.target
        for one, other in merge(current_objects(s3, source), current_objects(s3, target)):
            if one is None or other is None or not has_same_content(one, other):
                return decisions.difference(one, other)
        return None


def marked_by(s3: "S3Client", location: Location) -> str | None:
    """Return the id of the operation whose target a place is, None if it is none's."""
    key = location.key(MOVE_MARKER)
    # Listed first: of an object that is not there, S3 tells only those who may list the whole bucket.
    if not s3.list_objects_v2(**location.arguments, Prefix=key, MaxKeys=1)["KeyCount"]:
        return None
    body = s3.get_object(**location.arguments, Key=key)["Body"].read()
    return str(json.loads(body)["operationId"])


def let_maintenance_in(catalogue: Catalogue, tenant_id: TenantId, place: Place) -> None:
    """Give the bucket that a tenant is in the policy of today: one of before lets only the tenant in.

    Raises:
        botocore.exceptions.ClientError: S3 does not take it; worth a retry.
    """
    if place.is_silo:
        catalogue.open(TenantSpec(tenant_id, tier=SILO_TIER), place.as_resources())


def _spec(event: TenantTierChanging, tier: Tier, *, open_to_tenant: bool = True) -> TenantSpec:
    return TenantSpec(event.tenant_id, event.slug, tier, open_to_tenant=open_to_tenant)
