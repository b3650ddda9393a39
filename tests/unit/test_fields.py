"""The rules of a tenant's fields."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenkacloud.errors import InvalidFieldError
from tenkacloud.tenants.validation import (
    REPR_MAX,
    SLUG_PATTERN,
    TENANT_ID_PATTERN,
    TenantId,
    derive_slug,
    parse_attempt,
    parse_name,
    parse_slug,
    parse_tenant_id,
    parse_tier,
)


@pytest.mark.parametrize(
    "tenant_id",
    [
        "a",
        "A",
        "Acme_Corp-1",
        "0" * 64,
        "550e8400-e29b-41d4-a716-446655440000",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ],
)
def test_ids_that_pass(tenant_id: str) -> None:
    assert parse_tenant_id("id", tenant_id) == tenant_id


@pytest.mark.parametrize(
    "tenant_id",
    [
        "",
        "a/b",
        "..",
        "../x",
        "*",
        "a*",
        "a?",
        "a b",
        "a\n",
        "\na",
        "${x}",
        "a.b",
        "a#b",
        "-a",
        "_a",
        "é",
        "x" * 65,
    ],
)
def test_ids_that_never_pass(tenant_id: str) -> None:
    with pytest.raises(InvalidFieldError, match=r"^id "):
        parse_tenant_id("id", tenant_id)


@given(st.text(max_size=70))
def test_no_id_outside_the_pattern_passes(text: str) -> None:
    try:
        parse_tenant_id("id", text)
    except InvalidFieldError:
        assert not re.fullmatch(TENANT_ID_PATTERN, text)
    else:
        assert re.fullmatch(TENANT_ID_PATTERN, text)


@pytest.mark.parametrize("value", [None, 1, Decimal(1), True, [], {}, b"x", {"x"}])
@pytest.mark.parametrize("parse", [parse_tenant_id, parse_slug, parse_name, parse_tier])
def test_values_of_other_types_are_refused_by_name(parse: object, value: object) -> None:
    with pytest.raises(InvalidFieldError, match=r"^field (is missing|must be a string)"):
        parse("field", value)  # type: ignore[operator]  # each of them takes these two


@pytest.mark.parametrize("name", ["", "   ", "x" * 257, "x" * 10_000, "two\nlines", "\x00", "\ud800"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidFieldError, match=r"^name "):
        parse_name("name", name)


def test_a_reason_repeats_only_the_start_of_a_value_and_no_control_characters() -> None:
    with pytest.raises(InvalidFieldError) as raised:
        parse_tier("tier", "G\nOLD" * 1000)
    reason = str(raised.value)
    assert reason.startswith("tier 'G\\nOLD")
    assert reason.endswith("is unknown: one of FREE, PRO, ENTERPRISE")
    assert len(reason) < REPR_MAX + 60
    assert reason.isprintable()


@pytest.mark.parametrize("slug", ["Upper", "-a", "a-", "a_b", "x" * 64, "a\n"])
def test_slugs_that_are_refused(slug: str) -> None:
    with pytest.raises(InvalidFieldError):
        parse_slug("slug", slug)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Test Tenant", "test-tenant"),
        ("  Acme, Inc. ", "acme-inc"),
        ("Café Zürich", "cafe-zurich"),
        ("天下クラウド", "some-id"),
        ("x" * 200, "x" * 63),
        ("x" * 62 + " y", "x" * 62),
    ],
)
def test_a_slug_comes_from_the_name_else_from_the_id(name: str, slug: str) -> None:
    assert derive_slug(name, TenantId("Some_Id")) == slug


@given(st.text(), st.from_regex(TENANT_ID_PATTERN, fullmatch=True))
def test_every_tenant_has_a_valid_slug(name: str, tenant_id: str) -> None:
    assert re.fullmatch(SLUG_PATTERN, derive_slug(name, TenantId(tenant_id)))


@pytest.mark.parametrize("value", [1, 1.0, Decimal(7), 1_000_000])
def test_attempts_that_pass(value: object) -> None:
    assert parse_attempt("attempt", value) == value


@pytest.mark.parametrize(
    "value", [0, -1, 1.5, Decimal("1e30"), float("nan"), float("inf"), True, "1", None, {}, 1_000_001]
)
def test_attempts_that_are_refused(value: object) -> None:
    with pytest.raises(InvalidFieldError):
        parse_attempt("attempt", value)
