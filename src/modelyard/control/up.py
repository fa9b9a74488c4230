"""`modelyard up`: the server and the control process of a project under one supervisor."""

import signal
import threading
import urllib.request
from collections.abc import Callable
from types import FrameType
from urllib.error import URLError

from modelyard.wiring import Project, server_command

from .ports import require_free_ports
from .supervisor import Part, Supervisor, python_command

WATCH_SECONDS = 0.5


def up(project: Project, started: Callable[[str], None], *, control: bool = True) -> None:
    """Start the processes of a project and keep them running until Ctrl-C or `modelyard down`.

    `started` is told the server's address once all of them are ready. PortInUse names the owner and the setting.
    """
    settings = project.settings.server
    require_free_ports(settings.host, settings.ports | (project.settings.control.ports if control else {}))
    project.publisher.publish()
    project.features.materializer.materialize(project.clock.now(), incremental=True)
    project.online.close()
    stopping = _stop_on_signals()
    with Supervisor(project.run_folder) as supervisor:
        supervisor.start(server_part(project))
        if control:
            supervisor.start(_control_part(project))
        started(f"http://{settings.host}:{settings.port}")
        while not stopping.wait(WATCH_SECONDS):
            supervisor.restart_ended()


def server_part(project: Project, **ports: int) -> Part:
    """The server as a part to supervise; ready when it answers at all, for nothing may be deployed yet.

    `ports` instead of those of the project file: `port`, `grpc_port`, `metrics_port`.
    """
    settings = project.settings.server
    address = f"http://{settings.host}:{ports.get('port', settings.port)}"
    command = server_command(project, ports)
    return Part("server", command, lambda: _answers(f"{address}/livez"))


def _control_part(project: Project) -> Part:
    ready = project.run_folder / "control.ready"
    ready.unlink(missing_ok=True)
    command = python_command("modelyard.control", "--project", str(project.file.folder))
    return Part("control", command, ready.exists)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own address
            return int(response.status) == 200
    except (URLError, OSError):
        return False


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping
