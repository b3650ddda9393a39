"""A bound for suspension: once the write has returned, no request that begins later succeeds."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from problem_data.api import ROUTES
from scripts.tooling.waiting import wait_until
from scripts.verification.flow.tenants import Tenant, new_item, onboarded
from scripts.verification.isolation.datasets import scope_of
from scripts.verification.isolation.probe import Denial, Probe, probing
from tenkacloud.errors import TenantDeniedError
from tenkacloud.isolation.context import TenantContext
from tenkacloud.isolation.sessions import TenantAccess, Vendor
from tenkacloud.platform.clients import Clients
from tenkacloud.platform.clock import SystemClock
from tests.conftest import Stack

#: Requests that begin after the write, of each of the two tenants; in all, at least 2,000.
REQUESTS: Final = 1_000
THREADS: Final = 8
PROBLEM: Final = {"problemId": "p", "name": "f"}
FILE: Final = "/problems/{problemId}/files/{name+}"
SERVED, DENIED = "served", "denied"


class OfTheFunction(Clients):
    """Clients whose sessions are started by a function with the service's role: nobody else is trusted."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.started: list[str] = []

    def sts(self, region: str) -> Any:
        return self

    def assume_role(self, **request: Any) -> dict[str, Any]:
        credentials = self._probe.call("sts", "assume_role", request)
        assert not isinstance(credentials, Denial), credentials
        self.started.append(request["RoleSessionName"])
        expires_at = datetime.fromisoformat(credentials["Expiration"])
        return {"Credentials": {**credentials, "Expiration": expires_at.astimezone(UTC)}}


@dataclass
class Load:
    """Requests of one process that has sessions of its tenants ready, as a warm function has."""

    access: TenantAccess
    #: Of each request: its tenant, when it began (the clock of `time.monotonic`), and how it ended.
    answers: list[tuple[str, float, str]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def send(self, tenant_id: str, method: str, body: str | None = None) -> str:
        event = {"pathParameters": PROBLEM, "body": body, "headers": {"content-type": "text/plain"}}
        try:
            session = self.access.session(TenantContext(Tenant(new_item(tenant_id, "PRO", "x")).id))
            answer = ROUTES[f"{method} {FILE}"](session, event, datetime.now(UTC))
        except TenantDeniedError:
            return DENIED
        assert answer.status == 200, answer
        return SERVED

    def run(self, tenant_id: str) -> None:
        try:
            while not self._stop.is_set():
                for method, body in (("GET", None), ("GET", None), ("PUT", "again")):
                    began = time.monotonic()
                    self.answers.append((tenant_id, began, self.send(tenant_id, method, body)))
        except BaseException as error:
            self.errors.append(error)
            raise

    def since(self, moment: float) -> Counter[tuple[str, str]]:
        """Return how the requests ended that began later, by tenant."""
        return Counter((tenant_id, how) for tenant_id, began, how in list(self.answers) if began > moment)

    def stop(self) -> None:
        self._stop.set()


@pytest.fixture
def tenants(stack: Stack) -> Iterator[list[Tenant]]:
    """A pooled tenant and a siloed one."""
    new = [
        Tenant(new_item(tenant_id, tier, "Suspended"))
        for tenant_id, tier in (("suspended-pool", "PRO"), ("suspended-silo", "ENTERPRISE"))
    ]
    with onboarded(stack.deployment, stack.clients, new, 60) as found:
        yield found


def set_status(stack: Stack, tenant: Tenant, status: str) -> None:
    stack.clients.dynamodb.update_item(
        TableName=stack.deployment.table_name,
        Key=tenant.key,
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status}},
    )


def test_no_request_that_begins_after_a_suspension_succeeds(stack: Stack, tenants: list[Tenant]) -> None:
    deployment = stack.deployment
    with ExitStack() as ends:
        probe = ends.enter_context(probing(deployment, stack.clients))
        clients = OfTheFunction(probe)
        pool, _ = tenants
        scope = scope_of(deployment, pool.record(deployment, stack.clients))
        vendor = Vendor(deployment.tenant_access_role_arn, probe.name, scope)
        load = Load(TenantAccess(clients, vendor, SystemClock()))
        for tenant in tenants:
            stack.clients.dynamodb.put_item(
                TableName=deployment.data_table_name,
                Item={
                    "PK": tenant.key["PK"],
                    "SK": {"S": "PROBLEM#p"},
                    **{name: {"S": "p"} for name in ("problemId", "title", "statement", "updatedAt")},
                },
            )
            assert load.send(tenant.id, "PUT", "first") == SERVED
        # Sessions are cached now: one for the pooled tenant, two for the siloed, and no more come
        started = len(clients.started)
        assert started == 3
        threads = [
            threading.Thread(target=load.run, args=(tenants[number % 2].id,), daemon=True)
            for number in range(THREADS)
        ]
        for thread in threads:
            ends.callback(thread.join, 30)
        ends.callback(load.stop)
        for thread in threads:
            thread.start()

        def all_served() -> bool:
            assert not load.errors
            counted = load.since(0)
            return all(counted[tenant.id, SERVED] >= THREADS for tenant in tenants)

        wait_until("requests of both tenants to be served", all_served, 30)
        written = {}
        for tenant in tenants:
            set_status(stack, tenant, "SUSPENDED")
            written[tenant.id] = time.monotonic()
        last = max(written.values())

        def enough() -> bool:
            assert not load.errors
            counted = load.since(last)
            return all(counted[tenant.id, DENIED] >= REQUESTS for tenant in tenants)

        wait_until("requests of both tenants to be denied", enough, 120)
        load.stop()
        for thread in threads:
            thread.join(30)
        assert not load.errors
        for tenant in tenants:
            later = load.since(written[tenant.id])
            assert later[tenant.id, SERVED] == 0
            assert later[tenant.id, DENIED] >= REQUESTS
        assert len(clients.started) == started
        # And it was the status: nothing else keeps them out
        for tenant in tenants:
            set_status(stack, tenant, "ACTIVE")
            assert load.send(tenant.id, "GET") == SERVED
