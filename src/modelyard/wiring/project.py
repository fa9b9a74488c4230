"""The composition root of training and control: from a project file to stores, drivers and services."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from logging import WARNING
from typing import Any

import msgspec

from modelyard.core import (
    Digest,
    ModelyardError,
    SystemClock,
    did_you_mean,
    log_event,
    to_micros,
)
from modelyard.execution import EngineName, Executor, check_engine, deterministic_environment, open_executor
from modelyard.pipelines import (
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
)
from modelyard.retraining import Retraining

from .featured import FeaturedProject
from .lineage import ToldLineage
from .new_rows import NewRows
from .project_file import FILE_NAME
from .services import ProjectServices
from .steps import DatasetVersions, ProjectSurroundings


class Project(FeaturedProject):
    """Everything of one project, each part made when it is first used. Use from one thread; close when done."""

    @cached_property
    def services(self) -> ProjectServices:
        """What pipeline steps reach."""
        scratch = self.workspace / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return ProjectServices(
            self.file,
            self.features,
            self.models,
            self.tracker,
            self.clock,
            self.principal,
            scratch,
            self.datasets,
            self.keys,
            self.evaluations,
        )

    @cached_property
    def retraining(self) -> Retraining:
        """The loop."""
        return Retraining(
            self.records,
            self.audit,
            self.monitors,
            self.models,
            self.rollouts,
            self.run_pipeline,
            self.clock,
            self.settings.retraining,
            NewRows(self.file, self.datasets),
        )

    def pipeline_settings(self, name: str) -> PipelineSettings:
        """What the project file says of a pipeline."""
        if name not in self.settings.pipelines:
            raise PipelineNotFound(
                f"There is no pipeline '{name}'.", remedy=did_you_mean(name, self.settings.pipelines)
            )
        return self.settings.pipelines[name]

    def run_pipeline(
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
        settings = self.pipeline_settings(name)
        identity = run_id or self.ids.new(to_micros(self.clock.now()))
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
        return Calendar(self.records, self.clock, self.ids, self.settings.pipelines, self._run_scheduled)

    def _run_scheduled(self, name: str, due: datetime, run_id: str) -> PipelineRun:
        """What one that asks for `as_of` sees is what was known when it was due."""
        params = {"as_of": due} if "as_of" in self._pipeline(name).parameters else {}
        return self.run_pipeline(name, params, run_id)

    def resume_pipeline(
        self, run_id: str, *, observers: Sequence[Observer] = (), engine: str | None = None
    ) -> PipelineRun:
        """Go on with a run that was cut off or failed, on its engine or another. See `Engine.resume`."""
        run = find_run(self.records, run_id)
        if run is None:
            known = [each.id for each in list_runs(self.records, limit=20)]
            raise RunNotFound(
                f"There is no run {run_id}.", remedy=f"{did_you_mean(run_id, known)} See: modelyard pipeline list"
            )
        pipeline = self._pipeline(run.pipeline)
        watching = (*observers, *self._watching(pipeline))
        return self.engine(watching, run.engine if engine is None else engine).resume(pipeline, run_id)

    def _watching(self, pipeline: Pipeline) -> tuple[Observer, ...]:
        """Beside one run of a pipeline: it is shown in MLflow, its code put on record, its lineage told."""
        secrets = {name for node in pipeline.graph().nodes for name in node.options.secrets}
        tracked = TrackedRuns(self.tracker, self.file.folder, self.workspace.absolute(), secrets)
        kept = KeepsCode(self.records, self.file.folder)
        return (InBackground(tracked), InBackground(kept), *self.lineage.observers(secrets))

    @cached_property
    def lineage(self) -> ToldLineage:
        """What OpenLineage's receivers are told."""
        variables = os.environ if self._environment is None else self._environment
        return ToldLineage(self.settings, self.file.folder, self.records, self.models, variables)

    def _pipeline(self, name: str) -> Pipeline:
        """A pipeline under the name that the project gives it, with the code as it is now."""
        forget_changed(self.file.folder)
        return replace(load_pipeline(name, self.pipeline_settings(name), self.file.folder), name=name)

    def engine(self, observers: Sequence[Observer] = (), name: str | None = None) -> Engine:
        """Runs the project's pipelines on the engine of this name; by default the one in the project file."""
        settings = self.settings.execution
        chosen = check_engine(settings.engine if name is None else name, settings)
        frozen = not isinstance(self.clock, SystemClock)
        return Engine(
            Place(
                records=self.records,
                artifacts=self.artifacts,
                folder=self.file.folder,
                workspace=self.workspace.absolute(),
                clock=self.clock,
                surroundings=ProjectSurroundings(
                    Project,
                    self.file.folder / FILE_NAME,
                    self.seed,
                    self.principal,
                    None if self._environment is None else tuple(sorted(self._environment.items())),
                ),
                seed=self.seed,
                executor=lambda: self.executor(chosen),
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
        return DatasetVersions(self.file, self.datasets.named)

    def data_findings(self, name: str, *, strict: bool = False) -> tuple[Finding, ...]:
        """What of the datasets that a pipeline's runs have read is other now; with `strict` as errors."""
        now = self.dataset_versions
        return data_findings(last_read(self.records, name), now.state, now.columns, strict=strict)

    def datasets_read_by(self, name: str) -> set[str]:
        """The datasets that runs of a pipeline have read, or said to read."""
        return set(last_read(self.records, name))

    @property
    def cleaning(self) -> Cleaning | None:
        """What removes what old runs handed on; None where all of it is kept."""
        keep = self.settings.execution.keep_runs
        return None if keep is None else self.cleaning_but(keep)

    def cleaning_but(self, keep: int) -> Cleaning:
        """The same, sparing so many of the newest runs of each pipeline."""
        return Cleaning(self.records, self.artifacts, keep, spared=self._spared_runs, needed=self._needed_artifacts)

    def clean_runs(self, cleaning: Cleaning) -> Cleaned:
        """Remove what old runs handed on, on record."""
        return self._told_cleaned(cleaning.clean())

    def clean_runs_when_due(self) -> Cleaned | None:
        """The same when runs have begun since the last time, and none is under way."""
        cleaning = self.cleaning
        cleaned = None if cleaning is None else cleaning.when_due()
        return None if cleaned is None else self._told_cleaned(cleaned)

    def _told_cleaned(self, cleaned: Cleaned) -> Cleaned:
        if cleaned.artifacts:
            with self.records.transaction() as tx:
                self.audit.record(tx, self.principal, "pipeline.clean", "runs", msgspec.structs.asdict(cleaned))
        return cleaned

    def _spared_runs(self) -> set[str]:
        """Runs that made what an alias points at, and those that a loop may go on with."""
        holders = self.models.holders()
        held = {self.models.get(name, number).made_in for name, each in holders.items() for number in each.values()}
        loops = (self.retraining.state(each) for each in self.retraining.models)
        return {each.partition("/")[0] for each in held} | {each.run_id for each in loops if each.state != "idle"}

    def _needed_artifacts(self) -> set[Digest]:
        """What model versions and dataset versions are made of."""
        versions = (self.models.stored(each) for each in self.models.versions())
        datasets = (self.datasets.stored(each) for each in self.datasets.versions())
        return set[Digest]().union(*versions, *datasets)

    def executor(self, engine: EngineName) -> Executor:
        """The processes that steps run in, kept until the project is closed."""
        if engine not in self._executors:
            opened = open_executor(engine, self.settings.execution, deterministic_environment())
            self._executors[engine] = opened
        return self._executors[engine]

    @cached_property
    def _executors(self) -> dict[EngineName, Executor]:
        return {}

    def close(self) -> None:
        """Release what was opened, and vouch for what was put on record where that takes but a moment."""
        made = vars(self)
        others = bool(made.get("_executors"))
        for bundle in made.pop("_bundles", {}).values():
            bundle.close()
        for executor in made.pop("_executors", {}).values():
            executor.close()
        if others or ("audit" in made and self.audit.recorded):
            self._vouch()
            self.audit.recorded = 0
        for name in ("records", "online"):
            store = made.pop(name, None)
            if store is not None and (name != "online" or self._lender is None):
                store.close()

    def _vouch(self) -> None:
        """A checkpoint of what this process and its workers have recorded; nothing that was done fails with it."""
        try:
            self.checkpoints.write_soon()
        except ModelyardError as error:
            log_event("wiring", "no audit checkpoint was written", level=WARNING, code=error.code, error=error.message)
