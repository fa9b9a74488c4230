"""Ctrl-C at any moment ends everything within five seconds, and the next run works."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ..interrupts import heeding


def descendants(pid: int) -> list[psutil.Process]:
    """The living children of a process, and theirs."""
    return [each for each in psutil.Process(pid).children(recursive=True) if each.is_running()]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "text",
    [
        "training on January",
        pytest.param("v1 is live", marks=[pytest.mark.long, pytest.mark.alone]),
        pytest.param("registered", marks=[pytest.mark.long, pytest.mark.alone]),
    ],
)
def test_ctrl_c_ends_the_demonstration_within_five_seconds(text: str, tmp_path: Path) -> None:
    """While it trains, as it begins to serve, and in the middle of the year; twice in one workspace."""
    for _ in range(2 if text == "v1 is live" else 1):
        command = [sys.executable, "-m", "modelyard", "demo", "--workspace", str(tmp_path / "demo")]
        process = subprocess.Popen(
            heeding(command),
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert process.stderr is not None
        while text not in (line := process.stderr.readline()):
            assert line or process.poll() is None
        started = descendants(process.pid)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
        assert time.monotonic() - began < 5
        assert process.returncode == 130
        assert "Traceback" not in rest
        psutil.wait_procs(started, timeout=2)
        assert not [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
