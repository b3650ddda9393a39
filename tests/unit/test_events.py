"""Events describe themselves; one that breaks its contract is an error that can be answered."""

from collections.abc import Iterator
from typing import Any

import pytest

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events.contract import (
    APPLICATION_PLANE,
    CONTROL_PLANE,
    Correlation,
    Envelope,
    Event,
    InvalidEventError,
    correlated,
)
from tenkacloud.events.registry import EVENTS
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.tenants.validation import TenantId

DETAIL: dict[str, Any] = {
    "tenantId": "acme",
    "tenantName": "Acme",
    "tier": "PRO",
    "slug": "acme",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "provisioningAttempt": 3,
    "correlationId": "c-1",
}


def subclasses(event: type[Event] = Event) -> Iterator[type[Event]]:
    for each in event.__subclasses__():
        if hasattr(each, "DETAIL_TYPE"):
            yield each
        yield from subclasses(each)


def test_every_event_is_in_the_registry_by_its_detail_type() -> None:
    assert set(EVENTS.values()) == set(subclasses())
    for detail_type, event in EVENTS.items():
        assert detail_type == event.DETAIL_TYPE
        assert event.SOURCE in (CONTROL_PLANE, APPLICATION_PLANE)
        assert event.schema()["$id"] == f"urn:tenkacloud:event:{detail_type}:v{event.VERSION}"


@pytest.mark.parametrize(
    ("bad", "said", "correlation"),
    [
        ({"tier": "GOLD"}, "detail.tier 'GOLD' is unknown", Correlation(TenantId("acme"), 3, "c-1")),
        # The field that is bad is one of those that an answer would carry
        (
            {"provisioningAttempt": 0},
            "detail.provisioningAttempt",
            Correlation(TenantId("acme"), None, "c-1"),
        ),
        ({"slug": None, "correlationId": "\n"}, "detail.slug", Correlation(TenantId("acme"), 3, None)),
    ],
)
def test_an_invalid_event_carries_what_is_needed_to_answer_it(
    bad: dict[str, Any], said: str, correlation: Correlation
) -> None:
    with pytest.raises(InvalidEventError) as raised:
        TenantOnboarding.parse({**DETAIL, **bad})
    assert raised.value.correlation == correlation
    assert str(raised.value).startswith(said)
    assert str(raised.value) == str(raised.value.error)
    assert raised.value.field == raised.value.error.field


@pytest.mark.parametrize("detail", [None, "x", [], {}, {**DETAIL, "tenantId": "../x"}])
def test_an_event_of_nobody_cannot_be_answered(detail: Any) -> None:
    with pytest.raises(InvalidFieldError) as raised:
        TenantOnboarding.parse(detail)
    assert not isinstance(raised.value, InvalidEventError)


def test_an_event_without_a_correlation_id_gets_the_one_of_its_envelope() -> None:
    event = TenantOnboarding.parse({**DETAIL, "correlationId": None})
    assert correlated(event, "e-1").correlation_id == "e-1"
    assert correlated(event, "").correlation_id is None
    assert correlated(TenantOnboarding.parse(DETAIL), "e-1").correlation_id == "c-1"
    assert correlated(Correlation(TenantId("acme"), None, None), "e-1").correlation_id == "e-1"


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("field", ["source", "detail-type"])
def test_an_envelope_of_another_kind_is_told(name: str, field: str) -> None:
    kind = EVENTS[name]
    given = {"id": "1", "source": kind.SOURCE, "detail-type": kind.DETAIL_TYPE, "detail": {}}
    assert Envelope.open(given, kind) == Envelope("1", {})
    with pytest.raises(InvalidFieldError, match=f"{field} 'other' is not "):
        Envelope.open({**given, field: "other"}, kind)
