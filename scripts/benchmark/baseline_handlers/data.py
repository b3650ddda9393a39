"""The bare loops beside the mover, the exporter and the purger: the same calls, side by side, and nothing else."""

import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

THREADS = int(os.environ.get("THREADS", "32"))
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


def copied(source, prefix, target, to):
    def copy_one(each):
        s3.copy_object(
            Bucket=target,
            Key=to + each["Key"][len(prefix) :],
            CopySource={"Bucket": source, "Key": each["Key"], "VersionId": each["VersionId"]},
            ChecksumAlgorithm="SHA256",
        )

    wanted = current(source, prefix)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(copy_one, wanted))
    return len(wanted)


def move_all(source, prefix, target, to):
    """The first copy; the look for changes; the comparison."""
    sum(len(page) for page in objects(target, to))
    count = copied(source, prefix, target, to)
    for _ in range(LOOKS):
        current(source, prefix)
        sum(len(page) for page in objects(target, to))
    return count


#: How often the mover lists both places after the first copy: for the changes since, and to compare.
LOOKS = 2


def export_all(source, prefix, target, to):
    count = copied(source, prefix, target, to)
    lines = [
        json.dumps({"key": each["Key"], "size": each["Size"]})
        for page in objects(target, to)
        for each in page
    ]
    s3.put_object(Bucket=target, Key=f"{to}manifest.json", Body=io.BytesIO("\n".join(lines).encode()))
    s3.get_object(Bucket=target, Key=f"{to}manifest.json")["Body"].read()
    return count


def purge_all(source, prefix):
    def delete(page):
        s3.delete_objects(Bucket=source, Delete={"Objects": page, "Quiet": True})

    count = 0
    with ThreadPoolExecutor(THREADS) as pool:
        deletions = []
        for found, markers in versions(source, prefix):
            page = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in [*found, *markers]]
            count += len(page)
            deletions.append(pool.submit(delete, page))
        for deletion in deletions:
            deletion.result()
    for _ in versions(source, prefix):
        pass
    s3.list_multipart_uploads(Bucket=source, Prefix=prefix)
    return count


move, export, purge = timed(move_all), timed(export_all), timed(purge_all)
