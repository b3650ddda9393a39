"""A lease: of several that want to write for one tenant, one may."""

from typing import Any, Final

import pytest

from tenkacloud.objects.lease import DURATION, Answered, Busy, Lease, LeaseLostError, Leases, Superseded, Work
from tenkacloud.objects.listing import Location
from tests.handlers.conftest import ACCOUNT, REGION, Cloud
from tests.handlers.faults import Calls, Client
from tests.settings import EXPORTS_BUCKET

EXPORTS: Final = Location(EXPORTS_BUCKET, "acme/", ACCOUNT)
FIRST: Final = Work("operation-1", "COPY", 1, 0)
NEXT: Final = Work("operation-1", "COPY", 1, 1)
OTHER: Final = Work("operation-1", "COPY", 2, 0)


@pytest.fixture
def leases(cloud: Cloud) -> Leases:
    cloud.s3.create_bucket(Bucket=EXPORTS_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return Leases(cloud.s3, EXPORTS, cloud.clock)


def acquire(leases: Leases, work: Work = FIRST) -> Lease:
    lease = leases.acquire(work, "message")
    assert isinstance(lease, Lease)
    return lease


@pytest.mark.parametrize("work", [FIRST, NEXT, OTHER], ids=["the same", "the next slice", "another attempt"])
def test_nobody_else_gets_a_lease_that_is_held(leases: Leases, work: Work) -> None:
    acquire(leases)
    found = leases.acquire(work, "another")
    assert isinstance(found, Busy)
    assert 0 < found.seconds <= DURATION.total_seconds()


@pytest.mark.parametrize("work", [FIRST, NEXT, OTHER])
def test_one_that_is_given_up_is_free_at_once(leases: Leases, work: Work) -> None:
    acquire(leases).give_up()
    acquire(leases, work)


def test_one_whose_holder_died_runs_out(cloud: Cloud, leases: Leases) -> None:
    dead = acquire(leases)
    cloud.clock.sleep(DURATION.total_seconds())
    acquire(leases, OTHER)
    with pytest.raises(LeaseLostError):
        dead.hold()
    with pytest.raises(LeaseLostError):
        dead.give_up()


def test_one_that_is_used_does_not_run_out(cloud: Cloud, leases: Leases) -> None:
    lease = acquire(leases)
    for _ in range(10):
        cloud.clock.sleep(DURATION.total_seconds() / 2)
        lease.hold()
    assert isinstance(leases.acquire(OTHER, "another"), Busy)


def test_holding_it_costs_no_call_each_time(cloud: Cloud, leases: Leases) -> None:
    calls = Calls()
    watched: Any = Client(cloud.s3, calls)
    lease = acquire(Leases(watched, EXPORTS, cloud.clock))
    before = len(calls.names)
    for _ in range(1000):
        lease.hold()
    assert len(calls.names) == before


def test_of_two_that_found_it_free_one_gets_it(cloud: Cloud, leases: Leases) -> None:
    acquire(leases).give_up()
    calls = Calls()
    slow: Any = Client(cloud.s3, calls)
    # what the slow one is told of the last lease is from before the other's
    listing = cloud.s3.list_objects_v2(Bucket=EXPORTS_BUCKET, Prefix="acme/.leases/", MaxKeys=1)
    acquire(leases, OTHER).give_up()
    calls.answers["ListObjectsV2"] = [listing]
    assert isinstance(Leases(slow, EXPORTS, cloud.clock).acquire(FIRST, "slow"), Busy)


def test_a_slice_that_is_behind_is_superseded(leases: Leases) -> None:
    acquire(leases).give_up()
    acquire(leases, NEXT).give_up()
    assert leases.acquire(FIRST, "again") == Superseded()


def test_an_attempt_that_was_answered_is_over(leases: Leases) -> None:
    acquire(leases, NEXT).give_up({"status": "COMPLETED"})
    for work in (FIRST, NEXT):
        assert leases.acquire(work, "again") == Answered({"status": "COMPLETED"})
    acquire(leases, OTHER)


def test_each_tenant_has_its_own(cloud: Cloud, leases: Leases) -> None:
    acquire(leases)
    acquire(Leases(cloud.s3, Location(EXPORTS_BUCKET, "acme-b/", ACCOUNT), cloud.clock))
