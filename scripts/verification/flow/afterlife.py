"""What could bring a deleted tenant back, and does not: old events, dead-letter messages, a put-item.

The archive is replayed, every event of the tenant is brought back once more as a message of a dead-letter
queue, and the record is written over the tombstone. Once the flow has settled, there is nothing of the tenant
but its tombstone and its certificate.
"""

import json
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from scripts.operator import dead_letters, replaying
from scripts.operator.environment import Environment
from scripts.tooling.aws import Clients
from scripts.tooling.deployment import COMPLETION, PROVISIONER, Deployment
from scripts.tooling.project import CommandError
from scripts.tooling.waiting import wait_until
from scripts.verification.flow import tenant_data
from scripts.verification.flow.bus import Recording
from scripts.verification.flow.operating import Operator
from scripts.verification.flow.tenants import Tenant
from tenkacloud.events.contract import Event
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.events.tenant_provisioned import ProvisioningResult
from tenkacloud.platform.clock import SystemClock
from tenkacloud.tenants.keys import BY_STATUS_TIER, DUE, IN_FLIGHT, PARTITION, SORT
from tenkacloud.tenants.lifecycle import ProvisioningStatus
from tenkacloud.tenants.operations import OPERATION, OUTBOX
from tenkacloud.tenants.validation import TenantStatus

#: All that a tombstone says: nothing about a person.
_TOMBSTONE: Final = frozenset(
    {
        PARTITION,
        SORT,
        *BY_STATUS_TIER.attributes,
        "EntityType",
        "createdAt",
        "deletedAt",
        "id",
        "provisioningStatus",
        "revision",
        "status",
        "tier",
        "updatedAt",
    }
)
#: What a record has as long as somebody still has to do something about its tenant.
_UNSETTLED: Final = (OPERATION, OUTBOX, IN_FLIGHT.partition, DUE.partition)
#: The events of an onboarding, by the service that takes them.
_ONBOARDING: Final[Mapping[str, type[Event]]] = {
    PROVISIONER: TenantOnboarding,
    COMPLETION: ProvisioningResult,
}
_DELETED: Final = {"S": TenantStatus.DELETED.value}
_POLL: Final = 0.2
#: Before any event of an archive.
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Outcome:
    """What came of it. `replayed` counts the old events of these tenants that were sent once more."""

    replayed: int = 0
    problems: list[str] = field(default_factory=list)


def problems_of_tombstone(record: dict[str, Any], tenant: Tenant) -> list[str]:
    """Return what is wrong with the record of a deleted tenant."""
    problems = [f"the tombstone has {name}" for name in sorted(record.keys() - _TOMBSTONE)]
    for name, wanted in (
        ("status", TenantStatus.DELETED),
        ("provisioningStatus", ProvisioningStatus.DEPROVISIONED),
    ):
        if record.get(name) != {"S": wanted.value}:
            problems.append(f"the tombstone's {name} is {record.get(name)}, not {wanted}")
    if tenant.item["name"]["S"] in json.dumps(record):
        problems.append("the tombstone names its tenant")
    return problems


def run(
    deployment: Deployment,
    clients: Clients,
    bus: Recording,
    operator: Operator,
    tenants: Sequence[Tenant],
    timeout: float,
    since: datetime,
) -> Outcome:
    """Try to bring back deleted tenants; return what came of it. `since`: of the archive's events."""
    outcome = Outcome()
    certificates = {tenant.id: operator.certificate(tenant.id) for tenant in tenants}
    world = _Afterlife(deployment, clients, bus, operator, timeout)
    # All at once, as it might well come.
    steps = (lambda: world.replay(tenants, since), lambda: world.redrive(tenants))
    began = time.time()
    try:
        world.write_over(tenants)
        with ThreadPoolExecutor(len(steps)) as pool:
            replayed, redriven = (ended.result() for ended in [pool.submit(step) for step in steps])
        outcome.replayed = replayed.total()
        world.wait_for_provisioner(replayed + redriven, began)
        world.settle(tenants)
    except CommandError as error:
        outcome.problems.append(str(error))
    for tenant in tenants:
        record = tenant.record(deployment, clients)
        left = tenant_data.remains(deployment, clients, tenant.id, tenant.slug)
        problems = [*problems_of_tombstone(record, tenant), *(f"came back: {each}" for each in left)]
        if operator.certificate(tenant.id) != certificates[tenant.id]:
            problems.append("its certificate was written over")
        outcome.problems += [f"{tenant.id}, after all old events: {problem}" for problem in problems]
    return outcome


@dataclass(frozen=True)
class _Afterlife:
    deployment: Deployment
    clients: Clients
    bus: Recording
    operator: Operator
    timeout: float

    def replay(self, tenants: Sequence[Tenant], since: datetime) -> Counter[tuple[str, str]]:
        """Replay the archive; return how many events of each tenant came again, by their kind."""
        before = {tenant.id: self._seen(tenant) for tenant in tenants}
        now = datetime.now(UTC)
        replaying.replay(
            Environment(self.deployment, self.clients),
            since,
            now,
            SystemClock(),
            seconds=self.timeout,
            tell=lambda _: None,
        )
        for tenant in tenants:
            self._wait_until_there_again(tenant, before[tenant.id])
        return Counter(
            {(id_, kind): count for id_, counts in before.items() for kind, count in counts.items()}
        )

    def _seen(self, tenant: Tenant) -> Counter[str]:
        return Counter(copy.kind for copy in self.bus.of(tenant.id))

    def _wait_until_there_again(self, tenant: Tenant, before: Counter[str]) -> None:
        wanted = Counter({kind: 2 * count for kind, count in before.items()})
        wait_until(
            lambda: f"{tenant.id}: events {dict(wanted)} (there are {dict(self._seen(tenant))})",
            lambda: self._seen(tenant) >= wanted,
            self.timeout,
            poll=_POLL,
        )

    def wait_for_provisioner(self, events: Counter[tuple[str, str]], began: float) -> None:
        """Wait until the provisioner has spoken of each event: then it makes nothing any more."""
        wanted = {id_: count for (id_, kind), count in events.items() if kind == TenantOnboarding.DETAIL_TYPE}
        wait_until(
            f"{PROVISIONER} to be through with old events: {wanted}",
            lambda: all(len(self._said_of(id_, began)) >= count for id_, count in wanted.items()),
            self.timeout,
            poll=_POLL,
        )

    def _said_of(self, tenant_id: str, began: float) -> list[str]:
        pages = self.clients.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.deployment.log_group_names[PROVISIONER],
            filterPattern=f'"{tenant_id}"',
            startTime=int(began * 1000),
        )
        return [event["message"] for page in pages for event in page["events"]]

    def redrive(self, tenants: Sequence[Tenant]) -> Counter[tuple[str, str]]:
        """Have the old events of the onboarding lie in the dead-letter queues, and bring them back by force.

        The operator's tool leaves what is a deleted tenant's; the functions get it nevertheless, as by an
        operator who invokes them by hand. Return how many of each tenant they were, by their kind.
        """
        events = [event for tenant in tenants for event in self._old_events(tenant)]
        sent = {
            self.clients.sqs.send_message(
                QueueUrl=self.deployment.dead_letter_queue_urls[service], MessageBody=json.dumps(event)
            )["MessageId"]
            for service, event in events
        }
        environment, clock = Environment(self.deployment, self.clients), SystemClock()
        ids, everything = frozenset(sent), dead_letters.Selection()
        back = dead_letters.redrive(
            environment, everything, clock, only=ids, rejected=True, force=True, before=lambda: None
        )
        deque(back, maxlen=0)
        deque(dead_letters.discard(environment, everything, clock, only=ids, export=None), maxlen=0)
        for service, event in events:
            self.clients.lambda_.invoke(
                FunctionName=self.deployment.lambda_function_names[service],
                InvocationType="Event",
                Payload=json.dumps(event).encode(),
            )
        return Counter((event["detail"]["tenantId"], event["detail-type"]) for _, event in events)

    def _old_events(self, tenant: Tenant) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the events of a tenant's onboarding, each once, with the service that takes it."""
        for service, kind in _ONBOARDING.items():
            copies = self.bus.of(tenant.id, kind.DETAIL_TYPE)
            for copy in {json.dumps(copy.detail, sort_keys=True): copy for copy in copies}.values():
                yield (
                    service,
                    {
                        "version": "0",
                        "id": copy.id,
                        "source": kind.SOURCE,
                        "detail-type": copy.kind,
                        "detail": copy.detail,
                    },
                )

    def write_over(self, tenants: Sequence[Tenant]) -> None:
        """Write each tenant's first record over its tombstone, and wait until the tombstone is back."""
        for tenant in tenants:
            self.clients.dynamodb.put_item(TableName=self.deployment.table_name, Item=tenant.item)
        wait_until(
            "the tombstones to be back",
            lambda: all(self._record(tenant).get("status") == _DELETED for tenant in tenants),
            self.timeout,
            poll=_POLL,
        )

    def _record(self, tenant: Tenant) -> dict[str, Any]:
        return tenant.record(self.deployment, self.clients)

    def settle(self, tenants: Sequence[Tenant]) -> None:
        """Wait until nobody has anything to do any more, and nothing is left; what is due is taken."""
        wait_until(
            lambda: f"the flow to settle ({', '.join(self._unsettled(tenants)) or 'it has, just now'})",
            lambda: not any(self._unsettled(tenants)),
            self.timeout,
            poll=_POLL,
        )

    def _unsettled(self, tenants: Sequence[Tenant]) -> Iterator[str]:
        for service, url in self.deployment.queue_urls.items():
            # Not those that are invisible: the message of a call that was killed is so for half an hour.
            names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
            found = self.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            if count := sum(map(int, found.values())):
                yield f"{count} messages in the queue of {service}"
        for tenant in tenants:
            record = self._record(tenant)
            self.operator.take_due(record)
            yield from (f"{tenant.id} has {name}" for name in _UNSETTLED if name in record)
            left = len(list(tenant_data.remains(self.deployment, self.clients, tenant.id, tenant.slug)))
            if left:
                yield f"{left} things left of {tenant.id}"
