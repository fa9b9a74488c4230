"""No process is left behind, whatever ends the supervisor."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from modelyard.control import AlreadyRunning, Part, StartFailed, Supervisor, stop_running
from modelyard.operations.parts import running

OBEDIENT = "import sys; print('up', flush=True); sys.stdin.read()"
STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def part(folder: Path, program: str, name: str = "server") -> Part:
    log = folder / f"{name}.log"
    return Part(name, [sys.executable, "-c", program], lambda: log.exists() and b"up" in log.read_bytes(), 10)


def test_what_was_started_is_listed_and_ends_with_the_supervisor(tmp_path: Path) -> None:
    """While it runs the workspace knows it; afterwards nothing is left, not even the state file."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part(tmp_path, OBEDIENT))
        pid = supervisor.pid("server")
        assert {each.name for each in running(tmp_path)} == {"supervisor", "server"}
    assert not psutil.pid_exists(pid)
    assert running(tmp_path) == ()
    assert not (tmp_path / "processes.json").exists()


def test_a_process_that_ignores_the_request_is_killed_within_five_seconds(tmp_path: Path) -> None:
    """Asking is polite, and bounded."""
    supervisor = Supervisor(tmp_path)
    with supervisor:
        supervisor.start(part(tmp_path, STUBBORN))
        pid = supervisor.pid("server")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not psutil.pid_exists(pid)


def test_who_is_told_to_stop_awaits_nothing_more(tmp_path: Path) -> None:
    """A part that is not ready keeps nobody waiting, and ends; the next one is not even begun."""
    asked: list[bool] = []

    def stopping() -> bool:
        asked.append(len(asked) >= 2)  # not before it starts, not at the first look, but then
        return asked[-1]

    with Supervisor(tmp_path) as supervisor:
        never = Part("server", [sys.executable, "-c", OBEDIENT], lambda: False)
        assert not supervisor.start(never, unless=stopping)
        assert not supervisor.start(part(tmp_path, OBEDIENT, "control"), unless=stopping)
        assert {each.name for each in running(tmp_path)} == {"supervisor", "server"}
        pid = supervisor.pid("server")
    assert not psutil.pid_exists(pid)


def test_children_end_even_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """kill -9 closes the pipe the children listen to."""
    program = f"""
import sys, time
from pathlib import Path
from modelyard.control import Part, Supervisor
folder = Path({str(tmp_path)!r})
with Supervisor(folder) as supervisor:
    log = folder / "server.log"
    command = [sys.executable, "-c", {OBEDIENT!r}]
    supervisor.start(Part("server", command, lambda: log.exists() and b"up" in log.read_bytes()))
    print(supervisor.pid("server"), flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    with Supervisor(tmp_path):
        """A killed supervisor's leftovers do not stop the next one."""


def test_a_part_that_ends_at_once_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """The reason is in the message, not behind a search."""
    dying = Part("server", [sys.executable, "-c", "import sys; sys.exit('the model is missing')"], lambda: False)
    with Supervisor(tmp_path) as supervisor, pytest.raises(StartFailed, match="the model is missing"):
        supervisor.start(dying)


def test_a_part_that_dies_later_is_started_again(tmp_path: Path) -> None:
    """Another pid, the same name."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(part(tmp_path, OBEDIENT))
        first = supervisor.pid("server")
        os.kill(first, signal.SIGKILL)
        until(lambda: supervisor.restart_ended() == ["server"])
        assert supervisor.pid("server") != first


def test_a_second_supervisor_is_refused_by_name_and_pid(tmp_path: Path) -> None:
    """Two supervisors of one workspace would fight over its ports."""
    state = [{"name": "supervisor", "pid": os.getppid(), "started": psutil.Process(os.getppid()).create_time()}]
    (tmp_path / "processes.json").write_text(json.dumps(state))
    with pytest.raises(AlreadyRunning, match=rf"pid {os.getppid()}.*modelyard down"), Supervisor(tmp_path):
        pass


def test_another_process_can_stop_everything(tmp_path: Path) -> None:
    """`modelyard down` ends supervisor and children of a workspace it did not start."""
    process = subprocess.Popen([sys.executable, "-c", OBEDIENT], stdin=subprocess.PIPE)
    try:
        started = psutil.Process(process.pid).create_time()
        (tmp_path / "processes.json").write_text(
            json.dumps([{"name": "supervisor", "pid": process.pid, "started": started}])
        )
        assert [each.name for each in stop_running(tmp_path)] == ["supervisor"]
        assert process.wait(5) == -signal.SIGTERM
    finally:
        process.kill()
        assert process.stdin is not None
        process.stdin.close()
