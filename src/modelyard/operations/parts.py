"""The parts of a running workspace: which processes live, and how each of them is."""

import json
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from modelyard.core import SystemClock, to_micros
from modelyard.wiring import Project

CONTROL_FILE = "control.json"
"""What the control process says of itself, in the folder `run` of the workspace."""

_ANSWER_S = 1.0


@dataclass(frozen=True)
class RunningProcess:
    """A process as written to `processes.json`; `started` tells it from a later one with the same pid."""

    name: str
    pid: int
    started: float


def running(run_folder: Path) -> tuple[RunningProcess, ...]:
    """The processes of a workspace that are alive now, whoever started them."""
    try:
        state = json.loads((run_folder / "processes.json").read_bytes())
    except (FileNotFoundError, ValueError):  # nobody runs after the power cut that spoils it
        return ()
    known = tuple(RunningProcess(**each) for each in state)
    return tuple(each for each in known if started_at(each.pid) == each.started)


def started_at(pid: int) -> float:
    """When a process began, in seconds since the epoch; 0 for one that has ended."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return 0.0


def console_answers(address: str) -> int | None:
    """The pid of the console that answers at an address; None when none does within a second.

    Whose certificate it shows is not asked: that somebody answers there is all that is told.
    """
    parts = urlsplit(address)
    unchecked = ssl._create_unverified_context
    connection = (
        HTTPSConnection(parts.hostname or "", parts.port, timeout=_ANSWER_S, context=unchecked())
        if parts.scheme == "https"
        else HTTPConnection(parts.hostname or "", parts.port, timeout=_ANSWER_S)
    )
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        document = json.loads(answer.read()) if answer.status == 200 else {}
        pid = document.get("pid") if document.get("status") == "up" else None
        return pid if isinstance(pid, int) else None
    except (OSError, HTTPException, ValueError, AttributeError):
        return None
    finally:
        connection.close()


def parts_of(project: Project) -> list[dict[str, Any]]:
    """Each part of the workspace: where it is, whether it runs, and how it is."""
    alive = {each.name: each.pid for each in running(project.run_folder)}
    return [_server(project, alive), _control(project, alive), _console(project, alive)]


def _server(project: Project, alive: dict[str, int]) -> dict[str, Any]:
    settings = project.settings.server
    beating = list(project.feed.statuses(to_micros(SystemClock().now())))
    workers = f"{len(beating)} worker{'s' if len(beating) != 1 else ''} beat{'s' if len(beating) == 1 else ''}"
    return {
        "part": "server",
        "state": "up" if beating else "starting or stuck" if "server" in alive else "down",
        "pid": alive.get("server"),
        "address": f"http://{settings.host}:{settings.port}",
        "detail": workers if beating else "",
    }


def _control(project: Project, alive: dict[str, int]) -> dict[str, Any]:
    """The control process of this workspace; who leads where there are several."""
    told = _told(project.run_folder / CONTROL_FILE) if "control" in alive else {}
    state = "down"
    if "control" in alive:
        state = "leads" if told.get("leads") else "waits" if told else "starting or stuck"
    waits = f"{told['waits_for']} leads" if told.get("waits_for") else ""
    looked = f"looked at {told['looked_at']}" if told.get("looked_at") else ""
    return {
        "part": "control",
        "state": state,
        "pid": alive.get("control"),
        "address": None,
        "detail": told.get("trouble") or waits or looked,
    }


def _console(project: Project, alive: dict[str, int]) -> dict[str, Any]:
    address = project.settings.control.address
    pid = console_answers(address) if address is not None else None
    ours = pid is not None and pid == alive.get("console", pid)
    state = "none" if address is None else "up" if ours else "starting or stuck" if "console" in alive else "down"
    other = f"process {pid}, of another project, answers there" if pid is not None and not ours else ""
    return {"part": "console", "state": state, "pid": alive.get("console"), "address": address, "detail": other}


def _told(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
