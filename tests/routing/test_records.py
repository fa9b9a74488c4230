"""What older servers read of routes and feeds, and newer ones of older."""

import msgspec

from modelyard.core import Digest
from modelyard.routing import Arm, ArmStatus, Feed, Route, ServingPolicy

DIGEST = Digest("0" * 64)
LIVE = Arm("live", "live", "1", DIGEST, 1.0)


def test_a_route_that_asks_nothing_new_is_written_as_before() -> None:
    """Servers of older versions refuse fields that they do not know."""
    written = msgspec.to_builtins(Feed(1, (Route("d", "m", 1, (LIVE,), "s"),), policies={"d": ServingPolicy()}))
    (route,) = written["routes"]
    assert set(route) == {
        "deployment",
        "model",
        "generation",
        "arms",
        "salt",
        "assign_by",
        "clock",
        "latency_objective_ms",
        "reason",
    }
    assert written["policies"] == {"d": {}}


def test_what_is_asked_for_is_written_and_read_again() -> None:
    """Modes of assignment, overrides, caps of shadows."""
    route = Route("d", "m", 1, (LIVE,), "s", assign="request")
    policy = ServingPolicy(overrides=True, shadow_per_second=5.0, shadow_queue=10)
    feed = Feed(1, (route,), policies={"d": policy})
    assert msgspec.json.decode(msgspec.json.encode(feed), type=Feed) == feed
    assert not route.sticky
    assert Route("d", "m", 1, (LIVE,), "s").sticky


def test_a_feed_of_an_older_version_is_read() -> None:
    """All of a policy was written then."""
    old = {"cache_answers": 5, "swap": "side-by-side", "rows_limit": 1000}
    assert msgspec.convert(old, ServingPolicy) == ServingPolicy(cache_answers=5)


def test_a_status_of_an_older_server_says_no_weight() -> None:
    """Nobody may take that for nought."""
    old = msgspec.json.encode(
        {"deployment": "d", "arm": "live", "version": "1", "bundle": DIGEST, "loaded": True, "why_not": ""}
    )
    assert msgspec.json.decode(old, type=ArmStatus).weight is None
