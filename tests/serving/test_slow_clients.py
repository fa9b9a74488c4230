"""Many clients that hardly send: all are hung up on in time, and nobody else notices."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle

from .harness import Server, live
from .paced import NOISE, Paced

Start = Callable[[float], Server]


@pytest.fixture
def start(tmp_path: Path, built: BuiltBundle) -> Iterator[Start]:
    """Starts a server that gives clients so many seconds to send a request."""
    servers = []

    def begin(receive_seconds: float) -> Server:
        server = Server(tmp_path, options=(f"--receive-seconds={receive_seconds:g}",))
        server.feed.put_bundle(built.path, built.digest)
        server.publish(live(built))
        server.start()
        servers.append(server)
        return server

    yield begin
    for server in servers:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("count", "seconds", "receive_seconds", "closed_within"),
    [
        pytest.param(100, 8.0, 2.0, 5.0, marks=[pytest.mark.long, pytest.mark.alone]),
        pytest.param(500, 60.0, 10.0, 15.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
    ],
)
def test_slow_clients_are_hung_up_on_and_nobody_else_notices(
    start: Start, count: int, seconds: float, receive_seconds: float, closed_within: float
) -> None:
    """p99 of the others at most doubles, none of them fails, and every slow one is gone in time."""
    server = start(receive_seconds)
    others = Paced(server.port, 100)
    others.start()
    quiet = max(4.0, seconds / 4)
    begin = time.monotonic() + 1
    server.until(lambda: time.monotonic() > begin + quiet, seconds=quiet + 20)
    program = [sys.executable, str(Path(__file__).with_name("slow_clients.py"))]
    slow_from = time.monotonic()
    result = subprocess.run(
        [*program, str(server.port), str(count), str(seconds)], capture_output=True, text=True, check=True
    )
    slow_until = time.monotonic()
    others.stop()
    told = json.loads(result.stdout)
    before, during = others.p99(begin, slow_from), others.p99(slow_from, slow_until)
    print(  # noqa: T201 - the numbers, with `pytest -s`
        f"p99 {before * 1000:.2f} ms before, {during * 1000:.2f} ms with {count} slow clients; "
        f"{len(told['lifetimes'])} closed after at most {max(told['lifetimes']):.1f} s"
    )
    assert others.failed() == []
    assert during <= 2 * max(before, NOISE)
    assert len(told["lifetimes"]) >= count * int(seconds // closed_within)
    assert max([*told["lifetimes"], *told["ages"]]) <= closed_within
