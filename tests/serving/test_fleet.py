"""Several workers on one port: all of them answer, none of them is missed, and what they counted stays."""

import http.client
import os
import random
import re
import signal
import threading
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
    server = Server(tmp_path, options=("--workers=2",), patience=120)
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


class Asking:
    """Clients that ask without end, each request by a connection of its own, and remember what they were told."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.told: list[str] = []
        self._server = server
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End them."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stopping.is_set():
            try:
                status, answer = self._server.predict(amount=5.0, country="de")
            except (OSError, http.client.HTTPException):  # the one that would have answered is dead
                self._stopping.wait(0.01)
                continue
            assert status == 200
            self.told.append(answer["prediction_id"])


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(20, marks=pytest.mark.long),
        pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_what_a_client_was_told_is_on_record_once_whoever_is_killed(fleet: Server, kills: int) -> None:
    """Random workers die by kill -9 at random moments under load; four times, then the fleet begins anew.

    One that keeps ending is started again later and later, and the proof would have to wait for it.
    """
    chance, told, killed = random.Random(0), list[str](), 0
    while killed < kills:
        asking = Asking(fleet)
        for _ in range(min(4, kills - killed)):
            moment = len(asking.told) + chance.randrange(20, 120)
            fleet.until(lambda moment=moment, asking=asking: len(asking.told) > moment)  # type: ignore[misc]
            fleet.until(lambda: bool(running(fleet)))
            os.kill(chance.choice(running(fleet)).pid, signal.SIGKILL)
            killed += 1
        asking.stop()
        told += asking.told
        fleet.stop(signal.SIGKILL if chance.random() < 0.5 else signal.SIGTERM)
        if killed < kills:
            fleet.start()
    log = fleet.log
    log.seal()
    logged = Counter(log.predictions("fraud", answered=True).column("prediction_id").to_pylist())
    assert len(told) > kills * 20
    assert {identity: logged[identity] for identity in told if logged[identity] != 1} == {}
    assert max(logged.values()) == 1
    print(f"{killed} kills, {len(told)} answered, {len(logged)} on record")  # noqa: T201 - with `pytest -s`


def running(server: Server) -> list[psutil.Process]:
    """The workers that are alive."""

    def alive(each: psutil.Process) -> bool:
        try:
            return each.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [each for each in workers(server) if alive(each)]
