"""Ctrl-C while `modelyard up` is still starting: all that had begun ends, and nothing is left of it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from modelyard.control import free_ports
from modelyard.operations.parts import running

from ..interrupts import heeding

Moment = Callable[[Path, str], bool]
"""Whether it has come, by the run folder and what was imported last."""


def imported(module: str) -> Moment:
    """As Python has just imported a module."""
    return lambda _, line: line.endswith(f" {module}")


def begun(part: str) -> Moment:
    """As the process of a part is there, whether it is ready or not."""
    return lambda run_folder, _: part in {each.name for each in running(run_folder)}


def settings(shop: Path) -> None:
    """Give the project ports of its own."""
    port, metrics, control, console = free_ports(4)
    with (shop / "modelyard.yaml").open("a") as file:
        file.write(f"\nserver: {json.dumps({'port': port, 'grpc_port': None, 'metrics_port': metrics})}\n")
        file.write(f"control: {json.dumps({'port': console, 'metrics_port': control})}\n")


@contextmanager
def starting(shop: Path) -> Iterator[subprocess.Popen[str]]:
    """`modelyard up`, which tells what it imports."""
    command = [sys.executable, "-X", "importtime", "-m", "modelyard", "up", "--project", str(shop)]
    with subprocess.Popen(
        heeding(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = threading.Timer(90, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "moment",
    [
        imported("modelyard.cli.edge"),
        imported("modelyard.core"),
        imported("pyarrow.lib"),
        imported("modelyard.wiring.project"),
        imported("modelyard.control.up"),
        begun("supervisor"),
        begun("server"),
        begun("console"),
        begun("control"),
    ],
    ids=["edge", "core", "pyarrow", "wiring", "control", "supervisor", "server", "console", "control process"],
)
def test_ctrl_c_while_it_starts_leaves_nothing_behind(moment: Moment, shop: Path) -> None:
    """No traceback, exit code 130, no process, no list of processes."""
    settings(shop)
    run_folder = shop / ".modelyard" / "run"
    with starting(shop) as process:
        assert process.stderr is not None
        line = ""
        while not moment(run_folder, line):
            if not line.startswith("import time: ") or not line.endswith(" modelyard.control.up"):
                line = process.stderr.readline().rstrip()
            assert process.poll() is None
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, 2)
        said = process.communicate()[1]
        assert process.returncode == 130
        told = [each for each in said.splitlines() if each and not each.startswith("import time:")]
        assert "Traceback" not in said
        assert told in ([], ["Interrupted."])
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert running(run_folder) == ()
    assert not (run_folder / "processes.json").exists()
