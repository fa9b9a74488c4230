"""`?explain=true`: what each field added to an answer, from a real server."""

import json
import math
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

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
    """Of several that arrive at one moment the first is explained, the others are told to come again."""
    rows: list[Sequence[Scalar]] = [[float(amount), "de", 7.0] for amount in range(1000)]
    answers = at_one_moment(server, 4, "/predict?explain=true", {"features": rows})
    assert sorted(status for status, _ in answers) == [200, 503, 503, 503]
    told = next(answer for status, answer in answers if status == 503)
    assert told["error"]["message"] == "1000 rows wait to be explained."
    assert server.post("/predict?explain=true", {"features": rows})[0] == 200


def test_rows_that_are_refused_give_their_room_back(server: Server) -> None:
    """A request whose rows no model takes leaves all the room to the next."""
    wrong = [["much", "de", 7.0]] * 1000
    rows: list[Sequence[Scalar]] = [[float(amount), "de", 7.0] for amount in range(1000)]
    assert server.post("/predict?explain=true", {"features": wrong})[0] == 400
    answers = at_one_moment(server, 2, "/predict?explain=true", {"features": rows})
    assert sorted(status for status, _ in answers) == [200, 503]


def at_one_moment(server: Server, clients: int, path: str, body: object) -> list[tuple[int, Any]]:
    """The answers to the same request by several clients, all of which lie there before the server reads the first."""
    assert server.process is not None
    connections = [HTTPConnection("127.0.0.1", server.port, timeout=20) for _ in range(clients)]
    server.process.send_signal(signal.SIGSTOP)
    for connection in connections:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    server.process.send_signal(signal.SIGCONT)
    answers = []
    for connection in connections:
        with closing(connection):
            response = connection.getresponse()
            answers.append((response.status, json.load(response)))
    return answers


def test_what_is_no_question_is_refused(server: Server) -> None:
    """With the place and what may be written."""
    status, answer = server.post("/predict?explain=yes", {"features": ROW})
    assert (status, answer["error"]["path"]) == (400, "explain")
