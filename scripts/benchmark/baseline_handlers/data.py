"""The bare loops beside the mover, the exporter and the purger: the same calls, side by side, and nothing else."""

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

THREADS = int(os.environ.get("THREADS", "32"))
PAGES = 4  # deleted at the same time, as by the purger
s3 = boto3.client("s3", config=Config(max_pool_connections=THREADS, read_timeout=60))
dynamodb = boto3.client("dynamodb")


def versions(bucket, prefix):
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        yield page.get("Versions", []), page.get("DeleteMarkers", [])


def objects(bucket, prefix):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield page.get("Contents", [])


def current(bucket, prefix):
    return [each for page, _ in versions(bucket, prefix) for each in page if each["IsLatest"]]


def timed(work):
    def handler(event, context):
        began = time.perf_counter()
        count = work(**event)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "count": count}))
        return {"seconds": seconds, "count": count}

    return handler


def copied(source, prefix, target, to, hashed=False):
    """Copy all, of the versions that a listing names; with a hash where S3 makes none by itself."""

    def copy_one(each):
        key = to + each["Key"][len(prefix) :]
        made = s3.copy_object(
            Bucket=target,
            Key=key,
            CopySource={"Bucket": source, "Key": each["Key"], "VersionId": each["VersionId"]},
            ChecksumAlgorithm="SHA256",
        )
        if hashed and "ChecksumSHA256" not in made["CopyObjectResult"]:
            hashlib.sha256(s3.get_object(Bucket=target, Key=key)["Body"].read()).hexdigest()

    wanted = current(source, prefix)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(copy_one, wanted))
    return len(wanted)


def move_all(source, prefix, target, to):
    """The first copy, and the look that compares both places: what the mover does without waiting."""
    listed(target, to)
    count = copied(source, prefix, target, to)
    current(source, prefix)
    listed(target, to)
    return count


def listed(bucket, prefix):
    return [each for page in objects(bucket, prefix) for each in page]


def export_all(source, prefix, target, to):
    count = copied(source, prefix, target, to, hashed=True)
    lines = [json.dumps({"key": each["Key"], "size": each["Size"]}) for each in listed(target, to)]
    for name in ("manifest-0.jsonl", "manifest.json"):
        s3.put_object(Bucket=target, Key=f"{to}{name}", Body="\n".join(lines).encode())
        s3.get_object(Bucket=target, Key=f"{to}{name}")["Body"].read()
    return count


def purge_all(source, prefix):
    """Deletions of one page run beside the listing of the next ones."""

    def delete(page):
        s3.delete_objects(Bucket=source, Delete={"Objects": page, "Quiet": True})

    count = 0
    with ThreadPoolExecutor(PAGES) as pool:
        deletions = []
        for found, markers in versions(source, prefix):
            page = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in [*found, *markers]]
            count += len(page)
            deletions.append(pool.submit(delete, page))
        for deletion in deletions:
            deletion.result()
    current(source, prefix)
    s3.list_multipart_uploads(Bucket=source, Prefix=prefix)
    return count


move, export, purge = timed(move_all), timed(export_all), timed(purge_all)
