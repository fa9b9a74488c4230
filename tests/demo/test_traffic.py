"""The clients of the demonstration against a real HTTP server that remembers what it was sent."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from modelyard.core import Micros
from modelyard.demo.errors import TrafficFailed
from modelyard.demo.traffic import TRUTHS_A_REQUEST, Clients, Request, Tally, Truth


class Server(ThreadingHTTPServer):
    """Answers /predict with the request's own carrier as id, and takes truths, unless told otherwise."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, Any, str | None]] = []
        self.entities: list[str | None] = []
        self.refuse: set[str] = set()
        self.takes = 1.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """See `Server`."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body, self.headers.get("X-Modelyard-At")))
        self.server.entities.append(self.headers.get("X-Entity-Id"))
        if self.path.endswith("/feedback"):
            self.answer(200, {"accepted": int(len(body) * self.server.takes)})
            return
        carrier = body["inputs"][0]["carrier"]
        if carrier in self.server.refuse:
            self.answer(400, {"error": {"message": f"{carrier} is refused"}})
            return
        self.answer(200, {"prediction_id": f"id-{carrier}", "model_version": "1", "latency_ms": 1.0})

    def answer(self, status: int, document: object) -> None:
        """One JSON answer on a connection that stays open."""
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a port of its own."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def flights(count: int) -> list[Request]:
    """Requests that are told apart by their carriers."""
    return [Request(Micros(at), {"carrier": f"Ü{at}"}, at % 2, Micros(at + 1)) for at in range(count)]


def sent(server: Server, requests: list[Request]) -> tuple[list[str | None], Tally]:
    """Send requests; their ids in order, and the tally."""

    async def send() -> tuple[list[str | None], Tally]:
        async with Clients(server.address, "flights", connections=4) as clients:
            return await clients.predict_all(requests), clients.tally

    return asyncio.run(send())


def post(server: Server, count: int) -> Tally:
    """Post truths."""

    async def send() -> Tally:
        async with Clients(server.address, "flights") as clients:
            await clients.post_truths(Truth(f"id-{at}", at % 2, "2013-04-01", "2013-04-01") for at in range(count))
            return clients.tally

    return asyncio.run(send())


def test_answers_come_back_in_the_order_of_the_requests(server: Server) -> None:
    """Sent side by side, each with its own event time, to the deployment's own address."""
    ids, tally = sent(server, flights(50))
    assert ids == [f"id-Ü{at}" for at in range(50)]
    assert (tally.sent, tally.failed, len(tally.latencies_ms)) == (50, 0, 50)
    assert {path for path, _, _ in server.seen} == {"/deployments/flights/predict"}
    assert sorted(int(at or -1) for _, _, at in server.seen) == list(range(50))


def test_a_request_says_for_whom_it_asks_where_no_field_does(server: Server) -> None:
    """In the header by which a caller names what the assignment goes by."""
    known, unknown = flights(2)
    sent(server, [known])
    sent(server, [msgspec.structs.replace(unknown, entity="flight 7")])
    assert server.entities == [None, "flight 7"]


def test_a_failure_is_counted_and_has_no_id(server: Server) -> None:
    """The others are not disturbed, and the server's words are kept."""
    server.refuse = {"Ü1", "Ü3"}
    ids, tally = sent(server, flights(5))
    assert ids == ["id-Ü0", None, "id-Ü2", None, "id-Ü4"]
    assert (tally.sent, tally.failed) == (5, 2)
    assert all(failure.startswith("400 ") and "is refused" in failure for failure in tally.failures)


def test_nothing_to_send_is_nothing_sent(server: Server) -> None:
    """Neither requests nor truths."""
    ids, tally = sent(server, [])
    assert (ids, tally.sent) == ([], 0)
    assert post(server, 0).truths_posted == 0
    assert server.seen == []


def test_truths_are_posted_in_batches(server: Server) -> None:
    """None is left out at the edges of a batch."""
    assert post(server, TRUTHS_A_REQUEST + 1).truths_posted == TRUTHS_A_REQUEST + 1
    assert [len(body) for _, body, _ in server.seen] == [TRUTHS_A_REQUEST, 1]
    assert server.seen[1][1] == [{"prediction_id": "id-1000", "label": 0, "at": "2013-04-01", "event_at": "2013-04-01"}]


def test_truths_that_were_not_all_taken_end_the_demonstration(server: Server) -> None:
    """A summary that counts truths which nobody has would be wrong."""
    server.takes = 0.5
    with pytest.raises(TrafficFailed, match="refused 10 truths: 200"):
        post(server, 10)


def test_clients_are_used_inside_their_block() -> None:
    """Outside of it there is no connection to use."""
    with pytest.raises(RuntimeError, match="context manager"):
        asyncio.run(Clients("http://127.0.0.1:9", "flights").predict_all(flights(1)))
