"""Vectors over a real server, as OpenAI's API tells them."""

import asyncio
import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from modelyard.core import Digest
from modelyard.inference import Embedder, load_embedder
from modelyard.routing import ServingPolicy
from modelyard.serving import guarding
from modelyard.serving.chat.embeddings import MOST_WAITING, Embeddings
from modelyard.serving.deployments import Deployment
from modelyard.serving.embedders import LoadedEmbedder
from modelyard.serving.errors import Overloaded
from modelyard.serving.requests import Request
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_tiny
from .test_chat import Gateway, live, route
from .test_guarded_streams import Sent

TEXTS = ["The quick fox", "sleeps by day, and hunts at night", "x"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small embedder."""
    return build_tiny(tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="module")
def embedder(tiny: Path) -> Embedder:
    """The same, loaded here."""
    return load_embedder(tiny)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, tiny: Path, embedder: Embedder) -> Iterator[Gateway]:
    """A server of an embedder, and of an application beside it."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("served"), upstream)
        digest = Digest(embedder.digest)
        made.server.feed.put_bundle(tiny, digest)
        made.publish(
            route("mini", live(digest)),
            route("chat", live(made.bundle("answer"))),
            policy=ServingPolicy(log_text="full", rows_limit=10),
        )
        made.server.start()
        yield made
        made.server.stop()


def embed(gateway: Gateway, given: Any, **more: Any) -> tuple[int, Any]:
    """Ask for vectors."""
    return gateway.server.post("/v1/embeddings", {"model": "mini", "input": given, **more}, {})


def test_vectors_are_those_of_the_embedder_as_numbers_or_base64(gateway: Gateway, embedder: Embedder) -> None:
    """In the order of the texts, with their tokens; one text is a list of one."""
    expected = embedder.embed(TEXTS)
    status, told = embed(gateway, TEXTS, user="u1")
    assert (status, told["object"], told["model"]) == (200, "list", "mini")
    assert [(each["object"], each["index"]) for each in told["data"]] == [("embedding", at) for at in range(3)]
    np.testing.assert_allclose([each["embedding"] for each in told["data"]], expected, atol=1e-6)
    tokens = sum(embedder.tokens(TEXTS))
    assert told["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    _, packed = embed(gateway, TEXTS, encoding_format="base64", dimensions=embedder.dimension)
    vectors = [np.frombuffer(base64.b64decode(each["embedding"]), dtype="<f4") for each in packed["data"]]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    _, one = embed(gateway, TEXTS[0])
    np.testing.assert_allclose([each["embedding"] for each in one["data"]], expected[:1], atol=1e-6)
    record, made = gateway.records("mini")[0]
    assert (record.answered, record.prediction, record.entity, made.input_tokens) == (True, "embedding", "u1", tokens)
    assert json.loads(made.asked) == TEXTS
    assert gateway.server.metric("llm_tokens_total", kind="input") >= tokens


def test_an_embedder_takes_neither_rows_nor_messages_and_is_listed(gateway: Gateway) -> None:
    """Each says where it is to be asked."""
    status, told = gateway.ask("mini")
    assert (status, "/v1/embeddings" in told["error"]["message"]) == (400, True)
    status, told = gateway.server.post("/deployments/mini/predict", {"features": [1.0]}, {})
    assert (status, told["error"]["remedy"]) == (400, "POST /v1/embeddings.")
    listed = json.loads(gateway.server.get("/v1/models")[1])["data"]
    assert {each["id"] for each in listed} == {"mini", "chat"}
    assert gateway.server.get("/ready")[0] == 200
    shown = json.loads(gateway.server.get("/openapi.json")[1])["paths"]
    assert "post" in shown["/v1/embeddings"]


def test_many_callers_at_once_get_each_their_own(gateway: Gateway, embedder: Embedder) -> None:
    """Below a deployment's name, too."""
    words = [f"text number {at}" for at in range(40)]
    expected, got = embedder.embed(words), dict[int, Any]()

    def ask(at: int) -> None:
        path = "/deployments/mini/v1/embeddings" if at % 2 else "/v1/embeddings"
        got[at] = gateway.server.post(path, {"model": "mini", "input": words[at]}, {})[1]["data"][0]["embedding"]

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(40)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    np.testing.assert_allclose([got[at] for at in range(40)], expected, atol=1e-6)


class Slow:
    """An embedder that waits until it may go on, and then fails."""

    info = SimpleNamespace(model="slow")
    dimension = 4
    max_tokens = 50

    def __init__(self) -> None:
        self.begun, self.may = threading.Event(), threading.Event()

    def tokens(self, _texts: list[str]) -> list[int]:
        """Wait."""
        self.begun.set()
        self.may.wait(10)
        raise RuntimeError("slow")


class Counting:
    """What is asked of the data plane: it keeps what it is told."""

    tracing = pepper = None

    def __init__(self, embedder: Slow, **policy: Any) -> None:
        arm = live(Digest("0" * 64))
        loaded = {"live": LoadedEmbedder(arm, cast("Embedder", embedder))}
        policies = ServingPolicy(rows_limit=2 * MOST_WAITING, **policy)
        self.deployment = Deployment(route("mini", arm), loaded, {}, policies)
        self.deployments = SimpleNamespace(find=lambda _name: self.deployment)
        self.told: Counter[str] = Counter()
        self.records: list[tuple[Any, Any]] = []

    def answered(self, _name: str, code: str) -> None:
        """Count it."""
        self.told[code] += 1

    def refused(self, _deployment: Deployment) -> None:
        """Count it."""
        self.told["refused"] += 1

    def unanswered(self, _deployment: Deployment, version: str) -> None:
        """Count it."""
        self.told[f"unanswered by {version}"] += 1

    def generated(self, _deployment: Deployment, record: Any, _generated: Any) -> None:
        """Keep it."""
        self.records.append((record.prediction, record.error))

    def now(self) -> int:
        """Any instant."""
        return 0

    def event_time(self, *_: object, **__: object) -> None:
        """Now."""

    def identity(self, _at: int) -> str:
        """Any."""
        return "id"

    def named_embedder(self, *_: object) -> None:
        """None."""


class Leaving(Sent):
    """A caller who may hang up."""

    def __init__(self) -> None:
        super().__init__()
        self.leave: Callable[[], object] = lambda: None

    def on_leave(self, act: Callable[[], object]) -> None:
        """What his leaving does."""
        self.leave = act


def asks(embeddings: Embeddings, texts: int) -> Leaving:
    """One more caller, with so many texts."""
    request, caller = Request({"headers": (), "query_string": b""}, None), Leaving()
    request.body = json.dumps({"model": "mini", "input": ["x"] * texts}).encode()
    embeddings.embed(request, cast("Any", SimpleNamespace(permit=lambda _name: None)), caller)
    return caller


def test_who_leaves_is_counted_who_fails_too_and_who_comes_when_too_many_wait_is_sent_away() -> None:
    """Each once, the first two on record. Texts beyond what may wait are taken when nobody waits."""
    slow = Slow()
    plane = Counting(slow)

    async def run() -> None:
        embeddings = Embeddings(cast("Any", plane))
        stays = asks(embeddings, MOST_WAITING + 1)
        await asyncio.to_thread(slow.begun.wait, 10)
        with pytest.raises(Overloaded, match="4001 texts are waiting"):
            asks(embeddings, 1)
        assert plane.told == {"refused": 1}
        stays.leave()
        await asyncio.sleep(0.01)
        assert (plane.told["499"], plane.records) == (1, [("left", None)])
        fails = asks(embeddings, 1)
        slow.may.set()
        while not fails.data:
            await asyncio.sleep(0.01)
        assert json.loads(fails.data)["error"]["code"] == "internal"
        await embeddings.close()

    asyncio.run(run())
    assert plane.told == {"refused": 1, "499": 1, "unanswered by 1": 1, "500": 1}
    assert plane.records == [("left", None), (None, "model")]


def test_texts_are_redacted_for_the_record_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of them takes a second, and others are answered meanwhile."""
    threads: set[threading.Thread] = set()

    def noting(text: str) -> str:
        threads.add(threading.current_thread())
        return text

    monkeypatch.setattr(guarding, "redacted", noting)
    slow = Slow()
    slow.may.set()
    plane = Counting(slow, log_text="redacted")

    async def run() -> None:
        embeddings = Embeddings(cast("Any", plane))
        fails = asks(embeddings, 3)
        while not fails.data:
            await asyncio.sleep(0.01)
        await embeddings.close()

    asyncio.run(run())
    assert threads
    assert threading.main_thread() not in threads
