"""Taking a canary back: how soon no worker asks it any more, and that the version before stands ready."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest
from modelyard.inference import Bundle, verify_bundle
from modelyard.inference.runtimes.isolated import IsolatedRuntime
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, FeedFolder, Route
from modelyard.serving.deployments import Deployments

from ..inference.bad_bundles import python_bundle
from .harness import Server, canary, live
from .paced import BODY
from .test_isolated_models import MOODY

WITHIN = 2.0
"""Seconds from the publication of a route to the last answer of the arm that it takes back."""


class Asking:
    """Clients that ask without pause, each request by a connection of its own, so that every worker is asked."""

    def __init__(self, port: int, clients: int) -> None:
        self.answers: list[tuple[float, int, str]] = []
        self._port = port
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def last_of(self, version: str) -> float:
        """When a version was last heard of."""
        return max(at for at, _, told in self.answers if told == version)

    def _ask(self) -> None:
        while not self._stopping.wait(0.005):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                connection.request("POST", "/predict", BODY)
                response = connection.getresponse()
                told = json.loads(response.read())
                self.answers.append((time.time(), response.status, told.get("model_version", "")))
            except (OSError, http.client.HTTPException):
                self.answers.append((time.time(), 0, ""))
            finally:
                connection.close()


@pytest.fixture
def fleet(tmp_path: Path, built: BuiltBundle, strict_bundle: BuiltBundle) -> Iterator[Server]:
    """Two workers, half of whose answers are a canary's."""
    server = Server(tmp_path, options=("--workers=2",))
    for bundle in (built, strict_bundle):
        server.feed.put_bundle(bundle.path, bundle.digest)
    server.publish(live(built, 0.5), canary(strict_bundle, 0.5))
    server.start()
    server.until(lambda: len(server.statuses()) == 2)
    yield server
    server.stop(signal.SIGTERM)


def in_force(server: Server) -> set[tuple[int, float | None, bool]]:
    """Of each worker the generation it follows, and the weight there of a loaded canary."""
    return {
        (status.generations["fraud"], arm.weight, arm.loaded)
        for status in server.statuses()
        for arm in status.arms
        if arm.arm == "canary"
    }


def test_no_worker_asks_a_canary_two_seconds_after_it_was_taken_back(
    fleet: Server, built: BuiltBundle, strict_bundle: BuiltBundle
) -> None:
    """Measured from the publication to the last answer of the canary; no request fails, and both say what they do."""
    assert in_force(fleet) == {(1, 0.5, True)}
    with Asking(fleet.port, clients=4) as asking:
        time_to_go = time.time() + 1
        fleet.until(lambda: time.time() > time_to_go)
        published = time.time()
        fleet.publish(live(built, 1.0), canary(strict_bundle, 0.0))
        fleet.until(lambda: in_force(fleet) == {(2, 0.0, True)}, seconds=WITHIN)
        until = time.time() + 0.5
        fleet.until(lambda: time.time() > until)
    before = [version for at, _, version in asking.answers if at < published]
    assert 0.3 < before.count("2") / len(before) < 0.7
    assert {status for _, status, _ in asking.answers} == {200}
    assert asking.last_of("2") - published < WITHIN
    assert asking.last_of("1") > asking.last_of("2")


def test_switching_to_an_arm_that_stands_by_loads_nothing(
    tmp_path: Path, built: BuiltBundle, strict_bundle: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version before stays as an arm of weight nought; a route that gives it everything finds it there."""
    feed, online = FeedFolder(tmp_path / "feed"), LocalOnlineStore(tmp_path / "online")
    for bundle in (built, strict_bundle):
        feed.put_bundle(bundle.path, bundle.digest)
    before = Arm("before", "arm", "1", built.digest, 0.0)
    feed.publish(Feed(1, (Route("fraud", "m", 1, (live(strict_bundle, version="2"), before), "s"),)))
    deployments = Deployments(feed, online)
    deployments.load()
    loaded = deployments.find("fraud").arms["before"].bundle
    for name in ("load_bundle", "probe_bundle"):
        monkeypatch.setattr(f"modelyard.serving.deployments.{name}", lambda *_, **__: pytest.fail("it was loaded anew"))
    feed.publish(Feed(2, (Route("fraud", "m", 2, (live(built, version="1"),), "s"),)))
    deployments.load()
    assert deployments.find("fraud").live.bundle is loaded
    deployments.close()
    online.close()


def pid_of(bundle: Bundle) -> int | None:
    """The worker process of an isolated model."""
    runtime = bundle._runtime
    assert isinstance(runtime, IsolatedRuntime)
    return runtime.pid


def test_an_arm_that_stands_by_is_tried_and_started_again(tmp_path: Path) -> None:
    """Its worker process was killed while nobody asked it: the next trial starts another, before it is needed."""
    feed, online = FeedFolder(tmp_path / "feed"), LocalOnlineStore(tmp_path / "online")
    digests = list[Digest]()
    for name in ("first", "second"):
        bundle = python_bundle(tmp_path / name, f"{MOODY}\n# {name}\n")
        digests.append(verify_bundle(bundle)[1])
        feed.put_bundle(bundle, digests[-1])
    arms = (Arm("live", "live", "2", digests[1], 1.0), Arm("before", "arm", "1", digests[0], 0.0))
    feed.publish(Feed(1, (Route("moody", "m", 1, arms, "s"),), python_bundles=tuple(digests)))
    deployments = Deployments(feed, online)
    deployments.load()
    standing_by = deployments.find("moody").arms["before"].bundle
    before = pid_of(standing_by)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    deployments.try_standing_by()
    assert pid_of(standing_by) not in (None, before)
    assert all(each.loaded and not each.why_not for each in deployments.statuses())
    standing_by.close()
    deployments.try_standing_by()
    (ailing,) = [each for each in deployments.statuses() if each.why_not]
    assert (ailing.arm, ailing.loaded, ailing.weight) == ("before", True, 0.0)
    assert ailing.why_not.startswith("loaded, but it does not answer: The model's worker process was closed")
    deployments.close()
    online.close()
