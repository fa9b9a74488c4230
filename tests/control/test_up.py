"""`up`: nothing is started beside what already runs, and what was started is ended."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import psutil
import pytest

from modelyard.control import PortInUse, free_port, free_ports, running, server_part, up
from modelyard.wiring import Project


def settings(shop: Path, control: int, **server: int) -> None:
    """Give the project ports of its own."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write(f"\nserver: {json.dumps(server)}\ncontrol: {json.dumps({'metrics_port': control})}\n")


def test_a_port_that_is_taken_is_named_before_anything_starts(shop: Path) -> None:
    """Also the port of the metrics, with the setting that changes it; no process, no state file."""
    names = ("server.port", "server.grpc_port", "server.metrics_port", "control.metrics_port")
    for setting in names:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports = dict(zip(names, free_ports(4), strict=True))
            ports[setting] = taken.getsockname()[1]
            variables = {name: name.upper().replace(".", "_") for name in names}
            environment = {f"MODELYARD_{variables[name]}": str(port) for name, port in ports.items()}
            project = Project(shop, environment=environment)
            with pytest.raises(PortInUse, match=re.escape(setting)):
                up(project, lambda address: pytest.fail(f"started at {address}"))
            assert running(project.run_folder) == ()
            project.close()


def test_the_server_is_ready_when_it_answers(shop: Path) -> None:
    """A part says no as long as nothing listens, and never raises."""
    project = Project(shop, environment={})
    assert server_part(project, port=free_port()).ready() is False
    project.close()


@pytest.mark.parametrize(
    "only", [pytest.param(True, marks=pytest.mark.long), False], ids=["server only", "server and control"]
)
def test_up_serves_until_it_is_told_to_stop(shop: Path, only: bool) -> None:
    """Ready means that it answers; the signal ends every child, and no state is left."""
    port, grpc_port, metrics_port, control = free_ports(4)
    settings(shop, control, port=port, grpc_port=grpc_port, metrics_port=metrics_port)
    command = [sys.executable, "-m", "modelyard", "up", "--project", str(shop), *(["--only", "server"] if only else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
            assert answer.status == 200
        run_folder = shop / ".modelyard" / "run"
        parts = {each.name: each.pid for each in running(run_folder)}
        assert set(parts) == {"supervisor", "server"} | (set() if only else {"control"})
        if not only:
            with urllib.request.urlopen(f"http://127.0.0.1:{control}/metrics", timeout=5) as answer:
                assert b'alert_notifications{state="waiting"} 0.0' in answer.read()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(15) == 0
        assert not any(psutil.pid_exists(pid) for pid in parts.values())
        assert running(run_folder) == ()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
