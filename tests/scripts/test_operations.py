"""The operator's tool, as far as it needs no AWS; the rest is in tests/e2e."""

import json
from typing import Any

import pytest

from scripts.operator import letters, replaying
from scripts.operator.__main__ import main
from scripts.operator.environment import plain
from scripts.operator.pace import Pace
from scripts.tooling.project import CommandError


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
        (message("no json"), "unknown", None, "is no JSON object"),
        (message([1]), "unknown", None, "is no JSON object"),
        (message({}), "unknown", None, "is of no known shape"),
        (message({"requestPayload": "text", "detail": 1}), "invocation", None, ""),
    ],
)
def test_a_letter_says_what_it_is(
    found: dict[str, Any], kind: str, tenant_id: str | None, reason: str
) -> None:
    letter = letters.read("provisioning", found)
    assert (letter.kind, letter.tenant_id, letter.reason) == (kind, tenant_id, reason)


def test_items_are_shown_as_plain_values() -> None:
    item = {
        "PK": {"S": "TENANT#a"},
        "GSI1PK": {"S": "x"},
        "n": {"N": "3"},
        "f": {"N": "1.5"},
        "m": {"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}, {"S": "s"}]}}},
        "b": {"B": b"x"},
    }
    assert plain(item, hidden=("PK",)) == {"n": 3, "f": 1.5, "m": {"l": [None, False, "s"]}, "b": "b'x'"}


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-31T09:00:00", "2026-13-01T00:00:00Z"])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is no time like"):
        replaying.moment(text)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["retry"],
        ["retry", "--id", "a", "--all"],
        ["tenants", "--status", "ODD"],
        ["tenants", "--limit", "0"],
        ["redrive", "--rate", "x"],
        ["reconcile", "--older-than", "-1"],
    ],
)
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: " in capsys.readouterr().err


def test_work_is_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("scripts.operator.pace.time.monotonic", lambda: now[0])
    monkeypatch.setattr("scripts.operator.pace.time.sleep", sleep)
    assert list(Pace(4, visible=False).over("work", "abc")) == ["a", "b", "c"]
    assert slept == [0.0, 0.25, 0.25]
