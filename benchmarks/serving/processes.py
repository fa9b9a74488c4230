"""Server processes: started in a session of their own, ended by the pids that belong to them, and weighed."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil


class NotStarted(RuntimeError):
    """A server ended, or was not ready in time; the message ends with its log."""


class Running:
    """A server and the processes below it. A context manager: leaving it ends them all."""

    def __init__(
        self, command: Sequence[str], *, log: Path, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        self._seen: dict[int, psutil.Process] = {}
        self.started = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(command),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=cwd,
                env=dict(os.environ) | dict(environment or {}),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def until_ready(self, url: str, *, seconds: float = 90.0) -> float:
        """Poll until `url` answers 200; seconds since the start. NotStarted with the end of the log otherwise."""
        return self._until(lambda: _answers(url), f"{url} was not ready", seconds)

    def until_listening(self, port: int, *, seconds: float = 90.0) -> float:
        """The same until something listens at a port of this machine, and nothing is asked of it."""
        return self._until(lambda: _listens(port), f"nothing listened at port {port}", seconds)

    def _until(self, ready: Callable[[], bool], otherwise: str, seconds: float) -> float:
        while not ready():
            if self._process.poll() is not None:
                raise NotStarted(f"it ended with code {self._process.returncode}: {self._tail()}")
            if time.monotonic() - self.started > seconds:
                raise NotStarted(f"{otherwise} in {seconds:g} s: {self._tail()}")
            time.sleep(0.01)
        took = time.monotonic() - self.started
        self.tree()
        return took

    def tree(self) -> list[psutil.Process]:
        """The process and all below it that live."""
        try:
            root = psutil.Process(self._process.pid)
            found = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            found = []
        self._seen |= {each.pid: each for each in found}
        return found

    def stop(self) -> None:
        """Ask politely, then end what is left: only processes that were seen below this one."""
        self.tree()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        left = [each for each in self._seen.values() if each.is_running()]
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs([each for each in left if each.pid != self._process.pid], timeout=10)
        self._process.wait(10)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-1500:].strip()


def resident_mb(processes: Sequence[psutil.Process]) -> list[float]:
    """Resident memory of each process that lives, in MB (10^6 bytes)."""
    found = []
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(each.memory_info().rss / 1e6)
    return found


def cpu_seconds(processes: Sequence[psutil.Process]) -> dict[int, float]:
    """CPU seconds that each process has used, by pid."""
    found = {}
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            found[each.pid] = times.user + times.system
    return found


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - a loopback address of ours
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):  # refused, or ended in the middle of an answer
        return False
