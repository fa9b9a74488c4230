"""Our server, as it is started in earnest: its own process, a feed, a journal, an online store."""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from modelyard.bundling import BuiltBundle
from modelyard.control import free_port
from modelyard.core import Micros
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, FeedFolder, Route

from .models import NAMES, sample
from .processes import NotStarted, Running
from .records import Endpoint

ALL_SECONDS = 30.0


def body(rows: Sequence[Sequence[float]], *, named: bool = False) -> bytes:
    """A request of rows as our server takes it: by order, or by name."""
    if named:
        return json.dumps({"inputs": [dict(zip(NAMES, row, strict=True)) for row in rows]}).encode()
    return json.dumps({"features": rows[0] if len(rows) == 1 else rows}).encode()


class Ours:
    """A server of ours with one deployment. A context manager."""

    def __init__(self, folder: Path, *bundles: BuiltBundle, workers: int = 1, bare: bool = False) -> None:
        """`bare` leaves prediction log, metrics and routing out."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._module = "benchmarks.serving.bare" if bare else "modelyard.serving"
        self._bundles = bundles
        self._revision = 0
        self.port, self.metrics_port = free_port(), free_port()
        self.workers = workers
        self.feed = FeedFolder(folder / "feed")
        for bundle in bundles:
            self.feed.put_bundle(bundle.path, bundle.digest)
        LocalOnlineStore(folder / "online").close()
        self.publish(0)
        self.took_s = 0.0
        self.running: Running

    def __enter__(self) -> Self:
        folders = [f"--{name}={self._folder / name}" for name in ("feed", "journal", "online")]
        ports = [f"--port={self.port}", f"--metrics-port={self.metrics_port}"]
        workers = [f"--workers={self.workers}"] if self.workers > 1 else []
        command = [sys.executable, "-m", self._module, *folders, *ports, *workers]
        self.running = Running(command, log=self._folder / "server.log", cwd=Path.cwd())
        try:
            self.took_s = self.running.until_ready(f"http://127.0.0.1:{self.port}/ready")
            self.until_followed()
        except BaseException:
            self.running.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.running.stop()

    def endpoint(self, rows: int) -> Endpoint:
        """Where to POST requests of so many rows."""
        return Endpoint(self.port, "/predict", tuple(body(each) for each in sample(rows)))

    def publish(self, which: int, *, shadow: int | None = None) -> int:
        """Route all traffic to one of the bundles, and copies to another, as the next generation; returns that."""
        self._revision += 1
        arm = Arm("live", "live", str(which + 1), self._bundles[which].digest, 1.0)
        arms: tuple[Arm, ...] = (arm,)
        if shadow is not None:
            arms += (Arm("shadow", "shadow", str(shadow + 1), self._bundles[shadow].digest, 1.0),)
        route = Route("bench", "bench", self._revision, arms, "salt")
        self.feed.publish(Feed(self._revision, (route,)))
        return self._revision

    def follows(self, generation: int) -> bool:
        """Whether every worker says that it serves a generation."""
        with suppress(OSError, ValueError):  # a status is replaced under our eyes
            statuses = self.feed.statuses(Micros(time.time_ns() // 1000))
            return len(statuses) >= self.workers and all(
                each.generations.get("bench", 0) >= generation for each in statuses
            )
        return False

    def until_followed(self) -> None:
        """Wait until all workers serve the newest route: one is there before the others. NotStarted when none does."""
        deadline = time.monotonic() + ALL_SECONDS
        while not self.follows(self._revision):
            if time.monotonic() > deadline:
                raise NotStarted(f"not all of {self.workers} worker(s) were there after {ALL_SECONDS:g} s")
            time.sleep(0.02)
        self.running.tree()
