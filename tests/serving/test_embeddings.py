"""Vectors over a real server, as OpenAI's API tells them."""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.core import Digest
from modelyard.inference import Embedder, load_embedder
from modelyard.routing import ServingPolicy
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_tiny
from .test_chat import Gateway, live, raw, route

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


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        (b'{"model":"mini","input":[]}', 400, "input", "empty"),
        (b'{"model":"mini","input":""}', 400, "input", "empty"),
        (b'{"model":"mini","input":["a",""]}', 400, "input[1]", "empty"),
        (b'{"model":"mini","input":[1,2]}', 400, "input[0]", "Send the text"),
        (b'{"model":"mini","input":["a",[1,2]]}', 400, "input[1]", "Send the text"),
        (b'{"model":"mini","input":7}', 400, "input", "Expected"),
        (b'{"model":"mini","input":"a","dimensions":7}', 400, "dimensions", "32"),
        (b'{"model":"mini","input":"a","encoding_format":"int8"}', 400, "encoding_format", "Invalid"),
        (b'{"model":"mini","inputs":"a"}', 400, "inputs", "Did you mean 'input'"),
        (b'{"model":"mini"}', 400, None, "input"),
        (b'{"model":"mnii","input":"a"}', 404, "model", "Did you mean 'mini'"),
        (b'{"model":"chat","input":"a"}', 400, "model", "/v1/chat/completions"),
        (b'{"model":"mini","input":[%b]}' % b",".join([b'"a"'] * 11), 400, "input", "at most 10"),
        (b'{"model":"mini","input":["a","%b"]}' % (b"a b " * 40), 400, "input[1]", "of at most 46"),
        (b'{"model":"mini","input":"\\ud800"}', 400, None, "truncated"),
        (b'{"model":"mini","input":"%b"}' % (b"a" * (1 << 20)), 413, None, "larger"),
    ],
)
def test_bad_input_is_told_with_its_path(
    gateway: Gateway, body: bytes, status: int, param: str | None, says: str
) -> None:
    """In OpenAI's shape."""
    got, said = raw(gateway.server.port, body, "/v1/embeddings")
    told = json.loads(said)["error"]
    assert (got, told["param"]) == (status, param), told
    assert says in told["message"]
    assert told["type"] == "invalid_request_error"


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
