"""Emptying a place: all versions, markers and uploads of one tenant, and nothing of another."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from tenkacloud.isolation.maintenance import MaintenanceSession
from tenkacloud.isolation.places import Place, pool_place, silo_place
from tenkacloud.isolation.policies import MaintenanceScope
from tenkacloud.objects import purging
from tenkacloud.objects.purging import Purge, PurgeProgress
from tenkacloud.platform.clients import Call, one_by_one
from tenkacloud.tenants.validation import TenantId
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, DATA_TABLE, REGION, Cloud
from tests.handlers.faults import Calls

SILO = "tenkacloud-test-silo-a"
IDS = ("a", "ab", "a-b", "A")
#: Keys with what S3 allows and others stumble over.
ODD_KEYS = (
    "plain",
    "folder/",
    "a b+c%20d&e<f>\"g'h",
    "日本語/キー",
    "new\nline\ttab",
    "😀",
    "//",
    "x" * 1000,
)


@pytest.fixture
def versioned(cloud: Cloud) -> Cloud:
    """A data bucket that keeps versions, and a silo bucket."""
    location: Any = {"LocationConstraint": REGION}
    cloud.s3.create_bucket(Bucket=SILO, CreateBucketConfiguration=location)
    for bucket in (DATA_BUCKET, SILO):
        cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return cloud


def session(cloud: Cloud, tenant_id: str, place: Place, s3: Any = None) -> MaintenanceSession:
    return MaintenanceSession(
        tenant_id=TenantId(tenant_id),
        scope=MaintenanceScope("aws", REGION, ACCOUNT, DATA_TABLE, DATA_BUCKET, (place,)),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        s3=s3 or cloud.s3,
        dynamodb=cloud.dynamodb,
    )


def purge(
    cloud: Cloud,
    tenant_id: str,
    place: Place,
    *,
    has_time: Callable[[], bool] = lambda: True,
    together: Callable[[Sequence[Call]], list[BaseException | None]] = one_by_one,
    s3: Any = None,
) -> PurgeProgress:
    return Purge(session(cloud, tenant_id, place, s3), place, together, has_time, cloud.s3).run()


def fill(cloud: Cloud, bucket: str, prefix: str) -> None:
    """Put two versions of an object, one that is deleted, and an unfinished upload."""
    for body in (b"1", b"2"):
        cloud.s3.put_object(Bucket=bucket, Key=f"{prefix}file", Body=body)
    cloud.s3.put_object(Bucket=bucket, Key=f"{prefix}deleted", Body=b"")
    cloud.s3.delete_object(Bucket=bucket, Key=f"{prefix}deleted")
    cloud.s3.create_multipart_upload(Bucket=bucket, Key=f"{prefix}unfinished")


def everything(cloud: Cloud, bucket: str) -> list[str]:
    """Return the keys of all versions, markers and uploads of a bucket."""
    listed = cloud.s3.list_object_versions(Bucket=bucket)
    uploads = cloud.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    found = [*listed.get("Versions", []), *listed.get("DeleteMarkers", []), *uploads]
    return sorted(each["Key"] for each in found)


def test_a_prefix_is_emptied_and_the_neighbours_keep_all(versioned: Cloud) -> None:
    for tenant_id in IDS:
        fill(versioned, DATA_BUCKET, f"tenants/{tenant_id}/")
    versioned.s3.put_object(Bucket=DATA_BUCKET, Key="tenants/a", Body=b"nobody's")
    before = [key for key in everything(versioned, DATA_BUCKET) if not key.startswith("tenants/a/")]
    found = purge(versioned, "a", pool_place(TenantId("a")))
    assert found == PurgeProgress(versions=3, markers=1, uploads=1, bytes=2, done=True)
    assert everything(versioned, DATA_BUCKET) == before


def test_a_bucket_with_uploads_markers_and_3000_versions_is_emptied(versioned: Cloud) -> None:
    backend: Any = s3_backends[ACCOUNT]["aws"]  # by hand: thousands of calls take longer than all else here
    for number in range(1500):
        for value in (b"1", b"2"):
            backend.put_object(SILO, f"{number:04}", value)
    for number in range(100):
        versioned.s3.delete_object(Bucket=SILO, Key=f"{number:04}")
        versioned.s3.create_multipart_upload(Bucket=SILO, Key=f"upload/{number}")
    found = purge(versioned, "a", silo_place(SILO), together=versioned.clients.together)
    assert found == PurgeProgress(versions=3000, markers=100, uploads=100, bytes=3000, done=True)
    assert everything(versioned, SILO) == []


def test_keys_of_every_kind_go(versioned: Cloud) -> None:
    place = pool_place(TenantId("a"))
    for key in ODD_KEYS:
        versioned.s3.put_object(Bucket=DATA_BUCKET, Key=f"{place.name}{key}", Body=b"")
        versioned.s3.create_multipart_upload(Bucket=DATA_BUCKET, Key=f"{place.name}{key}")
    found = purge(versioned, "a", place)
    assert found == PurgeProgress(versions=len(ODD_KEYS), uploads=len(ODD_KEYS), done=True)
    assert everything(versioned, DATA_BUCKET) == []


@pytest.mark.parametrize("key", ["control\x01", "\x1f", "\ufffe"])
def test_a_key_that_xml_can_not_hold_is_deleted_by_a_call_of_its_own(versioned: Cloud, key: str) -> None:
    # GIVEN a listing of S3's that names such a key; moto's can't
    versions = [{"Key": each, "VersionId": "1"} for each in (key, "plain")]
    calls = Calls(answers={"ListObjectVersions": [{"Versions": versions, "IsTruncated": False}]})
    found = purge(versioned, "a", silo_place(SILO), s3=calls.clients(versioned).s3)
    assert found == PurgeProgress(versions=2, done=True)
    target = {"Bucket": SILO, "ExpectedBucketOwner": ACCOUNT}
    assert {**target, "Key": key, "VersionId": "1"} in calls.arguments
    batch = {"Objects": [{"Key": "plain", "VersionId": "1"}], "Quiet": True}
    assert {**target, "Delete": batch} in calls.arguments


def test_an_empty_place_takes_two_listings(versioned: Cloud) -> None:
    calls = Calls()
    clients = calls.clients(versioned)
    assert purge(versioned, "a", silo_place(SILO), s3=clients.s3).done
    assert calls.names == ["ListMultipartUploads", "ListObjectVersions"]


def within(asked: Iterator[int], rounds: int) -> bool:
    return next(asked) < rounds


@pytest.mark.parametrize("rounds", range(8))
def test_whenever_the_time_is_up_the_next_piece_goes_on(
    versioned: Cloud, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    monkeypatch.setattr(purging, "PAGE_MAX", 2)
    monkeypatch.setattr(purging, "PAGES_TOGETHER", 1)
    fill(versioned, SILO, "")
    total = PurgeProgress()
    for _ in range(100):
        asked = count()
        found = purge(versioned, "a", silo_place(SILO), has_time=partial(within, asked, rounds))
        total = PurgeProgress(
            total.versions + found.versions,
            total.markers + found.markers,
            total.uploads + found.uploads,
            total.bytes + found.bytes,
            found.done,
        )
        if total.done or not rounds:
            break
    if rounds > 3:
        assert total == PurgeProgress(versions=3, markers=1, uploads=1, bytes=2, done=True)
    else:
        assert not total.done  # too little for one pass: the caller gives each piece more than that


def many(cloud: Cloud) -> list[str]:
    keys = [f"{number:02}" for number in range(10)]
    for key in keys:
        cloud.s3.put_object(Bucket=SILO, Key=key, Body=b"")
    return keys


def test_what_s3_did_not_delete_is_deleted_again(versioned: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    many(versioned)
    calls = Calls()
    real = versioned.s3.delete_objects

    def but_for_the_first(**arguments: Any) -> Any:
        monkeypatch.undo()
        first, *others = arguments["Delete"]["Objects"]
        real(**{**arguments, "Delete": {"Objects": others}})
        return {"Errors": [{**first, "Code": "InternalError"}]}

    monkeypatch.setattr(versioned.s3, "delete_objects", but_for_the_first)
    found = purge(versioned, "a", silo_place(SILO), s3=calls.clients(versioned).s3)
    assert found == PurgeProgress(versions=10, done=True)
    assert calls.names.count("DeleteObjects") == 2
    assert everything(versioned, SILO) == []


def test_an_engine_that_keeps_what_it_says_it_deleted_does_not_keep_us(versioned: Cloud) -> None:
    many(versioned)
    calls = Calls(answers={"DeleteObjects": [{}] * 10})
    found = purge(versioned, "a", silo_place(SILO), s3=calls.clients(versioned).s3)
    assert not found.done
    assert calls.names.count("DeleteObjects") == 2


def test_a_place_of_which_nothing_goes_is_an_error(versioned: Cloud) -> None:
    keys = many(versioned)
    errors = [{"Key": key, "Code": "AccessDenied"} for key in keys]
    calls = Calls(answers={"DeleteObjects": [{"Errors": errors}]})
    with pytest.raises(ClientError, match="AccessDenied 10 times"):
        purge(versioned, "a", silo_place(SILO), s3=calls.clients(versioned).s3)


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListObjectVersions", "DeleteObjects"])
def test_an_error_before_anything_is_deleted_is_raised(versioned: Cloud, operation: str) -> None:
    many(versioned)
    calls = Calls()
    calls.reject(operation, "SlowDown")
    with pytest.raises(ClientError, match="SlowDown"):
        purge(versioned, "a", silo_place(SILO), s3=calls.clients(versioned).s3)


def test_what_was_deleted_before_an_error_is_counted(
    versioned: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PAGE_MAX", 4)
    monkeypatch.setattr(purging, "PAGES_TOGETHER", 1)
    many(versioned)
    calls = Calls()
    clients = calls.clients(versioned)
    real = versioned.s3.delete_objects

    def delete_objects(**arguments: Any) -> Any:
        answer = real(**arguments)
        calls.reject("DeleteObjects", "SlowDown")
        return answer

    monkeypatch.setattr(versioned.s3, "delete_objects", delete_objects)
    found = purge(versioned, "a", silo_place(SILO), s3=clients.s3)
    assert found == PurgeProgress(versions=4)
    assert len(everything(versioned, SILO)) == 6


def test_an_upload_that_another_delivery_aborted_is_no_error(versioned: Cloud) -> None:
    upload = versioned.s3.create_multipart_upload(Bucket=SILO, Key="unfinished")
    calls = Calls()
    calls.reject("AbortMultipartUpload", "NoSuchUpload")
    versioned.s3.abort_multipart_upload(Bucket=SILO, Key="unfinished", UploadId=upload["UploadId"])
    listed = {"Uploads": [{"Key": "unfinished", "UploadId": upload["UploadId"]}]}
    calls.answers["ListMultipartUploads"] = [listed]
    assert purge(versioned, "a", silo_place(SILO), s3=calls.clients(versioned).s3).done


def test_two_at_once_leave_nothing_and_do_not_disturb_each_other(versioned: Cloud) -> None:
    many(versioned)
    place = silo_place(SILO)
    purges = [lambda: found.append(purge(versioned, "a", place)) for _ in range(2)]
    found: list[PurgeProgress] = []
    assert versioned.clients.together(purges) == [None, None]
    assert [each.done for each in found] == [True, True]
    assert everything(versioned, SILO) == []


def test_the_uploads_of_the_pool_are_listed_by_the_function_itself(versioned: Cloud) -> None:
    """A session may not: AWS does not tell IAM the prefix of such a listing."""
    place = pool_place(TenantId("a"))
    fill(versioned, DATA_BUCKET, place.name)
    calls = Calls()
    of_session = session(versioned, "a", place, calls.clients(versioned).s3)
    left = Purge(of_session, place, one_by_one, lambda: True).run()
    assert left == PurgeProgress(versions=3, markers=1, bytes=2, done=True)
    assert Purge(of_session, place, one_by_one, lambda: True, versioned.s3).run().uploads == 1
    assert "ListMultipartUploads" not in calls.names
    assert "AbortMultipartUpload" in calls.names


def test_a_prefix_without_its_slash_is_not_purged(versioned: Cloud) -> None:
    class Broken(MaintenanceSession):
        def prefix_of(self, place: Place) -> str:
            return super().prefix_of(place).removesuffix("/")

    place = pool_place(TenantId("a"))
    whole = session(versioned, "a", place)
    broken = Broken(whole.tenant_id, whole.scope, whole.expires_at, whole.s3, whole.dynamodb)
    with pytest.raises(ValueError, match="no closing slash"):
        Purge(broken, place, one_by_one, lambda: True).run()
