"""The pipelines of a project: running them, going on with runs, by the calendar, and removing what old runs left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from modelyard.core import Digest, SystemClock, did_you_mean, to_micros
from modelyard.execution import EngineName, Executor, check_engine
from modelyard.pipelines import (
    REINDEX,
    Calendar,
    Cleaned,
    Cleaning,
    Engine,
    Finding,
    InBackground,
    KeepsCode,
    Observer,
    Pipeline,
    PipelineNotFound,
    PipelineRun,
    PipelineSettings,
    Place,
    RunNotFound,
    Selection,
    TrackedRuns,
    data_findings,
    find_run,
    forget_changed,
    last_read,
    list_runs,
    load_pipeline,
    reindex,
)

from .featured import FeaturedProject
from .lineage import ToldLineage
from .steps import DatasetVersions, ProjectSurroundings

_SHIPPED = PipelineSettings(module="-")
"""Of the pipeline that every project has: its parameters come from the policy that it runs for."""


class ProjectPipelines:
    """What the project file names under `pipelines`. Use from one thread."""

    def __init__(
        self,
        project: FeaturedProject,
        surroundings: ProjectSurroundings,
        lineage: Callable[[], ToldLineage],
        executor: Callable[[EngineName], Executor],
        loops: Callable[[], set[str]],
    ) -> None:
        """`surroundings` opens the project again where a step runs, `executor` gives the processes of an engine.

        `loops` says which runs a retraining loop may go on with.
        """
        self._project = project
        self._surroundings = surroundings
        self._lineage = lineage
        self._executor = executor
        self._loops = loops

    @property
    def names(self) -> list[str]:
        """The names that `run` takes."""
        return list(self._project.settings.pipelines)

    def settings(self, name: str) -> PipelineSettings:
        """What the project file says of a pipeline; of the one that is shipped, nothing."""
        if name == REINDEX:
            return _SHIPPED
        declared = self._project.settings.pipelines
        if name not in declared:
            raise PipelineNotFound(f"There is no pipeline '{name}'.", remedy=did_you_mean(name, declared))
        return declared[name]

    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        run_id: str | None = None,
        *,
        selection: Selection | None = None,
        cache: bool = True,
        experiment: str = "",
        deterministic: bool = False,
        observers: Sequence[Observer] = (),
        engine: str | None = None,
    ) -> PipelineRun:
        """Run a pipeline of the project; one that ended under this id already is only read. See `Engine.run`.

        `engine`: `local` or `ray`; by default what the project file says.
        """
        settings = self.settings(name)
        identity = run_id or self._project.ids.new(to_micros(self._project.clock.now()))
        pipeline = self._pipeline(name)
        return self.engine((*observers, *self._watching(pipeline)), engine).run(
            pipeline,
            {**settings.params, **params},
            identity,
            selection=selection or Selection(),
            cache=cache,
            experiment=experiment,
            deterministic=deterministic,
        )

    @cached_property
    def calendar(self) -> Calendar:
        """The pipelines that run by the calendar."""
        project = self._project
        return Calendar(project.records, project.clock, project.ids, project.settings.pipelines, self._run_scheduled)

    def _run_scheduled(self, name: str, due: datetime, run_id: str) -> PipelineRun:
        """What one that asks for `as_of` sees is what was known when it was due."""
        params = {"as_of": due} if "as_of" in self._pipeline(name).parameters else {}
        return self.run(name, params, run_id)

    def resume(self, run_id: str, *, observers: Sequence[Observer] = (), engine: str | None = None) -> PipelineRun:
        """Go on with a run that was cut off or failed, on its engine or another. See `Engine.resume`."""
        run = find_run(self._project.records, run_id)
        if run is None:
            known = [each.id for each in list_runs(self._project.records, limit=20)]
            raise RunNotFound(
                f"There is no run {run_id}.", remedy=f"{did_you_mean(run_id, known)} See: modelyard pipeline list"
            )
        pipeline = self._pipeline(run.pipeline)
        watching = (*observers, *self._watching(pipeline))
        return self.engine(watching, run.engine if engine is None else engine).resume(pipeline, run_id)

    def _watching(self, pipeline: Pipeline) -> tuple[Observer, ...]:
        """Beside one run of a pipeline: it is shown in MLflow, its code put on record, its lineage told."""
        secrets = {name for node in pipeline.graph().nodes for name in node.options.secrets}
        project = self._project
        tracked = TrackedRuns(project.tracker, project.file.folder, project.workspace.absolute(), secrets)
        kept = KeepsCode(project.records, project.file.folder)
        return (InBackground(tracked), InBackground(kept), *self._lineage().observers(secrets))

    def _pipeline(self, name: str) -> Pipeline:
        """A pipeline under the name that the project gives it, with the code as it is now; `REINDEX` is shipped."""
        if name == REINDEX:
            return reindex
        forget_changed(self._project.file.folder)
        return replace(load_pipeline(name, self.settings(name), self._project.file.folder), name=name)

    def engine(self, observers: Sequence[Observer] = (), name: str | None = None) -> Engine:
        """Runs the project's pipelines on the engine of this name; by default the one in the project file."""
        project = self._project
        settings = project.settings.execution
        chosen = check_engine(settings.engine if name is None else name, settings)
        frozen = not isinstance(project.clock, SystemClock)
        return Engine(
            Place(
                records=project.records,
                artifacts=project.artifacts,
                folder=project.file.folder,
                workspace=project.workspace.absolute(),
                clock=project.clock,
                surroundings=self._surroundings,
                seed=project.seed,
                executor=lambda: self._executor(chosen),
                engine=chosen,
                width=settings.width,
                apart=chosen != "local",
                frozen=frozen,
                versions=self.dataset_versions,
                datasets=self.dataset_versions.state,
                observers=tuple(observers),
            )
        )

    @property
    def dataset_versions(self) -> DatasetVersions:
        """Which version of each of its datasets the project has now."""
        return DatasetVersions(self._project.file, self._project.datasets.named)

    def findings(self, name: str, *, strict: bool = False) -> tuple[Finding, ...]:
        """What of the datasets that a pipeline's runs have read is other now; with `strict` as errors."""
        now = self.dataset_versions
        return data_findings(last_read(self._project.records, name), now.state, now.columns, strict=strict)

    def datasets_read_by(self, name: str) -> set[str]:
        """The datasets that runs of a pipeline have read, or said to read."""
        return set(last_read(self._project.records, name))

    @property
    def cleaning(self) -> Cleaning | None:
        """What removes what old runs handed on; None where all of it is kept."""
        keep = self._project.settings.execution.keep_runs
        return None if keep is None else self.cleaning_but(keep)

    def cleaning_but(self, keep: int) -> Cleaning:
        """The same, sparing so many of the newest runs of each pipeline."""
        records, artifacts = self._project.records, self._project.artifacts
        return Cleaning(records, artifacts, keep, spared=self._spared_runs, needed=self._needed_artifacts)

    def clean(self, cleaning: Cleaning) -> Cleaned:
        """Remove what old runs handed on, on record."""
        return self._told_cleaned(cleaning.clean())

    def clean_when_due(self) -> Cleaned | None:
        """The same when runs have begun since the last time, and none is under way."""
        cleaning = self.cleaning
        cleaned = None if cleaning is None else cleaning.when_due()
        return None if cleaned is None else self._told_cleaned(cleaned)

    def _told_cleaned(self, cleaned: Cleaned) -> Cleaned:
        project = self._project
        if cleaned.artifacts:
            with project.records.transaction() as tx:
                project.audit.record(tx, project.principal, "pipeline.clean", "runs", msgspec.structs.asdict(cleaned))
        return cleaned

    def _spared_runs(self) -> set[str]:
        """Runs that made what an alias points at, and those that a loop may go on with."""
        models = self._project.models
        held = {models.get(name, number).made_in for name, each in models.holders().items() for number in each.values()}
        return {each.partition("/")[0] for each in held} | self._loops()

    def _needed_artifacts(self) -> set[Digest]:
        """What model versions and dataset versions are made of."""
        versions = (self._project.models.stored(each) for each in self._project.models.versions())
        datasets = (self._project.datasets.stored(each) for each in self._project.datasets.versions())
        return set[Digest]().union(*versions, *datasets)
