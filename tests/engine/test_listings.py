"""Where a listing goes on, by itself."""

import pytest

from scripts.local_aws.engine import listings


@pytest.mark.parametrize(
    ("key", "last_before"), [("b", "a-b"), ("a", ""), ("a-b", "a"), ("aa", "a-b"), ("z", "b")]
)
def test_the_last_known_key_before_a_key(key: str, last_before: str) -> None:
    assert listings.before(key, {"b", "a", "a-b"}) == last_before
