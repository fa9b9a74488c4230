"""`modelyard demo llm`: build, serve, ask, roll out, delete, and see whether every promise was kept."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from modelyard.control import Supervisor, free_ports, server_part
from modelyard.core import InvalidInput, atomic_write
from modelyard.wiring import Project

from .library import BARE, MANUAL, build_library, register_version, write_project
from .live import Lived, Story
from .questions import read_questions
from .readers import Readers, Tally
from .records import ManualSummary
from .report import write_manual_report
from .screen import show_manual
from .summary import Run, summarise
from .upstream import find_model, require_pages, upstream_parts

DOCS, GENERATOR, WORKSPACE = Path("docs"), Path(".venv-smollm2"), Path(".modelyard/demo-llm")

_MARK = ".modelyard-demo-llm"


@dataclass(frozen=True)
class ManualOptions:
    """What can be chosen: where pages and generator are, and where the project goes."""

    workspace: Path = WORKSPACE
    docs: Path = DOCS
    generator: Path = GENERATOR
    seed: int = 0
    quiet: bool = False


def run_manual(options: ManualOptions) -> ManualSummary:
    """Do it all and return the summary; `summary.json` and `report.html` stand in the workspace afterwards.

    NoGenerator, NotFound or InvalidInput before anything is made. A promise that is not kept is told by the summary,
    and raises nothing.
    """
    began = time.monotonic()
    docs, weights, suite = require_pages(options.docs), find_model(options.generator), read_questions()
    folder, talk, lived = _prepare(options.workspace), Console(stderr=True), Lived()
    *own, one, two = free_ports(5)
    with lived.phase("pages, embedder and index", talk):
        pages = write_project(folder, docs, (one, two))
        project = Project(folder, seed=options.seed)
        chunks = build_library(project)
    try:
        with Supervisor(project.run_folder) as supervisor:
            with lived.phase("generators and server", talk):
                for part in upstream_parts(options.generator, weights, (one, two)):
                    supervisor.start(part)
                _first_versions(project, lived)
                ports = dict(zip(("port", "grpc_port", "metrics_port"), own, strict=True))
                supervisor.start(server_part(project, **ports))
            tally = asyncio.run(_live(Story(project, suite, lived, talk, options.seed), own[0]))
    finally:
        project.close()
    run = Run(pages=pages, chunks=chunks, seed=options.seed, tally=tally, wall_s=time.monotonic() - began)
    summary = summarise(suite, lived, run)
    atomic_write(folder / "summary.json", msgspec.json.format(msgspec.json.encode(summary), indent=2))
    report = write_manual_report(summary, folder / "report.html")
    show_manual(summary, Console(stderr=options.quiet))
    talk.print(f"Report: {report}\nSummary: {folder / 'summary.json'}", highlight=False, soft_wrap=True)
    return summary


def _first_versions(project: Project, lived: Lived) -> None:
    """The hedging prompt is live, and beside it the model by itself."""
    for deployment, prompt in ((MANUAL, "hedging"), (BARE, BARE)):
        lived.versions[prompt] = register_version(project, prompt)
        lived.events.append(project.rollouts.start(deployment, lived.versions[prompt], project.principal))


async def _live(story: Story, port: int) -> Tally:
    async with Readers(f"http://127.0.0.1:{port}") as readers:
        await story.live(readers)
        return readers.tally


def _prepare(workspace: Path) -> Path:
    """An empty folder; only one that an earlier demonstration made is cleared."""
    if workspace.exists() and any(workspace.iterdir()):
        if not (workspace / _MARK).exists():
            raise InvalidInput(
                f"{workspace} is not empty and was not made by the demonstration.",
                code="WORKSPACE_IN_USE",
                remedy="Choose another folder: modelyard demo llm --workspace DIR.",
            )
        shutil.rmtree(workspace)
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / _MARK).touch()
    return workspace.resolve()
