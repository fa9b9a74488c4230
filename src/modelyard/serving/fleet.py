"""Several workers on one port: started, watched, started again, ended together."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from modelyard.core import ModelyardError, log_event
from modelyard.core.processes import when_parent_ends
from modelyard.routing import FeedFolder, Route

from .metrics import answer_scrapes, of_workers
from .settings import ServerOptions

WATCH_SECONDS = 0.1
_LONGEST_PAUSE = 30.0
_LAST_WORDS_SECONDS = 3.0
_STEADY_SECONDS = 60.0


class _Worker:
    """One worker process and its successors."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._failures = 0
        self._due = 0.0
        self.start()

    def start(self) -> None:
        """Start it; its standard input ends with this process, and it with that."""
        self._started = time.monotonic()
        self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=self._environment)

    def restart_if_ended(self) -> None:
        """Start it again, at once the first time, later and later when it keeps ending."""
        now = time.monotonic()
        if self.process.poll() is None:
            return
        if self._due == 0.0:
            self._failures = 1 if now - self._started > _STEADY_SECONDS else self._failures + 1
            self._due = now + (0.0 if self._failures == 1 else min(_LONGEST_PAUSE, 0.25 * 2**self._failures))
            log_event("serving", "worker ended", pid=self.process.pid, exit_code=self.process.returncode)
        if now >= self._due:
            self._due = 0.0
            self._close_input()
            self.start()

    def stop(self) -> None:
        """Ask it to finish what it has begun."""
        self._close_input()
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until it has ended; at the deadline it is killed."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _close_input(self) -> None:
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()


def serve_with_workers(options: ServerOptions) -> int:
    """Run `options.workers` workers until SIGTERM, SIGINT or, when asked to, the end of standard input.

    The kernel spreads new connections evenly over the workers' sockets. A worker that ends is started again; its
    counts stay, for they are kept in files that outlive it. Exit code 2 when the workers refuse to start.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if options.exit_with_parent:
        when_parent_ends(stopping.set)
    socket.create_server((options.host, options.port)).close()  # taken by another server: said once, not by each worker
    with tempfile.TemporaryDirectory(prefix="modelyard-metrics-") as metrics:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics}
        feed = FeedFolder(options.feed)
        workers: list[_Worker] = []
        registry = of_workers(metrics, lambda: _routes(feed), lambda: _pids(workers))
        scrapes = answer_scrapes(options.host, options.metrics_port, registry, tls=options.tls)
        workers += [_Worker(_command(number), environment) for number in range(options.workers)]
        try:
            return _watch(workers, stopping)
        finally:
            for worker in workers:
                worker.stop()
            deadline = time.monotonic() + options.drain_seconds + _LAST_WORDS_SECONDS
            for worker in workers:
                worker.wait(deadline)
            scrapes.shutdown()


def _pids(workers: Sequence[_Worker]) -> list[int]:
    """This process, and the workers that run."""
    return [os.getpid(), *(each.process.pid for each in list(workers) if each.process.returncode is None)]


def _watch(workers: Sequence[_Worker], stopping: threading.Event) -> int:
    while not stopping.wait(WATCH_SECONDS):
        if any(worker.process.poll() == 2 for worker in workers):
            return 2  # what the operator has to change: starting again would say the same
        for worker in workers:
            worker.restart_if_ended()
    return 0


def _command(number: int) -> list[str]:
    """This process's own command, as the worker of a number."""
    return [sys.executable, "-m", "modelyard.serving", *sys.argv[1:], f"--worker={number}", "--exit-with-parent"]


def _routes(feed: FeedFolder) -> Sequence[Route]:
    try:
        found = feed.read()
    except ModelyardError:
        return ()
    return found.routes if found is not None else ()
