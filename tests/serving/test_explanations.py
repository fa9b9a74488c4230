"""`?explain=true`: what each field added to an answer, from a real server."""

import math
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Scalar
from modelyard.inference import load_bundle

from .harness import Server, live

ROW: tuple[Scalar, ...] = (120.0, "de", 7.0)


@pytest.fixture
def server(tmp_path: Path, built: BuiltBundle) -> Iterator[Server]:
    """A server of one bundle."""
    server = Server(tmp_path)
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop(signal.SIGKILL)


def test_an_explanation_adds_up_to_the_answer(server: Server, built: BuiltBundle) -> None:
    """Base and contributions, on the model's own scale; by name they are the same as in order."""
    answer = server.post("/predict?explain=true", {"features": ROW})[1]
    told = answer["explanation"]
    assert set(told["contributions"]) == {"amount", "country", "visits"}
    assert told["scale"] == "log-odds"
    odds = told["base"] + sum(told["contributions"].values())
    assert 1 / (1 + math.exp(-odds)) == pytest.approx(answer["probability"], rel=1e-6)
    bundle = load_bundle(built.path)
    direct = bundle.contributions(bundle.encode([ROW]).matrix)
    assert list(told["contributions"].values()) == direct.values[0, :, 0].tolist()
    assert set(server.post("/predict", {"features": ROW})[1]) == set(answer) - {"explanation"}


def test_many_rows_are_explained_in_their_order(server: Server) -> None:
    """As many as one request may have, and no more; each is on record as ever."""
    rows: list[Sequence[Scalar]] = [[float(amount), "de", 7.0] for amount in range(1000)]
    answer = server.post("/predict?explain=true", {"features": rows})[1]
    for probability, told in zip(answer["probabilities"], answer["explanations"], strict=True):
        odds = told["base"] + sum(told["contributions"].values())
        assert 1 / (1 + math.exp(-odds)) == pytest.approx(probability, rel=1e-6)
    assert server.post("/predict?explain=true", {"features": [*rows, ROW]})[0] == 413
    assert server.stop() == 0
    assert server.log.stats("fraud").predictions == len(rows)


def test_one_request_at_a_time_may_take_all_the_room(server: Server) -> None:
    """Two that together want too much: one is explained, the other is told to come again; neither fails otherwise."""
    rows: list[Sequence[Scalar]] = [[float(amount), "de", 7.0] for amount in range(1000)]
    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(server.post, "/predict?explain=true", {"features": rows}) for _ in range(2)]
        (explained, _), (refused, told) = sorted((each.result() for each in asked), key=lambda each: each[0])
    assert (explained, refused) == (200, 503)
    assert told["error"]["message"] == "1000 rows wait to be explained."


def test_what_is_no_question_is_refused(server: Server) -> None:
    """With the place and what may be written."""
    status, answer = server.post("/predict?explain=yes", {"features": ROW})
    assert (status, answer["error"]["path"]) == (400, "explain")
