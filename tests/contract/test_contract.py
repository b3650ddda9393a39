"""What the planes, the schemas, Terraform and the code have agreed on, held against the same samples."""

import json
import re
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from provisioning.decisions import Change, Onboard, plan
from scripts.tooling.project import ROOT
from scripts.tooling.services import SERVICES
from scripts.verification.flow import reconciling
from scripts.verification.flow.tenants import DESIGN_ITEM
from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import Event
from tenkacloud.events.operation import OperationEvent
from tenkacloud.events.registry import EVENTS
from tenkacloud.events.tenant_deprovisioned import Evidence, TenantDeprovisioned
from tenkacloud.events.tenant_exported import TenantExported
from tenkacloud.events.tenant_exporting import TenantExporting
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_operation_progressed import TenantOperationProgressed
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.events.tenant_status import TenantReactivated, TenantSuspended
from tenkacloud.events.tenant_tier_changed import TenantTierChanged
from tenkacloud.events.tenant_tier_changing import TenantTierChanging
from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.places import pool_place, silo_place
from tenkacloud.provisioners.log_group import TenantLogGroup
from tenkacloud.tenants import validation as fields
from tenkacloud.tenants.keys import IN_FLIGHT, IN_FLIGHT_PARTITION, table_definition
from tenkacloud.tenants.operations import Phase
from tenkacloud.tenants.record import read
from tenkacloud.tenants.validation import SLUG_PATTERN, TENANT_ID_PATTERN, Slug, TenantId, Tier
from tests.conftest import Stack
from tests.support import SAMPLES, consumed_events, golden, golden_event

_CONTROL, _APPLICATION = "tenkacloud.control-plane", "tenkacloud.application-plane"
#: What has been agreed on, apart from the code: each event's detail type, source, and who takes it.
AGREED = {
    "TenantOnboarding": (_CONTROL, "tenant-provisioner"),
    "TenantProvisioned": (_APPLICATION, "provisioning-completion"),
    "TenantTierChanging": (_CONTROL, "tenant-mover"),
    "TenantTierChanged": (_APPLICATION, "provisioning-completion"),
    "TenantExporting": (_CONTROL, "tenant-mover"),
    "TenantExported": (_APPLICATION, "provisioning-completion"),
    "TenantOffboarding": (_CONTROL, "tenant-deprovisioner"),
    "TenantDeprovisioned": (_APPLICATION, "provisioning-completion"),
    "TenantOperationProgressed": (_APPLICATION, "provisioning-completion"),
    # Facts: for whoever wants to know.
    "TenantSuspended": (_CONTROL, None),
    "TenantReactivated": (_CONTROL, None),
}
END = r"(?![\s\S])"  # in a schema: the end of the text
GOLDEN = sorted(path.stem for path in SAMPLES.glob("*.json") if golden_event(path.stem))

ids = st.from_regex(TENANT_ID_PATTERN, fullmatch=True).map(TenantId)
slugs = st.from_regex(SLUG_PATTERN, fullmatch=True).map(Slug)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60).filter(str.strip)
attempts = st.none() | st.integers(1, fields.ATTEMPT_MAX)
onboardings = st.builds(
    TenantOnboarding,
    tenant_id=ids,
    tenant_name=texts,
    tier=st.sampled_from(Tier),
    slug=slugs,
    timestamp=st.just("2026-01-02T03:04:05.678Z"),
    attempt=attempts,
    correlation_id=st.none() | st.just("c"),
)
results = st.builds(
    ProvisioningResult,
    tenant_id=ids,
    resources=st.sampled_from([{"s3Prefix": "tenants/a/"}, {"dedicatedBucket": "b"}]),
    timestamp=st.just("2026-01-02T03:04:05.678Z"),
    failure_reason=st.none() | texts,
    attempt=attempts,
    correlation_id=st.none() | st.just("c"),
)
operation_ids = st.from_regex(fields.OPERATION_ID_PATTERN, fullmatch=True)
counts = st.integers(0, fields.COUNT_MAX)
tiers = st.sampled_from(Tier)
places = st.builds(pool_place, ids) | st.from_regex("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", fullmatch=True).map(
    silo_place
)
TIME = "2026-01-02T03:04:05.678Z"


def operations(event: type[OperationEvent], *phases: Phase, **more: Any) -> Any:
    return st.builds(
        event,
        tenant_id=ids,
        operation_id=operation_ids,
        phase=st.sampled_from(phases or sorted(event.phases())),
        attempt=st.integers(1, fields.ATTEMPT_MAX),
        timestamp=st.just(TIME),
        correlation_id=st.none() | st.just("c"),
        **more,
    )


moves: dict[str, Any] = {
    "tenant_name": texts,
    "slug": slugs,
    "from_tier": tiers,
    "to_tier": tiers,
    "from_": places,
    "to": st.none() | places,
    "digest": st.none() | st.just("d"),
}
moved: dict[str, Any] = {
    "objects": counts,
    "bytes": counts,
    "digest": st.none() | st.just("d"),
    "read_only_ms": st.none() | counts,
    "kept": st.none() | texts,
}
copied: Any = st.builds(dict, s3Prefix=st.just("tenants/a/"), logGroup=st.just("/x")) | st.just({})
failed: dict[str, Any] = {"failure_reason": st.none() | texts}
evidence = st.builds(
    Evidence,
    object_versions=counts,
    delete_markers=counts,
    uploads=counts,
    items=counts,
    buckets_deleted=counts,
    remaining=counts,
    checked_at=st.just(TIME),
)
exported = {"objects": counts, "items": counts, "bytes": counts}
#: A strategy for each event.
PUBLISHED: dict[type[Event], Any] = {
    TenantOnboarding: onboardings,
    ProvisioningResult: results,
    TenantTierChanging: operations(
        TenantTierChanging, Phase.COPY, Phase.ROLLBACK, Phase.RETIRE, not_before=st.none(), **moves
    )
    | operations(TenantTierChanging, Phase.CUTOVER, not_before=st.just(TIME), **moves),
    TenantTierChanged: operations(
        TenantTierChanged, Phase.COPY, Phase.ROLLBACK, Phase.RETIRE, resources=copied, **moved, **failed
    )
    | operations(
        TenantTierChanged, Phase.CUTOVER, resources=places.map(lambda place: place.as_resources()), **moved
    ),
    TenantExporting: operations(
        TenantExporting, place=places, export_id=operation_ids, expires_at=st.just(TIME)
    ),
    TenantExported: operations(
        TenantExported, location=st.just("s3://b/k"), manifest_sha256=st.just("d"), **exported
    )
    | operations(TenantExported, failure_reason=texts, **exported),
    TenantOffboarding: operations(
        TenantOffboarding,
        places=st.lists(places, max_size=3).map(tuple),
        tier=st.none() | tiers,
        slug=st.none() | slugs,
    ),
    TenantDeprovisioned: operations(TenantDeprovisioned, evidence=evidence, **failed),
    TenantOperationProgressed: operations(
        TenantOperationProgressed, objects=counts, bytes=counts, total_objects=st.none() | counts
    ),
    **{
        fact: st.builds(
            fact,
            tenant_id=ids,
            timestamp=st.just(TIME),
            reason=st.none() | texts,
            correlation_id=st.none() | st.just("c"),
        )
        for fact in (TenantSuspended, TenantReactivated)
    },
}
#: For people only: a bad one is dropped or replaced, and rejects nothing.
INFORMATIVE = {"correlationId", "failureReason", "reason"}
DROPPED = object()
json_values: Any = (
    st.just(DROPPED)
    | st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.text(max_size=4)
    | st.sampled_from(["a\n", "FREE\n", "a/b", {}, [], 1.0, 1.5])
)


def strictly(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema as producers are held to it: nothing beside what it lists."""
    strict = deepcopy(schema)
    strict["additionalProperties"] = False
    if "resources" in strict["properties"]:
        # Beside the place: what a provisioner's own step put out.
        strict["properties"]["resources"]["additionalProperties"] = {"type": "string", "minLength": 1}
    return strict


def valid(schema: dict[str, Any], detail: object) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(detail))


def test_the_events_are_those_that_were_agreed_on() -> None:
    assert {name: event.SOURCE for name, event in EVENTS.items()} == {
        name: source for name, (source, _) in AGREED.items()
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_consumes_what_was_agreed_on(service: str) -> None:
    agreed = {name for name, (_, consumer) in AGREED.items() if consumer == service}
    assert {event.DETAIL_TYPE for event in consumed_events(service)} == agreed


@pytest.mark.parametrize("name", EVENTS)
def test_the_schemas_are_schemas(name: str) -> None:
    event = EVENTS[name]
    jsonschema.Draft202012Validator.check_schema(event.schema())
    assert event.schema()["$id"] == f"urn:tenkacloud:event:{name}:v{event.VERSION}"


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_has_a_sample_of_the_designs_fields_alone_and_one_with_more(name: str) -> None:
    required = set(EVENTS[name].schema()["required"])
    samples = [set(golden(sample)["detail"]) for sample in GOLDEN if golden_event(sample) is EVENTS[name]]
    assert required in samples
    assert max(samples, key=len) > required


@given(st.data())
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_what_we_publish_is_in_the_schema_and_comes_back_whole(
    event: type[Event], data: st.DataObject
) -> None:
    published = data.draw(PUBLISHED[event])
    detail = json.loads(json.dumps(published.detail()))
    jsonschema.validate(detail, strictly(event.schema()))
    assert event.parse(detail) == published


@given(st.data())
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_consumers_take_what_the_schema_allows_and_nothing_else(
    event: type[Event], data: st.DataObject
) -> None:
    """One field of a good event is changed, dropped or added."""
    schema = event.schema()
    detail: Any = json.loads(json.dumps(data.draw(PUBLISHED[event]).detail()))
    place, properties = detail, set(schema["properties"]) - INFORMATIVE
    maps = [name for name in sorted(properties) if schema["properties"][name].get("type") == "object"]
    maps = [name for name in maps if name in detail]
    if name := data.draw(st.sampled_from(["", *maps])):
        place, properties = detail[name], set(schema["properties"][name]["properties"])
    field = data.draw(st.sampled_from([*sorted(properties), "unknown"]))
    value = data.draw(json_values)
    if value is DROPPED:
        place.pop(field, None)
    else:
        place[field] = value
    try:
        event.parse(detail)
    except InvalidFieldError:
        assert not valid(schema, detail)
    else:
        assert valid(schema, detail)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_events_are_in_their_schema(name: str) -> None:
    event = golden(name)
    assert valid(strictly(EVENTS[event["detail-type"]].schema()), event["detail"])


def test_a_schema_and_the_code_have_one_rule_for_ids_and_slugs() -> None:
    for event in EVENTS.values():
        assert event.schema()["properties"]["tenantId"]["pattern"] == f"^{TENANT_ID_PATTERN}{END}"
    properties = TenantOnboarding.schema()["properties"]
    assert properties["slug"]["pattern"] == f"^{SLUG_PATTERN}{END}"
    assert properties["tier"]["enum"] == list(Tier)
    assert properties["tenantName"]["maxLength"] == fields.NAME_MAX


def test_the_item_that_we_onboard_is_the_designs_word_for_word() -> None:
    design = (ROOT / "docs" / "design" / "phase2-sbt-tenant-isolation.md").read_text()
    (item,) = re.findall(r"--item '(\{.*?\})'", design, flags=re.DOTALL)
    assert json.loads(item) == DESIGN_ITEM


def test_the_designs_item_becomes_the_designs_event() -> None:
    record = golden("stream_insert")
    step = plan(
        Change({"PK": "TENANT#test-tenant", "SK": "METADATA"}, read(record["dynamodb"]["NewImage"]), "c"),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert isinstance(step, Onboard)
    bare = replace(step.request.event, attempt=None, correlation_id=None).detail()
    assert set(bare) == {"tenantId", "tenantName", "tier", "slug", "timestamp"}


def matching(patterns: list[str], event: Any) -> bool:
    return any(EventPattern.load(pattern).matches_event(event) for pattern in patterns)


@pytest.mark.parametrize("name", GOLDEN)
def test_each_rule_takes_its_own_event_and_no_other(stack: Stack, name: str) -> None:
    event = golden(name)
    patterns = stack.terraform.outputs()["event_patterns"]
    woken = {service for service, pattern in patterns.items() if matching([pattern], event)}
    _, consumer = AGREED[event["detail-type"]]
    assert woken == ({consumer} if consumer else set())


def stream_record(event_name: str, new: str | None, old: str | None = None, **keys: str) -> dict[str, Any]:
    def image(status: str | None) -> dict[str, Any]:
        return {"id": {"S": "a"}, **({"provisioningStatus": {"S": status}} if status else {})}

    record: dict[str, Any] = {
        "eventName": event_name,
        "dynamodb": {
            "Keys": {
                name: {"S": value} for name, value in {"PK": "TENANT#a", "SK": "METADATA", **keys}.items()
            },
            "NewImage": image(new),
        },
    }
    if event_name == "MODIFY":
        record["dynamodb"]["OldImage"] = image(old)
    return record


def with_images(record: dict[str, Any], new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Return a stream record of which both images say more."""
    record["dynamodb"]["NewImage"] |= new
    record["dynamodb"]["OldImage"] |= old
    return record


OUTBOX = {"outbox": {"S": "OPERATION"}}
REVISION = {"revision": {"N": "7"}}


def listed(record: dict[str, Any]) -> dict[str, Any]:
    entry = IN_FLIGHT.entry(IN_FLIGHT_PARTITION, "2026")
    record["dynamodb"]["NewImage"] |= {name: {"S": value} for name, value in entry.items()}
    return record


@pytest.mark.parametrize(
    ("record", "wakes"),
    [
        (golden("stream_insert"), True),
        (stream_record("INSERT", "PENDING"), True),
        (stream_record("MODIFY", "PENDING", "FAILED"), True),
        (stream_record("MODIFY", "PENDING", "COMPLETED"), True),
        (stream_record("MODIFY", "PENDING", None), True),
        # written once more; but not when we listed it as in flight
        (stream_record("MODIFY", "PENDING", "PENDING"), True),
        (listed(stream_record("MODIFY", "PENDING", "PENDING")), False),
        (stream_record("MODIFY", "PROVISIONING", "PENDING"), False),
        (stream_record("MODIFY", "COMPLETED", "PROVISIONING"), False),
        (stream_record("MODIFY", "FAILED", "PENDING"), False),
        (stream_record("INSERT", "COMPLETED"), False),
        (stream_record("INSERT", None), False),
        (stream_record("INSERT", "PENDING", SK="HISTORY#1"), False),
        (stream_record("INSERT", "PENDING", PK="USER#a"), False),
        # something else to publish, and as long as it is
        (with_images(stream_record("MODIFY", "COMPLETED", "COMPLETED"), OUTBOX | REVISION, REVISION), True),
        (
            with_images(
                stream_record("MODIFY", "COMPLETED", "COMPLETED"), OUTBOX | REVISION, OUTBOX | REVISION
            ),
            True,
        ),
        (
            with_images(stream_record("MODIFY", "COMPLETED", "COMPLETED"), REVISION, OUTBOX | REVISION),
            False,
        ),
        # put over a record of ours, in whatever status
        (with_images(stream_record("MODIFY", "COMPLETED", "COMPLETED"), {}, REVISION), True),
        (with_images(stream_record("MODIFY", None, "DEPROVISIONED"), {}, REVISION), True),
        (with_images(stream_record("MODIFY", "COMPLETED", "COMPLETED"), REVISION, REVISION), False),
        (with_images(stream_record("MODIFY", "COMPLETED", "COMPLETED"), REVISION, {}), False),
        ({"eventName": "REMOVE", "dynamodb": stream_record("INSERT", "PENDING")["dynamodb"]}, False),
    ],
)
def test_only_what_is_to_be_published_or_undone_wakes_the_provisioning_function(
    stack: Stack, record: dict[str, Any], wakes: bool
) -> None:
    assert matching(stack.terraform.outputs()["stream_filter_patterns"], record) is wakes


def test_the_layout_of_the_table_is_the_one_that_was_agreed_on() -> None:
    """Records that were written years ago are in it, so its names never change."""
    definition = table_definition("t")

    def key(schema: list[dict[str, str]]) -> list[str]:
        return [f"{each['KeyType']} {each['AttributeName']}" for each in schema]

    assert key(definition["KeySchema"]) == ["HASH PK", "RANGE SK"]
    indexes = {each["IndexName"]: key(each["KeySchema"]) for each in definition["GlobalSecondaryIndexes"]}
    assert indexes == {
        "by-slug": ["HASH GSI1PK", "RANGE GSI1SK"],
        "by-status-tier": ["HASH GSI2PK", "RANGE GSI2SK"],
        "in-flight": ["HASH GSI3PK", "RANGE GSI3SK"],
        "failed": ["HASH GSI4PK", "RANGE GSI4SK"],
        "due": ["HASH GSI5PK", "RANGE GSI5SK"],
    }


def test_code_and_terraform_lay_the_table_out_alike(stack: Stack) -> None:
    definition = table_definition(stack.deployment.table_name)
    table: Any = stack.clients.dynamodb.describe_table(TableName=stack.deployment.table_name)["Table"]
    assert table["KeySchema"] == definition["KeySchema"]
    by_name = sorted(table["AttributeDefinitions"], key=lambda each: str(each["AttributeName"]))
    assert by_name == sorted(definition["AttributeDefinitions"], key=lambda each: str(each["AttributeName"]))

    def indexes(described: Any) -> dict[str, Any]:
        return {
            index["IndexName"]: (index["KeySchema"], index["Projection"]["ProjectionType"])
            for index in described["GlobalSecondaryIndexes"]
        }

    assert indexes(table) == indexes(definition)


def test_code_and_terraform_build_the_same_names(stack: Stack) -> None:
    policies = (ROOT / "infrastructure/terraform/modules/tenant-resources/main.tf").read_text()
    marker = names.pool_marker(TenantId("*"))
    assert f"${{var.context.data_bucket_name}}/{marker}" in policies
    bucket = names.silo_bucket("local", Slug("a"), TenantId("a"), "1", "r")
    assert bucket.startswith("tenkacloud-local-silo-")
    assert "${var.context.name_prefix}-silo-*" in policies
    assert "/tenkacloud/${var.context.environment}/tenants/*" in policies
    (group,) = TenantLogGroup.stores
    assert "/tenkacloud/<environment>/tenants/<tenantId>" in group
    assert stack.deployment.data_bucket_name == "tenkacloud-data-local"
    assert stack.deployment.exports_bucket_name == "tenkacloud-local-exports"
    outputs = stack.terraform.outputs()
    assert outputs["tenant_maintenance_role_arn"] == stack.deployment.tenant_maintenance_role_arn


def test_the_waits_that_are_put_out_are_those_of_the_functions(stack: Stack) -> None:
    found: dict[str, str] = {}
    for service in SERVICES:
        name = stack.deployment.lambda_function_names[service]
        deployed = stack.clients.lambda_.get_function_configuration(FunctionName=name)
        found |= deployed["Environment"]["Variables"]
    # Of the first two, only the operator's tool is told.
    told = {"retention_days_min", "retention_days_default"}
    waits = {name: value for name, value in stack.deployment.lifecycle.items() if name not in told}
    assert {name: found.get(name.upper()) for name in waits} == {
        name: str(value) for name, value in waits.items()
    }
    assert told < set(stack.deployment.lifecycle)


def test_the_settings_that_are_put_out_are_those_of_the_function(stack: Stack) -> None:
    function = stack.deployment.lambda_function_names[reconciling.SERVICE]
    deployed = stack.clients.lambda_.get_function_configuration(FunctionName=function)
    found = deployed["Environment"]["Variables"]
    settings = stack.terraform.outputs()["settings"][reconciling.SERVICE]
    assert found["STUCK_AFTER_SECONDS"] == str(settings["stuck_after_seconds"])
    assert found["AUTOMATIC_RETRIES_MAX"] == str(settings["automatic_retries_max"])
    rule = stack.clients.events.describe_rule(Name=function)
    assert rule["ScheduleExpression"] == f"rate({settings['period_minutes']} minute)"


def test_docs_name_each_field_of_each_event() -> None:
    page = Path(ROOT / "docs" / "events.md").read_text()
    for event in EVENTS.values():
        for field in event.schema()["properties"]:
            assert f"`{field}`" in page
