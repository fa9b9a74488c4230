"""Shadows of embedders and applications: asked the same once the answer has left, and nobody waits for them."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from modelyard.core import Digest, ManualClock
from modelyard.inference import Embedder, load_embedder
from modelyard.routing import Arm, ServingPolicy
from modelyard.serving.chat.copies import Copies
from modelyard.serving.chat.embeddings import Embeddings
from modelyard.serving.dataplane import DataPlane
from modelyard.serving.deployments import Deployment
from modelyard.serving.embedders import LoadedEmbedder
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_tiny
from .test_chat import Gateway, live, route
from .test_embeddings import Counting, Slow, asks

POLICY = ServingPolicy(log_text="full", shadow_queue=5)


def shadow(digest: Digest, name: str = "shadow") -> Arm:
    """One that sees every request."""
    return Arm(name, "shadow", "2", digest, 1.0)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two embedders, of other weights."""
    return [build_tiny(tmp_path_factory.mktemp("embedder"), seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, bundles: list[Path]) -> Iterator[Gateway]:
    """A server of an embedder with a shadow, and of one whose shadow may see two rows a second."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("served"), upstream)
        digests = [load_embedder(each).digest for each in bundles]
        for bundle, digest in zip(bundles, digests, strict=True):
            made.server.feed.put_bundle(bundle, digest)
        chat = live(made.bundle("answer"))
        made.publish(
            route("watched", live(digests[0]), shadow(digests[1])),
            route("capped", live(digests[0]), shadow(digests[1])),
            route("chatty", chat, shadow(made.bundle("no-usage"))),
            policy=POLICY,
            others={name: ServingPolicy(shadow_per_second=0.001) for name in ("capped", "chatty")},
        )
        made.server.start()
        yield made
        made.server.stop()


def test_a_shadow_embeds_what_was_asked_and_nobody_sees_it(gateway: Gateway, bundles: list[Path]) -> None:
    """Under the same prediction id, with its own tokens and time, as a record that is no answer."""
    status, told = gateway.server.post("/v1/embeddings", {"model": "watched", "input": ["a calm day", "x"]}, {})
    assert status == 200
    expected = load_embedder(bundles[0]).embed(["a calm day", "x"])
    assert told["data"][0]["embedding"] == pytest.approx(expected[0].tolist(), abs=1e-6)
    gateway.server.until(lambda: len(gateway.records("watched")) == 2)
    by_role = {record.role: (record, made) for record, made in gateway.records("watched")}
    (answer, _), (copy, made) = by_role["live"], by_role["shadow"]
    assert (answer.answered, copy.answered, copy.error) == (True, False, None)
    assert (copy.prediction_id, copy.arm, copy.model_version) == (answer.prediction_id, "shadow", "2")
    assert made.input_tokens == sum(load_embedder(bundles[1]).tokens(["a calm day", "x"]))
    assert json.loads(made.asked) == ["a calm day", "x"]
    assert copy.latency_us > 0


def test_a_refused_request_has_no_copy(gateway: Gateway) -> None:
    """What is longer than the embedder reads is a mistake of the caller's, and no question for a shadow."""
    before = len(gateway.records("watched"))
    status, _ = gateway.server.post("/v1/embeddings", {"model": "watched", "input": "word " * 500}, {})
    assert status == 400
    gateway.server.until(lambda: len(gateway.records("watched")) == before + 1)
    assert [each.role for each, _ in gateway.records("watched")[before:]] == ["live"]


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


def test_copies_are_bounded_and_given_back() -> None:
    """By what one shadow may have under way, by its deployment's queue, and by its rate, each told by its name."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    arm, other = shadow(Digest("a" * 64)), shadow(Digest("b" * 64))
    copies = Copies(clock, at_once=100)
    assert [copies.begin(arm, POLICY) for _ in range(6)] == [None] * 5 + ["queue"]
    assert copies.begin(other, POLICY, 500) is None  # it finds none under way
    assert copies.begin(other, POLICY) == "queue"
    copies.end(arm)
    copies.end(other, 500)
    assert (copies.begin(arm, POLICY), copies.begin(arm, POLICY), copies.begin(other, POLICY)) == (None, "queue", None)
    slow = ServingPolicy(shadow_per_second=2.0)
    copies = Copies(clock, at_once=100)
    assert [copies.begin(arm, slow) for _ in range(3)] == [None, None, "cap"]
    clock.advance(timedelta(seconds=1))
    assert [copies.begin(arm, slow) for _ in range(3)] == [None, None, "cap"]


class Hanging:
    """Counts tokens as another does, and breaks when it may."""

    def __init__(self, like: Embedder, may: threading.Event) -> None:
        self.info, self.max_tokens, self.tokens = like.info, like.max_tokens, like.tokens
        self.may = may

    def embed(self, _texts: Sequence[str]) -> Any:
        """After the event."""
        assert self.may.wait(20)
        raise RuntimeError("and then it breaks")


class Watched(Counting):
    """The data plane of an embedder with a shadow that hangs."""

    def __init__(self, fine: Embedder, hanging: Hanging) -> None:
        super().__init__(cast("Slow", fine))
        arms = live(fine.digest), shadow(Digest("f" * 64))
        loaded = [LoadedEmbedder(arm, cast("Embedder", each)) for arm, each in zip(arms, (fine, hanging), strict=True)]
        held = {each.arm.name: each for each in loaded}
        self.deployment = Deployment(route("mini", *arms), held, {}, ServingPolicy(shadow_queue=3))
        self.roles: list[tuple[str, str | None]] = []

    def generated(self, _deployment: Deployment, record: Any, _generated: Any) -> None:
        """Keep it."""
        self.roles.append((record.role, record.error))

    def shadow_dropped(self, _deployment: Deployment, why: str, copies: int) -> None:
        """Count it."""
        self.told[f"dropped: {why}"] += copies


def test_a_shadow_that_hangs_and_breaks_delays_and_fails_nobody(bundles: list[Path]) -> None:
    """Callers have their vectors meanwhile; what is too much is dropped, what breaks is on record as the model's."""
    may, fine = threading.Event(), load_embedder(bundles[0])
    plane = Watched(fine, Hanging(fine, may))

    async def ask() -> None:
        embeddings = Embeddings(cast("DataPlane", plane))
        for at in range(1, 11):
            asks(embeddings, 1)
            while plane.told["200"] < at:
                await asyncio.sleep(0.001)
        assert plane.roles == [("live", None)] * 10
        may.set()
        while len(plane.roles) < 13:
            await asyncio.sleep(0.001)
        await embeddings.close()

    asyncio.run(asyncio.wait_for(ask(), 30))
    assert plane.roles[10:] == [("shadow", "model")] * 3
    assert plane.told == {"200": 10, "dropped: queue": 7}


def test_copies_that_wait_at_the_end_are_counted(bundles: list[Path]) -> None:
    """The server ends, and does not wait for a shadow."""
    may, fine = threading.Event(), load_embedder(bundles[0])
    plane = Watched(fine, Hanging(fine, may))

    async def ask() -> None:
        embeddings = Embeddings(cast("DataPlane", plane))
        asks(embeddings, 2)
        while not plane.told["200"]:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        await embeddings.close()

    asyncio.run(asyncio.wait_for(ask(), 30))
    may.set()
    assert plane.told == {"200": 1, "dropped: end": 2}
