"""The baseline: the same chain in a few lines of boto3, batched as ours. No checks, no logs, no recovery."""

import json
import os
import time

import boto3

TABLE, BUS, BUCKET = (
    os.environ.get(name, "") for name in ("TABLE_NAME", "EVENT_BUS_NAME", "DATA_BUCKET_NAME")
)
# Of each module only what its function uses, so that a cold start pays for no other client.
dynamodb = boto3.client("dynamodb") if TABLE else None
events = boto3.client("events") if BUS else None
s3 = boto3.client("s3") if BUCKET else None


def publish(detail_type, details):
    for start in range(0, len(details), 10):
        events.put_events(
            Entries=[
                {
                    "EventBusName": BUS,
                    "Source": "baseline",
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail),
                }
                for detail in details[start : start + 10]
            ]
        )


def change(tenant_id, status, was, indexed):
    key = {"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": "METADATA"}}
    now = str(time.time())
    names = {"#s": "provisioningStatus"}
    values = {":s": {"S": status}, ":was": {"S": was}, ":n": {"S": now}}
    update = "SET #s = :s, updatedAt = :n REMOVE GSI3PK, GSI3SK"
    if indexed:
        update = "SET #s = :s, updatedAt = :n, " + ", ".join(
            f"GSI{n}PK = :s, GSI{n}SK = :n" for n in (1, 2, 3)
        )
    line = {"PK": key["PK"], "SK": {"S": f"HISTORY#{now}"}, "to": {"S": status}}
    return [
        {
            "Update": {
                "TableName": TABLE,
                "Key": key,
                "UpdateExpression": update,
                "ConditionExpression": "#s = :was",
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            }
        },
        {"Put": {"TableName": TABLE, "Item": line}},
    ]


def request(event, context):
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    tenants = [{"tenantId": image["id"]["S"], "tier": image["tier"]["S"]} for image in images]
    for start in range(0, len(tenants), 10):
        portion = tenants[start : start + 10]
        publish("Onboarding", portion)
        writes = [
            write for each in portion for write in change(each["tenantId"], "PROVISIONING", "PENDING", True)
        ]
        dynamodb.transact_write_items(TransactItems=writes)
    print("requested")


def provision(event, context):
    tenant = event["detail"]
    if tenant["tier"] == "ENTERPRISE":
        bucket = f"baseline-{tenant['tenantId']}"
        region = {"LocationConstraint": os.environ["AWS_REGION"]}
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
        s3.put_bucket_tagging(
            Bucket=bucket, Tagging={"TagSet": [{"Key": "tenantId", "Value": tenant["tenantId"]}]}
        )
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    else:
        s3.put_object(Bucket=BUCKET, Key=f"baseline/{tenant['tenantId']}/marker", Body=b"{}", IfNoneMatch="*")
    publish("Provisioned", [tenant])
    print("provisioned")


def complete(event, context):
    dynamodb.transact_write_items(
        TransactItems=change(event["detail"]["tenantId"], "COMPLETED", "PROVISIONING", False)
    )
    print("completed")
