"""Copies of what goes over the tenants' bus, for as long as somebody listens."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.tooling.waiting import wait_until
from tenkacloud.events.registry import EVENTS

_PROBE: Final = "tenkacloud.e2e"  # source of an event that nobody consumes


@dataclass(frozen=True)
class Copy:
    """A copy of an event: `kind` is its detail type, `arrived` when it came, in seconds since the epoch."""

    id: str
    kind: str
    detail: dict[str, Any]
    arrived: float

    @property
    def tenant_id(self) -> str:
        """Whose event it is; empty if it does not say."""
        return str(self.detail.get("tenantId", ""))


@contextmanager
def listening(deployment: Deployment, clients: Clients) -> Iterator[str]:
    """Copy the bus into a queue of our own for a while; yield the queue's URL once copies arrive."""
    name = f"tenkacloud-{deployment.environment}-e2e-{uuid.uuid4().hex[:8]}"
    rule_arn = f"{deployment.event_bus_arn.replace(':event-bus/', ':rule/')}/{name}"
    bus = deployment.event_bus_name
    partition = deployment.event_bus_arn.split(":")[1]
    queue_arn = f"arn:{partition}:sqs:{deployment.region}:{deployment.account_id}:{name}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
            }
        ],
    }
    queue_url = clients.sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})[
        "QueueUrl"
    ]
    try:
        pattern = {"source": [*{event.SOURCE for event in EVENTS.values()}, _PROBE]}
        clients.events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        clients.events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "e2e", "Arn": queue_arn}])
        _wait_for_probe(clients, bus, queue_url)
        yield queue_url
    finally:
        clients.events.remove_targets(Rule=name, EventBusName=bus, Ids=["e2e"])
        clients.events.delete_rule(Name=name, EventBusName=bus)
        clients.sqs.delete_queue(QueueUrl=queue_url)


def _wait_for_probe(clients: Clients, bus: str, queue_url: str, seconds: float = 120) -> None:
    """Wait until the new rule is in force: on AWS that takes a while."""
    entry: Any = {"EventBusName": bus, "Source": _PROBE, "DetailType": "Probe", "Detail": "{}"}

    def is_delivered() -> bool:
        clients.events.put_events(Entries=[entry])
        return bool(clients.sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=2).get("Messages"))

    wait_until(f"a probe on bus {bus} to reach a rule of ours", is_delivered, seconds)


def received(clients: Clients, queue_url: str) -> list[Copy]:
    """Take the copies that are there, at most ten; wait a second for the first one."""
    answer = clients.sqs.receive_message(
        QueueUrl=queue_url,
        WaitTimeSeconds=1,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    messages = answer.get("Messages", [])
    if messages:
        taken: Any = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        clients.sqs.delete_message_batch(QueueUrl=queue_url, Entries=taken)
    return [_copy(message) for message in messages]


def _copy(message: Any) -> Copy:
    event = json.loads(message["Body"])
    arrived = int(message["Attributes"]["SentTimestamp"]) / 1000
    return Copy(event["id"], event["detail-type"], event["detail"], arrived)


class Recording:
    """All copies since the beginning, kept by a thread until the block ends.

    with Recording(deployment, clients) as bus:
        …
        bus.of("acme", "TenantTierChanged")
    """

    def __init__(self, deployment: Deployment, clients: Clients) -> None:
        self._deployment = deployment
        self._clients = clients
        self._copies: list[Copy] = []
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._error: BaseException | None = None

    def __enter__(self) -> "Recording":
        """Return it once copies arrive.

        Raises:
            CommandError: none do.
        """
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        """Take the queue and its rule away again."""
        self._over.set()
        self._thread.join()

    def of(self, tenant_id: str, kind: str = "", since: float = 0) -> list[Copy]:
        """Return a tenant's copies in the order in which they came: of one kind, or of all.

        `since`: when they came, in seconds since the epoch.
        """
        return [
            copy
            for copy in list(self._copies)
            if copy.tenant_id == tenant_id and kind in ("", copy.kind) and copy.arrived >= since
        ]

    def _record(self) -> None:
        try:
            with listening(self._deployment, self._clients) as queue_url:
                self._ready.set()
                while not self._over.is_set():
                    self._copies.extend(received(self._clients, queue_url))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            self._error = error
        finally:
            self._ready.set()
