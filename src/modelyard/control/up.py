"""`modelyard up`: the server, the control process and the console of a project under one supervisor."""

import signal
import ssl
import threading
import urllib.request
from collections.abc import Callable, Mapping
from types import FrameType
from urllib.error import URLError

from modelyard.operations.parts import console_answers
from modelyard.wiring import Project, server_command

from .ports import require_free_ports
from .supervisor import Part, Supervisor, python_command

WATCH_SECONDS = 0.5

PARTS = ("server", "control")
"""What `up` can be told to start alone; the console is with the control process."""


def up(
    project: Project,
    started: Callable[[Mapping[str, str | None]], None],
    *,
    only: str | None = None,
    restarted: Callable[[str], None] = lambda _: None,
    stopping: threading.Event | None = None,
) -> None:
    """Start the processes of a project and keep them running until Ctrl-C, `modelyard down`, or `stopping` is set.

    `started` is told the parts, each with its address or None, once all of them are ready; `restarted` the name of a
    part that ended by itself and runs again. PortInUse names the owner and the setting. KeyboardInterrupt when it was
    told to stop before all of them were ready; what had been started is ended then, too.
    """
    serve, control = only in (None, "server"), only in (None, "control")
    _require_ports(project, serve=serve, control=control)
    if serve:
        project.publisher.publish()
        project.features.materializer.materialize(project.clock.now(), incremental=True)
        project.online.close()
    stopping = stopping or threading.Event()
    _set_on_signals(stopping)
    with Supervisor(project.run_folder) as supervisor:
        parts = _parts(project, serve=serve, control=control)
        if not all(supervisor.start(part, unless=stopping.is_set) for part, _ in parts.values()):
            raise KeyboardInterrupt
        started({name: address for name, (_, address) in parts.items()})
        while not stopping.wait(WATCH_SECONDS):
            for name in supervisor.restart_ended():
                restarted(name)


def _parts(project: Project, *, serve: bool, control: bool) -> dict[str, tuple[Part, str | None]]:
    """What is started, in this order, each with its address."""
    parts: dict[str, tuple[Part, str | None]] = {}
    if serve:
        settings = project.settings.server
        parts["server"] = server_part(project), f"{settings.scheme}://{settings.host}:{settings.port}"
    if control and (address := project.settings.control.address) is not None:
        parts["console"] = console_part(project, address), address
    if control:
        parts["control"] = _control_part(project), None
    return parts


def _require_ports(project: Project, *, serve: bool, control: bool) -> None:
    """PortInUse for whichever is taken of those that will be needed."""
    server, own = project.settings.server, project.settings.control
    require_free_ports(server.host, (server.ports if serve else {}) | (own.ports if control else {}))
    if control and own.port is not None:
        require_free_ports(own.host.strip("[]"), {"control.port": own.port})


def server_part(project: Project, **ports: int) -> Part:
    """The server as a part to supervise; ready when it answers at all, for nothing may be deployed yet.

    `ports` instead of those of the project file: `port`, `grpc_port`, `metrics_port`.
    """
    settings = project.settings.server
    address = f"{settings.scheme}://{settings.host}:{ports.get('port', settings.port)}"
    command = server_command(project, ports)
    return Part("server", command, lambda: _answers(f"{address}/livez"))


def _control_part(project: Project) -> Part:
    ready = project.run_folder / "control.ready"
    ready.unlink(missing_ok=True)
    command = python_command("modelyard.control", "--project", str(project.file.folder))
    return Part("control", command, ready.exists)


def console_part(project: Project, address: str, port: int | None = None) -> Part:
    """The console as a part to supervise, at `control.port` or another; `address` is where it then answers.

    A process of its own: a look that trains for an hour slows no page, and neither falls with the other.
    """
    chosen = ("--port", str(port)) if port is not None else ()
    command = python_command("modelyard.console", "--project", str(project.file.folder), *chosen)
    return Part("console", command, lambda: console_answers(address) is not None)


def _answers(url: str) -> bool:
    create = ssl._create_unverified_context  # that it answers is enough
    unchecked = create() if url.startswith("https:") else None
    try:
        with urllib.request.urlopen(url, timeout=1, context=unchecked) as response:  # noqa: S310 - our own address
            return int(response.status) == 200
    except (URLError, OSError):
        return False


def _set_on_signals(stopping: threading.Event) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
