"""Steps of a provisioning: all that a tenant gets is built, verified and removed by them; a new one, too."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

import tenkacloud.provisioners as package
from scripts.verification.resources import problems_of_silo_bucket
from tenkacloud.errors import NotEmptyError, PermanentError
from tenkacloud.events.results import parse_resources
from tenkacloud.isolation.places import PLACE_NAMES, Place, pool_place, silo_place
from tenkacloud.isolation.policies import silo_bucket_policy
from tenkacloud.isolation.resource_names import silo_bucket
from tenkacloud.platform.clients import Clients
from tenkacloud.provisioners.catalogue import Catalogue, catalogue, resources_naming
from tenkacloud.provisioners.types import ProvisionerSettings, TenantSpec
from tenkacloud.tenants.validation import Slug, TenantId, Tier
from tests.handlers.conftest import ACCOUNT, DATA_BUCKET, REGION, ROLE, Cloud
from tests.handlers.faults import Calls
from tests.settings import MAINTENANCE_ROLE

ACME: Final = TenantSpec(TenantId("acme"), Slug("acme-corp"), Tier.ENTERPRISE)
POOLED: Final = replace(ACME, tier=Tier.PRO)
SILO: Final = silo_bucket("test", Slug("acme-corp"), TenantId("acme"), ACCOUNT, REGION)
LOG_GROUP: Final = "/tenkacloud/test/tenants/acme"
RESOURCES: Final = {"dedicatedBucket": SILO, "logGroup": LOG_GROUP}
SETTINGS: Final = ProvisionerSettings(
    account_id=ACCOUNT,
    data_bucket_name=DATA_BUCKET,
    tenant_access_role_arn=ROLE,
    tenant_maintenance_role_arn=MAINTENANCE_ROLE,
    environment="test",
    region=REGION,
)


def steps_of(cloud: Cloud, clients: Clients | None = None) -> Catalogue:
    return catalogue(SETTINGS, clients or cloud.clients)


@pytest.fixture(autouse=True)
def no_bucket_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto denies whatever a bucket policy's Deny is about, since it looks at no condition."""
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)


@pytest.fixture
def steps(cloud: Cloud) -> Catalogue:
    return steps_of(cloud)


def groups(cloud: Cloud) -> dict[str, Any]:
    """Return the retention of each log group."""
    found = cloud.clients.logs.describe_log_groups()["logGroups"]
    return {group["logGroupName"]: group.get("retentionInDays") for group in found}


def group_tags(cloud: Cloud) -> dict[str, str]:
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOG_GROUP}"
    return cloud.clients.logs.list_tags_for_resource(resourceArn=arn)["tags"]


def buckets(cloud: Cloud) -> list[str]:
    return [bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]]


def empty(cloud: Cloud) -> bool:
    """Tell whether nothing was made, or all of it was removed."""
    return buckets(cloud) == [DATA_BUCKET] and not groups(cloud)


def purge_and_remove(steps: Catalogue, tenant: TenantSpec, resources: dict[str, str]) -> dict[str, int]:
    """Do as offboarding does, of a tenant without objects."""
    steps.places_to_purge(tenant, [Place.of(resources)] if resources else [])
    return steps.remove(tenant, resources)


# --- the catalogue ------------------------------------------------------------------------------------------


def test_each_tier_has_one_place_and_its_own_steps(steps: Catalogue) -> None:
    assert [step.name for step in steps.for_tier(Tier.FREE)] == ["pool-prefix"]
    assert [step.name for step in steps.for_tier(Tier.PRO)] == ["pool-prefix"]
    assert {step.name for step in steps.for_tier(Tier.ENTERPRISE)} == {"log-group", "silo-bucket"}
    for tier in Tier:
        resources = steps.ensure(replace(ACME, tier=tier))
        assert len(set(resources) & set(PLACE_NAMES)) == 1
        # Whatever they put out comes through an event as it is.
        assert parse_resources(resources) == resources


def test_steps_have_names_of_their_own_and_say_what_they_store(steps: Catalogue) -> None:
    names = [step.name for step in steps.steps]
    assert len(set(names)) == len(names)
    assert all(step.stores for step in steps.steps)


def test_places_are_named_by_as_few_maps_as_can() -> None:
    pool, one, other = pool_place(TenantId("a")), silo_place("bucket-1"), silo_place("bucket-2")
    assert resources_naming([]) == ({},)
    assert resources_naming([pool, one]) == ({"s3Prefix": pool.name, "dedicatedBucket": "bucket-1"},)
    assert resources_naming([one, other, pool, one]) == (
        {"dedicatedBucket": "bucket-1", "s3Prefix": pool.name},
        {"dedicatedBucket": "bucket-2"},
    )


def test_a_pooled_tenant_is_built_by_one_call(cloud: Cloud) -> None:
    calls = Calls()
    steps_of(cloud, calls.clients(cloud)).ensure(POOLED)
    assert calls.names == ["PutObject"]


def test_a_siloed_tenant_s_log_group_takes_two_calls(cloud: Cloud) -> None:
    calls = Calls()
    steps_of(cloud, calls.clients(cloud)).ensure(ACME)
    assert [name for name in calls.names if "Log" in name or "Retention" in name] == [
        "CreateLogGroup",
        "PutRetentionPolicy",
    ]


@pytest.mark.parametrize("tenant", [ACME, POOLED])
def test_what_is_built_is_found_right_removed_and_gone(
    cloud: Cloud, steps: Catalogue, tenant: TenantSpec
) -> None:
    resources = steps.ensure(tenant)
    assert steps.verify(tenant) == []
    siloed = tenant.tier is Tier.ENTERPRISE
    assert sorted(steps.remains(tenant, resources)) == (
        [f"bucket {SILO}", f"log group {LOG_GROUP}"] if siloed else []
    )
    removed = purge_and_remove(steps, tenant, resources)
    assert removed == {"log-group": int(siloed), "pool-prefix": 0, "silo-bucket": int(siloed)}
    assert empty(cloud)
    assert steps.remains(tenant, resources) == []
    # and again, as after a crash or a second delivery
    assert set(purge_and_remove(steps, tenant, resources).values()) == {0}


def test_what_another_tier_gets_is_kept_by_a_tenant_that_moves_there(cloud: Cloud, steps: Catalogue) -> None:
    resources = steps.ensure(ACME)
    steps.remove(ACME, resources, except_for=Tier.ENTERPRISE)
    assert steps.verify(ACME) == []
    steps.remove(ACME, resources, except_for=Tier.PRO)
    assert empty(cloud)


def test_verify_tells_what_is_not_as_it_was_built(cloud: Cloud, steps: Catalogue) -> None:
    assert sorted(steps.verify(ACME)) == [f"bucket {SILO} is absent", f"log group {LOG_GROUP} is absent"]
    assert steps.verify(POOLED) == [f"marker {DATA_BUCKET}/tenants/acme/.tenkacloud.json is absent"]
    steps.ensure(ACME)
    cloud.clients.logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=1)
    cloud.s3.put_bucket_versioning(Bucket=SILO, VersioningConfiguration={"Status": "Suspended"})
    cloud.s3.delete_bucket_tagging(Bucket=SILO)
    assert steps.verify(ACME) == [
        f"log group {LOG_GROUP}: retention in days is 1, wanted 90",
        f"bucket {SILO}: tag tenantId is not as wanted",
        f"bucket {SILO}: versioning is not as wanted",
    ]
    # Repair is the same as building.
    steps.ensure(ACME)
    assert steps.verify(ACME) == []


# --- interrupted --------------------------------------------------------------------------------------------


def test_whatever_an_interrupted_build_left_is_found_and_removed(cloud: Cloud) -> None:
    rehearsal = Calls()
    steps_of(cloud, rehearsal.clients(cloud)).ensure(ACME)
    purge_and_remove(steps_of(cloud), ACME, {})
    assert len(rehearsal.names) > 6
    for operation in rehearsal.names:
        interrupted = Calls()
        # Those beside it still come: more of it is there, but for this one.
        interrupted.reject(operation, *["SlowDown"] * 9)
        with pytest.raises(ClientError):
            steps_of(cloud, interrupted.clients(cloud)).ensure(ACME)
        # The record names nothing: onboarding brought no result.
        purge_and_remove(steps_of(cloud), ACME, {})
        assert empty(cloud), operation
        assert steps_of(cloud).remains(ACME, {}) == []


def test_a_step_that_fails_for_good_fails_the_tenant_and_the_others_are_found(cloud: Cloud) -> None:
    calls = Calls()
    calls.reject("CreateLogGroup", "LimitExceededException")
    calls.reject("PutBucketVersioning", "SlowDown")
    with pytest.raises(PermanentError, match="at its limit of log groups"):
        steps_of(cloud, calls.clients(cloud)).ensure(ACME)
    assert buckets(cloud) == [DATA_BUCKET, SILO]
    purge_and_remove(steps_of(cloud), ACME, {})
    assert empty(cloud)


# --- the log group ------------------------------------------------------------------------------------------


def test_a_log_group_is_tagged_and_its_lines_expire(cloud: Cloud, steps: Catalogue) -> None:
    assert steps.ensure(ACME)["logGroup"] == LOG_GROUP
    assert groups(cloud) == {LOG_GROUP: 90}
    assert group_tags(cloud) == {"tenantId": "acme"}


def test_a_log_group_that_an_application_made_is_adopted(cloud: Cloud, steps: Catalogue) -> None:
    cloud.clients.logs.create_log_group(logGroupName=LOG_GROUP, tags={"team": "billing"})
    steps.ensure(ACME)
    assert group_tags(cloud) == {"team": "billing", "tenantId": "acme"}
    assert groups(cloud) == {LOG_GROUP: 90}


def test_a_log_group_of_another_tenant_is_neither_adopted_nor_removed(cloud: Cloud, steps: Catalogue) -> None:
    cloud.clients.logs.create_log_group(logGroupName=LOG_GROUP, tags={"tenantId": "other"})
    with pytest.raises(PermanentError, match="its tag tenantId is 'other'"):
        steps.ensure(ACME)
    with pytest.raises(PermanentError, match="its tag tenantId is 'other'"):
        steps.remove(ACME, {})
    assert list(groups(cloud)) == [LOG_GROUP]


def test_the_log_groups_of_neighbours_stay(cloud: Cloud, steps: Catalogue) -> None:
    neighbours = [TenantSpec(TenantId(each), Slug("x"), Tier.ENTERPRISE) for each in ("acm", "acme2", "ACME")]
    for neighbour in (*neighbours, ACME):
        steps.ensure(neighbour)
    purge_and_remove(steps, ACME, RESOURCES)
    assert steps.verify(ACME) == [f"log group {LOG_GROUP} is absent", f"bucket {SILO} is absent"]
    for neighbour in neighbours:
        assert steps.verify(neighbour) == []


# --- the bucket ---------------------------------------------------------------------------------------------


def policy(cloud: Cloud) -> Any:
    return json.loads(cloud.s3.get_bucket_policy(Bucket=SILO)["Policy"])


def test_the_target_of_a_move_keeps_its_tenant_out_until_it_is_opened(cloud: Cloud, steps: Catalogue) -> None:
    resources = steps.ensure(replace(ACME, open_to_tenant=False))
    closed = silo_bucket_policy(SILO, ACME.tenant_id, ROLE, MAINTENANCE_ROLE, open_to_tenant=False)
    assert policy(cloud) == closed
    assert steps.verify(replace(ACME, open_to_tenant=False)) == []
    assert steps.verify(ACME) == [f"bucket {SILO}: policy is not as wanted"]
    steps.open(ACME, resources)
    assert steps.verify(ACME) == []
    assert (
        list(problems_of_silo_bucket(cloud.s3, SILO, ACCOUNT, ACME.tenant_id, ROLE, MAINTENANCE_ROLE)) == []
    )


@pytest.mark.parametrize("open_to_tenant", [True, False])
def test_a_bucket_that_lost_its_tag_is_known_by_either_policy(
    cloud: Cloud, steps: Catalogue, open_to_tenant: bool
) -> None:
    steps.ensure(replace(ACME, open_to_tenant=open_to_tenant))
    cloud.s3.put_object(Bucket=SILO, Key="precious", Body=b"")
    cloud.s3.delete_bucket_tagging(Bucket=SILO)
    steps.ensure(ACME)
    assert steps.verify(ACME) == []


def test_places_to_purge_are_the_tenants_alone(cloud: Cloud, steps: Catalogue) -> None:
    assert steps.places_to_purge(POOLED, []) == (pool_place(POOLED.tenant_id),)
    resources = steps.ensure(ACME)
    assert set(steps.places_to_purge(ACME, [Place.of(resources)])) == {
        pool_place(ACME.tenant_id),
        silo_place(SILO),
    }
    with pytest.raises(PermanentError, match="not its own"):
        steps.places_to_purge(ACME, [pool_place(TenantId("other"))])


def test_a_bucket_of_another_account_is_left_alone(cloud: Cloud) -> None:
    calls = Calls()
    calls.reject("GetBucketTagging", *["AccessDenied"] * 3)
    watched = steps_of(cloud, calls.clients(cloud))
    # Of the derived name only: onboarding found it taken, and failed.
    assert watched.places_to_purge(ACME, []) == (pool_place(ACME.tenant_id),)
    assert watched.remains(ACME, {}) == []
    # On the record: then it was the tenant's, and somebody has to look.
    with pytest.raises(PermanentError, match="is not this AWS account's"):
        watched.places_to_purge(ACME, [silo_place(SILO)])


def test_a_bucket_that_is_not_empty_is_purged_again(cloud: Cloud, steps: Catalogue) -> None:
    resources = steps.ensure(ACME)
    cloud.s3.put_object(Bucket=SILO, Key="late", Body=b"")
    with pytest.raises(NotEmptyError, match=f"bucket {SILO} is not empty any more"):
        steps.remove(ACME, resources)
    assert SILO in buckets(cloud)


def test_only_a_bucket_with_the_tenants_tag_is_deleted(cloud: Cloud, steps: Catalogue) -> None:
    steps.ensure(ACME)
    cloud.s3.delete_bucket_tagging(Bucket=SILO)
    with pytest.raises(PermanentError, match="is not tagged with 'acme'"):
        steps.remove(ACME, RESOURCES)
    assert SILO in buckets(cloud)


# --- a step of somebody else's ------------------------------------------------------------------------------

STEP = """
from collections.abc import Mapping
from tenkacloud.provisioners.types import Parts, Provisioner, TenantSpec
from tenkacloud.tenants.validation import Tier

class TenantQueue(Provisioner):
    name = "queue"
    tiers = frozenset(Tier)
    stores = ("queue <tenantId>",)

    def __init__(self, parts: Parts) -> None:
        self.sqs = parts.clients.sqs

    def ensure(self, tenant: TenantSpec) -> Mapping[str, str]:
        return {"queueUrl": self.sqs.create_queue(QueueName=self.queue(tenant))["QueueUrl"]}

    def verify(self, tenant: TenantSpec) -> list[str]:
        return [] if self.urls(tenant) else [f"queue {self.queue(tenant)} is absent"]

    def remove(self, tenant: TenantSpec, resources: Mapping[str, str]) -> int:
        for url in (found := self.urls(tenant)):
            self.sqs.delete_queue(QueueUrl=url)
        return len(found)

    def remains(self, tenant: TenantSpec, resources: Mapping[str, str]) -> list[str]:
        return self.urls(tenant)

    def queue(self, tenant: TenantSpec) -> str:
        return f"tenant-{tenant.tenant_id}"

    def urls(self, tenant: TenantSpec) -> list[str]:
        found = self.sqs.list_queues(QueueNamePrefix=self.queue(tenant)).get("QueueUrls", [])
        return [url for url in found if url.endswith(f"/{self.queue(tenant)}")]

def provisioner(parts: Parts) -> TenantQueue:
    return TenantQueue(parts)
"""


@pytest.fixture
def with_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a step's file beside the others."""
    (tmp_path / "queue_of_tenant.py").write_text(STEP)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    yield
    sys.modules.pop("tenkacloud.provisioners.queue_of_tenant", None)
    vars(package).pop("queue_of_tenant", None)


@pytest.mark.usefixtures("with_a_new_file")
@pytest.mark.parametrize("tenant", [ACME, POOLED])
def test_a_new_file_is_a_step_of_everything(cloud: Cloud, tenant: TenantSpec) -> None:
    steps = steps_of(cloud)
    resources = steps.ensure(tenant)
    assert resources["queueUrl"].endswith("/tenant-acme")
    assert parse_resources(resources) == resources
    assert steps.verify(tenant) == []
    assert resources["queueUrl"] in steps.remains(tenant, resources)
    assert purge_and_remove(steps, tenant, resources)["queue"] == 1
    assert "queue tenant-acme is absent" in steps.verify(tenant)
    assert steps.remains(tenant, resources) == []
