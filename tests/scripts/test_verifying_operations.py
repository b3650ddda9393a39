"""What `verify` finds of operations, leftovers, deleted tenants and the steps of provisioning."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.places import silo_place
from tenkacloud.isolation.policies import TENANT_TAG
from tenkacloud.tenants.keys import CERTIFICATE, DUE, FAILED, FAILED_PARTITION, IN_FLIGHT
from tenkacloud.tenants.operations import PhaseState
from tenkacloud.tenants.transitions import offboarding
from tenkacloud.tenants.validation import TenantId
from tests.scripts.flow_steps import Flow
from tests.scripts.operator_cloud import (
    BUCKET,
    DATA_TABLE,
    REGION,
    TABLE,
    Cloud,
    Operate,
)


def problems(operate: Operate, *arguments: str) -> dict[str, str]:
    """Return what is wrong: by what it is, what is said of it."""
    code, found, _ = operate("tenants verify", *(arguments or ("a",)))
    told = {each["what"]: each["message"] for row in found["items"] for each in row["problems"]}
    assert code == (1 if told else 0)
    return told


def update(cloud: Cloud, tenant_id: str, expression: str, **values: Any) -> None:
    """Change a record by hand."""
    given = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}}
    cloud.dynamodb.update_item(
        TableName=TABLE,
        Key={"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": "METADATA"}},
        UpdateExpression=expression,
        **(given if values else {}),
    )


def copying(cloud: Cloud, operate: Operate) -> Flow:
    cloud.pooled("a")
    operate("tenants change-tier a ENTERPRISE")
    flow = Flow(cloud, "a")
    flow.publish()
    return flow


# --- operations


def test_an_operation_in_any_state_agrees_with_itself(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants change-tier a ENTERPRISE")
    assert problems(operate) == {}
    flow = Flow(cloud, "a")
    flow.publish()
    flow.progress(1, 2)
    assert problems(operate) == {}
    flow.move(failure="no")
    assert problems(operate) == {}
    operate("tenants cancel a")
    assert problems(operate) == {}
    flow.publish()
    flow.move(s3Prefix="tenants/a/")
    assert problems(operate) == {}
    operate("tenants offboard a --confirm a")
    assert problems(operate) == {}


@pytest.mark.parametrize("index", [IN_FLIGHT, FAILED, DUE])
def test_a_record_that_an_index_does_not_find_is_found(cloud: Cloud, operate: Operate, index: Any) -> None:
    flow = copying(cloud, operate)
    if index is FAILED:
        flow.move(failure="no")
    if index is DUE:
        flow.move(dedicatedBucket="b-1")
        flow.publish()
        flow.move(dedicatedBucket="b-1")
    update(cloud, "a", f"REMOVE {', '.join(index.attributes)}")
    (found,) = [told for what, told in problems(operate).items() if what.startswith("index")]
    assert found.startswith(f"index {index.name}, for a tenant that is COMPLETED")
    assert found.endswith(": is false, wanted true")


def test_a_record_in_an_index_in_which_it_is_not_to_be_is_found(cloud: Cloud, operate: Operate) -> None:
    copying(cloud, operate)
    update(cloud, "a", "SET GSI4PK = :p, GSI4SK = :s", p={"S": FAILED_PARTITION}, s={"S": "x"})
    (told,) = problems(operate).values()
    assert told == (
        "index failed, for a tenant that is COMPLETED, with CHANGE_TIER COPY RUNNING: is true, wanted false"
    )


def test_an_operation_without_a_sign_of_life_is_stuck(cloud: Cloud, operate: Operate) -> None:
    flow = copying(cloud, operate)
    cloud.clock.time += timedelta(minutes=16)
    assert problems(operate)["stuck"].startswith("stuck: in flight for 960 s, wanted at most 900 s")
    flow.progress(1, 2)
    assert problems(operate) == {}


def test_what_is_due_and_not_taken_up_is_overdue(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants offboard a --confirm a --retention-days 7")
    cloud.clock.time += timedelta(days=7, minutes=14)
    assert problems(operate) == {}
    cloud.clock.time += timedelta(minutes=2)
    assert problems(operate)["overdue"].endswith("960 s ago: does the reconciler run?")


def test_an_operation_that_nobody_can_read_is_told(cloud: Cloud, operate: Operate) -> None:
    copying(cloud, operate)
    update(cloud, "a", "SET operation.phase = :p", p={"S": "PURGE"})
    assert problems(operate)["operation"] == "operation: operation.phase PURGE is not a phase of CHANGE_TIER"


def test_a_place_that_is_kept_is_told_with_the_reason(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    kept = {"s3Prefix": {"S": "tenants/a/"}, "operationId": {"S": "1"}, "kept": {"S": "it was written to"}}
    update(cloud, "a", "SET leftovers = :l", l={"L": [{"M": kept}]})
    assert problems(operate) == {
        "place tenants/a/, which the tenant has left": (
            "place tenants/a/, which the tenant has left: kept: it was written to"
        )
    }


# --- the steps of provisioning


def siloed(cloud: Cloud) -> str:
    """Onboard a tenant with a bucket of its own, as the steps of its tier leave it."""
    from scripts.operator import steps
    from tenkacloud.provisioners.types import TenantSpec
    from tenkacloud.tenants.validation import Slug, Tier

    spec = TenantSpec(TenantId("a"), Slug("acme"), Tier.ENTERPRISE)
    outputs = steps.catalogue_of(cloud.environment()).ensure(spec)
    resources = {"M": {name: {"S": value} for name, value in outputs.items()}}
    cloud.put("a", tier="ENTERPRISE", slug="acme", resources=resources)
    return outputs["dedicatedBucket"]


def test_each_step_of_a_tier_is_verified(cloud: Cloud, operate: Operate) -> None:
    bucket = siloed(cloud)
    assert problems(operate) == {}
    cloud.logs.delete_log_group(logGroupName="/tenkacloud/test/tenants/a")
    assert problems(operate) == {
        "step log-group": "step log-group: log group /tenkacloud/test/tenants/a is absent"
    }
    cloud.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": TENANT_TAG, "Value": "b"}]})
    told = problems(operate)
    # once, with what there is and what is wanted
    assert told[f"bucket {bucket}: tag tenantId"].endswith("is b, wanted a")
    assert "step silo-bucket" not in told


# --- deleted tenants


def deleted(cloud: Cloud, operate: Operate) -> str:
    """Delete a tenant that had a bucket of its own; return the bucket's name."""
    bucket = siloed(cloud)
    cloud.s3.delete_bucket(Bucket=bucket)
    cloud.logs.delete_log_group(logGroupName="/tenkacloud/test/tenants/a")
    operate("tenants offboard a --confirm a")
    Flow(cloud, "a").delete()
    return bucket


def put_version(cloud: Cloud, _bucket: str) -> str:
    versioned(cloud)
    cloud.s3.put_object(Bucket=BUCKET, Key="tenants/a/x", Body=b"")
    cloud.s3.delete_object(Bucket=BUCKET, Key="tenants/a/x")
    return f"objects below {BUCKET}/tenants/a/"


def put_marker(cloud: Cloud, _bucket: str) -> str:
    versioned(cloud)
    version = cloud.s3.put_object(Bucket=BUCKET, Key="tenants/a/x", Body=b"")["VersionId"]
    cloud.s3.delete_object(Bucket=BUCKET, Key="tenants/a/x")
    cloud.s3.delete_object(Bucket=BUCKET, Key="tenants/a/x", VersionId=version)
    return f"objects below {BUCKET}/tenants/a/"


def versioned(cloud: Cloud) -> None:
    cloud.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def put_upload(cloud: Cloud, _bucket: str) -> str:
    cloud.s3.create_multipart_upload(Bucket=BUCKET, Key="tenants/a/x")
    return f"uploads below {BUCKET}/tenants/a/"


def put_an_item(cloud: Cloud, _bucket: str) -> str:
    cloud.dynamodb.put_item(TableName=DATA_TABLE, Item={"PK": {"S": "TENANT#a"}, "SK": {"S": "x"}})
    return f"items in {DATA_TABLE}"


def make_the_bucket(cloud: Cloud, bucket: str) -> str:
    cloud.bucket(bucket, "a")
    return f"bucket {bucket}"


def make_the_log_group(cloud: Cloud, _bucket: str) -> str:
    name = "/tenkacloud/test/tenants/a"
    cloud.logs.create_log_group(logGroupName=name, tags={TENANT_TAG: "a"})
    return f"log group {name}"


def drop_the_certificate(cloud: Cloud, _bucket: str) -> str:
    key: Any = {"PK": {"S": "TENANT#a"}, "SK": {"S": CERTIFICATE}}
    cloud.dynamodb.delete_item(TableName=TABLE, Key=key)
    return "certificate of the deletion"


def say_its_name(cloud: Cloud, _bucket: str) -> str:
    update(cloud, "a", "SET slug = :s", s={"S": "acme"})
    return "tombstone"


def put_a_record_over_it(cloud: Cloud, _bucket: str) -> str:
    cloud.pooled("a")
    return "record over a tombstone"


LEFT = [
    put_version,
    put_marker,
    put_upload,
    put_an_item,
    make_the_bucket,
    make_the_log_group,
    drop_the_certificate,
    say_its_name,
    put_a_record_over_it,
]


@pytest.mark.parametrize("leave", LEFT)
def test_whatever_is_left_of_a_deleted_tenant_is_found(
    cloud: Cloud, operate: Operate, leave: Callable[[Cloud, str], str]
) -> None:
    bucket = deleted(cloud, operate)
    # what others have is none of it: also those whose ids begin with it
    for other in ("ab", "a-b"):
        cloud.pooled(other)
        cloud.dynamodb.put_item(TableName=DATA_TABLE, Item={"PK": {"S": f"TENANT#{other}"}, "SK": {"S": "x"}})
        cloud.logs.create_log_group(logGroupName=f"/tenkacloud/test/tenants/{other}")
    assert problems(operate) == {}
    what = leave(cloud, bucket)
    assert what in problems(operate)


def test_resources_of_the_deleted_are_found_by_their_names_and_tags(cloud: Cloud, operate: Operate) -> None:
    deleted(cloud, operate)
    cloud.bucket("tenkacloud-test-silo-elsewhere-0123456789abcdef", "a")
    cloud.logs.create_log_group(logGroupName="/tenkacloud/test/tenants/gone")
    told = problems(operate, "--all")
    assert told["bucket tenkacloud-test-silo-elsewhere-0123456789abcdef"].endswith("its tenant was deleted")
    assert told["log group /tenkacloud/test/tenants/gone"].endswith("its tenant has no record")


def test_places_of_a_move_are_not_taken_for_lost(cloud: Cloud, operate: Operate) -> None:
    flow = copying(cloud, operate)
    bucket = names.silo_bucket("test", cloud.tenant("a").slug, TenantId("a"), "123456789012", REGION)
    flow.move(dedicatedBucket=bucket)
    cloud.bucket(bucket, "a")
    assert problems(operate, "--all") == {}
    flow.publish()
    flow.move(dedicatedBucket=bucket)
    told = problems(operate, "--all")
    assert not [what for what in told if what.startswith("prefix")]


def test_what_comes_back_of_the_deleted_is_purged_again_and_retried(cloud: Cloud, operate: Operate) -> None:
    bucket = deleted(cloud, operate)
    cloud.bucket(bucket, "a")
    tenant = cloud.tenant("a")
    cloud.write(
        offboarding.purge_deleted(
            tenant.key, tenant.item, silo_place(bucket), "0" * 32, cloud.clock.now(), "completion"
        )
    )
    # while it is under way, it is no finding that something is there
    assert problems(operate) == {}
    flow = Flow(cloud, "a")
    flow.publish()
    flow.deprovision(failure="denied")
    assert problems(operate) == {}
    _, found, _ = operate("operations list --state failed")
    assert [row["tenantId"] for row in found["items"]] == ["a"]
    code, found, _ = operate("tenants retry a")
    assert (code, found["items"][0]["detail"]) == (0, "OFFBOARD PURGE")
    assert cloud.operation("a").state is PhaseState.REQUESTED


def test_what_is_due_is_counted_before_it_is_taken_up(cloud: Cloud, operate: Operate) -> None:
    for tenant_id, days in (("a", "7"), ("b", "8")):
        cloud.pooled(tenant_id)
        operate("tenants offboard", tenant_id, "--confirm", tenant_id, "--retention-days", days)
    cloud.clock.time += timedelta(days=7, minutes=1)
    code, found, told = operate("reconcile --dry-run")
    assert (code, found["items"]) == (0, [])
    assert "1 tenant would be taken up of whom something is due" in told
