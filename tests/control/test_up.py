"""`up`: nothing is started beside what already runs, and what was started is ended."""

import json
import os
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


def settings(shop: Path, **server: int) -> None:
    """Give the project ports of its own."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write(f"\nserver: {json.dumps(server)}\n")


def test_a_port_that_is_taken_is_named_before_anything_starts(shop: Path) -> None:
    """Also the port of the metrics, with the setting that changes it; no process, no state file."""
    for setting in ("port", "grpc_port", "metrics_port"):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports = dict(zip(("port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
            ports[setting] = taken.getsockname()[1]
            environment = {f"MODELYARD_SERVER_{name.upper()}": str(port) for name, port in ports.items()}
            project = Project(shop, environment=environment)
            with pytest.raises(PortInUse, match=rf"server\.{setting}"):
                up(project, lambda address: pytest.fail(f"started at {address}"))
            assert running(project.run_folder) == ()
            project.close()


def test_the_server_is_ready_when_it_answers(shop: Path) -> None:
    """A part says no as long as nothing listens, and never raises."""
    project = Project(shop, environment={})
    assert server_part(project, port=free_port()).ready() is False
    project.close()


@pytest.mark.parametrize("only", [True, False], ids=["server only", "server and control"])
def test_up_serves_until_it_is_told_to_stop(shop: Path, only: bool) -> None:
    """Ready means that it answers; the signal ends every child, and no state is left."""
    port, grpc_port, metrics_port = free_ports(3)
    settings(shop, port=port, grpc_port=grpc_port, metrics_port=metrics_port)
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
