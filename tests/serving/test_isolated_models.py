"""Models in worker processes behind a running server: what they do to themselves they do to nobody else."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest
from modelyard.inference import verify_bundle
from modelyard.routing import Arm, Feed, Route

from ..inference.bad_bundles import python_bundle
from .harness import Server, live

MOODY = """
import os, time

class Model:
    def predict(self, rows):
        for row in rows:
            if row["f0"] == 1: os._exit(7)
            if row["f0"] == 2: time.sleep(60)
            if row["f0"] == 3: self.kept = bytearray(8 * 10**9)
        return [row["f1"] for row in rows]

def load(folder):
    return Model()
"""


class Moody:
    """A server of one bundle of code."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.server = Server(
            folder / "server", options=("--probe-seconds=20", "--probe-memory-mb=2000", "--call-seconds=1")
        )
        (folder / "server").mkdir()
        _, self.digest = verify_bundle(bundle)
        self.server.feed.put_bundle(bundle, self.digest)
        self.revision = 0

    def publish(self, *arms: Arm, permitted: bool = True) -> None:
        """Publish the same route, or another of these arms, with or without permission."""
        self.revision += 1
        arms = arms or (Arm("live", "live", "1", self.digest, 1.0),)
        generation = 1 if len(arms) == 1 and arms[0].bundle == self.digest else self.revision
        route = Route("moody", "moody", generation, arms, "salt", clock="request")
        self.server.feed.publish(
            Feed(self.revision, (route,), python_bundles=(self.digest,) if permitted else ()),
        )

    def ask(self, mood: float, answer: float = 0.5) -> int:
        """Ask one row; the status."""
        return self.server.predict(f0=mood, f1=answer, f2=0.0)[0]

    def failure(self, mood: float) -> str:
        """Ask one row; the code of the error it gets."""
        code: str = self.server.predict(f0=mood, f1=0.0, f2=0.0)[1]["error"]["code"]
        return code

    def workers(self) -> list[int]:
        """The worker processes of the server's own."""
        assert self.server.process is not None
        found = []
        for entry in Path("/proc").iterdir():
            try:
                told = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1] if told else ""
            except OSError:
                continue
            if b"modelyard.inference.isolated" in told and parent == str(self.server.process.pid):
                found.append(int(entry.name))
        return found


@pytest.fixture
def moody(tmp_path: Path) -> Iterator[Moody]:
    """The server, not yet told of a route."""
    made = Moody(tmp_path, python_bundle(tmp_path / "bundle", MOODY))
    yield made
    if made.server.process is not None:
        made.server.stop(signal.SIGTERM)


def test_a_row_that_takes_the_worker_down_is_a_failure_of_that_row(moody: Moody) -> None:
    """Crash, hang and hunger are the model's failure for who asked for them; the next row is answered."""
    moody.publish()
    moody.server.start()
    assert moody.ask(0) == 200
    for mood in (1, 2, 3):
        assert moody.failure(mood) == "MODEL_FAILED"
        moody.server.until(lambda: moody.ask(0) == 200)
    code, told = moody.server.post("/predict", {"inputs": [{"f0": 0, "f1": each, "f2": 0} for each in (1, 2, 3)]})
    assert (code, told["predictions"]) == (200, [1.0, 2.0, 3.0])
    assert moody.server.get("/health")[0] == 200


def test_while_a_model_hangs_the_server_answers_everybody_else(moody: Moody, built: BuiltBundle) -> None:
    """Its arm waits in a thread; the loop goes on."""
    moody.server.feed.put_bundle(built.path, built.digest)
    hung = Route("moody", "moody", 1, (Arm("live", "live", "1", moody.digest, 1.0),), "salt", clock="request")
    fine = Route("fraud", "fraud", 1, (live(built),), "salt", clock="request")
    moody.server.feed.publish(Feed(1, (hung, fine), python_bundles=(moody.digest,)))
    moody.server.start()
    told: list[str] = []
    path, body = "/deployments/moody/predict", {"inputs": [{"f0": 2.0, "f1": 0.0, "f2": 0.0}]}
    client = threading.Thread(target=lambda: told.append(moody.server.post(path, body)[1]["error"]["code"]))
    client.start()
    slowest = 0.0
    while client.is_alive():
        began = time.monotonic()
        code, _ = moody.server.post("/deployments/fraud/predict", {"inputs": [{"amount": 1.0}]})
        assert code == 200
        slowest = max(slowest, time.monotonic() - began)
    assert told == ["MODEL_FAILED"]
    assert slowest < 0.5


def test_python_that_is_not_permitted_is_refused_until_it_is(moody: Moody, built: BuiltBundle) -> None:
    """The server says why and what to do; permitting it in the feed is enough, the route stays as it was."""
    moody.publish(permitted=False)
    moody.server.start_unready()
    moody.server.until(lambda: any(arm.why_not for each in moody.server.statuses() for arm in each.arms))
    (why,) = [arm.why_not for each in moody.server.statuses() for arm in each.arms]
    assert "is not permitted" in why
    assert moody.workers() == []
    moody.publish(permitted=True)
    moody.server.until(lambda: moody.ask(0) == 200)
    assert len(moody.workers()) == 1


def test_a_worker_ends_with_its_route_and_with_its_server(moody: Moody, built: BuiltBundle) -> None:
    """Replaced by another bundle it goes; so it does when the server is killed."""
    moody.publish()
    moody.server.start()
    (first,) = moody.workers()
    moody.server.feed.put_bundle(built.path, built.digest)
    moody.publish(live(built))
    moody.server.until(lambda: not Path(f"/proc/{first}").exists())
    assert moody.server.predict(amount=1.0)[0] == 200
    moody.publish(Arm("live", "live", "2", moody.digest, 1.0), permitted=True)
    moody.server.until(lambda: moody.workers() != [])
    (second,) = moody.workers()
    moody.server.stop(signal.SIGKILL)
    moody.server.until(lambda: not Path(f"/proc/{second}").exists())


def test_a_shadow_that_crashes_answers_nobody_and_harms_nobody(moody: Moody, built: BuiltBundle) -> None:
    """Copies go to its worker in a thread."""
    other = python_bundle(moody.server.folder / "other", MOODY + "\n# as reliable as the first\n")
    _, digest = verify_bundle(other)
    moody.server.feed.put_bundle(other, digest)
    arms = (Arm("live", "live", "1", moody.digest, 1.0), Arm("shadow", "shadow", "2", digest, 1.0))
    route = Route("moody", "moody", 1, arms, "salt", clock="request")
    permitted = (moody.digest, Digest(digest))
    moody.server.feed.publish(Feed(1, (route,), python_bundles=permitted))
    moody.server.start()
    assert len(moody.workers()) == 2
    shadow = max(moody.workers())
    os.kill(shadow, signal.SIGKILL)
    assert [moody.ask(0) for _ in range(5)] == [200] * 5
    moody.server.until(lambda: len(moody.workers()) == 2)
