"""What a rejected event looks like in the queue: never larger than a message may be."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.dead_letters import BODY_MAX, message_body

#: What SQS takes in a message.
ALLOWED = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
NOW = datetime(2026, 1, 31, 9, 0, 1, tzinfo=UTC)
EVENT_MAX = 1_000_000  # four times what EventBridge takes
ENVELOPE = {
    "id": "3b9b-1",
    "source": "tenkacloud.control-plane",
    "detail-type": "TenantOnboarding",
    "time": "2026-01-31T09:00:00Z",
}


def _joined(text: str) -> str:
    """Return a text as JSON's parser would: two halves of a surrogate pair beside each other are one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def message(event: Any, reason: str = "detail.tier is missing") -> dict[str, Any]:
    """Return a message as an operator's tool reads it, after checking that SQS takes it."""
    body = message_body(event, InvalidFieldError("", reason), request_id="r", function_arn="arn:f", now=NOW)
    assert len(body.encode()) <= BODY_MAX
    assert ALLOWED.fullmatch(body)
    content: dict[str, Any] = json.loads(body)
    assert reason[:100] in content["responsePayload"]["errorMessage"]
    assert content["requestContext"]["condition"] == "Rejected"
    return content


# Every character that JSON can hold: astral ones, halves of surrogate pairs, quotes, controls.
characters = st.characters(categories=None)
texts = st.text(characters, min_size=1, max_size=8).flatmap(
    lambda piece: st.integers(0, EVENT_MAX // (len(piece) * 4)).map(lambda times: _joined(piece * times))
)
details = st.one_of(
    st.dictionaries(st.sampled_from(["tenantId", "tenantName", "tier", "other"]), texts, max_size=4),
    st.lists(st.integers(), max_size=10).map(lambda numbers: numbers * 2000),
    texts,
    st.none(),
)
events = st.one_of(
    st.fixed_dictionaries(dict.fromkeys(ENVELOPE, texts) | {"detail": details}),
    details.map(lambda detail: {**ENVELOPE, "detail": detail}),
    details,
)


@given(events, texts)
def test_any_event_fits_into_a_message_with_its_reason(event: Any, reason: str) -> None:
    content = message(event, reason)
    payload = content["requestPayload"]
    if isinstance(payload, dict) and payload.get("truncated"):
        assert payload["originalBytes"] > BODY_MAX - 100_000
        assert "archive" in content["responsePayload"]["errorMessage"]
    else:
        assert payload == event


def test_a_large_event_is_truncated_and_says_where_the_whole_is() -> None:
    detail = {"tenantId": "acme", "note": "縁" * 100_000}
    event = {**ENVELOPE, "account": "123456789012", "detail": detail}
    content = message(event)
    original = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    payload = content["requestPayload"]
    excerpt = payload.pop("excerpt")
    assert payload == {
        **ENVELOPE,
        "detail": {"tenantId": "acme"},
        "truncated": True,
        "originalBytes": len(original),
        "sha256": hashlib.sha256(original).hexdigest(),
    }
    assert len(excerpt) > 10_000
    assert json.dumps(detail, ensure_ascii=False, separators=(",", ":")).startswith(excerpt)
    assert content["responsePayload"] == {
        "errorType": "InvalidFieldError",
        "errorMessage": f" detail.tier is missing (this event of {len(original)} bytes is truncated: "
        "the bus's archive has all of it)",
    }


@pytest.mark.parametrize(
    "character", ['"', "\\", "\0", "\ud800", "\ufffe", "\uffff", "\x7f", "é", "縁", "😀"]
)
@pytest.mark.parametrize(
    "of", [lambda text: {**ENVELOPE, "detail": text}, lambda text: dict.fromkeys(ENVELOPE, text)]
)
def test_a_large_event_of_any_one_character_fits(character: str, of: Callable[[str], Any]) -> None:
    """The worst of each kind: some are escaped once, some twice."""
    payload = message(of(character * (EVENT_MAX // 3)), character * EVENT_MAX)["requestPayload"]
    assert payload["truncated"] is True


@pytest.mark.parametrize("character", ["a", "縁", "😀"])
def test_an_event_that_fits_is_kept_whole(character: str) -> None:
    """Escapes would make three bytes of Japanese six, and four of an emoji twelve."""
    event = {**ENVELOPE, "detail": {"note": character * (240_000 // len(character.encode()))}}
    assert message(event)["requestPayload"] == event


def test_a_long_reason_is_cut() -> None:
    content = message({**ENVELOPE, "detail": {}}, "x" * EVENT_MAX)
    assert len(content["responsePayload"]["errorMessage"]) < 1100
