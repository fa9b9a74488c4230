"""Shadows of embedders and applications see no more than their deployment lets them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.core import Digest, ManualClock
from modelyard.inference import load_embedder
from modelyard.routing import Arm, ServingPolicy
from modelyard.serving.chat.bounds import CopyBounds
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_tiny
from .test_chat import Gateway, live, route


def shadow(digest: Digest, name: str = "shadow") -> Arm:
    """One that sees every request."""
    return Arm(name, "shadow", "2", digest, 1.0)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two embedders, of other weights."""
    return [build_tiny(tmp_path_factory.mktemp("embedder"), seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, bundles: list[Path]) -> Iterator[Gateway]:
    """A server of an embedder and of an application, whose shadows may see a copy in a quarter of an hour."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("served"), upstream)
        digests = [load_embedder(each).digest for each in bundles]
        for bundle, digest in zip(bundles, digests, strict=True):
            made.server.feed.put_bundle(bundle, digest)
        chat = live(made.bundle("answer"))
        made.publish(
            route("capped", live(digests[0]), shadow(digests[1])),
            route("chatty", chat, shadow(made.bundle("no-usage"))),
            policy=ServingPolicy(shadow_per_second=0.001),
        )
        made.server.start()
        yield made
        made.server.stop()


@pytest.mark.parametrize("deployment", ["capped", "chatty"])
def test_a_shadow_sees_no_more_a_second_than_it_may(gateway: Gateway, deployment: str) -> None:
    """Of ten requests one is copied, in a quarter of an hour the next; the others are counted."""
    before = gateway.server.metric("shadow_requests_dropped_total", reason="cap")
    embeds = deployment == "capped"
    for _ in range(10):
        body = {"model": deployment} | ({"input": "x"} if embeds else {"messages": [{"role": "user", "content": "x"}]})
        path = "/v1/embeddings" if embeds else "/v1/chat/completions"
        assert gateway.server.post(path, body, {})[0] == 200
    gateway.server.until(lambda: len(gateway.records(deployment)) == 11)
    assert [each.role for each, _ in gateway.records(deployment)].count("shadow") == 1
    gateway.server.until(lambda: gateway.server.metric("shadow_requests_dropped_total", reason="cap") == before + 9)


def test_copies_of_chats_are_bounded_and_given_back() -> None:
    """By what one shadow may have under way, by its deployment's queue, and by its rate, each told by its name."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    arm, other = shadow(Digest("a" * 64)), shadow(Digest("b" * 64))
    bounds = CopyBounds(clock, at_once=4)
    assert [bounds.begin(arm, ServingPolicy(shadow_queue=2)) for _ in range(3)] == [None, None, "queue"]
    assert [bounds.begin(other, ServingPolicy()) for _ in range(5)] == [None] * 4 + ["queue"]
    bounds.end(arm)
    assert [bounds.begin(arm, ServingPolicy(shadow_queue=2)) for _ in range(2)] == [None, "queue"]
    slow, bounds = ServingPolicy(shadow_per_second=2.0), CopyBounds(clock, at_once=100)
    assert [bounds.begin(arm, slow) for _ in range(3)] == [None, None, "cap"]
    clock.advance(timedelta(seconds=1))
    assert [bounds.begin(arm, slow) for _ in range(3)] == [None, None, "cap"]
