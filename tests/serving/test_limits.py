"""What a server refuses, and how cheaply: too much, too slow, compressed, ambiguous."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from modelyard.bundling import BuiltBundle

from .harness import Server, live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Iterator[Server]:
    """One running server that gives a client a second to send a request."""
    server = Server(tmp_path_factory.mktemp("limits"), options=("--receive-seconds=1",))
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    yield server
    server.stop()


def test_each_port_answers_what_it_is_for(server: Server) -> None:
    """The predict port tells no metrics, and has no page or route of control; the metrics port predicts nothing."""
    for path in ("/metrics", "/admin", "/api/v1/models", "/sign-in"):
        assert server.get(path)[0] == 404
    assert "model_requests_in_progress" in server.get("/metrics", port=server.metrics_port)[1]
    client = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=5)
    client.request("POST", "/predict", b'{"features": [1, "de", 2]}')
    assert client.getresponse().status in (404, 405, 501)
    client.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": [{"amount": 1, "amount": 2}]}',
        b'{"inputs": [{"amount": 1}], "inputs": [{"amount": 2}]}',
        b'{"features": [1, "de", 2], "features": [3, "de", 4]}',
        b'{"inputs": [{"amount": 1, "country": "a:b"}, {"amount": 1, "amount": 1}]}',
        b'{"inputs": [{"amount": 1, "\\u0061mount": 2}]}',
    ],
)
def test_a_name_written_twice_is_refused(server: Server, body: bytes) -> None:
    """Nobody can tell which value is meant; also when the second is spelt with an escape."""
    status, answer = server.post("/predict", body)
    assert status == 400
    assert "is written twice" in answer["error"]["message"]


def test_a_name_written_twice_behind_a_hundred_thousand_others_is_refused_at_once(server: Server) -> None:
    """Others are answered meanwhile: it takes no time that grows with the square of the names."""
    names = [f'"{each:x}":0' for each in range(90_000)]
    began = time.monotonic()
    status, answer = server.post("/predict", f'{{"inputs":[{{{",".join([*names, names[-1]])}}}]}}'.encode())
    assert (status, "'15f8f' is written twice" in answer["error"]["message"]) == (400, True)
    assert time.monotonic() - began < 5


def test_colons_inside_strings_are_no_names(server: Server) -> None:
    """The body is looked at more closely, and taken."""
    assert server.predict(amount=1.0, country="a:b:c")[0] == 200


def test_a_compressed_body_is_refused(server: Server) -> None:
    """Whatever it may unpack to."""
    status, answer = server.post("/predict", {"features": [1, "de", 2]}, {"Content-Encoding": "gzip"})
    assert (status, answer["error"]["code"]) == (415, "UNSUPPORTED_ENCODING")


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    """By its announced length; the server reads none of it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n")
        assert b" 413 " in client.recv(4096)


@pytest.mark.parametrize(
    "begun", [b"", b"POST /pre", b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"]
)
def test_who_takes_too_long_to_send_is_hung_up_on(server: Server, begun: bytes) -> None:
    """Nothing, half a header, half a body: 408 and the end; nobody else notices."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(begun)
        time_began = time.monotonic()
        assert server.predict(amount=1.0)[0] == 200
        assert client.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert client.recv(4096) == b""
        assert 0.9 < time.monotonic() - time_began < 4


def test_an_idle_connection_may_stay(server: Server) -> None:
    """The deadline is for requests that were begun; between two of them a client may think."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.request("GET", "/livez")
    assert client.getresponse().read() == b'{"alive":true}'
    descriptor, until = client.sock.fileno(), time.monotonic() + 2.2
    server.until(lambda: time.monotonic() > until)
    client.request("GET", "/livez")
    assert client.getresponse().read() == b'{"alive":true}'
    assert client.sock.fileno() == descriptor
    client.close()


@pytest.mark.parametrize("bad", [None, 10**20])
def test_one_bad_row_does_not_spoil_those_that_wait_with_it(server: Server, bad: int | None) -> None:
    """Many clients at once, every third of which sends a row that the model refuses, or the log cannot hold."""
    statuses: list[tuple[int, int]] = []

    def ask(number: int) -> None:
        for _ in range(10):
            row = [float(number), "de", 2.0] if number % 3 else [bad, "de", 2.0]
            statuses.append((number % 3, server.post("/predict", json.dumps({"features": row}).encode())[0]))

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert {status for kind, status in statuses if kind == 0} == {400}
    assert {status for kind, status in statuses if kind} == {200}
    assert len(statuses) == 120


@pytest.mark.parametrize(
    "at", ["9" * 5000, "9" * 30, "\u0663", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "now", "-1"]
)
def test_an_instant_that_is_none_is_the_callers_fault(server: Server, at: str) -> None:
    """Beyond all calendars, in other digits, or no instant at all."""
    status, answer = server.post(
        "/predict", {"features": [1, "de", 2]}, {"X-Modelyard-At": at.encode().decode("latin-1")}
    )
    assert (status, answer["error"]["path"]) == (400, "X-Modelyard-At")
