"""Deliberate bugs, of the kind that are made in such systems. The simulation has to find each of them."""

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from unittest import mock

from provisioning.service import Provisioning
from reconciler import decisions as deciding
from reconciler import service as reconciler_service
from tenkacloud import onboarding
from tenkacloud.events import bus as publisher
from tenkacloud.events import dead_letters
from tenkacloud.isolation import resource_names as names
from tenkacloud.tenants import record as records
from tenkacloud.tenants import repository as store
from tenkacloud.tenants.record import Transition
from tenkacloud.tenants.repository import NotApplied


def without(change: Transition, *names: str) -> Transition:
    """Return a change that no longer requires anything of some attributes."""
    expected = tuple(
        replace(state, requires={name: each for name, each in state.requires.items() if name not in names})
        for state in change.expected
    )
    return replace(change, expected=expected)


@contextmanager
def mark_what_was_not_read() -> Iterator[None]:
    """The mark requires the status and the attempt only, and writes what the stream showed."""
    whole = records.begin_attempt

    def begin_attempt(*args: Any, **options: Any) -> Transition:
        return without(whole(*args, **options), "id", "name", "slug", "tier", "status")

    with mock.patch.object(records, "begin_attempt", begin_attempt):
        yield


@contextmanager
def take_any_result_for_an_answer() -> Iterator[None]:
    """A result is recorded whatever was asked for when it was made."""
    whole = records.record_result

    def record_result(result: Any, now: str) -> Transition:
        return without(whole(result, now), "tier", "slug")

    with (
        mock.patch.object(records, "settle", record_result),
        mock.patch.object(records, "answers", return_value=True),
    ):
        yield


@contextmanager
def be_impatient_with_a_backlog() -> Iterator[None]:
    """Each resumption waits no longer than the first did."""
    with mock.patch.object(deciding, "PATIENCE_MAX", 1):
        yield


@contextmanager
def mark_before_publish() -> Iterator[None]:
    """A crash between the two leaves a tenant that nobody was asked for."""

    def ask(self: Any, asks: Any) -> Any:
        outcomes = self.store.apply_all([each.mark for each in asks])
        self.bus.put([each.event for each in asks])
        return outcomes

    with mock.patch.object(onboarding.OnboardingRequester, "ask", ask):
        yield


@contextmanager
def swallow_a_record_error() -> Iterator[None]:
    """A record that failed is taken for done."""

    def carry_out(self: Any, plans: Any, context: Any) -> Any:
        with contextlib.suppress(Exception):
            outcomes = whole(self, plans, context)
            return {
                key: NotApplied(None) if isinstance(outcome, Exception) else outcome
                for key, outcome in outcomes.items()
            }
        return {}

    whole = Provisioning._carry_out
    with mock.patch.object(Provisioning, "_carry_out", carry_out):
        yield


@contextmanager
def drop_the_condition() -> Iterator[None]:
    """Writes go through whatever the record says."""
    whole = store.update_of

    def update_of(change: Transition) -> dict[str, Any]:
        update = whole(change)
        update.pop("ConditionExpression")
        # Values that only the condition named would be refused.
        values = update["ExpressionAttributeValues"]
        used = f"{update['UpdateExpression']} "
        update["ExpressionAttributeValues"] = {
            alias: value for alias, value in values.items() if re.search(f"{alias}\\b", used)
        }
        update["ExpressionAttributeNames"] = {
            alias: name
            for alias, name in update["ExpressionAttributeNames"].items()
            if re.search(f"{alias}\\b", used)
        }
        return update

    with mock.patch.object(store, "update_of", update_of):
        yield


@contextmanager
def ignore_failed_entry_count() -> Iterator[None]:
    """PutEvents answered, so everything is taken."""
    whole = publisher.EventBus.put

    def put(self: Any, events: Any) -> Any:
        return [None for _ in whole(self, events)]

    with mock.patch.object(publisher.EventBus, "put", put):
        yield


@contextmanager
def trust_a_stale_attempt() -> Iterator[None]:
    """A result is recorded whatever attempt it is of."""
    whole = records.record_result

    def record_result(result: Any, now: str) -> Transition:
        return without(whole(result, now), "provisioningAttempt")

    with mock.patch.object(records, "settle", record_result):
        yield


@contextmanager
def random_bucket_name() -> Iterator[None]:
    """Each delivery makes a bucket of its own."""

    def silo_bucket(*_: Any) -> str:
        return f"tenkacloud-test-silo-{uuid.uuid4().hex[:16]}"

    with mock.patch.object(names, "silo_bucket", silo_bucket):
        yield


@contextmanager
def history_in_a_call_of_its_own() -> Iterator[None]:
    """The line of history is written after the change, where a crash can come between."""

    def write(self: Any, changes: Any) -> None:
        bare = [replace(change, history=()) for change in changes]
        whole(self, bare)
        for change in changes:
            for item in store.history_of(change, self._writer):
                self._client.put_item(TableName=self._table_name, Item=item)

    whole = store.TenantStore._write
    with mock.patch.object(store.TenantStore, "_write", write):
        yield


@contextmanager
def resume_without_waiting() -> Iterator[None]:
    """The reconciler takes every tenant in flight for stuck."""
    whole = deciding.decide

    def decide(key: Any, item: Any, limits: Any, *rest: Any) -> Any:
        return whole(key, item, replace(limits, stuck_after=timedelta(0), growing=False), *rest)

    def resume(self: Any, _stuck: Any, limits: Any, *rest: Any) -> None:
        whole_resume(self, next(self.reader.in_flight(limits.now), []), limits, *rest)

    whole_resume = reconciler_service.Reconciler._resume
    with (
        mock.patch.object(reconciler_service, "decide", decide),
        mock.patch.object(reconciler_service.Reconciler, "_resume", resume),
    ):
        yield


@contextmanager
def forget_who_could_not_be_asked_for() -> Iterator[None]:
    """A tenant whose record the stream gives up is listed nowhere."""
    with mock.patch.object(Provisioning, "_list_those_who_failed", return_value=0):
        yield


@contextmanager
def drop_what_breaks_the_contract() -> Iterator[None]:
    """A rejected event is logged, and kept nowhere."""
    with mock.patch.object(dead_letters.DeadLetters, "reject"):
        yield


Bug = Callable[[], AbstractContextManager[None]]
BUGS: Final[tuple[Bug, ...]] = (
    mark_before_publish,
    swallow_a_record_error,
    drop_the_condition,
    ignore_failed_entry_count,
    trust_a_stale_attempt,
    random_bucket_name,
    history_in_a_call_of_its_own,
    resume_without_waiting,
    forget_who_could_not_be_asked_for,
    drop_what_breaks_the_contract,
    mark_what_was_not_read,
    take_any_result_for_an_answer,
    be_impatient_with_a_backlog,
)
