"""Operations on the project and its workspace as a whole."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from modelyard.access import Permission
from modelyard.core import ModelyardError, SystemClock, to_micros
from modelyard.wiring import Project

from .contract import Call, Nothing, operation
from .parts import parts_of

_REMEDY = "Make well what is wrong above, then look again: modelyard doctor."
_FEW_FEATURES = 3
"""That all of fewer drifted is told as drift, not as thresholds."""
TELEMETRY_SWITCHES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")


@dataclass(frozen=True)
class Finding:
    """One thing the doctor looked at."""

    check: str
    ok: bool
    found: str
    remedy: str = ""


@operation("config", "show", Permission.READ)
def show_config(call: Call[Nothing]) -> Any:
    """The effective settings, and where each came from."""
    return [
        {"path": origin.path, "value": origin.value, "source": origin.source} for origin in call.project.file.origins
    ]


@operation("status", "", Permission.READ)
def status(call: Call[Nothing]) -> Any:
    """What runs and how it is, what is live, what is on trial, which servers beat, what fires."""
    project, deployments = call.project, {}
    for name in project.settings.deployments:
        route, rollout = project.rollouts.route(name), project.rollouts.state(name)
        deployments[name] = {
            "live": route.live.version if route is not None else None,
            "generation": route.generation if route is not None else 0,
            "arms": [{"name": arm.name, "version": arm.version, "weight": arm.weight} for arm in route.arms]
            if route is not None
            else [],
            "rollout": rollout.state if rollout is not None else None,
        }
    now = to_micros(SystemClock().now())
    servers = [{"server": each.server, "address": each.address, "pid": each.pid} for each in project.feed.statuses(now)]
    calendar = project.pipelines.calendar.following()
    turns = {each.pipeline: {"last": each.state, "due": each.due} for each in project.pipelines.calendar.turns()}
    firing = [state.alert.message for state in project.alerts.firing()]
    return {
        "project": project.settings.project,
        "parts": parts_of(project),
        "deployments": deployments,
        "servers": servers,
        **(
            {"calendar": {name: {"next": at, **turns.get(name, {})} for name, at in calendar.items()}}
            if calendar
            else {}
        ),
        "alerts": firing,
    }


@operation("doctor", "", Permission.READ, local=True)
def doctor(call: Call[Nothing]) -> Any:
    """Check stores, versions, ports, disk, clock and telemetry switches; each finding with its remedy."""
    checks: tuple[Callable[[Project], Iterator[Finding]], ...] = (
        _python, _sqlite, _records, _artifacts, _audit, _intents, _notices, _windows, _ports, _disk, _clock,
        _telemetry,
    )  # fmt: skip
    return [asdict(finding) for check in checks for finding in _findings(check, call.project)]


def _findings(check: Callable[[Project], Iterator[Finding]], project: Project) -> list[Finding]:
    """What a check found; one that cannot be made is a finding too, so that the others are made."""
    try:
        return list(check(project))
    except (ModelyardError, OSError) as error:
        remedy = error.remedy if isinstance(error, ModelyardError) else ""
        return [Finding(check.__name__.strip("_"), ok=False, found=str(error), remedy=remedy or _REMEDY)]


def _python(_: Project) -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0], "Modelyard needs 3.11 or newer.")


def _sqlite(_: Project) -> Iterator[Finding]:
    yield Finding("sqlite", ok=True, found=f"{sqlite3.sqlite_version}, rollback journal before 3.51.3")


def _records(project: Project) -> Iterator[Finding]:
    def ask() -> str:
        with project.records.snapshot():
            return f"{project.records.url} answers"

    yield _tried("record store", ask, "Check stores.records in modelyard.yaml, and that the database runs.")


def _artifacts(project: Project) -> Iterator[Finding]:
    def ask() -> str:
        digest = project.artifacts.put_bytes(b"modelyard doctor")
        project.artifacts.get_bytes(digest)
        return f"{project.artifacts.url} can be written and read"

    yield _tried("artifact store", ask, "Check stores.artifacts in modelyard.yaml, and its credentials.")


def _audit(project: Project) -> Iterator[Finding]:
    report = project.checkpoints.verify(recent=True)
    if report.intact and report.doubt:
        yield Finding("audit", ok=False, found=report.doubt, remedy="modelyard audit checkpoint")
        return
    if not report.intact:
        found = f"broken at {report.broken_at}: {report.why}"
    elif report.since > 1:
        found = f"{report.entries} entries; those since the checkpoint of entry {report.since} are intact"
    else:
        found = f"{report.entries} entries intact"
    yield Finding(
        "audit", report.intact, found, "Restore the record store from a backup, and find out who wrote to it."
    )


def _intents(project: Project) -> Iterator[Finding]:
    waiting = project.intents.pending()
    remedy = "They are finished by the control process: modelyard up."
    yield Finding("unfinished changes", not waiting, f"{len(waiting)} changes wait to be finished", remedy)


def _notices(project: Project) -> Iterator[Finding]:
    waiting, dead = project.outbox.waiting(), project.outbox.dead()
    trouble = [each for each in (*dead, *waiting) if each.error]
    found = f"{len(waiting)} notifications wait, {len(dead)} were taken by nobody"
    why = f"; {trouble[-1].receiver}: {trouble[-1].error}" if trouble else ""
    yield Finding("notifications", not trouble, found + why, "Correct alerts.notify, then: modelyard alert test")


def _windows(project: Project) -> Iterator[Finding]:
    """What the newest window of each deployment says of its thresholds and of its speed rather than of its model."""
    for name in project.monitors.watched:
        window = project.monitors.latest(name)
        if window is None:
            continue
        drifted, judged, until = len(window.drifted), len(window.features), window.end[:16]
        yield Finding(
            f"drift of {name}",
            ok=drifted < max(judged, _FEW_FEATURES),
            found=f"{drifted} of {judged} features drifted in the window to {until}",
            remedy=f"When all drift, look first at what they are compared with (monitoring.{name}.reference), then at "
            f"the thresholds (monitoring.{name}.psi and .distance): modelyard monitor show {name}",
        )
        objective = project.settings.deployments[name].latency_objective_ms
        yield Finding(
            f"latency of {name}",
            ok=window.latency_p99_ms <= objective,
            found=f"p99 {window.latency_p99_ms:.3g} ms in the window to {until}; the objective is {objective:g} ms",
            remedy=f"Batch requests, keep answers that come again (deployments.{name}.serving.cache_answers), add "
            "server.workers, or serve a smaller model. /metrics tells whether requests wait (model_queue_rows).",
        )


def _ports(project: Project) -> Iterator[Finding]:
    """A port that something else holds; our own server's is as it should be."""
    workers = {status.pid for status in project.feed.statuses(to_micros(SystemClock().now()))}
    ours = workers | {psutil.Process(pid).ppid() for pid in workers if psutil.pid_exists(pid)}
    for setting, port in project.settings.server.ports.items():
        listeners = _listeners(port)
        others = ", ".join(map(str, sorted(listeners - ours)))
        found = f"held by pid {others}" if others else "this project's server" if listeners else "free"
        yield Finding(setting, not others, f"{port} is {found}", f"Stop it, or change {setting}.")


def _listeners(port: int) -> set[int]:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows other processes' sockets to root alone
        return set()
    listening = (each for each in connections if each.status == psutil.CONN_LISTEN)
    return {each.pid for each in listening if each.pid and getattr(each.laddr, "port", None) == port}


def _disk(project: Project) -> Iterator[Finding]:
    free = shutil.disk_usage(project.file.folder).free / 2**30
    yield Finding("disk", free > 1, f"{free:.1f} GiB free", "Free some space: the prediction log must be writable.")


def _clock(project: Project) -> Iterator[Finding]:
    number = project.audit.head().number
    newest = project.audit.entries(after=number - 1, limit=1) if number else []
    last = max((str(each.body.get("at", "")) for each in newest), default="")
    now = project.clock.now().isoformat()
    found = f"now is {now}" + (f", yet the audit record ends at {last}" if last > now else "")
    yield Finding("clock", last <= now, found, "Set the clock of this machine, or wait: a replay may have run ahead.")


def _telemetry(_: Project) -> Iterator[Finding]:
    for name in TELEMETRY_SWITCHES:
        value = os.environ.get(name, "set by Modelyard when MLflow is loaded")
        off = value.strip().lower() not in ("", "0", "false", "no")
        yield Finding(name, off, value, f"Unset {name}: nothing here calls home.")


def _tried(check: str, ask: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(check, ok=True, found=ask())
    except (ModelyardError, OSError) as error:
        return Finding(check, ok=False, found=str(error), remedy=remedy)
