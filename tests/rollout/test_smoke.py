"""Smoke tests of embedders, against servers that answer as no good one would."""

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.core import Digest, Unavailable
from modelyard.inference import BundleInfo, Embedder, load_embedder, verify_bundle
from modelyard.rollout.smoke.connection import Connection
from modelyard.rollout.smoke.embedder import ask_embedder
from modelyard.rollout.smoke.records import Answered
from modelyard.routing import fingerprint

from ..tiny_embedder import build_tiny

Answer = Callable[[str], tuple[int, Any]]
"""Status and body for the vector of a text."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small embedder, whose golden texts are sixteen: one is empty, two longer than it reads."""
    return build_tiny(tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="module")
def embedder(bundle: Path) -> Embedder:
    """The same, loaded here."""
    return load_embedder(bundle)


@contextmanager
def answering(answer: Answer, name: str = "mini") -> Iterator[str]:
    """A server of vectors of one deployment, and its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert (self.path, sent["model"], len(sent["input"])) == ("/v1/embeddings", name, 1)
            status, body = answer(sent["input"][0])
            told = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def good(embedder: Embedder, text: str) -> tuple[int, Any]:
    """What a server says that has the bundle."""
    if embedder.tokens([text])[0] > embedder.max_tokens - 2:
        return 400, {"error": {"message": "It has 400 tokens.", "code": "context_length_exceeded"}}
    vector = embedder.embed([text])[0].tolist()
    return 200, {"data": [{"embedding": vector}], "system_fingerprint": fingerprint(embedder.digest)}


def asked(bundle: Path, answer: Answer, **changed: Any) -> Answered:
    """What the golden texts come to."""
    info, digest = verify_bundle(bundle)
    with answering(answer) as address, Connection(address, "mini", "") as server:
        return ask_embedder(server, digest, bundle, _with(info, changed))


def _with(info: BundleInfo, changed: dict[str, Any]) -> BundleInfo:
    return msgspec.structs.replace(info, **changed)


def test_golden_texts_pass_but_for_those_that_no_request_carries(bundle: Path, embedder: Embedder) -> None:
    """The empty text is not sent; those that are too long are refused, and are no failure."""
    found = asked(bundle, lambda text: good(embedder, text))
    assert (found.rows, found.skipped, found.wrong) == (13, 3, [])
    assert 0 <= found.worst <= 1e-6


def test_the_tolerance_decides(bundle: Path, embedder: Embedder) -> None:
    """The same vectors under a tolerance that nothing is within."""
    found = asked(bundle, lambda text: good(embedder, text), tolerance=-1.0)
    assert len(found.wrong) == found.rows == 13
    assert len(found.some()) == 6
    assert found.some()[-1] == "and 8 more"


@pytest.mark.parametrize(
    ("vector", "says", "worst"),
    [
        (lambda vector: [*vector[1:], vector[0]], "off by", False),
        (lambda vector: vector[:16], "16 numbers instead of 32", True),
        (lambda vector: [0.0] * len(vector), "off by inf", True),
        (lambda vector: [math.nan, *vector[1:]], "off by inf", True),
        (lambda vector: ["1", *vector[1:]], "off by inf", True),
        (lambda _: "AAAA", "1 numbers instead of 32", True),
    ],
)
def test_other_vectors_are_wrong(
    bundle: Path, embedder: Embedder, vector: Callable[[list[float]], Any], says: str, worst: bool
) -> None:
    """Turned, cut, empty of meaning, or no numbers: each is told with its text."""

    def answer(text: str) -> tuple[int, Any]:
        status, told = good(embedder, text)
        if status == 200 and text == "That is a happy dog":
            told["data"][0]["embedding"] = vector(told["data"][0]["embedding"])
        return status, told

    found = asked(bundle, answer)
    (wrong,) = found.wrong
    assert wrong.startswith("text 1: ")
    assert says in wrong
    assert math.isinf(found.worst) == worst
    assert found.worst > 1e-6


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"error": {"message": "No.", "code": "bad_request"}}, "refused, 400 No."),
        (500, b"<html>", "refused, 500 b'<html>'"),
        (200, b"<html>", "refused, no JSON object: b'<html>'"),
        (200, [], "refused, no JSON object: b'[]'"),
    ],
)
def test_what_is_no_vector_is_wrong(bundle: Path, status: int, body: Any, says: str) -> None:
    """Only a text that is too long is left out."""
    found = asked(bundle, lambda _: (status, body))
    assert (found.rows, len(found.wrong), found.worst) == (15, 15, math.inf)
    assert says in found.wrong[0]


def test_an_answer_without_a_vector_is_wrong(bundle: Path, embedder: Embedder) -> None:
    """It has the bundle's name, and nothing in it."""
    empty = {"data": [], "system_fingerprint": fingerprint(embedder.digest)}
    found = asked(bundle, lambda _: (200, empty))
    assert "0 numbers instead of 32" in found.wrong[0]


@pytest.mark.parametrize("told", ["fp_0123456789", None])
def test_vectors_of_another_bundle_prove_nothing_of_this_one(
    bundle: Path, embedder: Embedder, told: str | None
) -> None:
    """Not even when they are the same; a server that does not say is none of ours."""
    body = {**good(embedder, "x")[1], "system_fingerprint": told}
    with pytest.raises(Unavailable, match=f"answers by version {told}") as refused:
        asked(bundle, lambda _: (200, body))
    assert refused.value.code == "OTHER_VERSION"


@pytest.mark.parametrize(("status", "says"), [(401, "MODELYARD_API_KEY"), (403, "MODELYARD_API_KEY"), (503, "log")])
def test_what_tells_nothing_of_the_embedder_is_no_failure_of_it(bundle: Path, status: int, says: str) -> None:
    """The caller's key, or the server's load."""
    with pytest.raises(Unavailable, match="answered a golden row with") as refused:
        asked(bundle, lambda _: (status, {"error": {"message": "Not now.", "code": "x"}}))
    assert (refused.value.code, says in refused.value.remedy) == ("SMOKE_REFUSED", True)


def test_nothing_but_texts_that_are_too_long_is_no_pass(bundle: Path) -> None:
    """A server cannot refuse its way through."""
    found = asked(bundle, lambda _: (400, {"error": {"message": "", "code": "context_length_exceeded"}}))
    assert (found.rows, found.skipped) == (0, 16)


def test_fingerprints_are_of_digests() -> None:
    """Ten of its characters, as chats have them."""
    assert fingerprint(Digest("0123456789abcdef")) == "fp_0123456789"
