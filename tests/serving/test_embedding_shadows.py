"""Shadows of embedders: asked the same texts once the answer has left, bounded, counted, and compared by the angle."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.core import Digest, ManualClock, SeededIds
from modelyard.history import PredictionLog
from modelyard.inference import Embedder, Vectors, load_embedder
from modelyard.journal import Journal
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, FeedFolder, Route, ServingPolicy, fingerprint
from modelyard.serving.chat import Embeddings
from modelyard.serving.chat.copies import MOST_COPIES
from modelyard.serving.dataplane import DataPlane
from modelyard.serving.deployments import Deployments
from modelyard.serving.metrics import Metrics
from modelyard.serving.requests import Request
from modelyard.testing import faulty_upstream

from ..conftest import NOON
from ..tiny_embedder import build_tiny
from .test_chat import Gateway, live, route

TEXTS = ["the quick fox", "hunts at night"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An embedder, the same in int8, and one that was trained otherwise."""
    folder = tmp_path_factory.mktemp("embedders")
    return {
        "live": build_tiny(folder / "live"),
        "int8": build_tiny(folder / "int8", quantize=True),
        "other": build_tiny(folder / "other", seed=1),
    }


@pytest.fixture(scope="module")
def loaded(bundles: dict[str, Path]) -> dict[str, Embedder]:
    """The same, loaded here."""
    return {name: load_embedder(bundle) for name, bundle in bundles.items()}


class Caller:
    """Who may ask everything."""

    scope, groups = "", ()

    def may(self, deployment: str) -> bool:
        """Yes."""
        return True

    def permit(self, deployment: str) -> None:
        """Nothing is refused."""


class Outlet:
    """Where an answer goes; `done` is set when it is there."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.answer: tuple[int, Any] = (0, None)

    def write(self, status: int, body: bytes) -> None:
        """Keep the answer."""
        self.answer = status, json.loads(body)
        self.done.set()

    def open(self) -> None:
        """Vectors come whole."""
        raise AssertionError

    def push(self, data: bytes) -> None:
        """As above."""
        raise AssertionError

    def finish(self) -> None:
        """As above."""
        raise AssertionError

    def on_leave(self, act: Callable[[], object]) -> None:
        """Nobody leaves."""

    async def drained(self) -> None:
        """At once."""


class Watched:
    """A data plane in this process with an embedder that others watch."""

    def __init__(
        self, folder: Path, bundles: dict[str, Path], watchers: tuple[str, ...], policy: ServingPolicy
    ) -> None:
        feed = FeedFolder(folder / "feed")
        digests = {name: Digest(load_embedder(bundle).digest) for name, bundle in bundles.items()}
        for name, bundle in bundles.items():
            feed.put_bundle(bundle, digests[name])
        arms = [Arm(name, "shadow", str(at + 2), digests[name], 1.0) for at, name in enumerate(watchers)]
        routed = Route("mini", "tiny", 1, (Arm("live", "live", "1", digests["live"], 1.0), *arms), "s")
        feed.publish(Feed(1, (routed,), policies={"mini": policy}))
        self.folder, self.clock, self.metrics = folder, ManualClock(NOON), Metrics()
        self._online = LocalOnlineStore(folder / "online")
        self.journal = Journal(folder / "journal", "s", self.clock)
        deployments = Deployments(feed, self._online)
        self.plane = DataPlane(deployments, self.journal, self.metrics, self.clock, SeededIds(0), "s")
        deployments.load()
        self.embeddings = Embeddings(self.plane)
        self.deployment = deployments.find("mini")

    def shadow(self, name: str) -> Embedder:
        """The embedder behind a shadow."""
        return self.deployment.embedders[name].embedder

    async def ask(self, texts: list[str] | None = None) -> tuple[int, Any]:
        """Ask for vectors, and wait for the answer alone."""
        outlet = Outlet()
        request = Request({"headers": [], "query_string": b"", "client": ("127.0.0.1", 1)}, None)
        request.body = json.dumps({"model": "mini", "input": texts or TEXTS}).encode()
        self.embeddings.embed(request, Caller(), outlet)
        await asyncio.wait_for(outlet.done.wait(), 10)
        return outlet.answer

    def dropped(self, reason: str) -> float:
        """Copies dropped for a reason."""
        labels = {"model_name": "tiny", "reason": reason}
        return self.metrics.registry.get_sample_value("shadow_requests_dropped_total", labels) or 0.0

    def records(self, arm: str) -> list[dict[str, Any]]:
        """What an arm's records say, after the end."""
        self.plane.close()
        self.journal.close()
        self._online.close()
        rows: list[dict[str, Any]] = (
            PredictionLog(self.folder / "journal", self.folder / "log").predictions("mini", arm=arm).to_pylist()
        )
        return rows


Watching = Callable[..., Watched]


@pytest.fixture
def watched(tmp_path: Path, bundles: dict[str, Path]) -> Watching:
    """Makes a watched plane under a policy."""
    numbers = itertools.count()
    return lambda *watchers, **policy: Watched(
        tmp_path / str(next(numbers)), bundles, watchers or ("int8",), ServingPolicy(**policy)
    )


class Held:
    """An embedder whose vectors wait until they are let go; `entered` once somebody waits."""

    def __init__(self, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.go, self.asked = threading.Event(), threading.Event(), 0
        embed = Embedder.embed

        def held(this: Embedder, texts: list[str]) -> Vectors:
            if this is embedder:
                self.asked += 1
                self.entered.set()
                assert self.go.wait(20)
            return embed(this, texts)

        monkeypatch.setattr(Embedder, "embed", held)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in threads."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def predictions(here: Watched, arm: str) -> float:
    """How many answers of an arm are counted."""
    samples = next(each for each in here.metrics.registry.collect() if each.name == "model_predictions").samples
    return sum(each.value for each in samples if each.labels.get("arm") == arm and each.name.endswith("_total"))


def test_callers_do_not_wait_for_a_shadow_that_hangs(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty answers come while the first copy is still held up; then all copies are made."""
    here = watched()
    held = Held(here.shadow("int8"), monkeypatch)

    async def ask() -> None:
        for _ in range(20):
            assert (await here.ask())[0] == 200
        await until(held.entered.is_set)
        assert (held.asked, predictions(here, "int8")) == (1, 0)
        held.go.set()
        await until(lambda: predictions(here, "int8") == 20)
        await here.embeddings.close()

    asyncio.run(ask())
    ids = [each["prediction_id"] for each in here.records("int8")]
    assert sorted(ids) == sorted({each["prediction_id"] for each in here.records("live")})
    assert (len(ids), [here.dropped(why) for why in ("queue", "cap", "failed", "end")]) == (20, [0, 0, 0, 0])


def test_a_shadow_that_hangs_holds_up_no_other(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a thread; at the end what the one has not made is counted as dropped."""
    here = watched("int8", "other")
    held = Held(here.shadow("int8"), monkeypatch)

    async def ask() -> None:
        for _ in range(3):
            await here.ask()
        await until(lambda: predictions(here, "other") == 3)
        assert predictions(here, "int8") == 0
        await here.embeddings.close()
        held.go.set()

    asyncio.run(ask())
    assert here.dropped("end") == 3
    assert (len(here.records("int8")), len(here.records("live"))) == (0, 3)


@pytest.mark.parametrize(("queue", "kept"), [(5, 5), (10_000, MOST_COPIES)])
def test_copies_beyond_the_queue_are_dropped_and_counted(
    watched: Watching, monkeypatch: pytest.MonkeyPatch, queue: int, kept: int
) -> None:
    """As many wait as the deployment says, and never more than a hundred; every caller has his answer."""
    here = watched(shadow_queue=queue)
    held = Held(here.shadow("int8"), monkeypatch)

    async def ask() -> None:
        await here.ask()
        await until(held.entered.is_set)
        answers = [await here.ask(["x"]) for _ in range(kept + 7)]
        assert {status for status, _ in answers} == {200}
        assert here.dropped("queue") == 7
        held.go.set()
        await until(lambda: predictions(here, "int8") == kept + 1)
        await here.embeddings.close()

    asyncio.run(ask())
    assert (len(here.records("int8")), here.dropped("queue")) == (kept + 1, 7)


def test_a_shadow_sees_no_more_a_second_than_it_may(watched: Watching) -> None:
    """Five at once, then as time goes by."""
    here = watched(shadow_per_second=5.0)

    async def ask() -> None:
        for _ in range(12):
            await here.ask()
        assert here.dropped("cap") == 7
        here.clock.advance(timedelta(seconds=0.4))
        for _ in range(12):
            await here.ask()
        assert here.dropped("cap") == 17
        await until(lambda: predictions(here, "int8") == 7)
        await here.embeddings.close()

    asyncio.run(ask())


def test_a_shadow_that_fails_is_on_record_and_fails_nobody(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash is the model's; a text that it does not take as long is the input's. The next copy is made."""
    here = watched()
    shadow, embed, tokens = here.shadow("int8"), Embedder.embed, Embedder.tokens

    def crash(this: Embedder, texts: list[str]) -> Vectors:
        if this is shadow and texts == ["crash"]:
            raise ZeroDivisionError
        return embed(this, texts)

    def longer(this: Embedder, texts: list[str]) -> list[int]:
        return [1000] if this is shadow and texts == ["long"] else tokens(this, texts)

    monkeypatch.setattr(Embedder, "embed", crash)
    monkeypatch.setattr(Embedder, "tokens", longer)

    async def ask() -> None:
        for text in ("crash", "long", "fine"):
            assert (await here.ask([text]))[0] == 200
        await until(lambda: predictions(here, "int8") == 3)
        await here.embeddings.close()

    asyncio.run(ask())
    found = [(each["error"], each["prediction"]) for each in here.records("int8")]
    assert sorted(found, key=str) == sorted([("model", None), ("input", None), (None, "embedding")], key=str)
    assert {each["error"] for each in here.records("live")} == {None}


def test_a_copy_that_cannot_be_recorded_is_counted_and_the_next_one_is_made(
    watched: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong there."""
    here = watched()

    async def ask() -> None:
        with monkeypatch.context() as patched:
            patched.setattr("modelyard.serving.chat.copies._cosine", lambda *_: 1 / 0)
            await here.ask()
            await until(lambda: here.dropped("failed") == 1)
        await here.ask()
        await until(lambda: predictions(here, "int8") == 1)
        await here.embeddings.close()

    asyncio.run(ask())


@pytest.mark.parametrize("kept", ["off", "full"])
def test_the_copy_says_how_far_its_vectors_are_and_keeps_no_text_unless_told_to(
    watched: Watching, loaded: dict[str, Embedder], kept: str
) -> None:
    """The least cosine of the texts; a request whose vectors have another dimension has none."""
    here = watched("int8", "other", log_text=kept)
    expected = {
        name: min(np.einsum("ij,ij->i", loaded["live"].embed(TEXTS), loaded[name].embed(TEXTS)))
        for name in ("int8", "other")
    }

    async def ask() -> None:
        await here.ask()
        await until(lambda: predictions(here, "int8") == predictions(here, "other") == 1)
        await here.embeddings.close()

    asyncio.run(ask())
    for name, cosine in expected.items():
        (record,) = here.records(name)
        assert record["scores"] == pytest.approx([cosine], abs=1e-6)
        assert (record["role"], record["answered"], record["prediction"]) == ("shadow", False, "embedding")
        assert record["latency_us"] > 0
        told = json.loads(record["generated"])
        assert told["input_tokens"] == sum(loaded[name].tokens(TEXTS))
        assert ("asked" in told, TEXTS[0] in record["generated"]) == (kept == "full", kept == "full")
    assert expected["int8"] > 0.99 > expected["other"]
    (answered,) = here.records("live")
    assert answered["scores"] == []


def test_vectors_of_another_dimension_have_no_cosine(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record says so by having none."""
    here = watched()
    shadow, embed = here.shadow("int8"), Embedder.embed

    def halved(this: Embedder, texts: list[str]) -> Vectors:
        return embed(this, texts)[:, :16] if this is shadow else embed(this, texts)

    monkeypatch.setattr(Embedder, "embed", halved)

    async def ask() -> None:
        await here.ask()
        await until(lambda: predictions(here, "int8") == 1)
        await here.embeddings.close()

    asyncio.run(ask())
    (record,) = here.records("int8")
    assert (record["error"], record["scores"]) == (None, [])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Iterator[Gateway]:
    """A server of an embedder with a shadow, and of one with a canary that has all its requests."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("served"), upstream)
        digests = {name: Digest(load_embedder(bundle).digest) for name, bundle in bundles.items()}
        for name, bundle in bundles.items():
            made.server.feed.put_bundle(bundle, digests[name])
        made.publish(
            route("mini", live(digests["live"]), Arm("shadow", "shadow", "2", digests["int8"], 1.0)),
            route("moved", live(digests["live"], 0.0), Arm("canary", "canary", "2", digests["other"], 1.0)),
        )
        made.server.start()
        yield made
        made.server.stop()


def test_a_real_server_asks_the_shadow_and_answers_by_live(gateway: Gateway, loaded: dict[str, Embedder]) -> None:
    """Both are on record under one prediction id; the caller has live's vectors."""
    status, told = gateway.server.post("/v1/embeddings", {"model": "mini", "input": TEXTS, "user": "u1"}, {})
    assert status == 200
    np.testing.assert_allclose([each["embedding"] for each in told["data"]], loaded["live"].embed(TEXTS), atol=1e-6)
    gateway.server.until(lambda: len(gateway.records("mini")) == 2)
    made = {record.role: record for record, _ in gateway.records("mini")}
    assert made["live"].prediction_id == made["shadow"].prediction_id
    assert (made["live"].answered, made["shadow"].answered, made["shadow"].entity) == (True, False, "u1")
    assert len(made["shadow"].scores) == 1
    assert gateway.server.metric("model_predictions_total", arm="shadow") == 1


def test_answers_say_whose_vectors_they_are(gateway: Gateway, loaded: dict[str, Embedder]) -> None:
    """Vectors of a canary cannot be taken for live's, with which they cannot be compared."""
    told = {
        name: gateway.server.post("/v1/embeddings", {"model": name, "input": TEXTS}, {})[1]
        for name in ("mini", "moved")
    }
    assert told["mini"]["system_fingerprint"] == fingerprint(loaded["live"].digest)
    assert told["moved"]["system_fingerprint"] == fingerprint(loaded["other"].digest)
    np.testing.assert_allclose(
        [each["embedding"] for each in told["moved"]["data"]], loaded["other"].embed(TEXTS), atol=1e-6
    )
