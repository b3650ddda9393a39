"""What the planes, the schemas, Terraform and the code have agreed on, held against the same samples."""

import importlib.resources
import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from provisioning.planning import plan
from scripts.deployment import RECONCILER
from scripts.e2e import DESIGN_ITEM
from scripts.project import ROOT
from tenkacloud import fields, names
from tenkacloud.errors import InvalidField
from tenkacloud.events import TenantOnboarding, TenantProvisioned
from tenkacloud.fields import SLUG_PATTERN, TENANT_ID_PATTERN, Slug, TenantId, Tier
from tenkacloud.onboarding import Ask
from tenkacloud.records import read
from tests.conftest import Stack
from tests.support import EVENTS, golden

SCHEMAS = {
    name: json.loads(
        (importlib.resources.files("tenkacloud") / "schemas" / f"{name}.v1.json").read_text(encoding="utf-8")
    )
    for name in ("TenantOnboarding", "TenantProvisioned")
}
END = r"(?![\s\S])"  # in a schema: the end of the text
GOLDEN = sorted(path.stem for path in EVENTS.glob("tenant_*.json"))

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
    TenantProvisioned,
    tenant_id=ids,
    resources=st.sampled_from([{"s3Prefix": "tenants/a/"}, {"dedicatedBucket": "b"}]),
    timestamp=st.just("2026-01-02T03:04:05.678Z"),
    failure_reason=st.none() | texts,
    attempt=attempts,
    correlation_id=st.none() | st.just("c"),
)
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
        strict["properties"]["resources"]["additionalProperties"] = False
    return strict


def valid(schema: dict[str, Any], detail: object) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(detail))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"urn:tenkacloud:event:{name}:v1"


@given(onboardings)
def test_every_onboarding_that_we_publish_is_in_the_schema_and_comes_back_whole(
    event: TenantOnboarding,
) -> None:
    detail = json.loads(json.dumps(event.detail()))
    jsonschema.validate(detail, strictly(SCHEMAS["TenantOnboarding"]))
    assert TenantOnboarding.parse(detail) == event


@given(results)
def test_every_result_that_we_publish_is_in_the_schema(event: TenantProvisioned) -> None:
    detail = json.loads(json.dumps(event.detail()))
    jsonschema.validate(detail, strictly(SCHEMAS["TenantProvisioned"]))
    assert TenantProvisioned.parse(detail) == event


@given(st.data())
@pytest.mark.parametrize("name", SCHEMAS)
def test_consumers_take_what_the_schema_allows_and_nothing_else(name: str, data: st.DataObject) -> None:
    """One field of a good event is changed, dropped or added."""
    strategy: Any = onboardings if name == "TenantOnboarding" else results
    parse: Any = TenantOnboarding.parse if name == "TenantOnboarding" else TenantProvisioned.parse
    detail: Any = json.loads(json.dumps(data.draw(strategy).detail()))
    # for people only: a bad one is dropped or replaced, and refuses nothing
    contract = set(SCHEMAS[name]["properties"]) - {"correlationId", "failureReason"}
    place = detail
    if "resources" in contract and data.draw(st.booleans()):
        place, contract = detail["resources"], {"s3Prefix", "dedicatedBucket"}
    field = data.draw(st.sampled_from([*sorted(contract), "unknown"]))
    value = data.draw(json_values)
    if value is DROPPED:
        place.pop(field, None)
    else:
        place[field] = value
    try:
        parse(detail)
    except InvalidField:
        assert not valid(SCHEMAS[name], detail)
    else:
        assert valid(SCHEMAS[name], detail)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_events_are_in_their_schema(name: str) -> None:
    event = golden(name)
    assert valid(strictly(SCHEMAS[event["detail-type"]]), event["detail"])


def test_a_schema_and_the_code_have_one_rule_for_ids_and_slugs() -> None:
    for schema in SCHEMAS.values():
        assert schema["properties"]["tenantId"]["pattern"] == f"^{TENANT_ID_PATTERN}{END}"
    properties = SCHEMAS["TenantOnboarding"]["properties"]
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
        {"PK": "TENANT#test-tenant", "SK": "METADATA"},
        read(record["dynamodb"]["NewImage"]),
        "c",
        "2026-01-02T03:04:05Z",
    )
    assert isinstance(step, Ask)
    bare = replace(step.event, attempt=None, correlation_id=None).detail()
    assert set(bare) == {"tenantId", "tenantName", "tier", "slug", "timestamp"}


def matching(patterns: list[str], event: Any) -> bool:
    return any(EventPattern.load(pattern).matches_event(event) for pattern in patterns)


@pytest.mark.parametrize("name", GOLDEN)
def test_each_rule_takes_its_own_event_and_no_other(stack: Stack, name: str) -> None:
    event = golden(name)
    patterns = stack.terraform.outputs()["event_patterns"]
    woken = {service for service, pattern in patterns.items() if matching([pattern], event)}
    expected = {"TenantOnboarding": "tenant-provisioner", "TenantProvisioned": "provisioning-completion"}
    assert woken == {expected[event["detail-type"]]}


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


def listed(record: dict[str, Any]) -> dict[str, Any]:
    record["dynamodb"]["NewImage"] |= {"GSI3PK": {"S": "IN_FLIGHT"}, "GSI3SK": {"S": "2026"}}
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
        ({"eventName": "REMOVE", "dynamodb": stream_record("INSERT", "PENDING")["dynamodb"]}, False),
    ],
)
def test_only_entering_pending_wakes_the_provisioning_function(
    stack: Stack, record: dict[str, Any], wakes: bool
) -> None:
    assert matching(stack.terraform.outputs()["stream_filter_patterns"], record) is wakes


def test_code_and_terraform_build_the_same_names(stack: Stack) -> None:
    policies = (ROOT / "infrastructure/terraform/modules/tenant-provisioner/main.tf").read_text()
    marker = names.pool_marker(TenantId("*"))
    assert f"${{local.data_bucket_arn}}/{marker}" in policies
    bucket = names.silo_bucket("local", Slug("a"), TenantId("a"), "1", "r")
    assert bucket.startswith("tenkacloud-local-silo-")
    assert "${var.context.name_prefix}-silo-*" in policies
    assert stack.deployment.data_bucket_name == "tenkacloud-data-local"


def test_the_settings_that_are_put_out_are_those_of_the_function(stack: Stack) -> None:
    function = stack.deployment.lambda_function_names[RECONCILER]
    deployed = stack.clients.lambda_.get_function_configuration(FunctionName=function)
    found = deployed["Environment"]["Variables"]
    settings = stack.terraform.outputs()["settings"][RECONCILER]
    assert found["STUCK_AFTER_SECONDS"] == str(settings["stuck_after_seconds"])
    assert found["RESUMPTIONS_MAX"] == str(settings["resumptions_max"])
    rule = stack.clients.events.describe_rule(Name=function)
    assert rule["ScheduleExpression"] == f"rate({settings['period_minutes']} minute)"


def test_docs_name_each_field_of_each_event() -> None:
    page = Path(ROOT / "docs" / "events.md").read_text()
    for schema in SCHEMAS.values():
        for field in schema["properties"]:
            assert f"`{field}`" in page
