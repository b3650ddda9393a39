"""What operators do to one tenant after its onboarding: one conditional write, and never an event."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.operator.app import main
from scripts.operator.session import Session
from scripts.tooling.deployment import COMPLETION, DEPROVISIONER, MOVER, PROVISIONER
from scripts.tooling.project import CommandError, UsageError
from tenkacloud.objects.export_format import FORMAT, MANIFEST, VERSION, json_line
from tenkacloud.tenants.operation_request import operation_event
from tenkacloud.tenants.operations import OperationKind, Phase, PhaseState
from tenkacloud.tenants.transitions import status, tier
from tenkacloud.tenants.validation import TenantId
from tests.scripts.flow_steps import LOCATION, Flow
from tests.scripts.operator_cloud import TABLE, Cloud, Operate, failed_on, onboarding


def record(cloud: Cloud, tenant_id: str = "a") -> dict[str, Any]:
    return cloud.environment().record(TenantId(tenant_id))


def last_line(cloud: Cloud, tenant_id: str = "a") -> dict[str, Any]:
    return cloud.environment().history(TenantId(tenant_id))[-1]


def nothing_was_published(cloud: Cloud) -> bool:
    return not cloud.lambda_.invoked and not cloud.events.started


# --- suspending


def test_a_tenant_is_suspended_with_its_reason_and_reactivated(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    code, found, _ = operate("tenants suspend", "a", "--reason", "unpaid")
    (row,) = found["items"]
    assert (code, row["outcome"], row["status"]) == (0, "suspended", "SUSPENDED")
    assert row["detail"] == "ACTIVE → SUSPENDED"
    written = record(cloud)
    assert (written["status"], written["statusReason"]) == ({"S": "SUSPENDED"}, {"S": "unpaid"})
    assert written["outbox"] == {"S": "STATUS"}
    line = last_line(cloud)
    assert (line["to"], line["reason"]) == ("SUSPENDED", "unpaid")
    assert str(line["by"]).startswith("operator:")
    assert nothing_was_published(cloud)
    code, found, _ = operate("tenants reactivate", "a")
    assert (code, found["items"][0]["status"]) == (0, "ACTIVE")
    assert "statusReason" not in record(cloud)


def test_what_is_not_in_the_state_ends_in_one_line_with_the_next_step(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    for command, problem in {
        "tenants reactivate a": "a: status is ACTIVE, not SUSPENDED",
        "tenants restore a": "a: status is ACTIVE, not OFFBOARDING",
        "tenants cancel a": "there is nothing to cancel",
        "tenants change-tier a PRO": "a: tier is PRO already",
    }.items():
        with pytest.raises(CommandError) as ended:
            operate(command)
        assert ended.value.status == 1
        assert problem in str(ended.value)
        assert str(ended.value).endswith("(tenkacloud tenants show a --env test)")
        assert "\n" not in str(ended.value)
    with pytest.raises(CommandError, match="there is no tenant b in test"):
        operate("tenants suspend b --reason x")
    with pytest.raises(UsageError, match="--reason says why"):
        operate("tenants suspend", "a", "--reason", " ")


CHANGES = [
    ("tenants suspend a --reason x", "suspended"),
    ("tenants change-tier a FREE", "changed"),
    ("tenants change-tier a enterprise", "changed"),
    ("tenants export a", "begun"),
    ("tenants offboard a", "begun"),
]


@pytest.mark.parametrize(("command", "outcome"), CHANGES)
def test_a_change_is_tried_without_making_it(
    cloud: Cloud, operate: Operate, command: str, outcome: str
) -> None:
    cloud.pooled("a")
    before = cloud.dynamodb.scan(TableName=TABLE)["Items"]
    code, found, _ = operate(command, "--dry-run")
    (row,) = found["items"]
    assert (code, row["outcome"], found["summary"]["dryRun"]) == (0, outcome, True)
    assert cloud.dynamodb.scan(TableName=TABLE)["Items"] == before


def before_the_next_write(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let somebody be faster than the next change, once."""
    write = cloud.dynamodb.transact_write_items

    def slow(**request: Any) -> Any:
        monkeypatch.setattr(cloud.dynamodb, "transact_write_items", write)
        act()
        return write(**request)

    monkeypatch.setattr(cloud.dynamodb, "transact_write_items", slow)


def test_a_change_that_somebody_else_was_faster_than_is_decided_anew(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.pooled("a")

    def rename() -> None:
        cloud.pooled("a", name="Renamed", revision={"N": "7"})

    before_the_next_write(cloud, monkeypatch, rename)
    code, _, _ = operate("tenants suspend", "a", "--reason", "x")
    assert (code, record(cloud)["name"], record(cloud)["status"]) == (0, {"S": "Renamed"}, {"S": "SUSPENDED"})


def test_a_change_that_somebody_else_made_meanwhile_is_not_made_twice(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.pooled("a")

    def suspend() -> None:
        cloud.write(status.suspend(cloud.tenant("a"), "theirs", cloud.clock.now(), "operator:else"))

    before_the_next_write(cloud, monkeypatch, suspend)
    with pytest.raises(CommandError, match="status is SUSPENDED, not ACTIVE"):
        operate("tenants suspend", "a", "--reason", "mine")
    assert record(cloud)["statusReason"] == {"S": "theirs"}


def test_a_record_that_never_rests_is_given_up_on(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.pooled("a")
    write, count = cloud.dynamodb.transact_write_items, [0]

    def restless(**request: Any) -> Any:
        count[0] += 1
        cloud.pooled("a", revision={"N": str(count[0])})
        return write(**request)

    monkeypatch.setattr(cloud.dynamodb, "transact_write_items", restless)
    with pytest.raises(CommandError, match="changed by somebody else 5 times meanwhile: try again"):
        operate("tenants suspend", "a", "--reason", "x")


def test_a_record_that_breaks_a_rule_is_not_changed(cloud: Cloud, operate: Operate) -> None:
    cloud.put("a", tier="GOLD")
    with pytest.raises(CommandError, match=r"the record of a breaks a rule: tier .* try again"):
        operate("tenants suspend", "a", "--reason", "x")


# --- changing the tier


def test_free_and_pro_change_at_once(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    code, found, told = operate("tenants change-tier a free")
    (row,) = found["items"]
    assert (code, row["tier"], row["operationId"], row["detail"]) == (0, "FREE", None, "PRO → FREE")
    assert "follow" not in told


def test_a_move_begins_with_a_copy_and_is_the_only_operation(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    code, found, told = operate("tenants change-tier", "a", "ENTERPRISE")
    (row,) = found["items"]
    begun = cloud.operation("a")
    assert (code, row["tier"], row["operationId"]) == (0, "PRO", begun.id)
    assert (begun.kind, begun.phase, begun.state) == (
        OperationKind.CHANGE_TIER,
        Phase.COPY,
        PhaseState.REQUESTED,
    )
    assert begun.requested_by.startswith("operator:")
    assert "tenkacloud operations follow a --env test" in told
    assert nothing_was_published(cloud)
    for command in ("tenants change-tier a FREE", "tenants export a", "tenants offboard a --confirm a"):
        with pytest.raises(
            CommandError, match=r"CHANGE_TIER, phase COPY.*tenkacloud operations show a --env"
        ):
            operate(command)


def test_a_move_is_cancelled_before_its_switch(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants change-tier a ENTERPRISE")
    code, found, _ = operate("tenants cancel a")
    assert (code, found["items"][0]["outcome"]) == (0, "cancelled")
    assert cloud.operation("a").phase is Phase.ROLLBACK


def test_a_place_that_a_move_left_is_named_where_it_is_in_the_way(cloud: Cloud, operate: Operate) -> None:
    flow = moved(cloud, operate)
    with pytest.raises(CommandError, match=r"leftovers hold tenants/a/.* to be retired after"):
        operate("tenants change-tier a PRO")
    assert flow.cloud.tenant("a").leftovers


def kept(cloud: Cloud, operate: Operate) -> Flow:
    """Move a tenant, and let the place that it left be kept."""
    flow = moved(cloud, operate)
    (leftover,) = cloud.tenant("a").leftovers
    cloud.write(tier.retire(cloud.tenant("a"), leftover, "retire-1", cloud.clock.now(), "reconciler"))
    flow.publish()
    flow.move(kept="it was written to")
    return flow


def test_a_place_that_is_kept_goes_when_an_operator_says_so(cloud: Cloud, operate: Operate) -> None:
    kept(cloud, operate)
    with pytest.raises(CommandError, match=r"leftovers hold tenants/a/.* kept: it was written to"):
        operate("tenants change-tier a PRO")
    code, found, _ = operate("tenants retire a --dry-run")
    (row,) = found["items"]
    assert (code, row["outcome"], row["detail"]) == (0, "released", "it can be done")
    assert cloud.tenant("a").leftovers[0].kept == "it was written to"
    code, found, told = operate("tenants retire a --confirm a")
    (row,) = found["items"]
    assert (code, row["outcome"], row["operationId"]) == (0, "released", None)
    assert row["detail"] == "tenants/a/: KEPT → WAITING"
    assert "follow" not in told
    assert record(cloud)["GSI5PK"] == {"S": "DUE"}
    line = last_line(cloud)
    assert (line["to"], line["reason"]) == ("RETIRE", "tenants/a/ was kept: it was written to")
    assert str(line["requestedBy"]).startswith("operator:")
    assert nothing_was_published(cloud)
    with pytest.raises(CommandError, match=r"nothing that is kept.*\(tenkacloud tenants show a --env test\)"):
        operate("tenants retire a --confirm a")
    (row,) = operate("operations list")[1]["items"]
    assert (row["phase"], row["state"], row["place"]) == ("RETIRE", "WAITING", {"s3Prefix": "tenants/a/"})


def test_whose_place_is_emptied_is_named_twice(cloud: Cloud, operate: Operate) -> None:
    kept(cloud, operate)
    before = record(cloud)
    with pytest.raises(
        UsageError, match="whatever is in the place that a has left for good: give --confirm a"
    ):
        operate("tenants retire a")
    with pytest.raises(UsageError, match="--confirm is not a: nothing was done"):
        operate("tenants retire a --confirm b")
    assert record(cloud) == before
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return "a\n"

    assert main(["tenants", "retire", "a"], cloud.session(input_is_terminal=True, ask=ask)) == 0
    assert "whatever is in the place that a has left" in asked[0]
    assert cloud.tenant("a").leftovers[0].kept is None


def moved(cloud: Cloud, operate: Operate) -> Flow:
    """Move a tenant from the pool to a bucket of its own."""
    cloud.pooled("a")
    operate("tenants change-tier a ENTERPRISE")
    flow = Flow(cloud, "a")
    flow.publish()
    flow.move(dedicatedBucket="tenkacloud-test-silo-a")
    flow.publish()
    flow.move(dedicatedBucket="tenkacloud-test-silo-a")
    return flow


# --- exporting


def test_an_export_is_requested_and_listed_when_it_is_there(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    cloud.lifecycle["export_retention_days"] = 3
    code, found, _ = operate("tenants export a")
    (row,) = found["items"]
    begun = cloud.operation("a")
    assert (code, row["operationId"]) == (0, begun.id)
    assert begun.expires_at == "2026-01-05T00:00:00.000Z"
    flow = Flow(cloud, "a")
    flow.publish()
    flow.export()
    code, found, _ = operate("exports list a")
    (row,) = found["items"]
    assert (code, row["exportId"], row["location"], row["items"]) == (0, begun.id, LOCATION, 2)
    cloud.pooled("b")
    assert operate("exports list b")[1]["items"] == []


def fetched_export(folder: Path) -> str:
    """Write an export of one object and one item as it is fetched; return the manifest's SHA-256."""

    def put(path: str, body: bytes, **more: Any) -> dict[str, Any]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
        return {"path": path, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **more}

    entry = put("objects/f", b"abc", key="f")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "tenantId": "a",
        "exportId": "1",
        "objects": 1,
        "items": 1,
        "bytes": 3,
        "objectParts": [put("manifest/1.jsonl", json_line(entry))],
        "itemParts": [put("items.jsonl", json_line({"PK": {"S": "TENANT#a"}}))],
    }
    return str(put(MANIFEST, json.dumps(manifest).encode())["sha256"])


def test_an_export_that_was_fetched_is_checked_without_an_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = fetched_export(tmp_path)

    def connect(name: str) -> Any:
        raise AssertionError("nothing is connected")

    def check(*more: str) -> tuple[int, dict[str, Any]]:
        code = main(["exports", "check", str(tmp_path), "--json", *more], Session(connect=connect))
        found = json.loads(capsys.readouterr().out)
        assert found["summary"] == {"environment": None, "count": 1}
        return code, found["items"][0]

    code, row = check("--manifest-sha256", sha256)
    assert (code, row["outcome"], row["objects"], row["items"], row["problems"]) == (0, "intact", 1, 1, [])
    code, row = check("--manifest-sha256", "0" * 64)
    assert (code, row["outcome"], row["manifestSha256"]) == (1, "damaged", sha256)
    (tmp_path / "objects" / "f").write_bytes(b"abd")
    code, row = check()
    assert (code, row["outcome"]) == (1, "damaged")
    assert "objects/f" in row["problems"][0]


# --- offboarding


def test_who_is_deleted_is_named_twice(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    before = record(cloud)
    with pytest.raises(UsageError, match="this deletes a for good: give --confirm a"):
        operate("tenants offboard a")
    with pytest.raises(UsageError, match="--confirm is not a: nothing was done"):
        operate("tenants offboard a --confirm b")
    for answer in ("", "y", "b"):
        asked = cloud.session(input_is_terminal=True, ask=lambda text, answer=answer: answer)
        with pytest.raises(UsageError, match="is not a: nothing was done"):
            main(["tenants", "offboard", "a"], asked)
    assert record(cloud) == before
    assert (
        main(["tenants", "offboard", "a"], cloud.session(input_is_terminal=True, ask=lambda text: "a\n")) == 0
    )
    assert record(cloud)["status"] == {"S": "OFFBOARDING"}


@pytest.mark.parametrize(("given", "days"), [((), 30), (("--retention-days", "7"), 7)])
def test_a_tenant_is_denied_at_once_and_kept_for_its_retention(
    cloud: Cloud, operate: Operate, given: tuple[str, ...], days: int
) -> None:
    cloud.pooled("a")
    code, found, _ = operate("tenants offboard a --confirm a --export", *given)
    (row,) = found["items"]
    until = cloud.clock.now() + timedelta(days=days)
    begun = cloud.operation("a")
    assert (code, row["status"], begun.phase, begun.state) == (
        0,
        "OFFBOARDING",
        Phase.RETAIN,
        PhaseState.WAITING,
    )
    assert begun.retain_until == until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert begun.export_requested
    assert f"until {begun.retain_until}" in row["detail"]
    assert nothing_was_published(cloud)


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        ("6", "test retains what is offboarded for 7 days at least"),
        ("401", "--retention-days 401: at most 400"),
        ("-1", "--retention-days"),
    ],
)
def test_a_retention_is_neither_below_the_least_nor_beyond_all_sense(
    cloud: Cloud, operate: Operate, days: str, problem: str
) -> None:
    cloud.pooled("a")
    with pytest.raises(UsageError, match=problem):
        operate("tenants offboard a --confirm a", "--retention-days", days)
    assert record(cloud)["status"] == {"S": "ACTIVE"}


def test_an_offboarding_is_taken_back_until_the_purge_begins(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants offboard a --confirm a")
    code, found, _ = operate("tenants restore a")
    assert (code, found["items"][0]["status"]) == (0, "SUSPENDED")
    operate("tenants offboard a --confirm a")
    cloud.clock.time += timedelta(days=31)
    Flow(cloud, "a").retention_over()
    with pytest.raises(CommandError, match=r"beyond return: OFFBOARD, phase PURGE.*operations show a"):
        operate("tenants restore a")


def deleted(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants offboard a --confirm a")
    Flow(cloud, "a").delete()


def test_a_deletion_is_certified_and_the_id_is_retired(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    with pytest.raises(CommandError, match="there is no certificate of a: it is ACTIVE, COMPLETED"):
        operate("tenants certificate a")
    deleted(cloud, operate)
    code, found, _ = operate("tenants certificate a")
    (certificate,) = found["items"]
    assert (code, certificate["tenantId"]) == (0, "a")
    assert certificate["evidence"]["objectVersions"] == 3
    assert certificate["remains"] == {"archive": "90 days"}
    assert not [name for name in certificate if name in ("PK", "SK", "EntityType")]
    for command in (*(each for each, _ in CHANGES), "tenants restore a", "tenants reactivate a"):
        confirm = ["--confirm", "a"] if "offboard" in command else []
        with pytest.raises(CommandError, match=r"its id is retired: tenkacloud tenants certificate a --env"):
            operate(command, *confirm)
    with pytest.raises(CommandError, match="there is no tenant b"):
        operate("tenants certificate b")


def test_a_certificate_is_lines_for_people(
    cloud: Cloud, operate: Operate, capsys: pytest.CaptureFixture[str]
) -> None:
    deleted(cloud, operate)
    capsys.readouterr()
    assert main(["tenants", "certificate", "a", "-o", "table"], cloud.session()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith("evidence.objectVersions")] == [
        ["evidence.objectVersions", "3"]
    ]
    assert any(line.startswith("places[0].s3Prefix") and line.endswith("tenants/a/") for line in lines)


# --- lists


def test_tenants_are_listed_by_their_own_status_and_by_what_failed(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("active")
    cloud.pooled("suspended")
    operate("tenants suspend suspended --reason x")
    cloud.pooled("leaving")
    operate("tenants offboard leaving --confirm leaving")
    cloud.failed("failed")
    cloud.pooled("stopped")
    operate("tenants export stopped")
    flow = Flow(cloud, "stopped")
    flow.publish()
    flow.export(failure="the bucket is full")
    cloud.pooled("moves")
    operate("tenants change-tier moves ENTERPRISE")
    deleted(cloud, operate)

    def listed(name: str, *more: str) -> tuple[set[str], int, bool]:
        _, found, _ = operate("tenants list", "--status", name, *more)
        summary = found["summary"]
        return {row["tenantId"] for row in found["items"]}, summary["total"], summary["totalIsExact"]

    assert listed("suspended") == ({"suspended"}, 1, True)
    assert listed("OFFBOARDING") == ({"leaving"}, 1, True)
    assert listed("deleted") == ({"a"}, 1, True)
    assert listed("deprovisioned") == ({"a"}, 1, True)
    assert listed("failed") == ({"failed", "stopped"}, 2, True)
    assert listed("failed", "--reason", "bucket is FULL") == ({"stopped"}, 1, True)
    assert listed("active") == ({"active", "stopped", "moves", "failed"}, 4, True)
    everyone = {"active", "suspended", "leaving", "stopped", "moves"}
    assert listed("completed") == (everyone, 5, True)
    _, found, told = operate("tenants list", "--status", "completed", "--limit", "1")
    assert (found["summary"]["total"], told.splitlines()[0]) == (5, "1 of 5")


def test_a_table_tells_the_status_that_says_most_and_what_is_under_way(
    cloud: Cloud, operate: Operate, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.pooled("leaving")
    operate("tenants offboard leaving --confirm leaving")
    cloud.pooled("moves")
    operate("tenants change-tier moves ENTERPRISE")
    Flow(cloud, "moves").publish()
    Flow(cloud, "moves").progress(1200, 5000)
    deleted(cloud, operate)
    capsys.readouterr()
    assert main(["tenants", "list", "-o", "table"], cloud.session(width=200)) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "OFFBOARDING" in lines["leaving"]
    assert "OFFBOARD RETAIN WAITING, until 2026-02-01" in lines["leaving"]
    assert "CHANGE_TIER PRO → ENTERPRISE COPY RUNNING, 1,200 of 5,000 objects" in lines["moves"]
    assert "COMPLETED" in lines["moves"]
    assert "DELETED" in lines["a"]


def test_a_tenant_is_shown_with_its_operation_and_the_places_it_left(
    cloud: Cloud, operate: Operate, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(cloud, operate)
    operate("tenants offboard a --confirm a")

    def shown() -> tuple[dict[str, str], str]:
        capsys.readouterr()
        assert main(["tenants", "show", "a", "-o", "table"], cloud.session(width=200)) == 0
        told = capsys.readouterr()
        facts = told.out.split("\n\n")[0].splitlines()[1:]
        return {line.split()[0]: " ".join(line.split()[1:]) for line in facts}, told.err

    facts, said = shown()
    until = cloud.operation("a").retain_until
    assert facts["operation.phase"] == "RETAIN"
    assert facts["retainUntil"] == facts["operation.retainUntil"] == until
    assert facts["leftovers[0].s3Prefix"] == "tenants/a/"
    assert "tenkacloud operations follow a --env test" in said
    _, found, _ = operate("tenants show a")
    assert found["items"][0]["retainUntil"] == until
    operate("tenants restore a")
    facts, said = shown()
    assert "retainUntil" not in facts
    assert said == ""


# --- what is under way


def test_operations_are_listed_shown_and_found_by_what_they_are(cloud: Cloud, operate: Operate) -> None:
    moved(cloud, operate)
    cloud.pooled("b")
    operate("tenants export b")
    Flow(cloud, "b").publish()
    Flow(cloud, "b").export(failure="no")
    cloud.pooled("c")
    operate("tenants offboard c --confirm c")
    cloud.pooled("d")
    code, found, told = operate("operations list")
    rows = [(row["tenantId"], row["kind"], row["phase"], row["state"]) for row in found["items"]]
    assert code == 0
    assert rows == [
        ("b", "EXPORT", "EXPORT", "FAILED"),
        ("a", "CHANGE_TIER", "RETIRE", "WAITING"),
        ("c", "OFFBOARD", "RETAIN", "WAITING"),
    ]
    assert found["items"][1]["place"] == {"s3Prefix": "tenants/a/"}
    assert found["items"][2]["dueAt"] == cloud.operation("c").retain_until
    assert "3 operations" in told

    def ids(*given: str) -> list[str]:
        return [row["tenantId"] for row in operate("operations list", *given)[1]["items"]]

    assert ids("--state", "failed") == ["b"]
    assert ids("--kind", "offboard") == ["c"]
    assert ids("--limit", "1") == ["b"]
    code, found, _ = operate("operations show b")
    (row,) = found["items"]
    assert (code, row["failureReason"], row["attempt"]) == (0, "no", 1)
    assert [line["state"] for line in found["summary"]["history"]] == ["REQUESTED", "RUNNING", "FAILED"]
    code, found, told = operate("operations show d")
    assert (code, found["items"]) == (0, [])


# --- following


def following(cloud: Cloud, *steps: Callable[[], None]) -> None:
    """Let something happen at each look."""

    def step(number: int) -> None:
        if number <= len(steps):
            steps[number - 1]()

    cloud.clock.naps.clear()
    cloud.clock.on_sleep = step


def test_a_move_is_followed_to_its_switch(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    flow, bucket = Flow(cloud, "a"), "tenkacloud-test-silo-a"
    following(
        cloud,
        flow.publish,
        lambda: flow.progress(1, 3),
        lambda: flow.move(dedicatedBucket=bucket),
        flow.publish,
        lambda: flow.move(dedicatedBucket=bucket),
    )
    code, found, told = operate("tenants change-tier a ENTERPRISE --wait")
    (row,) = found["items"]
    assert (code, row["outcome"], row["tier"]) == (0, "completed", "ENTERPRISE")
    assert row["detail"] == "CHANGE_TIER CUTOVER COMPLETED"
    assert told.splitlines() == [
        "a: CHANGE_TIER COPY REQUESTED, attempt 0",
        "a: CHANGE_TIER COPY RUNNING, attempt 1",
        "a: CHANGE_TIER CUTOVER REQUESTED, attempt 1",
        "a: CHANGE_TIER CUTOVER RUNNING, attempt 2",
    ]
    # Whoever looks too late is told all the same
    code, found, _ = operate("operations follow a")
    assert (code, found["items"][0]["outcome"]) == (0, "completed")


def test_a_cancelled_move_is_followed_to_its_end(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants change-tier a ENTERPRISE")
    operate("tenants cancel a")
    flow = Flow(cloud, "a")
    following(cloud, flow.publish, lambda: flow.move(s3Prefix="tenants/a/"))
    code, found, _ = operate("operations follow a")
    assert (code, found["items"][0]["outcome"]) == (1, "cancelled")


def test_an_operation_that_fails_ends_its_follower(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    flow = Flow(cloud, "a")
    following(cloud, flow.publish, lambda: flow.export(failure="the bucket is full"))
    code, found, _ = operate("tenants export a --wait")
    (row,) = found["items"]
    assert (code, row["outcome"]) == (1, "failed")
    assert row["detail"].endswith("the bucket is full")


def test_nobody_is_followed_beyond_the_deadline(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    following(cloud)
    code, found, _ = operate("tenants export a --wait --timeout 30 --interval 5")
    assert (code, found["items"][0]["outcome"]) == (1, "under way")
    assert sum(cloud.clock.naps) == 30
    cloud.pooled("b")
    following(cloud)
    code, found, _ = operate("tenants offboard b --confirm b --wait")
    (row,) = found["items"]
    assert (code, row["outcome"], cloud.clock.naps) == (1, "waiting", [])
    assert row["detail"].endswith(f"it goes on after {cloud.operation('b').retain_until}")


def test_an_offboarding_is_followed_to_its_certificate_or_its_restoration(
    cloud: Cloud, operate: Operate
) -> None:
    cloud.lifecycle |= {"retention_days_min": 0, "retention_days_default": 0}
    cloud.pooled("a")
    flow = Flow(cloud, "a")

    def again() -> None:
        cloud.clock.time += timedelta(seconds=5)
        flow.verify_again()

    following(
        cloud,
        flow.retention_over,
        flow.publish,
        flow.deprovision,
        flow.publish,
        flow.deprovision,
        again,
        flow.publish,
        flow.deprovision,
    )
    code, found, told = operate("tenants offboard a --confirm a --wait")
    (row,) = found["items"]
    assert (code, row["outcome"], row["status"]) == (0, "deleted", "DELETED")
    assert row["detail"] == "tenkacloud tenants certificate a --env test"
    assert "a: OFFBOARD VERIFY WAITING" in told
    cloud.pooled("b")
    following(cloud, lambda: operate("tenants restore b") and None)
    cloud.lifecycle |= {"retention_days_min": 0, "retention_days_default": 1}
    code, found, _ = operate("tenants offboard b --confirm b --wait --timeout 2d")
    assert (code, found["items"][0]["outcome"]) == (1, "restored")


def test_who_never_had_an_operation_is_not_followed(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    with pytest.raises(CommandError, match="nothing is under way of a, and nothing was"):
        operate("operations follow a")


# --- retrying phases


def test_a_phase_that_failed_is_retried_and_no_other(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants export a")
    flow = Flow(cloud, "a")
    code, found, _ = operate("tenants retry a")
    (row,) = found["items"]
    assert (code, row["outcome"], row["detail"]) == (1, "skipped", "EXPORT EXPORT is REQUESTED, not FAILED")
    flow.publish()
    flow.export(failure="full")
    code, found, _ = operate("tenants retry a --dry-run")
    assert (code, found["items"][0]["outcome"]) == (0, "retried")
    code, found, _ = operate("tenants retry --all --reason full")
    assert (code, found["items"][0]["detail"]) == (0, "EXPORT EXPORT")
    assert cloud.operation("a").state is PhaseState.REQUESTED
    assert str(last_line(cloud)["requestedBy"]).startswith("operator:")
    assert nothing_was_published(cloud)


def test_a_purge_that_failed_is_retried_and_waited_for(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants offboard a --confirm a")
    cloud.clock.time += timedelta(days=31)
    flow = Flow(cloud, "a")
    flow.retention_over()
    flow.publish()
    flow.deprovision(failure="denied")
    assert record(cloud)["provisioningStatus"] == {"S": "DEPROVISION_FAILED"}
    following(cloud, flow.publish, lambda: flow.deprovision(failure="denied again"))
    code, found, _ = operate("tenants retry a --wait")
    (row,) = found["items"]
    assert (code, row["provisioningStatus"], row["failureReason"]) == (1, "FAILED", "denied again")
    following(cloud, flow.publish, flow.deprovision, flow.publish, flow.deprovision)
    code, found, _ = operate("tenants retry a --wait")
    assert (code, found["items"][0]["provisioningStatus"]) == (0, "DEPROVISIONING")


def test_json_of_a_change_is_one_envelope(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    _, found, _ = operate("tenants change-tier a ENTERPRISE")
    assert found["summary"] == {"environment": "test", "count": 1, "dryRun": False}
    assert set(found["items"][0]) == {
        "tenantId",
        "outcome",
        "status",
        "provisioningStatus",
        "tier",
        "operationId",
        "operation",
        "detail",
    }
    assert json.loads(json.dumps(found)) == found


# --- dead-letter messages of those who read a queue


def moving(cloud: Cloud, operate: Operate, **more: Any) -> dict[str, Any]:
    """Begin a move; return the event of its first attempt."""
    cloud.pooled("a")
    operate("tenants change-tier a ENTERPRISE")
    tenant, under_way = cloud.tenant("a"), cloud.operation("a")
    event = operation_event(tenant, under_way, under_way.next_attempt, "c", cloud.clock.now())
    Flow(cloud, "a").publish()
    return {"source": event.SOURCE, "detail-type": event.DETAIL_TYPE, "detail": {**event.detail(), **more}}


@pytest.mark.parametrize("cursor", [None, {"key": "objects/x"}])
def test_slices_go_back_into_the_queue_they_came_from(
    cloud: Cloud, operate: Operate, cursor: dict[str, str] | None
) -> None:
    event = moving(cloud, operate)
    body = event if cursor is None else {"event": event, "cursor": cursor}
    cloud.send(MOVER, body)
    _, found, _ = operate("dead-letters list")
    (row,) = found["items"]
    assert (row["kind"], row["tenantId"], row["operationId"]) == ("queue", "a", cloud.operation("a").id)
    code, found, _ = operate("dead-letters redrive")
    assert (code, found["items"][0]["outcome"], cloud.depth(MOVER)) == (0, "redriven", 0)
    assert cloud.given(MOVER) == [body]
    assert cloud.lambda_.invoked == []


def test_what_eventbridge_could_not_put_into_a_queue_goes_there(cloud: Cloud, operate: Operate) -> None:
    event = moving(cloud, operate)
    cloud.send(MOVER, event, ERROR_CODE="NO_PERMISSIONS")
    _, found, _ = operate("dead-letters list")
    assert found["items"][0]["kind"] == "event"
    operate("dead-letters redrive")
    assert cloud.given(MOVER) == [event]


def test_what_an_operation_is_past_is_left_and_said_so(cloud: Cloud, operate: Operate) -> None:
    event = moving(cloud, operate)
    cloud.send(MOVER, {"event": event, "cursor": {}})

    def left() -> str:
        code, found, _ = operate("dead-letters redrive")
        (row,) = found["items"]
        assert (code, row["outcome"]) == (1, "left")
        return str(row["detail"])

    flow = Flow(cloud, "a")
    flow.move(failure="no")
    assert left() == "attempt 1 of its COPY is over: its operation is at COPY FAILED; discard it"
    operate("tenants cancel a")
    flow.publish()
    flow.move(s3Prefix="tenants/a/")
    assert left() == "attempt 1 of its COPY is over, and so is its operation: discard it"
    assert cloud.given(MOVER) == []


def test_a_slice_that_was_rejected_goes_back_when_it_would_be_taken(cloud: Cloud, operate: Operate) -> None:
    event = moving(cloud, operate)
    whole = {"event": event, "cursor": {"key": "x"}}
    cloud.send(MOVER, failed_on(whole, "Rejected", "detail.slug is missing"))
    bad = {"event": {**event, "detail": {"tenantId": "a"}}, "cursor": {}}
    cloud.send(MOVER, failed_on(bad, "Rejected", "detail.phase is missing"))
    _, found, _ = operate("dead-letters redrive --rejected")
    outcomes = {row["reason"]: (row["outcome"], row["detail"]) for row in found["items"]}
    assert outcomes["detail.slug is missing"] == ("redriven", "")
    assert outcomes["detail.phase is missing"][1].startswith("would be rejected again: detail.phase")
    assert cloud.given(MOVER) == [whole]


def test_a_queue_of_another_service_takes_no_event_of_a_move(cloud: Cloud, operate: Operate) -> None:
    event = moving(cloud, operate)
    cloud.send(DEPROVISIONER, event)
    code, found, _ = operate("dead-letters redrive")
    (row,) = found["items"]
    assert (code, row["outcome"]) == (1, "left")
    assert row["detail"].startswith("would be rejected again: detail-type ")


def test_an_environment_that_names_no_queue_says_so(cloud: Cloud, operate: Operate) -> None:
    cloud.send(MOVER, moving(cloud, operate))
    cloud.work.clear()
    code, found, _ = operate("dead-letters redrive")
    assert (code, found["items"][0]["outcome"], cloud.depth(MOVER)) == (1, "left", 1)
    assert "name no queue of this function" in found["items"][0]["detail"]


def test_results_of_operations_are_redriven_to_who_takes_them(cloud: Cloud, operate: Operate) -> None:
    event = moving(cloud, operate)
    detail = {
        name: event["detail"][name] for name in ("tenantId", "operationId", "phase", "attempt", "timestamp")
    }
    progress = {
        "source": "tenkacloud.application-plane",
        "detail-type": "TenantOperationProgressed",
        "detail": {**detail, "objects": 1, "bytes": 2},
    }
    cloud.send(COMPLETION, failed_on(progress))
    code, found, _ = operate("dead-letters redrive")
    assert (code, found["items"][0]["outcome"]) == (0, "redriven")
    assert cloud.lambda_.invoked == [(COMPLETION, progress)]


def test_nobody_is_onboarded_who_is_being_offboarded(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("a")
    operate("tenants offboard a --confirm a")
    cloud.send(PROVISIONER, failed_on(onboarding("a")))
    code, found, _ = operate("dead-letters redrive")
    assert (code, found["items"][0]["detail"]) == (1, "the tenant is being offboarded")
