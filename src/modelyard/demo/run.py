"""`modelyard demo`: prepare, train, serve, live the year, report."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from modelyard.control import Supervisor, console_part, free_ports, server_part
from modelyard.core import Failed, InvalidInput, ManualClock, SeededIds, atomic_write
from modelyard.operations import write_template
from modelyard.wiring import FILE_NAME, Project

from .live import DEPLOYMENT, MODEL, Year
from .pages import pages
from .records import Summary
from .report import write_report
from .screen import Screen, show_summary
from .summary import STATIC, summarise
from .timeline import START, moments
from .traffic import Clients

DEFAULT_SHARE = 0.1
"""The share of flights that is replayed by default: the year then passes in about two minutes."""

_MARK = ".modelyard-demo"


@dataclass(frozen=True)
class DemoOptions:
    """What can be chosen. `share` of the flights is replayed; 1 is every one of them."""

    workspace: Path
    share: float = DEFAULT_SHARE
    seed: int = 0
    keep_serving: bool = False
    quiet: bool = False
    monthly: bool = False
    """Retrain on the first of each month and never else; no bad candidate is sent."""


def run_demo(options: DemoOptions) -> Summary:
    """Live the year and return its summary; `summary.json` and `report.html` stand in the workspace afterwards."""
    began = time.monotonic()
    folder = _prepare(options.workspace)
    if options.monthly:
        _by_the_calendar(folder)
    clock = ManualClock(START)
    project = Project(folder, clock=clock, ids=SeededIds(options.seed), seed=options.seed)
    screen = Screen()
    try:
        screen.say(f"[bold]A year of real flights[/] in {folder}: training on January to March …")
        _first_version(project)
        port, grpc_port, metrics_port = free_ports(3)
        with Supervisor(project.run_folder) as supervisor:
            supervisor.start(server_part(project, port=port, grpc_port=grpc_port, metrics_port=metrics_port))
            address = f"http://127.0.0.1:{port}"
            screen.say(
                f"v1 is live at {address}/deployments/{DEPLOYMENT}/predict; it also rides along, never retrained."
            )
            summary = asyncio.run(_live(project, clock, address, screen, options, began))
            project.log.seal()
            report = _finish(project, summary, folder)
            show_summary(summary, Console(stderr=options.quiet))
            screen.say(f"Report: {report}\nSummary: {folder / 'summary.json'}")
            if options.keep_serving:
                _keep_serving(project, screen, supervisor, address)
    finally:
        project.close()
    return summary


def _prepare(workspace: Path) -> Path:
    """A fresh project in the workspace; only a folder that an earlier demonstration made is cleared."""
    if workspace.exists() and any(workspace.iterdir()):
        if not (workspace / _MARK).exists():
            raise InvalidInput(
                f"{workspace} is not empty and was not made by the demonstration.",
                code="WORKSPACE_IN_USE",
                remedy="Choose another folder: modelyard demo --workspace DIR.",
            )
        shutil.rmtree(workspace)
    write_template("flights", workspace)
    (workspace / _MARK).touch()
    return workspace.resolve()


def _by_the_calendar(folder: Path) -> None:
    """The same project, retrained at midnight of each first of a month whether anything calls for it or not."""
    file = folder / FILE_NAME
    before, policy, _ = file.read_text(encoding="utf-8").partition("retraining:\n")
    lines = [f"  {MODEL}:", "    pipeline: training", f"    deployment: {DEPLOYMENT}", "    cooldown: 1d"]
    text = "\n".join([*lines, "    when: {schedule: 0 0 1 * *}", ""])
    file.write_text(before + policy + text, encoding="utf-8")


def _first_version(project: Project) -> None:
    """Train on January to March, serve it, and let it ride along for ever as a shadow."""
    run = project.pipelines.run("training", {"as_of": START}, run_id="first")
    version = run.result("register")
    if version is None:
        raise Failed(f"The first training did not pass its gate: {'; '.join(run.reasons)}.", code="DEMO_FAILED")
    project.rollouts.start(DEPLOYMENT, version, project.principal)
    project.rollouts.shadow(DEPLOYMENT, version, project.principal, name=STATIC)
    project.bundle(DEPLOYMENT, str(version)).quicken()  # once a machine; else the server changes runtimes on the way
    project.features.materializer.materialize(START)


async def _live(
    project: Project, clock: ManualClock, address: str, screen: Screen, options: DemoOptions, began: float
) -> Summary:
    async with Clients(address, DEPLOYMENT) as clients:
        year = Year(project, clock, clients, screen, bad_candidate=not options.monthly)
        with screen:
            await year.live(moments(project.file.folder, share=options.share, seed=options.seed))
        await _shadows_done(project, clients.tally.sent)
        return summarise(
            project,
            year,
            clients.tally,
            share=options.share,
            seed=options.seed,
            wall_s=time.monotonic() - began,
        )


async def _shadows_done(project: Project, sent: int) -> None:
    """The shadow scores copies after the answers; wait for the last ones."""
    deadline = time.monotonic() + 30
    while len(project.log.predictions(DEPLOYMENT, arm=STATIC, columns=("arm",))) < sent and time.monotonic() < deadline:
        await asyncio.sleep(0.2)


def _finish(project: Project, summary: Summary, folder: Path) -> Path:
    document = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    atomic_write(folder / "summary.json", document)
    return write_report(summary, project.monitors.windows(DEPLOYMENT), folder / "report.html")


def _keep_serving(project: Project, screen: Screen, supervisor: Supervisor, address: str) -> None:
    (port,) = free_ports(1)
    console = f"http://127.0.0.1:{port}"
    supervisor.start(console_part(project, console, port))
    with pages(project.file.folder) as page:
        screen.say(f"Still serving {MODEL} at {address}, the report at {page}")
        screen.say(f"The console is at {console} Ctrl-C ends them all.")
        while True:
            time.sleep(0.5)
            supervisor.restart_ended()
