"""Where an event goes that no retry can mend and no record can tell of.

The function's own dead-letter queue: operators look there anyway. It is put there at once, in the shape in
which Lambda reports a failed asynchronous invocation, so that one tool reads both.

An event may be as large as a message: with a reason around it, it would be too large, and SQS would not take
it. Such an event is truncated. The whole of it stays in the bus's archive, where its id and time find it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tenkacloud.platform.clock import rfc3339

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Bytes of UTF-8. SQS offers 1 MiB since August 2025, but not every queue does: nothing of ours sets the
#: attribute MaximumMessageSize, and queues of before, and other engines, have this for it.
BODY_MAX: Final = 256 * 1024
#: Bytes of an event's detail that a truncated event keeps. As a JSON string they at most double.
EXCERPT_MAX: Final = 64 * 1024
REASON_MAX: Final = 1000  # characters of the reason that are kept
_TEXT_MAX: Final = 256  # characters of a field of the envelope that are kept
#: What JSON may hold and a message may not: half a surrogate pair has no UTF-8, SQS takes no non-characters.
_NOT_IN_MESSAGES: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class DeadLetters:
    """A function's dead-letter queue. `client` returns the client: hardly any invocation needs one."""

    client: "Callable[[], SQSClient]"
    queue_url: str

    def reject(
        self, event: Any, reason: Exception, *, request_id: str, function_arn: str, now: datetime
    ) -> None:
        """Put an event there with the reason.

        Raises:
            botocore.exceptions.ClientError: the queue did not take it; AWS retries.
        """
        body = message_body(event, reason, request_id=request_id, function_arn=function_arn, now=now)
        self.client().send_message(QueueUrl=self.queue_url, MessageBody=body)


def message_body(event: Any, reason: Exception, *, request_id: str, function_arn: str, now: datetime) -> str:
    """Return the message for a rejected event: JSON of at most `BODY_MAX` bytes.

    `requestPayload` is the event. If that is too large: `truncated` true, `originalBytes` and `sha256` of the
    event as compact JSON, what there is of `id`, `source`, `detail-type`, `time` and `detail.tenantId`, and
    in `excerpt` how its detail begins. `responsePayload.errorMessage` then says where the whole event is.
    """
    said = _start_of(str(reason), REASON_MAX)

    def body(payload: Any, message: str) -> str:
        return _json(
            {
                "version": "1.0",
                "timestamp": rfc3339(now),
                "requestContext": {
                    "requestId": request_id,
                    "functionArn": function_arn,
                    "condition": "Rejected",
                    "approximateInvokeCount": 1,
                },
                "requestPayload": payload,
                "responsePayload": {"errorType": type(reason).__name__, "errorMessage": message},
            }
        )

    whole = body(event, said)
    if _size(whole) <= BODY_MAX:
        return whole
    event_json = _json(event)
    where = f"this event of {_size(event_json)} bytes is truncated: the bus's archive has all of it"
    return body(_truncated(event, event_json), f"{said} ({where})")


def _truncated(event: Any, event_json: str) -> dict[str, Any]:
    envelope = event if isinstance(event, Mapping) else {}
    detail = envelope.get("detail")
    tenant_id = detail.get("tenantId") if isinstance(detail, Mapping) else None
    kept = {
        name: _start_of(envelope[name], _TEXT_MAX)
        for name in ("id", "source", "detail-type", "time")
        if isinstance(envelope.get(name), str)
    }
    return {
        **kept,
        **({"detail": {"tenantId": _start_of(tenant_id, _TEXT_MAX)}} if isinstance(tenant_id, str) else {}),
        "truncated": True,
        "originalBytes": _size(event_json),
        "sha256": hashlib.sha256(event_json.encode()).hexdigest(),
        # Not in the middle of a character.
        "excerpt": (event_json if detail is None else _json(detail))
        .encode()[:EXCERPT_MAX]
        .decode(errors="ignore"),
    }


def _start_of(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}…"


def _json(value: Any) -> str:
    """Return compact JSON that a message may hold. Text stays as it is: escapes would double or treble it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _NOT_IN_MESSAGES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _size(text: str) -> int:
    return len(text.encode())
