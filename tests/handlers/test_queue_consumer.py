"""Taking slices from a queue: what comes again, when, and what goes to the dead-letter queue."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tenkacloud.events.dead_letters import DeadLetters
from tenkacloud.events.queue_consumer import RETRY_FIRST, RETRY_MAX, QueueConsumer, Slice
from tenkacloud.events.tenant_offboarding import TenantOffboarding
from tests.handlers.conftest import Cloud
from tests.handlers.slices import Queue
from tests.settings import QUEUE_URL
from tests.support import Context, golden

DEAD_LETTERS = "https://sqs/dead-letters"


class Handler:
    """Notes the slices that it gets, and fails if it is to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.slices: list[Slice] = []

    def __call__(self, _event: TenantOffboarding, slice_: Slice) -> None:
        self.slices.append(slice_)
        if self.error:
            raise self.error


def consume(cloud: Cloud, queue: Any, handler: Handler, body: str, receives: int = 1) -> Any:
    consumer = QueueConsumer(
        handlers={TenantOffboarding: handler},
        sqs=lambda: queue,
        queue_url=QUEUE_URL,
        dead_letters=DeadLetters(lambda: queue, DEAD_LETTERS),
        clock=cloud.clock,
    )
    record = {
        "messageId": "m",
        "receiptHandle": "receipt",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "eventSource": "aws:sqs",
    }
    return consumer.consume({"Records": [record]}, Context())  # type: ignore[arg-type]


BODY = json.dumps(golden("tenant_offboarding"))
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "GetItem")


def test_a_slice_goes_on_by_a_message_with_the_event_and_its_cursor(cloud: Cloud) -> None:
    queue, handler = Queue(cloud), Handler()
    assert consume(cloud, queue, handler, BODY) == {"batchItemFailures": []}
    handler.slices[0].send_slice({"after": "k"}, 7)
    (body, delay) = queue.waiting.popleft()
    assert (json.loads(body)["event"], delay) == (json.loads(BODY), 7)
    consume(cloud, queue, handler, body)
    assert [each.cursor for each in handler.slices] == [None, {"after": "k"}]


def test_one_that_failed_comes_again_soon_and_later_each_time(cloud: Cloud) -> None:
    queue = Queue(cloud)
    for receives in range(1, 9):
        answer = consume(cloud, queue, Handler(THROTTLED), BODY, receives)
        assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert queue.visibilities[:3] == [RETRY_FIRST, 2 * RETRY_FIRST, 4 * RETRY_FIRST]
    assert queue.visibilities[-1] == RETRY_MAX
    assert not queue.dead


def test_one_that_failed_is_told_of_also_where_it_cannot_come_sooner(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(cloud)

    def fail(**_arguments: Any) -> None:
        raise THROTTLED

    monkeypatch.setattr(queue, "change_message_visibility", fail)
    answer = consume(cloud, queue, Handler(THROTTLED), BODY)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "message must be an object"),
        (json.dumps({**json.loads(BODY), "detail-type": "Other"}), "detail-type 'Other' is unknown"),
        (json.dumps({"event": json.loads(BODY), "cursor": 1}), "cursor must be an object"),
    ],
)
def test_one_that_breaks_the_contract_is_put_aside_at_once(cloud: Cloud, body: str, reason: str) -> None:
    queue, handler = Queue(cloud), Handler()
    assert consume(cloud, queue, handler, body) == {"batchItemFailures": []}
    assert not handler.slices
    (message,) = queue.dead
    assert message["responsePayload"]["errorMessage"].startswith(reason)
