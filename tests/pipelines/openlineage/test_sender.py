"""Events arrive in a file and over HTTP; a receiver that is slow, broken or gone holds up nothing."""

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from modelyard.pipelines import FileReceiver, LineageSettings, Sender, receiver_of
from modelyard.pipelines.openlineage import HttpReceiver

EVENT: Mapping[str, Any] = {"eventType": "START"}


@contextmanager
def receiving(status: int = 201, seconds: float = 0.0) -> Iterator[tuple[str, list[Any]]]:
    """A receiver on loopback: its address, and what it was sent, with path and key."""
    taken: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, self.headers.get("Authorization"), json.loads(body)))
            time.sleep(seconds)
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/stolen")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def losses(caplog: pytest.LogCaptureFixture) -> Iterator[list[Mapping[str, Any]]]:
    """What was told of lost events."""
    found: list[Mapping[str, Any]] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "lineage events lost":
                found.append(record.__dict__["modelyard_fields"])

    handler, log = Heard(), logging.getLogger("modelyard.pipelines")
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)


def test_a_file_gets_one_event_a_line(tmp_path: Path) -> None:
    """Folders are made; several senders write to one file."""
    file = tmp_path / "events" / "lineage.jsonl"
    senders = [Sender(FileReceiver(file)) for _ in range(4)]
    for number in range(25):
        for each in senders:
            each.put(lambda number=number: {"n": number})  # type: ignore[misc]
    for each in senders:
        each.close()
    assert sorted(json.loads(line)["n"] for line in file.read_text().splitlines()) == sorted([*range(25)] * 4)


def test_an_endpoint_gets_events_in_their_order_with_the_key() -> None:
    """At the path of OpenLineage's clients."""
    with receiving() as (url, taken):
        receiver = receiver_of(LineageSettings(openlineage=url, api_key=SecretStr("hunter2")), Path(), {})
        assert receiver is not None
        sender = Sender(receiver)
        for number in range(5):
            sender.put(lambda number=number: {"n": number})  # type: ignore[misc]
        sender.close()
    assert [each[2]["n"] for each in taken] == [0, 1, 2, 3, 4]
    assert {each[:2] for each in taken} == {("/api/v1/lineage", "Bearer hunter2")}
    assert (sender.sent, sender.lost) == (5, 0)


@pytest.mark.parametrize("status", [302, 307, 403, 500])
def test_refusals_are_counted_and_told_once(status: int, losses: list[Mapping[str, Any]]) -> None:
    """After three in a row nothing more is tried; a redirect is not followed, least of all with a key."""
    with receiving(status) as (url, taken):
        sender = Sender(HttpReceiver(f"{url}/api/v1/lineage", "hunter2"))
        for _ in range(10):
            sender.put(lambda: EVENT)
        sender.close()
    assert (len(taken), sender.sent, sender.lost) == (3, 0, 10)
    (told,) = losses
    assert (told["lost"], told["sent"]) == (10, 0)
    assert str(status) in str(told["why"])
    assert "hunter2" not in str(told)


def test_nobody_waits_for_a_receiver_that_is_slow(losses: list[Mapping[str, Any]]) -> None:
    """Putting takes no time, ending no longer than allowed, and the rest is counted."""
    with receiving(seconds=0.5) as (url, _):
        sender = Sender(HttpReceiver(url))
        began = time.monotonic()
        for _ in range(100):
            sender.put(lambda: EVENT)
        assert time.monotonic() - began < 0.2
        sender.close(0.3)
        assert time.monotonic() - began < 1.0
    assert losses[0]["lost"] >= 99


def test_a_receiver_that_is_gone_loses_events_and_nothing_else(losses: list[Mapping[str, Any]]) -> None:
    """Nobody listens, the name is none, the file is a folder, the queue is full, an event cannot be made."""
    for receiver in (HttpReceiver("http://127.0.0.1:9/"), HttpReceiver("http://[bad"), FileReceiver(Path("/proc"))):
        sender = Sender(receiver)
        sender.put(lambda: EVENT)
        sender.close()
        assert (sender.sent, sender.lost) == (0, 1)
    held = threading.Event()
    full = Sender(FileReceiver(Path("/dev/null")), waiting=2)
    full.put(lambda: held.wait() and EVENT)  # type: ignore[return-value,arg-type]
    for _ in range(10):
        full.put(lambda: EVENT)
    held.set()
    full.close()
    assert full.lost >= 7
    broken = Sender(FileReceiver(Path("/dev/null")))
    broken.put(lambda: EVENT["nothing"])
    broken.close()
    assert broken.lost == 1
    Sender(FileReceiver(Path("/dev/null"))).close()  # nothing was put: nothing is told
    assert len(losses) == 5


def test_who_gets_events_is_set_or_taken_from_openlineages_variables(tmp_path: Path) -> None:
    """The project file wins; a bare URL gets the path of the clients; false alarms are switched off."""
    set_here = LineageSettings(openlineage="events.jsonl")
    variables = {
        "OPENLINEAGE_URL": "http://u:pw@collector:5000/",
        "OPENLINEAGE_ENDPOINT": "lineage",
        "OPENLINEAGE_API_KEY": "k",
    }
    names = {
        where: None if (found := receiver_of(settings, tmp_path, known)) is None else found.name
        for where, settings, known in (
            ("file", set_here, variables),
            ("variables", LineageSettings(), variables),
            ("whole", LineageSettings(openlineage="https://host/own/path"), {}),
            ("off", set_here, {"OPENLINEAGE_DISABLED": "True"}),
            ("none", LineageSettings(), {}),
        )
    }
    assert names == {
        "file": str(tmp_path / "events.jsonl"),
        "variables": "http://collector:5000/lineage",
        "whole": "https://host/own/path",
        "off": None,
        "none": None,
    }


@pytest.mark.parametrize("where", ["ftp://host/x", "http://", "http://[bad", "https:///path"])
def test_what_is_no_address_is_refused_with_the_project_file(where: str) -> None:
    """Before anything runs, and not in the middle of it."""
    with pytest.raises(ValidationError):
        LineageSettings(openlineage=where)
