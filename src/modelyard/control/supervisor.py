"""One supervisor for the processes of a workspace: start, watch, restart, stop; never leave one behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from modelyard.core import atomic_write, log_event
from modelyard.operations.parts import RunningProcess, running, started_at

from .errors import AlreadyRunning, StartFailed

STOP_SECONDS = 4.0
"""How long a process may take to drain before it is killed; Ctrl-C promises five seconds in all."""


@dataclass(frozen=True)
class Part:
    """A process to supervise. `ready` is asked until it says yes; it must return quickly."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    ready_seconds: float = 30.0


class Supervisor:
    """Runs parts as children that cannot outlive it.

    Each child gets a pipe as standard input and is expected to drain when it closes, which happens even when this
    process is killed. Children are in sessions of their own, so that Ctrl-C reaches this process alone and the order
    of stopping is its own. Use as a context manager; not safe for several threads.
    """

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        self._parts: dict[str, Part] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    def __enter__(self) -> "Supervisor":
        self._folder.mkdir(parents=True, exist_ok=True)
        if others := [each for each in running(self._folder) if each.pid != os.getpid()]:
            names = ", ".join(f"{each.name} (pid {each.pid})" for each in others)
            raise AlreadyRunning(
                f"This workspace already runs {names}.",
                context={"pids": [each.pid for each in others]},
                remedy="Look: modelyard status. Stop it: modelyard down.",
            )
        self._write_state()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, part: Part, *, unless: Callable[[], bool] = lambda: False) -> bool:
        """Start a part and wait until it is ready; StartFailed shows the end of its log.

        `unless` is asked before and while it waits: once it says yes, nothing is awaited any more. Returns whether the
        part is ready.
        """
        if unless():
            return False
        self._parts[part.name] = part
        self._spawn(part)
        deadline = time.monotonic() + part.ready_seconds
        while not part.ready():
            if unless():
                return False
            if self._children[part.name].poll() is not None:
                raise self._start_failed(part, "ended at once")
            if time.monotonic() > deadline:
                raise self._start_failed(part, f"was not ready after {part.ready_seconds:g} s")
            time.sleep(0.02)
        return True

    def restart_ended(self) -> list[str]:
        """Start again what has ended by itself, waiting longer after each failure in a row; returns the names."""
        restarted = []
        for name, child in list(self._children.items()):
            if child.poll() is None or not self._may_restart(name):
                continue
            log_event("control", "process ended, starting it again", name=name, exit_code=child.returncode)
            self._spawn(self._parts[name])
            restarted.append(name)
        return restarted

    def stop(self) -> None:
        """End every child: ask, wait, then kill. Idempotent."""
        for child in self._children.values():
            _ask_to_stop(child)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
        (self._folder / "processes.json").unlink(missing_ok=True)

    def pid(self, name: str) -> int:
        """The pid of a part."""
        return self._children[name].pid

    def _spawn(self, part: Part) -> None:
        if (ended := self._children.get(part.name)) is not None and ended.stdin is not None:
            ended.stdin.close()
        with (self._folder / f"{part.name}.log").open("ab") as log:
            self._children[part.name] = subprocess.Popen(
                part.command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        self._write_state()

    def _may_restart(self, name: str) -> bool:
        count, last = self._failures.get(name, (0, 0.0))
        now = time.monotonic()
        if now - last > 60:
            count = 0
        if now - last < min(30.0, 0.5 * 2**count):
            return False
        self._failures[name] = (count + 1, now)
        return True

    def _start_failed(self, part: Part, what: str) -> StartFailed:
        log = self._folder / f"{part.name}.log"
        tail = log.read_text(errors="replace").splitlines()[-8:]
        return StartFailed(
            f"The process '{part.name}' {what}. The end of its log:\n  " + "\n  ".join(tail),
            context={"name": part.name, "exit_code": self._children[part.name].poll()},
            remedy=f"\nThe whole log: {log}. Then: modelyard doctor.",
        )

    def _write_state(self) -> None:
        pids = {"supervisor": os.getpid(), **{name: child.pid for name, child in self._children.items()}}
        state = [asdict(RunningProcess(name, pid, started_at(pid))) for name, pid in pids.items()]
        atomic_write(self._folder / "processes.json", json.dumps(state).encode(), durable=False)


def stop_running(run_folder: Path, *, seconds: float = 4 * STOP_SECONDS) -> tuple[RunningProcess, ...]:
    """End the supervisor of a workspace and what it left, and wait until they are gone; returns what was running."""
    found = running(run_folder)
    others = [each for each in found if each.pid != os.getpid()]
    for each in sorted(others, key=lambda process: process.name != "supervisor"):
        _signal(each.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(map(_lives, others)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for each in filter(_lives, others):
        _signal(each.pid, signal.SIGKILL)
    (run_folder / "processes.json").unlink(missing_ok=True)
    return found


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module under this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _lives(process: RunningProcess) -> bool:
    return started_at(process.pid) == process.started


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _ask_to_stop(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        child.stdin.close()
    if child.poll() is None:
        child.terminate()
