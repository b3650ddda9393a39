"""The operator's commands on an AWS of moto, with Lambda and the stream as stubs."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from scripts.operator import dead_letters, retrying, tenants, verifying
from scripts.operator.app import main
from scripts.operator.session import Bounds, Session
from scripts.tooling import aws
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import COMPLETION, PROVISIONER, PROVISIONING
from scripts.tooling.project import CommandError, UsageError
from scripts.verification.flow import reconciling
from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants.keys import IN_FLIGHT, IN_FLIGHT_PARTITION
from tenkacloud.tenants.validation import Slug, TenantId
from tests.scripts.operator_cloud import (
    ACCOUNT,
    BUCKET,
    CREATED,
    REGION,
    TABLE,
    Cloud,
    FakeClock,
    Operate,
    client_error,
    failed_on,
    onboarding,
    provisioned,
)

# --- the stream's messages


BATCH = {"streamArn": "s", "shardId": "1", "startSequenceNumber": "10", "endSequenceNumber": "12"}


def stream_record(number: int, tenant_id: str) -> dict[str, Any]:
    keys = {"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": "METADATA"}}
    return {"dynamodb": {"SequenceNumber": str(number), "Keys": keys}}


def stream_message(cloud: Cloud) -> None:
    cloud.send(
        PROVISIONING,
        {"requestContext": {"condition": "RetryAttemptsExhausted"}, "DDBStreamBatchInfo": BATCH},
    )


def test_empty_pages_of_the_stream_are_read_over(cloud: Cloud, operate: Operate) -> None:
    for tenant_id in ("a", "b", "later"):
        cloud.put(tenant_id, "PENDING")
    stream_message(cloud)
    cloud.streams.pages = [
        [],
        [],
        [stream_record(10, "a")],
        [],
        [stream_record(12, "b"), stream_record(13, "later")],
    ]
    code, found, _ = operate("dead-letters redrive")
    (row,) = found["items"]
    assert (code, row["outcome"], row["detail"]) == (0, "redriven", "2 of 2 tenants were still PENDING")
    handed = [payload["Records"][0]["dynamodb"]["Keys"]["PK"]["S"] for _, payload in cloud.lambda_.invoked]
    assert handed == ["TENANT#a", "TENANT#b"]
    assert cloud.depth(PROVISIONING) == 0


@pytest.mark.parametrize(
    ("pages", "forgotten", "why"),
    [([], False, "empty pages"), ([[stream_record(10, "a")]], False, "empty pages"), ([], True, "forgotten")],
)
def test_a_batch_whose_end_is_not_reached_is_left(
    cloud: Cloud, operate: Operate, pages: Any, forgotten: bool, why: str
) -> None:
    cloud.put("a", "PENDING")
    stream_message(cloud)
    cloud.streams.pages, cloud.streams.forgotten = pages, forgotten
    code, found, _ = operate("dead-letters redrive")
    assert (code, found["items"][0]["outcome"]) == (1, "left")
    assert why in found["items"][0]["detail"]
    assert cloud.depth(PROVISIONING) == 1


def test_a_stream_message_without_a_batch_is_left(cloud: Cloud, operate: Operate) -> None:
    cloud.send(PROVISIONING, {"requestContext": {"condition": "x"}, "DDBStreamBatchInfo": {}})
    code, found, _ = operate("dead-letters redrive")
    assert (code, found["items"][0]["outcome"]) == (1, "left")
    assert found["items"][0]["detail"] == "it does not say which records of the stream"


# --- looking at messages


def test_what_eventbridge_says_of_a_failure_is_listed(cloud: Cloud, operate: Operate) -> None:
    cloud.send(
        PROVISIONER, onboarding("a"), ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="may not", RULE_ARN="arn"
    )
    code, found, _ = operate("dead-letters list")
    (row,) = found["items"]
    assert (code, row["kind"], row["reason"], row["tenantId"]) == (0, "event", "NO_PERMISSIONS: may not", "a")
    _, whole, _ = operate("dead-letters show", row["messageId"])
    assert whole["items"][0]["attributes"]["RULE_ARN"] == "arn"
    assert whole["items"][0]["body"] == onboarding("a")
    with pytest.raises(CommandError, match="there is no message x"):
        operate("dead-letters show", "x")


@pytest.mark.parametrize("command", ["dead-letters list", "dead-letters redrive"])
def test_messages_that_another_reader_holds_are_counted(cloud: Cloud, operate: Operate, command: str) -> None:
    for number in range(3):
        cloud.send(PROVISIONER, failed_on(onboarding(str(number))))
    url = cloud.queues[PROVISIONER]
    cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
    code, found, told = operate(command)
    assert (code, found["items"], found["summary"]["notRead"]) == (1, [], {PROVISIONER: 3})
    assert f"{PROVISIONER}: about 3 more" in told


def test_all_messages_are_listed_and_left_there(cloud: Cloud, operate: Operate) -> None:
    ids = {cloud.send(PROVISIONER, failed_on(onboarding(str(number)))) for number in range(25)}
    for _ in range(2):
        code, found, told = operate("dead-letters list")
        assert (code, {row["messageId"] for row in found["items"]}, told) == (0, ids, "")


def test_messages_are_grouped_by_what_went_wrong_with_the_age_of_the_oldest(
    cloud: Cloud, operate: Operate
) -> None:
    for number in range(3):
        reason = f"bucket of t-{number} is not there (request 01234567-89ab-cdef-0123-456789abcde{number})"
        cloud.send(PROVISIONER, failed_on(onboarding(f"t-{number}"), message=reason))
    cloud.send(PROVISIONER, failed_on(onboarding("other"), "Rejected", "detail.slug is missing"))
    cloud.clock.time = datetime.now(UTC) + timedelta(hours=3)
    _, found, _ = operate("dead-letters list")
    first, second = found["summary"]["groups"]
    assert (first["count"], first["kind"], first["service"]) == (3, "invocation", PROVISIONER)
    assert first["reason"] == "bucket of <tenant> is not there (request <id>)"
    assert 3 * 3600 <= first["oldestAgeSeconds"] < 3 * 3600 + 60
    assert (second["count"], second["reason"]) == (1, "detail.slug is missing")
    # Each message still says its own reason, and when it was sent
    assert {row["reason"].split()[2] for row in found["items"] if row["kind"] == "invocation"} == {
        "t-0",
        "t-1",
        "t-2",
    }
    assert all(row["sentAt"].endswith("Z") for row in found["items"])


def test_messages_are_selected_by_kind_reason_and_age(cloud: Cloud, operate: Operate) -> None:
    slow = cloud.send(PROVISIONER, failed_on(onboarding("a"), message="SlowDown"))
    bad = cloud.send(COMPLETION, failed_on(provisioned("a"), "Rejected", "detail.status is missing"))
    cloud.clock.time = datetime.now(UTC) + timedelta(minutes=10)

    def ids(*arguments: str) -> list[str]:
        return [row["messageId"] for row in operate("dead-letters list", *arguments)[1]["items"]]

    assert ids("--kind", "REJECTED") == [bad]
    assert ids("--reason", "slowdown") == [slow]
    assert ids("--service", COMPLETION) == [bad]
    assert set(ids("--older-than", "9m")) == {slow, bad}
    assert ids("--older-than", "1h") == []
    with pytest.raises(UsageError, match="nobody has no dead-letter queue: one of"):
        ids("--service", "nobody")


class SlowQueue:
    """SQS as it may be: an empty answer although there are messages."""

    def __init__(self, answers: list[list[Any]], visible: list[int]) -> None:
        self.answers, self.visible, self.hidden = answers, visible, list[Any]()

    def receive_message(self, **request: Any) -> dict[str, Any]:
        assert request["WaitTimeSeconds"] > 0
        assert request["VisibilityTimeout"] <= 60
        return {"Messages": self.answers.pop(0)} if self.answers else {}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        visible = self.visible.pop(0) if len(self.visible) > 1 else self.visible[0]
        counts = {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": 0}
        return {"Attributes": {name: str(count) for name, count in counts.items()}}

    def change_message_visibility_batch(self, **request: Any) -> None:
        self.hidden += [(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in request["Entries"]]


MESSAGE = {"MessageId": "1", "ReceiptHandle": "r", "Body": "{}"}


def test_a_queue_is_read_again_while_it_counts_messages() -> None:
    sqs: Any = SlowQueue([[], [], [MESSAGE], []], [1, 1, 0])
    queue = dead_letters.Queue(sqs, PROVISIONER, "url", FakeClock())
    queue.take()
    assert (list(queue.held), queue.others) == (["1"], 0)
    # but not for ever, and then it says so
    sqs = SlowQueue([], [7])
    queue = dead_letters.Queue(sqs, PROVISIONER, "url", FakeClock())
    queue.take()
    assert (queue.held, queue.others) == ({}, 7)


def test_messages_are_hidden_briefly_and_for_as_long_as_work_goes_on() -> None:
    clock = FakeClock()
    sqs: Any = SlowQueue([[MESSAGE]], [0])
    queue = dead_letters.Queue(sqs, PROVISIONER, "url", clock)
    queue.take()
    assert sqs.hidden == []
    for seconds in (30, 1, 28):
        clock.sleep(seconds)
        queue.renew()
    assert sqs.hidden == [("r", dead_letters.HIDDEN_SECONDS)] * 2
    queue.release()
    assert sqs.hidden[2:] == [("r", 0)]


# --- redriving events


@pytest.mark.parametrize(
    ("service", "event"),
    [
        (COMPLETION, provisioned("a", status="ODD")),
        (COMPLETION, onboarding("a")),
        (COMPLETION, "cut"),
        (PROVISIONER, onboarding("../a")),
    ],
)
def test_an_event_that_would_be_rejected_again_is_left(
    cloud: Cloud, operate: Operate, service: str, event: Any
) -> None:
    cloud.put("a")
    cloud.send(service, failed_on(event, "Rejected"))
    code, found, _ = operate("dead-letters redrive")
    assert (code, found["items"][0]["outcome"]) == (0, "left")
    code, found, _ = operate("dead-letters redrive", "--rejected")
    assert (code, found["items"][0]["outcome"]) == (1, "left")
    assert found["items"][0]["detail"].startswith("would be rejected again: ")
    assert (cloud.lambda_.invoked, cloud.depth(service)) == ([], 1)
    code, found, _ = operate("dead-letters redrive", "--rejected", "--force")
    assert found["items"][0]["outcome"] == "redriven"
    assert found["items"][0]["detail"].startswith("by force: will be rejected again: ")
    assert (cloud.lambda_.invoked, cloud.depth(service)) == ([(service, event)], 0)


def test_an_event_that_was_rejected_for_want_of_a_record_goes_when_there_is_one(
    cloud: Cloud, operate: Operate
) -> None:
    cloud.send(COMPLETION, failed_on(provisioned("a"), "Rejected"))
    code, found, _ = operate("dead-letters redrive", "--rejected")
    assert (code, found["items"][0]["detail"]) == (1, "the tenant is gone")
    cloud.put("a", "PROVISIONING")
    code, found, _ = operate("dead-letters redrive", "--rejected")
    assert (code, found["items"][0]["outcome"], cloud.depth(COMPLETION)) == (0, "redriven", 0)


@pytest.mark.parametrize("wrapped", [True, False])
def test_no_resources_are_brought_back_for_who_is_gone(cloud: Cloud, operate: Operate, wrapped: bool) -> None:
    cloud.put("deleted", "FAILED", status={"S": "DELETED"})
    for tenant_id in ("never-was", "deleted"):
        event = onboarding(tenant_id)
        cloud.send(PROVISIONER, failed_on(event) if wrapped else event)
    code, found, _ = operate("dead-letters redrive", "--force")
    assert (code, [row["detail"] for row in found["items"]]) == (1, ["the tenant is gone"] * 2)
    assert cloud.lambda_.invoked == []


def test_redriving_is_tried_without_sending_anything(cloud: Cloud, operate: Operate) -> None:
    cloud.put("a")
    cloud.send(PROVISIONER, failed_on(onboarding("a")))
    cloud.send(COMPLETION, failed_on(provisioned("gone")))
    code, found, told = operate("dead-letters redrive", "--dry-run")
    assert {row["tenantId"]: row["outcome"] for row in found["items"]} == {"a": "redriven", "gone": "left"}
    assert (code, found["summary"]["dryRun"]) == (1, True)
    assert "1 message would be redriven, 1 left" in told
    assert (cloud.lambda_.invoked, cloud.depth(PROVISIONER), cloud.depth(COMPLETION)) == ([], 1, 1)


def test_only_what_is_sent_waits_its_turn(cloud: Cloud, operate: Operate) -> None:
    cloud.put("a")
    for number in range(5):
        cloud.send(PROVISIONER, failed_on(onboarding(f"gone-{number}")))
    for _ in range(3):
        cloud.send(PROVISIONER, failed_on(onboarding("a")))
    code, found, _ = operate("dead-letters redrive", "--rate", "4")
    assert (code, len(found["items"]), len(cloud.lambda_.invoked)) == (1, 8, 3)
    assert sum(cloud.clock.naps) == pytest.approx(0.5)  # the second and the third


# --- discarding


def exported(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_messages_are_exported_and_discarded(cloud: Cloud, operate: Operate, tmp_path: Path) -> None:
    bodies = [failed_on(onboarding(str(n)), "Rejected", f"detail.slug is bad, {n}") for n in range(3)]
    ids = [cloud.send(PROVISIONER, body, WHY="kept") for body in bodies]
    cloud.send(COMPLETION, failed_on(provisioned("a"), message="SlowDown"))
    path = tmp_path / "kept.jsonl"
    code, found, _ = operate("dead-letters discard", "--message", ids[1], "--export", str(path))
    assert (code, [row["messageId"] for row in found["items"]]) == (0, [ids[1]])
    code, found, _ = operate("dead-letters discard", "--reason", "slug is bad", "--export", str(path))
    assert (code, {row["messageId"] for row in found["items"]}) == (0, {ids[0], ids[2]})
    kept = {line["messageId"]: line for line in exported(path)}
    assert {each: json.loads(kept[each]["body"]) for each in ids} == dict(zip(ids, bodies, strict=True))
    assert kept[ids[0]]["attributes"] == {"WHY": "kept"}
    assert path.stat().st_mode & 0o077 == 0
    assert (cloud.depth(PROVISIONER), cloud.depth(COMPLETION)) == (0, 1)
    with pytest.raises(CommandError, match="no such"):
        operate("dead-letters discard", "--message", ids[1], "--no-export")
    operate("dead-letters discard", "--reason", "SlowDown", "--no-export")
    assert cloud.depth(COMPLETION) == 0


def test_nothing_is_discarded_that_can_not_be_kept(cloud: Cloud, operate: Operate, tmp_path: Path) -> None:
    cloud.send(PROVISIONER, failed_on(onboarding("a")))
    with pytest.raises(CommandError, match="can't be written"):
        operate("dead-letters discard", "--reason", "no", "--export", str(tmp_path))
    assert cloud.depth(PROVISIONER) == 1


def test_discarding_is_tried_without_losing_anything(cloud: Cloud, operate: Operate) -> None:
    cloud.send(PROVISIONER, failed_on(onboarding("a")))
    code, found, _ = operate("dead-letters discard", "--reason", "no", "--dry-run")
    assert (code, len(found["items"]), cloud.depth(PROVISIONER)) == (0, 1, 1)


@pytest.mark.parametrize(
    "arguments",
    [["--message", "1"], ["--export", "f"], ["--message", "1", "--reason", "x", "--no-export"]],
)
def test_discarding_takes_a_choice_and_a_place(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="say w"):
        main(["dead-letters", "discard", *arguments], Session())


# --- the reconciler


def reconciler_is(cloud: Cloud, *answers: Any) -> None:
    left = list(answers)

    def answer(name: str, payload: Any) -> Any:
        each = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(each, Exception):
            raise each
        return each(payload) if callable(each) else each

    cloud.lambda_.answer = answer


BUSY = client_error("TooManyRequestsException", Reason="ReservedFunctionConcurrentInvocationLimitExceeded")
SWEPT = {"resumed": 1, "givenUp": 0, "left": 2, "errors": 0}


def test_a_sweep_beside_another_ends_with_one_line(cloud: Cloud) -> None:
    impatient = cloud.session(sweep_patience=0.0)
    reconciler_is(cloud, BUSY)
    with pytest.raises(CommandError, match="a sweep is under way; try again in a minute"):
        main(["reconcile"], impatient)
    reconciler_is(cloud, client_error("TooManyRequestsException", Reason="ConcurrentInvocationLimitExceeded"))
    with pytest.raises(CommandError, match="the account's concurrent executions are used up"):
        main(["reconcile"], impatient)


def test_a_sweep_says_what_it_did_and_can_be_tried_first(cloud: Cloud, operate: Operate) -> None:
    reconciler_is(cloud, SWEPT)
    code, found, _ = operate("reconcile")
    assert (code, found["items"]) == (0, [SWEPT])
    cloud.put("old", "PROVISIONING", **in_flight("2026-01-01T23:00:00.000Z"))
    cloud.put("young", "PROVISIONING", **in_flight("2026-01-01T23:59:00.000Z"))
    _, found, _ = operate("reconcile", "--dry-run")
    assert [row["tenantId"] for row in found["items"]] == ["old"]  # by the deployment's own 900 s
    _, found, _ = operate("reconcile", "--dry-run", "--older-than", "0")
    assert [row["tenantId"] for row in found["items"]] == ["old", "young"]
    assert len(cloud.lambda_.invoked) == 1
    reconciler_is(cloud, {**SWEPT, "errors": 1})
    code, _, _ = operate("reconcile", "--older-than", "1h")
    assert (code, cloud.lambda_.invoked[-1][1]["olderThanSeconds"]) == (1, 3600)


def test_repairs_wait_for_their_turn(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    environment = cloud.environment()
    reconciler_is(cloud, BUSY, BUSY, {"a": "asked"})
    answers = reconciling.repair(environment.deployment, environment.clients, ["a"])
    assert answers == {"a": "asked"}
    assert capsys.readouterr().err.count("a sweep is under way") == 1
    reconciler_is(cloud, BUSY)
    with pytest.raises(CommandError, match="a sweep is under way"):
        reconciling.repair(environment.deployment, environment.clients, ["a"], patience=0.0)


def test_a_long_run_is_invoked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a server that never answers: how often the call comes is counted by connections."""
    monkeypatch.setattr(aws, "INVOKE", aws.INVOKE.merge(Config(read_timeout=0.2)))
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        clients = Clients("local", REGION)
        named: Any = type("Named", (), {"lambda_function_names": {reconciling.SERVICE: "reconciler"}})()
        with pytest.raises(CommandError, match="gave no answer in time"):
            reconciling.sweep(named, clients)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in accepted:
        connection.close()
    assert len(accepted) == 1


# --- lists


def in_flight(since: str) -> dict[str, str]:
    return IN_FLIGHT.entry(IN_FLIGHT_PARTITION, since)


def everyone_there_is(cloud: Cloud) -> set[str]:
    """Write a tenant into each place where one may be, by a rejection of today's and of older versions."""
    cloud.pooled("completed")
    cloud.put("suspended", tier="FREE", status="SUSPENDED", GSI2PK="STATUS#SUSPENDED#TIER#FREE")
    cloud.failed("both")
    cloud.failed("bad-tier", tier="GOLD", GSI2PK="STATUS#ACTIVE#TIER#UNKNOWN")
    cloud.failed("bad-status", status="ODD", GSI2PK="STATUS#UNKNOWN#TIER#PRO")
    cloud.failed("bad-both", tier="GOLD", status="ODD", GSI2PK="STATUS#UNKNOWN#TIER#UNKNOWN")
    cloud.failed("old-rejection", GSI2PK=None, GSI2SK=None, id=None)
    cloud.put("not-requested", "PENDING", GSI2PK=None, GSI2SK=None, **in_flight(CREATED))
    cloud.put("bad-time", "PROVISIONING", **in_flight("9999-99-99T99:99:99Z"))
    return {
        "completed",
        "suspended",
        "both",
        "bad-tier",
        "bad-status",
        "bad-both",
        "old-rejection",
        "not-requested",
        "bad-time",
    }


def ids_of(found: Any) -> list[str]:
    return [row["tenantId"] for row in found["items"]]


def test_a_list_leaves_nobody_out(cloud: Cloud, operate: Operate) -> None:
    everyone = everyone_there_is(cloud)
    code, found, told = operate("tenants list")
    assert (code, sorted(ids_of(found))) == (0, sorted(everyone))
    assert f"{len(everyone)} of {len(everyone)}" in told
    _, report, _ = operate("tenants verify", "--all")
    assert report["summary"]["verified"] == len(everyone)


LISTS = [
    ((), 2, 9),
    (("--status", "failed"), 2, 5),
    (("--tier", "Pro"), 2, 6),
    (("--tier", "PRO", "--status", "COMPLETED"), 1, 1),
    (("--status", "COMPLETED"), 2, 2),
    (("--status", "pending"), 1, 1),
    (("--stuck",), 2, 2),
]


@pytest.mark.parametrize(("arguments", "listed", "of"), LISTS)
def test_a_list_that_is_cut_says_of_how_many(
    cloud: Cloud, operate: Operate, arguments: tuple[str, ...], listed: int, of: int
) -> None:
    everyone_there_is(cloud)
    _, found, told = operate("tenants list", "--limit", "2", *arguments)
    assert (len(found["items"]), told.splitlines()[0]) == (listed, f"{listed} of {of}")
    assert found["summary"]["total"] == of
    assert found["summary"]["totalIsExact"] is True
    assert (found["summary"]["nextCursor"] is None) == (listed == of)


@pytest.mark.parametrize("limit", [1, 4])
@pytest.mark.parametrize(("arguments", "listed", "of"), LISTS)
def test_a_cursor_leads_to_each_tenant_once(
    cloud: Cloud, operate: Operate, arguments: tuple[str, ...], listed: int, of: int, limit: int
) -> None:
    everyone_there_is(cloud)
    _, whole, _ = operate("tenants list", *arguments)
    parts, cursor = list[str](), None
    while cursor is not None or not parts:
        goes_on: list[str] = ["--cursor", cursor] if cursor else []
        _, found, told = operate("tenants list", "--limit", str(limit), *arguments, *goes_on)
        parts += ids_of(found)
        cursor = found["summary"]["nextCursor"]
        assert found["summary"]["total"] == of
        assert (f"next: --cursor {cursor}" in told) == (cursor is not None)
    assert parts == ids_of(whole)


def test_a_cursor_of_another_list_is_rejected(cloud: Cloud, operate: Operate) -> None:
    everyone_there_is(cloud)
    _, found, _ = operate("tenants list", "--limit", "1")
    cursor = found["summary"]["nextCursor"]
    for arguments in (
        ["--cursor", cursor, "--tier", "pro"],
        ["--cursor", "x"],
        ["--cursor", f"{cursor}AAAA"],
    ):
        with pytest.raises(UsageError, match="not one of this list"):
            operate("tenants list", *arguments)
    with pytest.raises(UsageError, match="a sorted list has no cursor"):
        operate("tenants list", "--cursor", cursor, "--sort", "name")


def test_a_list_stays_bounded_and_says_so(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(8):
        cloud.put(
            f"t-{number}", name="Special" if number == 0 else "Acme", GSI2SK=f"2026-01-01T00:00:0{number}Z"
        )

    def run(bounds: Bounds, *arguments: str) -> tuple[Any, str]:
        assert main(["tenants", "list", "--json", *arguments], cloud.session(bounds=bounds)) == 0
        told = capsys.readouterr()
        return json.loads(told.out), told.err

    few = Bounds(look=4)
    found, told = run(few, "--name", "special")
    assert (ids_of(found), found["summary"]["totalIsExact"]) == ([], False)
    assert "the search goes on with --cursor" in told
    found, _ = run(few, "--name", "special", "--cursor", found["summary"]["nextCursor"])
    assert ids_of(found) == ["t-0"]
    found, told = run(few, "--sort", "id")
    assert (ids_of(found), found["summary"]["totalIsExact"]) == (["t-4", "t-5", "t-6", "t-7"], False)
    assert "only these were sorted" in told
    _, told = run(Bounds(keys=5), "--limit", "2")
    assert told.splitlines()[0] == "2 of at least 5"
    _, told = run(Bounds(count=2), "--limit", "2", "--name", "acme")
    assert told.splitlines()[0] == "2 of at least 5"


def test_tenants_are_filtered(cloud: Cloud, operate: Operate) -> None:
    slugs = {"GSI1PK": "SLUG#acme-2", "GSI1SK": CREATED}
    cloud.put("a", name="Acme One", updatedAt="2026-01-01T23:00:00Z")
    cloud.put("b", name="ACME two", slug="acme-2", updatedAt="2026-01-01T23:50:00Z", **slugs)
    cloud.put("c", name="Other", slug="acme-2", updatedAt="2026-01-01T23:59:00Z", **slugs)
    cloud.failed("full", failureReason="this AWS account is at its Limit of buckets")
    cloud.failed("named", name="acme three", slug="acme-2")

    def ids(*arguments: str) -> set[str]:
        return set(ids_of(operate("tenants list", *arguments)[1]))

    assert ids("--name", "acme") == {"a", "b", "full", "named"}
    assert ids("--name", "acme t") == {"b", "named"}
    assert ids("--slug", "acme-2") == {"b", "c", "named"}
    assert ids("--slug", "acme") == set()
    assert ids("--reason", "limit of BUCKETS") == {"full"}
    assert ids("--status", "completed", "--older-than", "15m") == {"a"}
    assert ids("--status", "completed", "--older-than", "10m") == {"a", "b"}
    assert ids("--status", "failed", "--older-than", "1d") == {"full", "named"}
    assert ids("--status", "failed", "--older-than", "1d1s") == set()


def test_tenants_are_sorted(cloud: Cloud, operate: Operate) -> None:
    cloud.put("1", name="beta", updatedAt="2026-01-01T10:00:00Z", tier="FREE")
    cloud.put("2", name="Alpha", updatedAt="2026-01-01T12:00:00Z")
    cloud.put("3", name="gamma", updatedAt="2026-01-01T11:00:00Z", tier="ENTERPRISE")

    def ids(sort: str, *more: str) -> list[str]:
        return ids_of(operate("tenants list", "--sort", sort, *more)[1])

    assert ids("name") == ["2", "1", "3"]
    assert ids("-NAME") == ["3", "1", "2"]
    assert ids("age") == ["2", "3", "1"]
    assert ids("-age", "--limit", "1") == ["1"]
    assert ids("tier") == ["3", "1", "2"]
    assert ids("updated") == ["1", "3", "2"]


def test_the_age_is_that_of_the_state_a_tenant_is_in(cloud: Cloud, operate: Operate) -> None:
    cloud.put("waits", "PROVISIONING", **in_flight("2026-01-01T23:58:00.000Z"))
    cloud.failed("fails", GSI4SK="2026-01-01T23:00:00.000Z", updatedAt="2026-01-01T23:30:00Z")
    cloud.put("changed", updatedAt="2026-01-01T23:59:00Z")
    cloud.put("made")
    cloud.put("silent", createdAt={"N": "1"})
    _, found, _ = operate("tenants list")
    assert {row["tenantId"]: row["ageSeconds"] for row in found["items"]} == {
        "waits": 120,
        "fails": 3600,
        "changed": 60,
        "made": 86_400,
        "silent": None,
    }
    waiting = [row for row in found["items"] if "inFlightSeconds" in row]
    assert [(row["tenantId"], row["inFlightSeconds"]) for row in waiting] == [("waits", 120)]


def test_a_tenant_is_given_with_its_history(cloud: Cloud, operate: Operate) -> None:
    cloud.failed("x")
    operate("tenants retry", "x")
    code, found, _ = operate("tenants show", "x")
    (tenant,) = found["items"]
    assert (code, tenant["tenantId"], tenant["provisioningStatus"]) == (0, "x", "PENDING")
    (entry,) = tenant["history"]
    assert (entry["to"], entry["reason"]) == ("PENDING", "an operator requested another attempt")
    assert entry["by"].startswith("operator:")
    assert not [name for name in tenant if name.startswith(("GSI", "PK", "SK"))]
    with pytest.raises(CommandError, match=r"there is no tenant y in test: .*tenants list"):
        operate("tenants show", "y")
    with pytest.raises(UsageError, match=r"ID '../x' is "):
        operate("tenants show", "../x")


# --- watching


def _put_at(cloud: Cloud, wanted: int, provisioning: str, number: int) -> None:
    if number == wanted:
        cloud.put("x", provisioning)


def test_a_watched_tenant_is_followed_until_its_attempt_has_ended(cloud: Cloud, operate: Operate) -> None:
    for ends, wanted in (("COMPLETED", 0), ("FAILED", 1)):
        cloud.clock.naps.clear()
        cloud.put("x", "PROVISIONING")
        cloud.clock.on_sleep = partial(_put_at, cloud, 3, ends)
        code = main(["tenants", "show", "x", "--watch", "--interval", "5"], cloud.session())
        assert (code, cloud.clock.naps) == (wanted, [5.0] * 3)


def test_a_watched_list_is_printed_when_it_changes_until_the_user_stops_it(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.put("x", "PROVISIONING", **in_flight("2026-01-01T23:58:00.000Z"))

    def next_look(number: int) -> None:
        if number == 2:
            cloud.put("y", "PROVISIONING", **in_flight("2026-01-01T23:59:00.000Z"))
        if number == 4:
            raise KeyboardInterrupt

    cloud.clock.on_sleep = next_look
    code = main(["tenants", "list", "--stuck", "--watch", "-o", "tsv", "--no-headers"], cloud.session())
    lines = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert (code, lines) == (0, ["x", "x", "y"])


# --- retrying


def test_one_bad_record_does_not_keep_the_others_from_being_retried(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.failed("a", GSI4SK="2026-01-01T00:00:00.000Z")
    cloud.failed("bad", GSI4SK="2026-01-02T00:00:00.000Z", provisioningAttempt={"SS": ["x"]})
    cloud.failed("denied", GSI4SK="2026-01-03T00:00:00.000Z")
    cloud.failed("z", GSI4SK="2026-01-04T00:00:00.000Z")
    write = cloud.dynamodb.transact_write_items

    def stubborn(*, TransactItems: Any) -> Any:  # noqa: N803
        if any("TENANT#denied" in json.dumps(each) for each in TransactItems):
            raise client_error("ThrottlingException")
        return write(TransactItems=TransactItems)

    monkeypatch.setattr(cloud.dynamodb, "transact_write_items", stubborn)
    code, found, told = operate("tenants retry", "--all", "--force", "--rate", "1000")
    outcomes = {row["tenantId"]: (row["outcome"], row["detail"]) for row in found["items"]}
    assert code == 1
    assert outcomes["denied"] == ("error", "ThrottlingException")
    assert (outcomes["a"][0], outcomes["z"][0]) == ("retried", "retried")
    assert (cloud.status("a"), cloud.status("z")) == ("PENDING", "PENDING")
    # A bad attempt is no reason not to try where that is wanted: provisioning says what is wrong with it
    assert outcomes["bad"][0] == "retried"
    assert "denied: error: ThrottlingException" in told


def test_only_what_was_mended_is_retried_unless_forced(cloud: Cloud, operate: Operate) -> None:
    cloud.failed("mended")
    cloud.failed("bad-tier", tier="GOLD")
    cloud.failed("deleted", status="DELETED")
    code, found, told = operate("tenants retry", "--all")
    outcomes = {row["tenantId"]: row["outcome"] for row in found["items"]}
    assert (code, outcomes) == (1, {"mended": "retried", "bad-tier": "skipped", "deleted": "skipped"})
    assert "bad-tier: skipped: not mended yet: tier " in told
    assert (cloud.status("bad-tier"), cloud.status("deleted")) == ("FAILED", "FAILED")
    code, found, _ = operate("tenants retry", "bad-tier", "--force")
    assert (code, found["items"][0]["outcome"], cloud.status("bad-tier")) == (0, "retried", "PENDING")


def test_retries_are_selected_by_reason(cloud: Cloud, operate: Operate) -> None:
    cloud.failed("full", failureReason="this AWS account is at its limit of buckets")
    cloud.failed("other")
    code, found, _ = operate("tenants retry", "--all", "--reason", "Limit of buckets")
    assert (code, ids_of(found), cloud.status("other")) == (0, ["full"], "FAILED")
    with pytest.raises(UsageError, match="--reason goes with --all"):
        operate("tenants retry", "other", "--reason", "x")


def test_a_dry_run_retries_nobody(cloud: Cloud, operate: Operate) -> None:
    for tenant_id in ("a", "b"):
        cloud.failed(tenant_id)
    code, found, told = operate("tenants retry", "--all", "--dry-run")
    assert (code, {row["outcome"] for row in found["items"]}) == (0, {"retried"})
    assert found["summary"]["dryRun"] is True
    assert "2 tenants would be retried, 0 not" in told
    assert (cloud.status("a"), cloud.status("b")) == ("FAILED", "FAILED")


def test_a_retry_is_waited_for_and_says_what_became_of_each(cloud: Cloud, operate: Operate) -> None:
    for tenant_id in ("good", "bad", "slow"):
        cloud.failed(tenant_id)

    def later(number: int) -> None:
        if number == 2:
            cloud.put("good")
        if number == 3:
            cloud.failed("bad", failureReason="again")

    cloud.clock.on_sleep = later
    code, found, told = operate("tenants retry", "--all", "--wait", "--timeout", "20", "--rate", "1000")
    became = {row["tenantId"]: (row["outcome"], row["provisioningStatus"]) for row in found["items"]}
    assert (code, became) == (
        1,
        {"good": ("retried", "COMPLETED"), "bad": ("retried", "FAILED"), "slow": ("retried", "PENDING")},
    )
    assert "bad: FAILED: again" in told
    assert "slow: PENDING" in told
    assert 20 <= sum(cloud.clock.naps) < 23
    cloud.clock.on_sleep = lambda number: cloud.put("slow")
    code, found, _ = operate("tenants retry", "slow", "--wait")
    assert (code, found["items"][0]["outcome"]) == (0, "requested")


PREFIX = {"s3Prefix": {"S": "tenants/x/"}}
OWN = {"dedicatedBucket": {"S": "b"}}


@pytest.mark.parametrize(
    ("tier", "resources"),
    [
        ("ENTERPRISE", {"M": PREFIX}),
        ("ENTERPRISE", {"M": {**PREFIX, **OWN}}),
        ("ENTERPRISE", {"M": {"dedicatedBucket": {"N": "1"}}}),
        ("ENTERPRISE", {"M": {}}),
        ("ENTERPRISE", {"S": "odd"}),
        ("ENTERPRISE", None),
        ("FREE", {"M": OWN}),
        ("PRO", {"M": {**PREFIX, **OWN}}),
        ("PRO", {"M": {"s3Prefix": {"S": "tenants/y/"}}}),
        ("PRO", None),
    ],
)
def test_a_completed_tenant_whose_resources_do_not_fit_its_tier_is_found_and_retried(
    cloud: Cloud, operate: Operate, tier: str, resources: Any
) -> None:
    cloud.put("x", tier=tier, resources=resources)
    code, found, _ = operate("tenants verify", "x")
    (finding,) = found["items"]
    assert code == 1
    assert finding["problems"][0]["message"].startswith(f"resources do not fit tier {tier}: ")
    code, found, _ = operate("tenants retry", "x")
    assert (code, found["items"][0]["outcome"]) == (0, "retried")
    record = cloud.environment().record(TenantId("x"))
    assert record["provisioningStatus"] == {"S": "PENDING"}
    assert record["GSI3PK"] == {"S": "IN_FLIGHT"}
    (line,) = cloud.environment().history(TenantId("x"))
    assert (line["to"], line["attempt"]) == ("PENDING", 1)
    assert "do not fit" in str(line["reason"])


def test_a_completed_tenant_whose_resources_fit_is_left_alone(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("x")
    cloud.put("y", tier="ENTERPRISE", resources={"M": OWN})
    for tenant_id in ("x", "y"):
        code, found, _ = operate("tenants retry", tenant_id)
        (row,) = found["items"]
        assert (code, row["outcome"], row["detail"]) == (1, "skipped", "it is COMPLETED, not FAILED")


CHANGES = {
    "provisioningStatus": {"S": "PROVISIONING"},
    "tier": {"S": "PRO"},
    "provisioningAttempt": {"N": "2"},
    "resources": {"M": OWN},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_record_that_changed_since_it_was_read_is_not_requested_again(cloud: Cloud, changed: str) -> None:
    cloud.put("x", tier="ENTERPRISE", resources={"M": PREFIX})
    read = cloud.environment().record(TenantId("x"))
    changes: dict[str, Any] = {
        "tier": "ENTERPRISE",
        "resources": {"M": PREFIX},
        changed: CHANGES[changed],
    }
    cloud.put("x", **changes)
    before = cloud.environment().record(TenantId("x"))
    outcome = retrying.retry(cloud.environment(), read, cloud.clock)
    assert (outcome.action, outcome.detail) == (retrying.Action.SKIPPED, "it has changed meanwhile")
    assert cloud.environment().record(TenantId("x")) == before
    assert cloud.environment().history(TenantId("x")) == []


# --- confirming what acts on many


def failing(cloud: Cloud) -> None:
    for tenant_id in ("a", "b", "c"):
        cloud.failed(tenant_id)


def lying(cloud: Cloud) -> None:
    cloud.put("a")
    for _ in range(3):
        cloud.send(PROVISIONER, failed_on(onboarding("a")))


def drifted(cloud: Cloud) -> None:
    for tenant_id in ("a", "b", "c"):
        cloud.put(tenant_id, resources={"M": {"s3Prefix": {"S": f"tenants/{tenant_id}/"}}})
    reconciler_is(cloud, lambda payload: dict.fromkeys(payload["tenantIds"], "there is no such tenant"))


def stuck(cloud: Cloud) -> None:
    for tenant_id in ("a", "b", "c"):
        cloud.put(tenant_id, "PROVISIONING", **in_flight(CREATED))
    reconciler_is(cloud, SWEPT)


ON_MANY = [
    (failing, "tenants retry --all", "Retry 3 tenants in environment test?"),
    (lying, "dead-letters redrive", "Redrive 3 dead-letter messages in environment test?"),
    (lying, "dead-letters discard --reason no --no-export", "Discard 3 dead-letter messages for good in"),
    (drifted, "tenants repair --all", "Repair 3 tenants in environment test?"),
    (stuck, "reconcile --older-than 0", "Have 3 tenants retried in environment test?"),
]


def touched(cloud: Cloud) -> tuple[Any, ...]:
    table = cloud.dynamodb.scan(TableName=TABLE)["Items"]
    return table, len(cloud.lambda_.invoked), cloud.depth(PROVISIONER), len(cloud.events.started)


@pytest.mark.parametrize(("given", "command", "question"), ON_MANY)
def test_who_acts_on_many_is_asked_with_environment_and_count(
    cloud: Cloud, given: Any, command: str, question: str
) -> None:
    given(cloud)
    before = touched(cloud)
    asked: list[str] = []

    def answering(answer: str) -> Session:
        def ask(text: str) -> str:
            asked.append(text)
            return answer

        return cloud.session(input_is_terminal=True, ask=ask)

    for no in ("", "n", "x"):
        assert main(command.split(), answering(no)) == 1
    assert touched(cloud) == before
    assert all(text.startswith(question) for text in asked)
    main(command.split(), answering("Y"))
    assert touched(cloud) != before


@pytest.mark.parametrize(("given", "command", "question"), ON_MANY)
def test_where_nobody_can_be_asked_it_takes_yes(
    cloud: Cloud, given: Any, command: str, question: str
) -> None:
    given(cloud)
    before = touched(cloud)
    with pytest.raises(UsageError, match="in test, and nobody is there to confirm it: give --yes, or look"):
        main(command.split(), cloud.session())
    assert touched(cloud) == before
    main([*command.split(), "--yes"], cloud.session())
    assert touched(cloud) != before


def test_one_is_not_many(cloud: Cloud) -> None:
    cloud.failed("a")
    assert main(["tenants", "retry", "--all"], cloud.session()) == 0
    assert cloud.status("a") == "PENDING"


# --- replaying


RANGE = ("--from", "2026-01-01T09:00:00Z", "--to", "2026-01-01T10:30:00Z")


def test_a_range_is_replayed_and_waited_for(cloud: Cloud, operate: Operate) -> None:
    code, found, told = operate("events replay", *RANGE, "--dry-run")
    assert (code, cloud.events.started) == (0, [])
    assert "would replay all events of 1h30m" in told
    code, found, _ = operate("events replay", *RANGE, "--yes")
    assert (code, found["items"][0]["state"], len(cloud.events.started)) == (0, "COMPLETED", 1)
    (request,) = cloud.events.started
    assert request["EventSourceArn"] == "arn:aws:events:ap-northeast-1:123456789012:archive/archive"
    assert request["EventStartTime"] == datetime(2026, 1, 1, 9, tzinfo=UTC)


def test_a_replay_is_confirmed_and_may_fail_or_take_too_long(cloud: Cloud, operate: Operate) -> None:
    with pytest.raises(UsageError, match=r"replay all events of 1h30m.* nobody is there"):
        operate("events replay", *RANGE)
    with pytest.raises(UsageError, match="--from must be before --to"):
        operate("events replay", "--from", RANGE[3], "--to", RANGE[1])
    assert cloud.events.started == []
    cloud.events.states = ["FAILED"]
    with pytest.raises(CommandError, match="is FAILED: because"):
        operate("events replay", *RANGE, "--yes")
    cloud.events.states = ["RUNNING"]
    with pytest.raises(CommandError, match="is RUNNING after 60 s; it goes on: aws events describe-replay"):
        operate("events replay", *RANGE, "--yes", "--timeout", "1m")


# --- verifying


def test_records_are_verified_as_they_come(cloud: Cloud) -> None:
    taken = 0

    def items() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for number in range(10 * verifying.WINDOW):
            taken += 1
            yield {"PK": {"S": f"TENANT#{number}"}, "SK": {"S": "METADATA"}}

    findings = verifying.verify_all(cloud.environment(), items(), 900, cloud.clock)
    assert next(findings).tenant_id == "0"
    assert taken <= verifying.WINDOW
    assert [finding.tenant_id for finding in findings] == [
        str(number) for number in range(1, 10 * verifying.WINDOW)
    ]


def test_a_tenant_that_can_not_be_verified_is_a_finding(
    cloud: Cloud, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.pooled("good")
    cloud.pooled("bad")
    query = cloud.dynamodb.query

    def throttled(**request: Any) -> Any:
        if {"S": "TENANT#bad"} in request["ExpressionAttributeValues"].values():
            raise client_error("ThrottlingException")
        return query(**request)

    monkeypatch.setattr(cloud.dynamodb, "query", throttled)
    code, found, _ = operate("tenants verify", "--all")
    (finding,) = found["items"]
    assert (code, found["summary"]["verified"], finding["tenantId"]) == (1, 2, "bad")
    assert finding["problems"][0]["message"] == "could not be verified: ThrottlingException"


def test_what_is_stuck_goes_by_the_deployment(cloud: Cloud, operate: Operate) -> None:
    cloud.put("x", "PROVISIONING", **in_flight("2026-01-01T23:50:00.000Z"))
    code, _, told = operate("tenants verify", "x")
    assert (code, "not checked" in told) == (0, False)
    code, found, _ = operate("tenants verify", "x", "--stuck-after", "9m")
    (problem,) = found["items"][0]["problems"]
    assert (code, problem["actual"], problem["wanted"]) == (1, 600, 540)
    assert problem["message"] == "stuck: in flight for 600 s, wanted at most 540 s"
    cloud.settings[reconciling.SERVICE]["stuck_after_seconds"] = 300
    code, _, _ = operate("tenants verify", "x")
    assert code == 1
    cloud.settings.clear()
    code, _, told = operate("tenants verify", "x")
    assert (code, "that is not checked" in told) == (0, True)


def test_a_finding_says_what_there_is_and_what_is_wanted(cloud: Cloud, operate: Operate) -> None:
    bucket = names.silo_bucket("test", Slug("acme"), TenantId("x"), ACCOUNT, REGION)
    cloud.put("x", tier="ENTERPRISE", slug="acme", resources={"M": {"dedicatedBucket": {"S": bucket}}})
    cloud.bucket(bucket, "y")
    cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    foreign = {"Sid": "Foreign", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    cloud.s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [foreign]})
    )
    code, found, _ = operate("tenants verify", "x")
    problems = {
        problem["what"].removeprefix(f"bucket {bucket}: "): problem
        for problem in found["items"][0]["problems"]
    }
    assert code == 1
    assert (problems["versioning"]["actual"], problems["versioning"]["wanted"]) == ("Suspended", "Enabled")
    assert problems["versioning"]["message"].endswith("versioning: is Suspended, wanted Enabled")
    assert (problems["tag tenantId"]["actual"], problems["tag tenantId"]["wanted"]) == ("y", "x")
    assert problems["public access"]["actual"] is None
    assert problems["public access"]["wanted"]["BlockPublicAcls"] is True
    assert "has Foreign, which is not wanted" in problems["policy"]["message"]
    assert "lacks " in problems["policy"]["message"]


def test_resources_without_a_record_are_found_and_never_touched(cloud: Cloud, operate: Operate) -> None:
    cloud.pooled("good")
    cloud.put("half-made", "PROVISIONING", tier="ENTERPRISE")
    cloud.put("moved", "FAILED", tier="ENTERPRISE", failureReason="x", resources={"M": OWN}, GSI4PK="FAILED")
    for tenant_id in ("lost", "moved", "half-made"):
        cloud.s3.put_object(Bucket=BUCKET, Key=f"tenants/{tenant_id}/file", Body=b"")
    cloud.s3.put_object(Bucket=BUCKET, Key="elsewhere/file", Body=b"")
    start = "tenkacloud-test-silo-"
    cloud.bucket(f"{start}gone-0123456789abcdef", "gone")
    cloud.bucket(f"{start}good-0123456789abcdef", "good")
    cloud.bucket(f"{start}half-made-0123456789abcdef", "half-made")
    cloud.bucket(f"{start}untagged-0123456789abcdef")
    cloud.bucket("tenkacloud-testing-silo-other-0123456789abcdef", "other")
    code, report, _ = operate("tenants verify", "--all")
    found = {
        (finding["tenantId"], problem["message"])
        for finding in report["items"]
        for problem in finding["problems"]
        if problem["message"].startswith(("bucket", "prefix"))
    }
    assert code == 1
    assert {(tenant_id, problem.split(": its ")[0].split(": no ")[0]) for tenant_id, problem in found} == {
        ("gone", f"bucket {start}gone-0123456789abcdef"),
        ("good", f"bucket {start}good-0123456789abcdef"),
        (None, f"bucket {start}untagged-0123456789abcdef"),
        ("lost", f"prefix {BUCKET}: tenants/lost/"),
        ("moved", f"prefix {BUCKET}: tenants/moved/"),
    }
    before = len(cloud.s3.list_buckets()["Buckets"])
    reconciler_is(cloud, {"batchItemFailures": []})
    code, report, _ = operate("tenants repair", "--all")
    assert code == 1
    untouched = [each for each in report["items"] if each["repairDetail"].endswith("never deleted")]
    assert {each["tenantId"] for each in untouched} == {"gone", "good", None, "lost", "moved"}
    assert len(cloud.s3.list_buckets()["Buckets"]) == before


def test_repairs_are_told_with_what_was_done_and_why_not(cloud: Cloud, operate: Operate) -> None:
    for tenant_id in ("mended", "denied", "no-change"):
        cloud.pooled(tenant_id)
        cloud.s3.delete_object(Bucket=BUCKET, Key=names.pool_marker(TenantId(tenant_id)))
    cloud.put("misfit", tier="ENTERPRISE", resources={"M": PREFIX})
    cloud.put("hopeless", tier="ENTERPRISE", resources={"M": PREFIX})
    cloud.put("no-reason", "FAILED", GSI4PK="FAILED", GSI4SK="2026-01-01T00:00:00.000Z")

    def repair(payload: Any) -> dict[str, str]:
        assert payload["action"] == "repair"
        cloud.pooled("mended")
        cloud.pooled("misfit", tier="PRO")
        cloud.failed("hopeless", tier="ENTERPRISE")
        answers = {"mended": "asked", "misfit": "requested", "hopeless": "requested", "no-change": "asked"}
        return {each: answers.get(each, "there is no such tenant") for each in payload["tenantIds"]}

    reconciler_is(cloud, repair)
    code, report, _ = operate("tenants repair", "--all", "--dry-run")
    assert (code, cloud.lambda_.invoked, "repair" in report["items"][0]) == (1, [], False)
    code, report, told = operate("tenants repair", "--all")
    found = {finding["tenantId"]: finding for finding in report["items"]}
    outcomes = {tenant_id: (each["repair"], each["repairDetail"]) for tenant_id, each in found.items()}
    assert code == 1
    marker = names.pool_marker(TenantId("mended"))
    assert outcomes["mended"] == ("repaired", f"marker {BUCKET}/{marker}: absent → present")
    assert outcomes["misfit"] == ("repaired", "resources do not fit tier ENTERPRISE put right")
    assert outcomes["hopeless"] == ("not repaired", "FAILED: because")
    assert outcomes["denied"] == ("not repaired", "there is no such tenant")
    assert outcomes["no-reason"][1] == "it is FAILED, and only COMPLETED tenants are repaired"
    assert outcomes["no-change"][1].startswith("within 60 s: marker ")
    assert all(f"{tenant_id}: {repair}: {did}" in told for tenant_id, (repair, did) in outcomes.items())
    assert found["mended"]["problems"][0]["message"].startswith("marker ")


def test_a_time_that_is_none_counts_as_long_ago() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for value in ({"S": "9999-99-99T99:99:99Z"}, {"N": "1"}):
        assert tenants.seconds_in_flight({"GSI3SK": value}, now) == now.timestamp()
    assert tenants.seconds_in_flight({}, now) is None
