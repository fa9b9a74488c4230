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

from modelyard.control import PortInUse, free_port, free_ports, server_part, up
from modelyard.operations.parts import running
from modelyard.wiring import Project


def settings(shop: Path, control: int, console: int, **server: int) -> None:
    """Give the project ports of its own."""
    with (shop / "modelyard.yaml").open("a") as file:
        own = {"metrics_port": control, "port": console}
        file.write(f"\nserver: {json.dumps(server)}\ncontrol: {json.dumps(own)}\n")


def test_a_port_that_is_taken_is_named_before_anything_starts(shop: Path) -> None:
    """Also the port of the metrics, with the setting that changes it; no process, no state file."""
    names = ("server.port", "server.grpc_port", "server.metrics_port", "control.metrics_port", "control.port")
    for setting in names:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports = dict(zip(names, free_ports(5), strict=True))
            ports[setting] = taken.getsockname()[1]
            variables = {name: name.upper().replace(".", "_") for name in names}
            environment = {f"MODELYARD_{variables[name]}": str(port) for name, port in ports.items()}
            project = Project(shop, environment=environment)
            with pytest.raises(PortInUse, match=re.escape(setting)):
                up(project, lambda parts: pytest.fail(f"started {parts}"))
            assert running(project.run_folder) == ()
            project.close()


def test_the_server_is_ready_when_it_answers(shop: Path) -> None:
    """A part says no as long as nothing listens, and never raises."""
    project = Project(shop, environment={})
    assert server_part(project, port=free_port()).ready() is False
    project.close()


@pytest.mark.parametrize(
    "only",
    [pytest.param("server", marks=pytest.mark.long), pytest.param("control", marks=pytest.mark.long), None],
    ids=["server only", "control only", "all of it"],
)
def test_up_serves_until_it_is_told_to_stop(shop: Path, only: str | None) -> None:
    """Ready means that it answers; a part that is killed runs again; the signal ends every child, no state is left."""
    port, grpc_port, metrics_port, control, console = free_ports(5)
    settings(shop, control, console, port=port, grpc_port=grpc_port, metrics_port=metrics_port)
    command = [sys.executable, "-m", "modelyard", "up", "--project", str(shop), *(["--only", only] if only else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(90, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        assert (f"http://127.0.0.1:{port}" in first) is (only != "control")
        run_folder = shop / ".modelyard" / "run"
        parts = {each.name: each.pid for each in running(run_folder)}
        of_server = set() if only == "control" else {"server"}
        of_control = set() if only == "server" else {"control", "console"}
        assert set(parts) == {"supervisor"} | of_server | of_control
        if of_server:
            assert fetched(port, "/livez") is not None
        if of_control:
            assert process.stdout.readline() == f"Console: http://127.0.0.1:{console}\n"
            assert json.loads(fetched(console, "/healthz")) == {"status": "up", "pid": parts["console"]}
            told = {each["part"]: each for each in json.loads(fetched(console, "/api/v1/status"))["parts"]}
            assert (told["control"]["state"], told["console"]["state"]) == ("leads", "up")
            assert told["server"]["state"] == ("up" if of_server else "down")
            metrics = fetched(control, "/metrics")
            assert b'alert_notifications{state="waiting"} 0.0' in metrics
            assert {b"control_leader 1.0", b"console_up 1.0"} <= set(metrics.splitlines())
            os.kill(parts["console"], signal.SIGKILL)
            assert "The part 'console' had ended, and runs again" in process.stderr.readline()
        parts |= {each.name: each.pid for each in running(run_folder)}
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(15) == 0
        assert not any(psutil.pid_exists(pid) for pid in parts.values())
        assert running(run_folder) == ()
        assert not (run_folder / "control.json").exists()
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def fetched(port: int, path: str) -> bytes:
    """What is answered on this machine."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        assert answer.status == 200
        return bytes(answer.read())
