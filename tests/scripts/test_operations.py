"""The operator's tool, as far as it needs no AWS: what is typed, what is printed, how it ends."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import typer
from botocore.exceptions import ClientError

from scripts.operator import dead_letters, docs
from scripts.operator.app import main
from scripts.operator.catalogue import commands
from scripts.operator.environment import plain, require_running
from scripts.operator.options import MessageKind, OperationState, Status, duration, moment
from scripts.operator.output import Column, Format, Kind, Printer, age
from scripts.operator.rate_limit import RateLimit
from scripts.operator.session import Session
from scripts.tooling.aws import Endpoint
from scripts.tooling.project import ROOT, CommandError, UsageError
from scripts.tooling.virtualenv import write_command
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import PhaseState
from tenkacloud.tenants.validation import TenantStatus
from tests.scripts.operator_cloud import FakeClock, client_error

# --- dead-letter messages


def message(body: Any, **attributes: str) -> dict[str, Any]:
    return {
        "MessageId": "1",
        "ReceiptHandle": "r",
        "Body": body if isinstance(body, str) else json.dumps(body),
        "MessageAttributes": {name: {"StringValue": value} for name, value in attributes.items()},
    }


EVENT = {"detail-type": "TenantOnboarding", "detail": {"tenantId": "acme"}}


@pytest.mark.parametrize(
    ("found", "kind", "tenant_id", "reason"),
    [
        (
            message(
                {
                    "requestContext": {"condition": "Rejected"},
                    "requestPayload": EVENT,
                    "responsePayload": {"errorMessage": "detail.slug is missing"},
                }
            ),
            "rejected",
            "acme",
            "detail.slug is missing",
        ),
        (
            message({"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": EVENT}),
            "invocation",
            "acme",
            "RetriesExhausted",
        ),
        (message(EVENT, ERROR_CODE="NO_PERMISSIONS"), "event", "acme", "NO_PERMISSIONS"),
        (message(EVENT), "event", "acme", "could not be delivered"),
        (
            message({"requestContext": {"condition": "RetryAttemptsExhausted"}, "DDBStreamBatchInfo": {}}),
            "stream",
            None,
            "RetryAttemptsExhausted",
        ),
        (message("no json"), "unknown", None, "is not a JSON object"),
        (message([1]), "unknown", None, "is not a JSON object"),
        (message({}), "unknown", None, "has no known shape"),
        (message({"requestPayload": "text", "detail": 1}), "invocation", None, ""),
        (message({"event": EVENT, "cursor": {"key": "x"}}), "queue", "acme", "its function failed on it"),
        (message({"event": EVENT, "cursor": None}), "queue", "acme", "its function failed on it"),
    ],
)
def test_a_dead_letter_message_says_what_it_is(
    found: dict[str, Any], kind: str, tenant_id: str | None, reason: str
) -> None:
    read = dead_letters.read("provisioning", found)
    assert (read.kind, read.tenant_id) == (kind, tenant_id)
    assert read.reason.startswith(reason)
    assert bool(read.reason) == bool(reason)
    assert read.kind in list(MessageKind)


def test_items_are_given_as_plain_values() -> None:
    item = {
        "PK": {"S": "TENANT#a"},
        "GSI1PK": {"S": "x"},
        "n": {"N": "3"},
        "f": {"N": "1.5"},
        "m": {"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}, {"S": "s"}]}}},
        "b": {"B": b"x"},
    }
    assert plain(item, hidden=("PK",)) == {"n": 3, "f": 1.5, "m": {"l": [None, False, "s"]}, "b": "b'x'"}


# --- what is typed


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-31T09:00:00", "2026-13-01T00:00:00Z"])
def test_a_time_without_a_zone_is_rejected(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a time like"):
        moment(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("2D", 172_800),
        ("1d2h3m4s", 93_784),
        ("0", 0),
        ("1m2", 62),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1", "1w", "5 m", "1.5h", "30m1h", "fast"])
def test_what_is_not_a_duration_is_rejected(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a duration like"):
        duration(text)


WRONG = [
    ([], "Missing command", "tenkacloud --help"),
    (["nonsense"], "No such command 'nonsense'", "tenkacloud --help"),
    (["tenants", "retry"], "say which: tenant ids, or --all", ""),
    (["tenants", "retry", "a", "--all"], "say which: tenant ids, or --all", ""),
    (["tenants", "list", "--status", "ODD"], "'ODD' is not one of", "tenkacloud tenants list --help"),
    (["tenants", "list", "--sort", "odd"], "'odd' is not one of id, name", "tenkacloud tenants list --help"),
    (["tenants", "list", "--limit", "0"], "--limit", "tenkacloud tenants list --help"),
    (["tenants", "list", "--older-than", "x"], "not a duration", "tenkacloud tenants list --help"),
    (["tenants", "list", "--nonsense"], "No such option", "tenkacloud tenants list --help"),
    (["dead-letters", "redrive", "--rate", "x"], "--rate", "tenkacloud dead-letters redrive --help"),
    (["reconcile", "--older-than", "-1"], "not a duration", "tenkacloud reconcile --help"),
    (["tenants", "show"], "Missing argument", "tenkacloud tenants show --help"),
    (["tenants", "suspend", "a"], "Missing option '--reason'", "tenkacloud tenants suspend --help"),
    (
        ["tenants", "change-tier", "a", "GOLD"],
        "'GOLD' is not one of",
        "tenkacloud tenants change-tier --help",
    ),
    (["tenants", "offboard", "a"], "give --confirm a", ""),
    (["tenants", "offboard", "a", "--confirm", "b"], "--confirm is not a: nothing was done", ""),
    (["operations", "list", "--state", "x"], "'x' is not one of", "tenkacloud operations list --help"),
    (["tenants", "list", "-o", "xml"], "'xml' is not one of", "tenkacloud tenants list --help"),
]


def no_environment(name: str) -> Any:
    raise AssertionError("nothing is connected for a command that is wrong")


@pytest.mark.parametrize(("arguments", "problem", "where"), WRONG)
def test_wrong_usage_ends_with_2_and_one_line_that_says_where_help_is(
    arguments: list[str], problem: str, where: str
) -> None:
    with pytest.raises(UsageError) as ended:
        main(arguments, Session(connect=no_environment))
    said = str(ended.value)
    assert ended.value.status == 2
    assert said.startswith("error: ")
    assert problem in said
    assert said.endswith(where)
    assert "\n" not in said
    assert "Value error" not in said


# --- how it ends


@pytest.mark.parametrize(
    ("code", "next_step"),
    [
        ("ExpiredToken", "sign in again"),
        ("AccessDeniedException", "AWS_PROFILE"),
        ("ResourceNotFoundException", "make deploy-local"),
        ("ThrottlingException", "try again in a minute"),
    ],
)
def test_an_error_of_aws_is_one_line_with_the_next_step(code: str, next_step: str) -> None:
    def connect(name: str) -> Any:
        raise client_error(code)

    with pytest.raises(CommandError) as ended:
        main(["tenants", "list"], Session(connect=connect))
    assert str(ended.value).startswith(f"error: {code}: ")
    assert next_step in str(ended.value)
    assert "\n" not in str(ended.value)


def test_a_stopped_endpoint_is_called_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}")
        require_running(endpoint)
    with pytest.raises(CommandError, match=r"the local engine is not running .*make deploy-local"):
        require_running(endpoint)


def test_what_is_our_own_mistake_is_not_hidden() -> None:
    def connect(name: str) -> Any:
        raise client_error("ValidationException")

    with pytest.raises(ClientError):
        main(["tenants", "list"], Session(connect=connect))


def tool(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/run", "scripts.operator", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        text=True,
        capture_output=True,
        check=False,
    )


def test_ctrl_c_leaves_no_traceback() -> None:
    program = (
        "from scripts.operator.app import main\n"
        "from scripts.operator.session import Session\n"
        "from scripts.tooling.project import run\n"
        "def connect(name): raise KeyboardInterrupt\n"
        "run(lambda arguments: main(['tenants', 'list'], Session(connect=connect)))\n"
    )
    paths = os.pathsep.join([str(ROOT), str(ROOT / "backend" / "shared" / "src")])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "stopped; the same command can be run again\n")


def test_help_loads_neither_boto3_nor_terraform() -> None:
    program = (
        "import sys\n"
        "from scripts.operator.app import main\n"
        "assert main(['tenants', 'retry', '--help']) == 0\n"
        "print([name for name in ('boto3', 'botocore') if name in sys.modules], file=sys.stderr)\n"
    )
    paths = os.pathsep.join([str(ROOT), str(ROOT / "backend" / "shared" / "src")])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stderr == "[]\n"


def test_what_a_list_can_be_of_is_every_status_there_is() -> None:
    assert {*Status} == {*TenantStatus} | {*ProvisioningStatus}
    assert {*OperationState} == {*PhaseState} | {"KEPT"}


def test_words_are_completed() -> None:
    completion = {"_TENKACLOUD_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    done = tool(**completion, COMP_WORDS="tenkacloud dead-letters ")
    assert set(done.stdout.split()) >= {"list", "show", "redrive", "discard"}
    done = tool(**{**completion, "COMP_CWORD": "4"}, COMP_WORDS="tenkacloud tenants list --env ")
    assert set(done.stdout.split()) >= {"local", "dev", "staging", "prod"}
    done = tool(**{**completion, "COMP_CWORD": "4"}, COMP_WORDS="tenkacloud tenants list --status F")
    assert done.stdout.strip() == "FAILED"


def test_the_command_runs_from_any_folder_and_through_a_link(tmp_path: Path) -> None:
    venv = tmp_path / "a venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (venv / "bin" / "python").chmod(0o755)
    write_command(venv)
    link = tmp_path / "tenkacloud"
    link.symlink_to(venv / "bin" / "tenkacloud")
    # A folder of the caller's with our packages' names changes nothing
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__init__.py").write_text("raise SystemExit('not ours')\n")
    done = subprocess.run(
        [str(link), "tenants", "list", "--status", "odd"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, "see tenkacloud tenants list --help" in done.stderr) == (2, True), done.stderr


def test_the_tool_has_requirements_of_its_own() -> None:
    names = {
        line.split("==")[0]
        for line in Path("requirements/operator.txt").read_text().splitlines()
        if "==" in line
    }
    assert {"boto3", "typer", "rich"} <= names
    assert not names & {"z3-solver", "mypy", "moto", "pytest", "ruff"}


# --- how fast things are sent


def test_what_is_sent_is_limited() -> None:
    clock = FakeClock()
    limit = RateLimit(4, clock)
    for _ in range(3):
        limit.wait()
    assert clock.naps == [0.25, 0.25]
    clock.sleep(10)
    limit.wait()
    limit.wait()
    assert clock.naps == [0.25, 0.25, 10, 0.25]  # a pause is no credit


# --- what is printed


COLUMNS = (
    Column("tenantId", "TENANT", whole=True, max_width=26),
    Column("name", "NAME", max_width=16),
    Column("status", "STATUS", Kind.STATE),
    Column("ageSeconds", "AGE", Kind.AGE),
    Column("createdAt", "CREATED", Kind.TIME, wide=True),
    Column("reason", "REASON"),
)
ITEM = {
    "tenantId": "0190b5f3-3b5e-7c7d-8e5f-2f6d1c9b4a10",
    "name": "A rather long name of a tenant",
    "status": "FAILED",
    "ageSeconds": 7500,
    "createdAt": "2026-01-01T00:00:00.000Z",
    "reason": "this AWS account is at its limit of buckets; raise the quota, then retry, if that is done",
}
SUMMARY = {"environment": "test", "count": 1}


def printed(capsys: pytest.CaptureFixture[str], form: Format, *items: Any, **more: Any) -> str:
    headers = more.pop("headers", True)
    session = replace(Session(width=80, timezone=timezone(timedelta(hours=9))), **more)
    Printer(session, form, headers).print(items, COLUMNS, SUMMARY)
    return capsys.readouterr().out


def test_a_table_is_readable_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, Format.TABLE, ITEM).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["TENANT", "NAME", "STATUS", "AGE", "REASON"]
    # An id is folded, so that it can be copied; other texts are cut
    assert "".join(line[:26].strip() for line in lines[1:]) == ITEM["tenantId"]
    assert "A rather long n…" in lines[1]
    assert "2h5m" in lines[1]
    assert lines[1].rstrip().endswith("…")


def test_a_wide_table_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, Format.WIDE, ITEM, width=200)
    assert all(str(ITEM[name]) in text for name in ("tenantId", "name", "reason", "createdAt"))


def test_times_are_local_and_states_in_colour_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    seen = printed(capsys, Format.WIDE, ITEM, output_is_terminal=True, width=200)
    assert "2026-01-01 09:00:00" in seen
    assert "\x1b[31mFAILED" in seen
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in printed(capsys, Format.WIDE, ITEM, output_is_terminal=True, width=200)
    elsewhere = printed(capsys, Format.WIDE, ITEM, width=200)
    assert "2026-01-01T00:00:00.000Z" in elsewhere
    assert "\x1b" not in elsewhere


def test_what_a_record_holds_moves_no_cursor_and_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, Format.WIDE, {**ITEM, "name": "\x1b[2J[red]x\x07", "reason": None}, width=200)
    assert "\\x1b[2J[red]x\\x07" in text
    assert "\x1b" not in text


def test_json_is_one_envelope(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, Format.JSON, ITEM)) == {"items": [ITEM], "summary": SUMMARY}


def test_csv_and_tsv_are_lines_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    odd = {**ITEM, "name": 'a\tb\nc\\ "d", e', "reason": {"s3Prefix": "x"}, "status": None}
    rows = list(csv.DictReader(io.StringIO(printed(capsys, Format.CSV, odd))))
    assert rows == [
        {
            **{k: str(v) for k, v in odd.items()},
            "status": "",
            "reason": '{"s3Prefix": "x"}',
            "ageSeconds": "7500",
        }
    ]
    header, line = printed(capsys, Format.TSV, odd).splitlines()
    assert header == "tenantId\tname\tstatus\tageSeconds\tcreatedAt\treason"
    assert line.split("\t")[1] == 'a\\tb\\nc\\\\ "d", e'
    assert len(line.split("\t")) == len(COLUMNS)
    assert printed(capsys, Format.TSV, odd, headers=False).splitlines() == [line]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (60, "1m"),
        (61, "1m1s"),
        (630, "10m"),
        (3600, "1h"),
        (3_599 + 3600, "1h59m"),
        (11 * 3600, "11h"),
        (86_400 + 60, "1d"),
        (9 * 86_400 + 7200, "9d2h"),
        (40 * 86_400, "40d"),
    ],
)
def test_ages_are_rounded_for_people(seconds: float, text: str) -> None:
    assert age(seconds) == text


# --- the manual


def test_every_command_and_option_is_explained() -> None:
    for command in commands().values():
        assert command.help, command
        for option in command.options.values():
            assert option.help, (str(command), option.name)


def test_the_tables_of_the_manual_are_those_of_the_program() -> None:
    assert docs.stale() == [], "make docs writes them"
    for command in commands().values():
        assert f"`tenkacloud {command}`" in Path("docs/operations.md").read_text()


def test_a_table_is_written_between_its_marks() -> None:
    page = "a\n<!-- commands: begin -->\nSTALE\n<!-- commands: end -->\nb\n"
    written = docs.written(page)
    assert written.startswith("a\n<!-- commands: begin -->\n| command |")
    assert written.endswith("<!-- commands: end -->\nb\n")
    assert "STALE" not in written
    assert docs.written(written) == written
    with pytest.raises(CommandError, match="there is no <!-- commands: end -->"):
        docs.written("<!-- commands: begin -->")


def test_the_time_of_a_message_is_read() -> None:
    sent = {**message(EVENT), "Attributes": {"SentTimestamp": "1767225600000"}}
    assert dead_letters.read("x", sent).age(datetime(2026, 1, 1, 1, tzinfo=UTC)) == 3600
    assert dead_letters.read("x", message(EVENT)).age(datetime(2026, 1, 1, tzinfo=UTC)) is None
