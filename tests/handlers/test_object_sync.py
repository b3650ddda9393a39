"""One place is made to hold what another holds, whatever is in it and whatever happens meanwhile."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from moto.s3.models import s3_backends

from tenkacloud.errors import PermanentError
from tenkacloud.objects.copying import PART_MIN, ObjectCopier
from tenkacloud.objects.listing import Location, VersionListing, current_objects
from tenkacloud.objects.sync import SyncRun, delete_keys
from tenkacloud.platform.clients import one_by_one
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, REGION, Cloud
from tests.handlers.faults import Calls, Client

SILO: Final = "tenkacloud-test-silo-acme"
POOL: Final = Location(DATA_BUCKET, "tenants/acme/", ACCOUNT)
OWN: Final = Location(SILO, "", ACCOUNT)
#: What S3 allows in a key and somebody's code trips over. No carriage return: moto ignores that a listing of
#: versions is to be URL-encoded, and XML makes a line feed of it.
AWKWARD: Final = (
    "a",
    "a/",
    "a//b",
    "a b",
    "a+b",
    "a%2Fb",
    "a?versionId=x",
    "a&b;c",
    "<a>'\"",
    "../a",
    "./a",
    "é漢字😀",
    "tab\tand\nlines",
    "#!@$*()=:,\\^`{}|~[]",
    "z" * (1024 - len("tenants/acme/")),
)


@pytest.fixture(autouse=True)
def places(cloud: Cloud) -> None:
    cloud.s3.create_bucket(Bucket=SILO, CreateBucketConfiguration={"LocationConstraint": REGION})
    for bucket in (DATA_BUCKET, SILO):
        cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def put(cloud: Cloud, location: Location, key: str, body: bytes = b"x", **arguments: Any) -> str:
    answer = cloud.s3.put_object(Bucket=location.bucket, Key=location.key(key), Body=body, **arguments)
    return str(answer.get("VersionId"))


def age(location: Location, by: timedelta = timedelta(hours=1)) -> None:
    """Let all that a bucket holds be older: moto, like S3, counts whole seconds."""
    for _name, versions in s3_backends[ACCOUNT]["aws"].buckets[location.bucket].keys.iterlists():
        for version in versions:
            version.last_modified -= by


def contents(cloud: Cloud, location: Location) -> dict[str, bytes]:
    return {
        stored.key: cloud.s3.get_object(Bucket=location.bucket, Key=location.key(stored.key))["Body"].read()
        for stored in current_objects(cloud.s3, location)
    }


def copier(s3: Any, source: Location = POOL, target: Location = OWN, threshold: int = 5 * 1024**3) -> Any:
    return ObjectCopier(s3, source, target, threshold, one_by_one)


def sync(s3: Any, source: Location = POOL, target: Location = OWN, threshold: int = 5 * 1024**3) -> SyncRun:
    run = SyncRun(copier(s3, source, target, threshold))
    assert run.run(lambda: True)
    return run


def watched(cloud: Cloud) -> tuple[Any, Calls]:
    calls = Calls()
    client = Client(cloud.s3, calls)
    client.get_paginator = cloud.s3.get_paginator  # type: ignore[attr-defined]
    return client, calls


@pytest.mark.parametrize(("source", "target"), [(POOL, OWN), (OWN, POOL)], ids=["to a silo", "to the pool"])
def test_awkward_keys_arrive_byte_for_byte(cloud: Cloud, source: Location, target: Location) -> None:
    wanted = {key: key.encode() for key in AWKWARD}
    for key, body in wanted.items():
        put(cloud, source, key, body)
    run = sync(cloud.s3, source, target)
    assert contents(cloud, target) == wanted == contents(cloud, source)
    assert (run.objects, run.copied, run.deleted) == (len(wanted), len(wanted), 0)
    delete_keys(cloud.s3, source, list(wanted))
    sync(cloud.s3, source, target)
    assert contents(cloud, target) == {}


def test_an_empty_place_is_made_of_an_empty_one(cloud: Cloud) -> None:
    run = sync(cloud.s3)
    assert (run.objects, run.changes, run.listing.newest) == (0, 0, None)


def test_empty_objects_and_neighbours_of_the_prefix(cloud: Cloud) -> None:
    put(cloud, POOL, "empty", b"")
    for neighbour in ("tenants/acme2/x", "tenants/acm/x", "tenants/acme", "x"):
        cloud.s3.put_object(Bucket=DATA_BUCKET, Key=neighbour, Body=b"not acme's")
    sync(cloud.s3)
    assert contents(cloud, OWN) == {"empty": b""}


def test_what_belongs_to_an_object_comes_along(cloud: Cloud) -> None:
    put(
        cloud,
        POOL,
        "page",
        ContentType="text/html; charset=utf-8",
        CacheControl="max-age=5",
        ContentDisposition="inline",
        ContentLanguage="ja",
        Metadata={"author": "tenant"},
        Tagging=urlencode({"class": "a b", "é": "+"}),
        StorageClass="STANDARD_IA",
    )
    sync(cloud.s3)
    head = cloud.s3.head_object(Bucket=SILO, Key="page")
    assert (head["ContentType"], head["CacheControl"]) == ("text/html; charset=utf-8", "max-age=5")
    assert (head["ContentDisposition"], head["ContentLanguage"]) == ("inline", "ja")
    assert (head["Metadata"], head["StorageClass"]) == ({"author": "tenant"}, "STANDARD_IA")
    tags = cloud.s3.get_object_tagging(Bucket=SILO, Key="page")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"class": "a b", "é": "+"}


def test_s3_is_asked_for_a_sha_256_and_expects_the_owners(cloud: Cloud) -> None:
    version = put(cloud, POOL, "k")
    s3, calls = watched(cloud)
    sync(s3)
    (arguments,) = calls.arguments
    assert arguments["ChecksumAlgorithm"] == "SHA256"
    assert arguments["CopySource"] == {"Bucket": DATA_BUCKET, "Key": "tenants/acme/k", "VersionId": version}
    assert arguments["ExpectedBucketOwner"] == arguments["ExpectedSourceBucketOwner"] == ACCOUNT


def test_a_second_run_does_only_what_changed_since(cloud: Cloud) -> None:
    for key in ("same", "changed", "grown", "gone", "again"):
        put(cloud, POOL, key)
    age(POOL)
    sync(cloud.s3)
    put(cloud, POOL, "changed", b"y")
    put(cloud, POOL, "grown", b"xx")
    put(cloud, POOL, "again", b"x", Metadata={"new": "metadata"})
    put(cloud, POOL, "new")
    cloud.s3.delete_object(Bucket=DATA_BUCKET, Key="tenants/acme/gone")
    age(OWN, timedelta(minutes=1))
    s3, calls = watched(cloud)
    run = sync(s3)
    copied = {
        call["Key"] for call, name in zip(calls.arguments, calls.names, strict=True) if name == "CopyObject"
    }
    assert copied == {"changed", "grown", "new", "again"}
    assert (run.copied, run.deleted) == (4, 1)
    assert contents(cloud, OWN) == contents(cloud, POOL)
    assert cloud.s3.head_object(Bucket=SILO, Key="again")["Metadata"] == {"new": "metadata"}
    age(POOL)
    assert sync(cloud.s3).changes == 0


def test_a_run_that_stops_goes_on_from_its_last_key(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenkacloud.objects.sync.CHUNK_KEYS", 3)
    for number in range(10):
        put(cloud, POOL, f"{number}")
    for number in (4, 99):
        put(cloud, OWN, f"{number}", b"old")
    objects, after, runs = 0, "", 0
    s3, calls = watched(cloud)
    while True:
        run = SyncRun(copier(s3), after)
        ended = run.run(lambda: False)
        objects, after, runs = objects + run.objects, run.after, runs + 1
        if ended:
            break
    assert (objects, runs) == (10, 4)
    assert calls.names.count("CopyObject") == 10
    assert contents(cloud, OWN) == contents(cloud, POOL)


@pytest.mark.parametrize("what", ["deleted", "replaced", "grown", "deleted for good"])
def test_a_source_that_changes_during_its_copy(cloud: Cloud, what: str) -> None:
    """The run copies what it listed, or nothing; the next one sees what became of it."""
    version = put(cloud, POOL, "k", b"listed")

    class Meddling(Client):
        def __getattr__(self, method: str) -> Callable[..., Any]:
            if method == "copy_object" and not done:
                done.append(change[what]())
            return super().__getattr__(method)

    key = {"Bucket": DATA_BUCKET, "Key": "tenants/acme/k"}
    change = {
        "deleted": partial(cloud.s3.delete_object, **key),
        "replaced": partial(cloud.s3.put_object, **key, Body=b"newer!"),
        "grown": partial(cloud.s3.put_object, **key, Body=b"listed and more"),
        "deleted for good": partial(cloud.s3.delete_object, **key, VersionId=version),
    }
    done: list[Any] = []
    s3 = Meddling(cloud.s3, Calls())
    s3.get_paginator = cloud.s3.get_paginator  # type: ignore[attr-defined]
    run = sync(s3)
    assert done
    gone = what == "deleted for good"
    assert contents(cloud, OWN) == ({} if gone else {"k": b"listed"})
    assert run.vanished == (["k"] if gone else [])
    sync(cloud.s3)
    assert contents(cloud, OWN) == contents(cloud, POOL)


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_version_that_is_denied_is_looked_for(cloud: Cloud, is_gone: bool) -> None:
    """S3 denies what is not there to those who may not list all of the bucket."""
    version = put(cloud, POOL, "k")
    put(cloud, POOL, "k-other")

    class Denying(Client):
        def __getattr__(self, method: str) -> Callable[..., Any]:
            if method == "copy_object" and is_gone:
                cloud.s3.delete_object(Bucket=DATA_BUCKET, Key="tenants/acme/k", VersionId=version)
            return super().__getattr__(method)

    calls = Calls()
    calls.reject("CopyObject", "AccessDenied")
    s3 = Denying(cloud.s3, calls)
    s3.get_paginator = cloud.s3.get_paginator  # type: ignore[attr-defined]
    if is_gone:
        assert sync(s3).vanished == ["k"]
    else:
        with pytest.raises(Exception, match="AccessDenied"):
            sync(s3)


def upload(cloud: Cloud, location: Location, key: str, *parts: bytes, **attributes: Any) -> str:
    target = {"Bucket": location.bucket, "Key": location.key(key)}
    begun = cloud.s3.create_multipart_upload(**target, **attributes)["UploadId"]
    done = [
        {
            "PartNumber": number,
            "ETag": cloud.s3.upload_part(**target, UploadId=begun, PartNumber=number, Body=part)["ETag"],
        }
        for number, part in enumerate(parts, start=1)
    ]
    answer = cloud.s3.complete_multipart_upload(**target, UploadId=begun, MultipartUpload={"Parts": done})
    return str(answer["ETag"])


ATTRIBUTES: Final[dict[str, Any]] = {
    "ContentType": "video/mp4",
    "Metadata": {"a": "b"},
    "Tagging": urlencode({"c": "d e"}),
}


@pytest.mark.parametrize("threshold", [PART_MIN, 5 * 1024**3], ids=["above the threshold", "below it"])
def test_an_object_of_parts_is_copied_in_the_same_parts(cloud: Cloud, threshold: int) -> None:
    parts = (b"a" * (PART_MIN + 1), b"b" * PART_MIN, b"c")
    etag = upload(cloud, POOL, "film", *parts, **ATTRIBUTES)
    sync(cloud.s3, threshold=threshold)
    head = cloud.s3.head_object(Bucket=SILO, Key="film")
    assert (head["ETag"], head["ContentType"], head["Metadata"]) == (etag, "video/mp4", {"a": "b"})
    assert cloud.s3.get_object_tagging(Bucket=SILO, Key="film")["TagSet"] == [{"Key": "c", "Value": "d e"}]
    assert contents(cloud, OWN) == {"film": b"".join(parts)}
    age(POOL)
    assert sync(cloud.s3, threshold=threshold).changes == 0


def test_a_single_object_above_the_threshold_is_copied_in_parts(cloud: Cloud) -> None:
    body = b"a" * PART_MIN + b"b" * PART_MIN + b"c"
    put(cloud, POOL, "film", body, **ATTRIBUTES)
    age(POOL)
    s3, calls = watched(cloud)
    sync(s3, threshold=PART_MIN)
    ranges = [arguments["CopySourceRange"] for arguments in calls.arguments if "CopySourceRange" in arguments]
    assert ranges == ["bytes=0-5242879", "bytes=5242880-10485759", "bytes=10485760-10485760"]
    assert contents(cloud, OWN) == {"film": body}
    head = cloud.s3.head_object(Bucket=SILO, Key="film")
    assert (head["ContentType"], head["Metadata"]) == ("video/mp4", {"a": "b"})
    assert sync(cloud.s3, threshold=PART_MIN).changes == 0


@pytest.mark.parametrize("operation", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_a_copy_in_parts_that_fails_leaves_no_upload(cloud: Cloud, operation: str) -> None:
    put(cloud, POOL, "film", b"a" * (PART_MIN + 1))
    s3, calls = watched(cloud)
    calls.reject(operation, "SlowDown")
    with pytest.raises(Exception, match="SlowDown"):
        sync(s3, threshold=PART_MIN)
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=SILO)
    assert contents(cloud, OWN) == {}


def test_a_huge_object_is_begun_by_a_fresh_run_only(cloud: Cloud) -> None:
    put(cloud, POOL, "a")
    put(cloud, POOL, "b", b"b" * (PART_MIN + 1))
    put(cloud, POOL, "c")
    first = SyncRun(copier(cloud.s3, threshold=PART_MIN))
    assert not first.run(lambda: True)
    assert set(contents(cloud, OWN)) == {"a"}
    assert SyncRun(copier(cloud.s3, threshold=PART_MIN), first.after).run(lambda: True)
    assert set(contents(cloud, OWN)) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("InvalidObjectState", r"object 'k' is archived \(STANDARD\): restore it first, or delete it"),
        ("KeyTooLongError", "the key of object 'k' is too long"),
    ],
)
def test_what_no_retry_can_copy_is_said_so(cloud: Cloud, code: str, reason: str) -> None:
    put(cloud, POOL, "k")
    s3, calls = watched(cloud)
    calls.reject("CopyObject", code)
    with pytest.raises(PermanentError, match=reason):
        sync(s3)


def test_a_key_that_is_too_long_for_the_pool_is_named(cloud: Cloud) -> None:
    put(cloud, OWN, "k" * 1024)
    with pytest.raises(PermanentError, match="the key of object 'kkk"):
        sync(cloud.s3, OWN, POOL)


def test_a_bucket_without_versions_copies_what_was_listed_or_nothing(cloud: Cloud) -> None:
    plain = Location("tenkacloud-test-plain", "", ACCOUNT)
    cloud.s3.create_bucket(Bucket=plain.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    put(cloud, plain, "k")
    s3, calls = watched(cloud)
    sync(s3, plain)
    (arguments,) = calls.arguments
    assert arguments["CopySourceIfMatch"]
    assert contents(cloud, OWN) == {"k": b"x"}


def test_the_newest_version_is_known_also_where_it_is_a_deletion(cloud: Cloud) -> None:
    put(cloud, POOL, "k")
    age(POOL)
    listing = VersionListing(cloud.s3, POOL)
    assert [stored.key for stored in listing.objects()] == ["k"]
    before = listing.newest
    cloud.s3.delete_object(Bucket=DATA_BUCKET, Key="tenants/acme/k")
    listing = VersionListing(cloud.s3, POOL)
    assert list(listing.objects()) == []
    assert before
    assert listing.newest
    assert listing.newest > before


def test_looking_ahead_tells_of_how_many(cloud: Cloud) -> None:
    for number in range(3):
        put(cloud, POOL, f"{number}")
    put(cloud, POOL, ".tenkacloud.json")
    totals = []
    for look_ahead in (0, 3, 4):
        run = SyncRun(copier(cloud.s3), look_ahead=look_ahead)
        assert run.run(lambda: True)
        assert run.objects == 3
        totals.append(run.total)
    assert totals == [None, None, 3]
    assert contents(cloud, OWN) == contents(cloud, POOL)


def test_pages_are_listed_one_after_the_other(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenkacloud.objects.sync.CHUNK_KEYS", 2)
    for number in range(7):
        put(cloud, POOL, f"{number}")
    listing = VersionListing(cloud.s3, POOL).objects(page_size=3)
    found = []
    for stored in listing:
        found.append(stored.key)
        listing.prefetch(2)
    assert found == [f"{number}" for number in range(7)]
    assert sync(cloud.s3).objects == 7
    assert [stored.key for stored in current_objects(cloud.s3, OWN, "2", page_size=2)] == ["3", "4", "5", "6"]
