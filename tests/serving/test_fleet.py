"""Several workers on one port: all of them answer, none of them is missed, and what they counted stays."""

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from modelyard.bundling import BuiltBundle

from .harness import Server, live


@pytest.fixture
def fleet(tmp_path: Path, built: BuiltBundle) -> Iterator[Server]:
    """Two workers with one live version."""
    server = Server(tmp_path, options=("--workers=2",))
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    server.until(lambda: len(server.statuses()) == 2)
    yield server
    server.stop(signal.SIGKILL if server.process is not None and server.process.poll() is None else signal.SIGTERM)


def counted(server: Server) -> float:
    """Rows scored, as Prometheus sees them."""
    _, text = server.get("/metrics", port=server.metrics_port)
    return sum(float(value) for value in re.findall(r"^model_predictions_total\{.*\} (\S+)$", text, re.M))


def workers(server: Server) -> list[psutil.Process]:
    """The worker processes."""
    assert server.process is not None
    return psutil.Process(server.process.pid).children()


def test_connections_are_spread_over_the_workers(fleet: Server) -> None:
    """Each of 60 comes by a connection of its own; no worker is left idle, and all is on record and counted."""
    told = {fleet.predict(amount=float(at))[1]["prediction_id"] for at in range(60)}
    assert counted(fleet) == 60
    segments = [path.name.split("-")[1:3] for path in (fleet.folder / "journal" / "predictions").iterdir()]
    assert sorted(name for _, name in segments) == ["1.0", "1.1"]
    fleet.stop()
    logged = fleet.log.predictions("fraud").column("prediction_id").to_pylist()
    assert Counter(logged) == Counter(told)


def test_a_killed_worker_is_replaced_and_its_counts_stay(fleet: Server) -> None:
    """What it had counted is still in the sum; the port never closed."""
    for at in range(20):
        fleet.predict(amount=float(at))
    victim = workers(fleet)[0]
    os.kill(victim.pid, signal.SIGKILL)
    fleet.until(lambda: victim.pid not in {each.pid for each in workers(fleet)} and len(workers(fleet)) == 2)
    fleet.until(lambda: len({each.pid for each in fleet.statuses()} & {each.pid for each in workers(fleet)}) == 2)
    assert counted(fleet) == 20
    for at in range(20):
        assert fleet.predict(amount=float(at))[0] == 200
    assert counted(fleet) == 40


def test_the_end_of_the_fleet_is_the_end_of_its_workers(fleet: Server) -> None:
    """Asked to stop, or killed: within five seconds nobody is left."""
    gone = workers(fleet)
    assert fleet.stop() == 0
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in gone)
    fleet.start()
    left = workers(fleet)
    fleet.stop(signal.SIGKILL)
    assert not psutil.wait_procs(left, timeout=5)[1]


def test_a_port_in_use_is_said_once(fleet: Server) -> None:
    """Not by each worker; exit code 2."""
    second = Server(fleet.folder, options=("--workers=2",))
    second.port = fleet.port
    code, said = second.refused()
    assert code == 2
    assert said.count("is in use") == 1
