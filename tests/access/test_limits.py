"""How often a key or an address may ask."""

import pytest

from modelyard.access import Limits, RateLimit, RateLimited, source_of


def admitted(limit: RateLimit, name: str, now: float, tries: int) -> int:
    """How many of so many requests at one instant pass."""
    passed = 0
    for _ in range(tries):
        try:
            limit.admit(name, now)
        except RateLimited:
            continue
        passed += 1
    return passed


def test_two_seconds_worth_may_come_at_once_and_then_so_many_a_second() -> None:
    """Whatever is asked beyond it counts for nothing, and each name has a bucket of its own."""
    limit = RateLimit(10, "key")
    assert admitted(limit, "a", 100.0, 50) == 20
    assert admitted(limit, "a", 100.05, 50) == 0
    assert admitted(limit, "a", 101.0, 50) == 10
    assert admitted(limit, "b", 101.0, 50) == 20
    assert admitted(limit, "a", 1000.0, 50) == 20
    over_a_minute = sum(admitted(limit, "c", 2000 + tenth / 10, 5) for tenth in range(600))
    assert 600 <= over_a_minute <= 620


def test_a_limit_of_one_a_second_lets_the_first_pass() -> None:
    """And says how long the others have to wait."""
    limit = RateLimit(1, "address")
    assert admitted(limit, "a", 5.0, 3) == 2
    with pytest.raises(RateLimited, match="more than 1 times a second") as told:
        limit.admit("a", 5.5)
    assert told.value.context["seconds"] == pytest.approx(0.5)
    limit.admit("a", 6.0)


def test_strangers_do_not_fill_the_memory() -> None:
    """Names that are silent go; a flood of new ones pushes the oldest out, not those that ask now."""
    limit = RateLimit(1, "address")
    for number in range(50_000):
        limit.admit(f"10.0.{number}", number / 100)
    assert len(limit._full_at) <= 10_000
    for number in range(50_000):
        limit.admit(f"11.0.{number}", 500.0)
    assert len(limit._full_at) <= 10_000


def test_keys_and_addresses_are_counted_apart_and_only_where_it_is_asked_for() -> None:
    """A door without bounds has none."""
    door = Limits(per_key=None, per_source=1)
    assert door.any
    for _ in range(100):
        door.of_key("k", 1.0)
    door.of_source("a", 1.0)
    door.of_source("a", 1.0)
    with pytest.raises(RateLimited):
        door.of_source("a", 1.0)
    assert not Limits(None, None).any


def test_a_proxy_is_believed_only_where_it_is_ours() -> None:
    """And only of what it added itself, which comes last: the caller may have written what stands before it."""
    assert source_of("10.0.0.1", "6.6.6.6, 7.7.7.7", behind_proxy=True) == "7.7.7.7"
    assert source_of("10.0.0.1", "6.6.6.6", behind_proxy=False) == "10.0.0.1"
    assert source_of("10.0.0.1", None, behind_proxy=True) == "10.0.0.1"
    assert source_of("10.0.0.1", " ", behind_proxy=True) == "10.0.0.1"
