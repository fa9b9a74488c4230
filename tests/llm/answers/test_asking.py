"""Applications are asked as any client asks them; what does not come is on record as its error."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from modelyard.core import InvalidInput, ModelyardError, Unavailable
from modelyard.llm.answers import Gateway, Retrieved, ask_suite
from modelyard.testing import FaultyUpstream, faulty_upstream

from .made import suite_of

SUITE = suite_of({"id": "a", "question": "one two"}, {"id": "b", "question": "three"})


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """What speaks OpenAI's API, and repeats what it is told."""
    with faulty_upstream() as running:
        yield running


def gateway(url: str, model: str = "answer", **more: Any) -> Gateway:
    """Where a model answers."""
    return Gateway(url, model, **{"keys": {}, "deadline_seconds": 20.0, **more})


@contextmanager
def canned(status: int, body: Any, seen: list[Mapping[str, str]]) -> Iterator[str]:
    """A server that always answers the same; `seen` are the headers that it was sent."""
    said = body if isinstance(body, bytes) else json.dumps(body).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args: object) -> None:
            """Not here."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def test_every_case_is_asked_as_often_as_wanted(upstream: FaultyUpstream) -> None:
    """In the order of cases and turns, however many are asked at once; with tokens, time and variables."""
    suite = suite_of(
        {"id": "a", "question": "one two", "variables": {"company": "Acme"}}, {"id": "b", "question": "three"}
    )
    for at_once in (1, 3):
        upstream.bodies.clear()
        found = ask_suite(suite, "x", gateway(upstream.url, at_once=at_once), repeat=2).answers
        assert [(each.case, each.turn, each.text) for each in found] == [
            ("a", 1, "one two"), ("a", 2, "one two"), ("b", 1, "three"), ("b", 2, "three"),
        ]  # fmt: skip
        assert (found[0].input_tokens, found[0].output_tokens, found[0].cost_micros) == (6, 2, None)
        assert all((each.latency_s or 0) > 0 for each in found)
        assert (found[0].retrieved, found[0].abstained, found[0].cited) == (None, None, None)
        variables = [each.get("variables") for each in upstream.bodies]
        assert sorted(variables, key=str) == [None, None, {"company": "Acme"}, {"company": "Acme"}]


@pytest.mark.parametrize(
    "fault",
    ["half-json", "cut", "other-shape", "no-choice", "busy", "refuse", "too-long", "hang-up", "not-http", "tool"],
)
def test_an_answer_that_does_not_come_is_its_error(upstream: FaultyUpstream, fault: str) -> None:
    """Counted, with what happened; the next case is asked all the same, and none twice."""
    asked = upstream.asked[fault]
    found = ask_suite(SUITE, "x", gateway(upstream.url, fault)).answers
    assert [(each.case, each.text, bool(each.error)) for each in found] == [("a", None, True), ("b", None, True)]
    assert upstream.asked[fault] == asked + 2


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_an_answer_that_is_late_does_not_come(upstream: FaultyUpstream, fault: str) -> None:
    """After the deadline nobody waits."""
    found = ask_suite(SUITE, "x", gateway(upstream.url, fault, deadline_seconds=0.2)).answers
    assert {each.error for each in found} == {"no answer within 0.2 s"}


def test_what_an_application_tells_beside_its_answer_is_kept() -> None:
    """Chunks, whether it abstained, annotations, and which bundle answered; more fields are no trouble."""
    chunk = {
        "chunk": 3,
        "source": "a.md",
        "start": 0,
        "end": 5,
        "title": "A",
        "score": 0.1,
        "cosine": None,
        "text": "x",
    }
    cites = [{"type": "url_citation", "url_citation": {"url": "a.md#char=0,5", "title": "A"}}, {"type": "other"}]
    body = {
        "id": "chatcmpl-1", "system_fingerprint": "fp_abc", "retrieved": [chunk, {"source": "b.md"}], "abstained": True,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "No.", "annotations": cites}}],
    }  # fmt: skip
    seen: list[Mapping[str, str]] = []
    with canned(200, body, seen) as url:
        first, _ = ask_suite(SUITE, "x", gateway(url, keys={(): "secret"})).answers
    assert first.retrieved == (Retrieved("a.md", "x", "A", 0, 5), Retrieved("b.md"))
    assert (first.abstained, first.cited, first.bundle, first.id) == (True, ("a.md",), "abc", "chatcmpl-1")
    assert (first.input_tokens, first.texts) == (None, None)
    assert seen[0]["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b"\xff",
        b'{"choices": "NaN"}',
    ],
)
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    """Never a text, and never the end of the evaluation."""
    with canned(200, body, []) as url:
        found = ask_suite(SUITE, "x", gateway(url)).answers
    assert [each.text for each in found] == [None, None]
    assert all(each.error for each in found)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_whom_nobody_lets_in_asks_no_further(status: int) -> None:
    """A key or a name that is wrong fails at once, with what was said."""
    seen: list[Mapping[str, str]] = []
    with canned(status, {"error": {"message": "no such thing"}}, seen) as url, pytest.raises(Unavailable) as told:
        ask_suite(SUITE, "x", gateway(url))
    assert f"{status}, no such thing" in told.value.message
    assert len(seen) == 1


def test_where_nobody_listens_nothing_is_measured() -> None:
    """The address is told."""
    with canned(200, {}, []) as url:
        port = url
    with pytest.raises(ModelyardError, match="cannot be reached"):
        ask_suite(SUITE, "x", gateway(port))


def test_cases_are_asked_by_the_key_of_their_groups() -> None:
    """Without one nothing is asked."""
    suite = suite_of({"id": "a", "question": "?", "groups": ["hr"]}, {"id": "b", "question": "?"})
    seen: list[Mapping[str, str]] = []
    with canned(200, {"choices": [{"message": {"content": "x"}}]}, seen) as url:
        ask_suite(suite, "x", gateway(url, keys={(): "", ("hr",): "theirs"}))
        assert [each.get("authorization") for each in seen] == ["Bearer theirs", None]
        with pytest.raises(InvalidInput, match="asked by hr"):
            ask_suite(suite, "x", gateway(url, keys={(): "mine"}))
    assert len(seen) == 2
