"""A server under load whose processes are killed, whose disk refuses, and that is given bundles which would end it."""

import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest
from modelyard.inference import verify_bundle
from modelyard.routing import Arm, ServingPolicy

from ..inference.bad_bundles import crashing, hanging, hungry
from ..serving.harness import Server, live
from ..serving.paced import Paced
from .loading import Load

pytestmark = pytest.mark.long

WhenLogFails = Literal["fail_closed", "degrade"]


TRIES = ("--probe-seconds=5", "--probe-memory-mb=2000")
"""What a new bundle may take, where some take more."""


@pytest.fixture
def server(tmp_path: Path, built: BuiltBundle, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with one live version, not started; parametrized with further options."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder, options=getattr(request, "param", ()), patience=120)
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop(signal.SIGKILL)


def on_record(server: Server) -> Counter[str]:
    """How often each answered prediction is on record."""
    log = server.log
    log.seal()
    return Counter(log.predictions("fraud", answered=True).column("prediction_id").to_pylist())


def killed(server: Server, kills: int, seed: int) -> None:
    """Kill the server at random moments under load, with labels: what was acknowledged is there, once."""
    chance = random.Random(seed)
    told, labelled = list[str](), list[str]()
    for _ in range(kills):
        server.start()
        with Load(server.port, clients=3, label_every=3) as load:
            load.until(chance.randrange(5, 60))
            server.stop(signal.SIGKILL)
        assert load.balanced()
        told += load.told
        labelled += load.labelled
    found = on_record(server)
    truths = Counter(server.log.truths("fraud").column("prediction_id").to_pylist())
    assert set(told) <= set(found)
    assert set(labelled) <= set(truths) <= set(found)
    assert set(found.values()) == set(truths.values()) == {1}
    assert len(found) - len(told) <= 3 * kills  # each client may have been cut off before it was told
    print(f"{kills} kills: {len(told)} predictions and {len(labelled)} labels acknowledged, all there")  # noqa: T201


def test_what_a_killed_server_acknowledged_is_there_once(server: Server) -> None:
    """Predictions and labels."""
    killed(server, 3, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_two_hundred_times(server: Server) -> None:
    """At other moments."""
    killed(server, 200, seed=2)


def limit(server: Server, size: int) -> None:
    """Let the server's files grow no further than so many bytes, as on a disk that is full; -1: as they like."""
    assert server.process is not None
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def silent_for(server: Server) -> float:
    """Seconds since the server last wrote how it is."""
    (status,) = server.statuses()
    return time.time() - status.heartbeat_us / 1e6


def refused_and_healed(server: Server, built: BuiltBundle, policy: WhenLogFails) -> None:
    """Make the disk take no more, for longer than a heartbeat; then let it take everything again."""
    server.publish(live(built), policy=ServingPolicy(when_log_fails=policy))
    server.start()
    told = [server.predict(amount=1.0)[1]["prediction_id"] for _ in range(5)]
    limit(server, 0)
    server.until(lambda: silent_for(server) > 2.5)
    statuses = set[int]()
    for _ in range(5):
        status, answer = server.predict(amount=2.0)
        statuses.add(status)
        if status == 200:
            told.append(answer["prediction_id"])
    assert statuses == ({503} if policy == "fail_closed" else {200})
    limit(server, resource.RLIM_INFINITY)
    server.until(lambda: server.predict(amount=3.0)[0] == 200)
    server.until(lambda: '"healthy"' in server.get("/health")[1], 5)
    told += [server.predict(amount=4.0)[1]["prediction_id"] for _ in range(5)]
    server.publish(live(built, version="2"))
    server.until_generation()  # who follows routes is still there
    server.stop()
    found = on_record(server)
    assert set(told) <= set(found)
    assert set(found.values()) == {1}
    assert len(found) == len(told) + 1  # and the one that told that it is healed


@pytest.mark.parametrize("policy", ["fail_closed", "degrade"])
def test_a_disk_that_takes_no_more_is_answered_by_policy_and_heals(
    server: Server, built: BuiltBundle, policy: WhenLogFails
) -> None:
    """Refused with 503, or answered and written later; without a restart; what was acknowledged is there, once."""
    refused_and_healed(server, built, policy)


def digests_of(server: Server, folder: Path, built: BuiltBundle) -> list[Digest]:
    """Bundles beside the feed that crash, hang, eat up memory, or are not what was written."""
    found = []
    for make in (crashing, hanging, hungry):
        bundle = make(folder / make.__name__)
        _, digest = verify_bundle(bundle)
        server.feed.put_bundle(bundle, digest)
        found.append(digest)
    torn = Digest("0" * 63 + "1")
    (server.feed.put_bundle(built.path, torn) / "profile.json").write_text("{")
    return [*found, torn]


def swapped(server: Server, folder: Path, built: BuiltBundle, swaps: int) -> Paced:
    """Ask for a bad bundle again and again, in the live arm's place, at 200 requests a second."""
    bad = digests_of(server, folder, built)
    server.start()
    clients = Paced(server.port, 200)
    clients.start()
    for number in range(swaps):
        digest = bad[number % len(bad)]
        server.publish(Arm("live", "live", str(number + 2), digest, 1.0))
        server.until(lambda: any(arm.why_not for each in server.statuses() for arm in each.arms))
        server.publish(live(built))
        server.until_generation()
    clients.stop()
    return clients


@pytest.mark.parametrize("server", [TRIES], indirect=True, ids=["tries"])
def test_no_request_fails_while_bad_bundles_are_tried(server: Server, built: BuiltBundle, tmp_path: Path) -> None:
    """Ten swaps."""
    clients = swapped(server, tmp_path, built, 10)
    assert clients.failed() == []
    assert len(clients.asked) > 500


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("server", [TRIES], indirect=True, ids=["tries"])
def test_no_request_fails_in_a_hundred_swaps(server: Server, built: BuiltBundle, tmp_path: Path) -> None:
    """A hundred."""
    clients = swapped(server, tmp_path, built, 100)
    assert clients.failed() == []
    print(f"100 swaps, {len(clients.asked)} requests, none failed")  # noqa: T201 - the figure, with `pytest -s`


UNGUARDED = """
import runpy, sys
from modelyard.journal import Journal
from modelyard.serving import deployments
from modelyard.serving.process import ServerProcess
sys.argv[0] = "server"
append = Journal.append

def later(self, records, held=[]):
    held += records
    if len(held) > 20:
        append(self, held)
        held.clear()

def report(self):
    self._write_status()
    self._plane.report()

{guard}
runpy.run_module("modelyard.serving", run_name="__main__")
"""
"""A server without one of its guards."""


@contextmanager
def unguarded(server: Server, guard: str, *options: str) -> Iterator[Server]:
    """The same without one."""
    found = Server(server.folder, wrapper=UNGUARDED.format(guard=guard), options=options)
    try:
        yield found
    finally:
        if found.process is not None:
            found.stop(signal.SIGKILL)


def test_without_writing_first_kills_lose_what_was_acknowledged(server: Server) -> None:
    """Records that are held back for a moment."""
    with unguarded(server, "Journal.append = later") as weak, pytest.raises(AssertionError):
        killed(weak, 3, seed=1)


def test_without_its_guard_a_refused_status_ends_all_that_is_beside_requests(
    server: Server, built: BuiltBundle
) -> None:
    """Held records stay held, and no route is followed."""
    with unguarded(server, "ServerProcess._report = report") as weak, pytest.raises(AssertionError):
        refused_and_healed(weak, built, "degrade")


def test_without_a_trial_a_bundle_that_crashes_takes_the_server_down(
    server: Server, built: BuiltBundle, tmp_path: Path
) -> None:
    """Live, it would end each process that loads it."""
    bundle = crashing(tmp_path / "crashing")
    _, digest = verify_bundle(bundle)
    server.feed.put_bundle(bundle, digest)
    with unguarded(server, "deployments.probe_bundle = lambda *_, **__: None") as weak:
        weak.publish(live(built))
        weak.start()
        weak.publish(Arm("live", "live", "2", digest, 1.0))
        assert weak.process is not None
        assert weak.process.wait(20) in (-signal.SIGSEGV, -signal.SIGBUS)
