"""`modelyard.run`: a run of one's own, or that of the step it stands in."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from modelyard.core import Clock, InvalidInput, ModelyardError, SystemClock, log_event
from modelyard.data import Version, version_of
from modelyard.pipelines import Masked, RunContext, in_run, seeded
from modelyard.tracking import (
    JOINED,
    Declared,
    Evaluation,
    LiveRun,
    Run,
    Tracker,
    UsedDataset,
    active_run,
    concealed,
    gathered,
    joined_run,
)

from .project import Project
from .project_file import FILE_NAME
from .services import ProjectServices, declared_columns
from .tables import table_of

FACTS = "environment"
"""The folder of a run in which its facts are."""


@contextmanager
def run(
    name: str | None = None,
    *,
    experiment: str | None = None,
    project: Project | Path | str | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
    seed: int | None = None,
) -> Iterator[LiveRun]:
    """An MLflow run for a block: log to it, evaluate models, keep them; plain `mlflow.log_…` calls land in it too.

    In a step of a pipeline this is the step's own run, and `name` and `experiment` are the pipeline's. Elsewhere it is
    a new one, below the run that is active already, if any: in the tracking store of `project`, or of the project in
    the working directory, in the experiment of the project's name; without a project, where MLflow itself points. With
    `seed` the generators of `random`, numpy and, when it is imported, PyTorch start from it. The run keeps the commit
    and what differs from it, the machine, and the installed distributions. It ends FINISHED, KILLED by Ctrl-C, or
    FAILED with the error, which is raised on; what was logged is written first.
    """
    step = in_run()
    with ExitStack() as stack:
        home = _home(project, stack) if step is None or project is not None else None
        if step is not None and os.environ.get(JOINED):
            tracker = Tracker.of_mlflow(step.clock)
            opened = stack.enter_context(joined_run(tracker))
        else:
            tracker, shown = _tracker(home, step), {"modelyard.pipeline_run": step.run_id} if step is not None else {}
            experiment = experiment or (home.settings.project if home is not None else None)
            opened = stack.enter_context(active_run(tracker, name or "", experiment, shown))
            _keep_facts(opened, home.file.folder if home is not None else Path.cwd(), step)
        if seed is not None:
            stack.enter_context(seeded(seed))
            _seed_torch(seed)
        mask = Masked(step.secrets).text if step is not None else str
        live = LiveRun(
            tracker,
            opened,
            dataset=partial(_used, home),
            mask=mask,
            declared=partial(_declared, home, step),
            keep=partial(_keep, home, step, opened),
        )
        with _finished(live):
            live.log(params={**(params or {}), **({} if seed is None else {"seed": seed})}, tags=tags)
            yield live


def _home(project: Project | Path | str | None, stack: ExitStack) -> Project | None:
    """The project given, or that of the working directory, closed with the stack when it was opened here."""
    if isinstance(project, Project):
        return project
    if project is None and not Path(FILE_NAME).is_file():
        return None
    opened = Project(project or Path())
    stack.callback(opened.close)
    return opened


def _tracker(home: Project | None, step: RunContext | None) -> Tracker:
    if home is not None:
        return home.tracker
    clock: Clock = SystemClock() if step is None else step.clock
    return Tracker.of_mlflow(clock)


def _keep_facts(opened: Run, folder: Path, step: RunContext | None) -> None:
    """A run does not fail because what it was made with could not be kept."""
    tags, files = gathered(folder, partial(concealed, names=step.secrets if step is not None else ()))
    try:
        opened.log(tags=tags)
        opened.log_texts(files, FACTS)
    except ModelyardError as error:
        log_event("tracking", "facts not kept", run=opened.id, error=error.message)


@contextmanager
def _finished(live: LiveRun) -> Iterator[None]:
    """Write what waits, whatever happened; an error keeps its way, and says what could not be written."""
    try:
        yield
    except BaseException as error:
        try:
            if not isinstance(error, SystemExit):
                live.log(tags={"modelyard.error": f"{type(error).__name__}: {error}"[:5_000]})
            live.finish()
        except ModelyardError as lost:
            error.add_note(f"{live.waiting} metrics of run {live.id} could not be written: {lost.message}")
        raise
    live.finish()


def _declared(home: Project | None, step: RunContext | None, model: str | None) -> Declared:
    """By what the project's models are judged; by nothing where there is no project, as in the parts of a step."""
    if home is not None:
        return declared_columns(home.settings.models, model)
    if step is not None and isinstance(step.services, ProjectServices):
        return step.services.declared(model)
    return Declared()


def _keep(home: Project | None, step: RunContext | None, opened: Run, evaluation: Evaluation, name: str) -> None:
    """For the card of a version that comes of this run; MLflow has it whatever becomes of this."""
    if home is not None:
        home.evaluations.keep(evaluation, run=opened.id, name=name)
    elif step is not None and isinstance(step.services, ProjectServices):
        step.services.evaluations.keep(evaluation, run=opened.id, name=name)


def _used(home: Project | None, given: Any, name: str | None) -> UsedDataset:
    version = _version(home, given) if isinstance(given, str) else given
    if isinstance(version, Version):
        shape = {"rows": version.rows, "columns": len(version.columns)}
        return UsedDataset(version.name, version.digest, f"version:{version.name}@{version.number}", shape)
    if name is None:
        raise InvalidInput(
            "A dataset has no name.",
            context={"path": "name"},
            remedy="Give it one: run.log_dataset(table, 'customers').",
        )
    table = table_of(given)
    shape = {"rows": len(table), "columns": table.num_columns}
    return UsedDataset(name, version_of(name, table).digest, "table", shape)


def _version(home: Project | None, text: str) -> Version:
    name, at, number = text.partition("@")
    step = in_run()
    if home is None and step is not None and step.project is not None:
        with closing(Project(step.project)) as project:
            return _version(project, text)
    if home is None:
        raise InvalidInput(
            f"'{text[:80]}' names a dataset version, and there is no project to look it up in.",
            context={"path": "dataset"},
            remedy="Give the project, modelyard.run(…, project=PATH), or the table itself with its name.",
        )
    return home.datasets.get(name, number if at else "latest")


def _seed_torch(seed: int) -> None:
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)
