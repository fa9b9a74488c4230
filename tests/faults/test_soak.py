"""All faults mixed, under load, for as long as it is told: every request is accounted for, and nothing grows.

Two servers follow one feed and write one log, which a third process seals. One server is spared, so that what it uses
can be watched; the other, and the one that seals, are killed again and again.

`pytest tests/faults/test_soak.py -m soak -s --soak-minutes 3` is a shorter one of the long form.
"""

import itertools
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest
from modelyard.inference import verify_bundle
from modelyard.routing import Arm, ServingPolicy

from ..inference.bad_bundles import crashing, hanging
from ..serving.harness import Server, live
from .growth import BATCHES, at_most
from .loading import Load

pytestmark = pytest.mark.long

OPTIONS = ("--probe-seconds=20", "--receive-seconds=2")
DEGRADE = ServingPolicy(when_log_fails="degrade")
PATIENCE = 900
"""Seconds until something counts as not coming, on a machine that has other work: times are not what is asked here."""

AGAIN = 60
"""Seconds after which the good bundle is published again: a trial that a busy machine makes longer than
`--probe-seconds` refuses it until the route changes. How often is told with the figures."""

WARM = 10
"""Minutes of a long soak in which caches and the allocator's pools fill, and no growth is measured."""

SEALER = """
import sys, time
from pathlib import Path
from modelyard.history import PredictionLog
log = PredictionLog(Path(sys.argv[1]), Path(sys.argv[2]))
while True:
    log.seal()
    log.compact()
    time.sleep(0.5)
"""


class Gauge:
    """What a process uses, looked at whenever it has come to rest."""

    def __init__(self, pid: int) -> None:
        self.seconds: list[float] = []
        self.memory: list[float] = []
        self.files: list[int] = []
        self.threads: list[int] = []
        self._process = psutil.Process(pid)

    def look(self) -> None:
        """Once more."""
        self.seconds.append(time.monotonic())
        self.memory.append(self._process.memory_info().rss)
        self.files.append(self._process.num_fds())
        self.threads.append(self._process.num_threads())
        print(  # noqa: T201 - how it goes, with `pytest -s`
            f"after {self.seconds[-1] - self.seconds[0]:.0f} s: {self.memory[-1] / 1e6:.1f} MB, "
            f"{self.files[-1]} files, {self.threads[-1]} threads",
            flush=True,
        )

    def growth(self, warm: float) -> float:
        """At most so much more memory an hour, as a share, once so many seconds have passed."""
        since = self.seconds[0] + warm
        seconds, memory = zip(
            *(each for each in zip(self.seconds, self.memory, strict=True) if each[0] > since), strict=True
        )
        return at_most(seconds, memory)

    def flat(self) -> bool:
        """Whether no file or thread was left over: the last looks show no more than the first ones did."""
        few = max(1, len(self.files) // 4)
        return all(max(each[-few:]) <= max(each[:few]) + 3 for each in (self.files, self.threads))


class Soak:
    """Two servers, one who seals, and what is done to them."""

    def __init__(self, folder: Path, built: BuiltBundle, seed: int) -> None:
        self.spared = Server(folder, options=(*OPTIONS, "--server=spared"), patience=PATIENCE)
        self.mortal = Server(folder, options=(*OPTIONS, "--server=mortal"), patience=PATIENCE)
        self.loads: list[Load] = []
        self.done: Counter[str] = Counter()
        self.again = 0
        self._folder = folder
        self._built = built
        self._chance = random.Random(seed)
        self._bad = list(self._bad_bundles())
        self._sockets: list[socket.socket] = []
        self._sealer: subprocess.Popen[bytes] | None = None
        self.spared.feed.put_bundle(built.path, built.digest)
        self.back()

    def start(self) -> None:
        """All of it."""
        self.spared.start_unready()
        self.mortal.start_unready()
        self._settle()
        self._seal()

    def stop(self) -> None:
        """All of it, whatever has become of it."""
        self._let_go()
        for each in (self.spared, self.mortal):
            if each.process is not None:
                each.stop(signal.SIGTERM)
        self._stop_sealing()

    def round(self) -> None:
        """Every fault once, in an order at random and upon one another; then all is put right."""
        faults: list[Callable[[], None]] = [
            self.swap,
            self.refuse,
            self.garble,
            self.announce,
            self.dawdle,
            self.connect,
            self.overload,
            self.kill,
            self.kill_sealer,
        ]
        for fault in self._chance.sample(faults, len(faults)):
            fault()
            self.done[fault.__name__] += 1
            time.sleep(self._chance.uniform(0.1, 1.0))  # a soak lasts as long as it says
        self.heal()

    def heal(self) -> None:
        """As if nothing had been."""
        self._let_go()
        self._limit(resource.RLIM_INFINITY)
        self.back()
        self._settle()

    def swap(self) -> None:
        """A bundle that crashes, hangs or is not what was written, in the live arm's place."""
        bad = Arm("live", "live", "9", self._chance.choice(self._bad), 1.0)
        self.spared.publish(bad, policy=DEGRADE)

    def back(self) -> None:
        """The good one."""
        self.spared.publish(live(self._built), policy=DEGRADE)

    def refuse(self) -> None:
        """The spared server's disk takes no more."""
        self._limit(0)

    def garble(self) -> None:
        """Fifty bodies that are none."""
        for _ in range(50):
            assert self.spared.post("/predict", b"{" * self._chance.randrange(1, 2000))[0] in (400, 503)

    def announce(self) -> None:
        """A body of a gigabyte, and one whose length is a lie."""
        for length in (1 << 30, 9):
            head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{{"
            with socket.create_connection(("127.0.0.1", self.spared.port), timeout=PATIENCE) as client:
                client.sendall(head.encode())

    def dawdle(self) -> None:
        """Thirty clients that began a request and say no more."""
        for _ in range(30):
            client = socket.create_connection(("127.0.0.1", self.spared.port), timeout=PATIENCE)
            client.sendall(b"POST /pre")
            self._sockets.append(client)

    def connect(self) -> None:
        """Two hundred connections at once, of which nothing comes."""
        with ExitStack() as every:
            for _ in range(200):
                every.enter_context(socket.create_connection(("127.0.0.1", self.spared.port), timeout=PATIENCE))

    def overload(self) -> None:
        """More clients for a second than are answered at once."""
        with self._load(self.spared, clients=24):
            time.sleep(1)  # a soak lasts as long as it says

    def kill(self) -> None:
        """The mortal server, and start it again."""
        self.mortal.stop(signal.SIGKILL)
        self.mortal.start_unready()

    def kill_sealer(self) -> None:
        """Whoever turns segments into Parquet, and start another."""
        self._stop_sealing()
        self._seal()

    def steady(self) -> tuple[Load, Load]:
        """The load that is always there: of the spared server, and of the mortal one."""
        spared = self._load(self.spared, clients=3, pace=0.05, label_every=5)
        return spared, self._load(self.mortal, clients=2, pace=0.1, label_every=5)

    def _load(self, server: Server, *, clients: int, pace: float = 0.0, label_every: int = 0) -> Load:
        self.loads.append(Load(server.port, clients=clients, pace=pace, label_every=label_every))
        return self.loads[-1]

    def _limit(self, size: int) -> None:
        assert self.spared.process is not None
        resource.prlimit(self.spared.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _settle(self) -> None:
        """Wait until both servers answer with the good bundle, which is published again where that takes long."""
        until, again = time.monotonic() + PATIENCE, time.monotonic() + AGAIN
        while '"healthy"' not in self.spared.get("/health")[1] or self.mortal.get("/ready")[0] != 200:
            assert time.monotonic() < until, (self._folder / "server.log").read_text()[-3000:]
            if time.monotonic() > again:
                self.back()
                self.again, again = self.again + 1, time.monotonic() + AGAIN
            time.sleep(0.02)

    def _let_go(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    def _seal(self) -> None:
        command = [sys.executable, "-c", SEALER, str(self._folder / "journal"), str(self._folder / "log")]
        self._sealer = subprocess.Popen(command)

    def _stop_sealing(self) -> None:
        if self._sealer is not None:
            assert self._sealer.poll() is None, "who seals has ended by itself"
            self._sealer.kill()
            self._sealer.wait()

    def _bad_bundles(self) -> Iterator[Digest]:
        for make in (crashing, hanging):
            bundle = make(self._folder / make.__name__)
            _, digest = verify_bundle(bundle)
            self.spared.feed.put_bundle(bundle, digest)
            yield digest
        torn = Digest("0" * 63 + "1")
        (self.spared.feed.put_bundle(self._built.path, torn) / "profile.json").write_text("{")
        yield torn


def soaked(soak: Soak, minutes: float) -> Gauge:
    """Rounds of faults under load for so long; everything is accounted for; what the spared server used."""
    soak.start()
    assert soak.spared.process is not None
    gauge, until = Gauge(soak.spared.process.pid), time.monotonic() + minutes * 60
    spared, mortal = soak.steady()
    try:
        with spared, mortal:
            for number in itertools.count():
                soak.round()
                time.sleep(3)  # until those who dawdled are forgotten
                if number:
                    gauge.look()
                if time.monotonic() > until:
                    break
        assert not psutil.Process(soak.spared.process.pid).children()  # trials have ended
    finally:
        soak.stop()
    accounted(soak, mortal)
    return gauge


def accounted(soak: Soak, mortal: Load) -> None:
    """Every request ended in one way, and what was acknowledged is there once, and nothing that nobody sent."""
    sent, kinds = sum(each.sent for each in soak.loads), sum((each.kinds for each in soak.loads), Counter[str]())
    told = [identity for each in soak.loads for identity in each.told]
    labelled = [identity for each in soak.loads for identity in each.labelled]
    log = soak.spared.log
    log.seal()
    found = Counter(log.predictions("fraud", answered=True).column("prediction_id").to_pylist())
    truths = Counter(log.truths("fraud").column("prediction_id").to_pylist())
    print(  # noqa: T201 - the figures, with `pytest -s`
        f"{sent} sent = {dict(kinds)}; {len(found)} predictions and {len(truths)} labels on record; "
        f"faults {dict(soak.done)}; the good bundle published again {soak.again} times"
    )
    assert sent == sum(kinds.values())
    assert kinds["failed"] == 0
    assert kinds["reset"] == mortal.kinds["reset"]  # who was spared answered, or said that it would not
    assert len(told) == len(set(told))
    assert set(told) <= set(found)
    assert set(labelled) <= set(truths) <= set(found)
    assert set(found.values()) == set(truths.values()) == {1}
    assert len(found) - len(told) <= 2 * soak.done["kill"]  # clients that were cut off before they were told


def test_all_faults_mixed_for_a_moment(built: BuiltBundle, tmp_path: Path) -> None:
    """Two rounds: every request is accounted for, and everything acknowledged is there."""
    soaked(Soak(tmp_path, built, seed=5), 0.1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_all_faults_mixed_for_an_hour(built: BuiltBundle, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """And neither memory nor files nor threads grow; memory is told only where the soak is long enough to know."""
    minutes = request.config.getoption("soak_minutes")
    gauge = soaked(Soak(tmp_path, built, seed=6), minutes)
    seconds = [each - gauge.seconds[0] for each in gauge.seconds]
    assert gauge.flat()
    if minutes > 2 * WARM:
        assert sum(each > WARM * 60 for each in seconds) > 3 * BATCHES
        growth = gauge.growth(WARM * 60)
        print(f"memory grows by at most {growth:+.2%} an hour")  # noqa: T201
        assert growth < 0.05
