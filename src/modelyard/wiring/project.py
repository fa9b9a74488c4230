"""The composition root of training and control: from a project file to stores, drivers and services."""

import os
from functools import cached_property
from logging import WARNING

from modelyard.core import ModelyardError, log_event
from modelyard.execution import EngineName, Executor, deterministic_environment, open_executor
from modelyard.retraining import Retraining

from .featured import FeaturedProject
from .lineage import ToldLineage
from .live_application import ChangedDocuments
from .new_rows import NewRows
from .pipelines import ProjectPipelines
from .project_file import FILE_NAME
from .services import ProjectServices
from .steps import ProjectSurroundings


class Project(FeaturedProject):
    """Everything of one project, each part made when it is first used. Use from one thread; close when done."""

    @cached_property
    def services(self) -> ProjectServices:
        """What pipeline steps reach."""
        from .reindexing import ProjectReindexing  # noqa: PLC0415 - what asks suites is for steps, not for all commands

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
            ProjectReindexing(self),
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
            self.pipelines.run,
            self.clock,
            self.settings.retraining,
            NewRows(self.file, self.datasets),
            ChangedDocuments(self.file, self.records, self.models, self.rollouts),
        )

    @cached_property
    def pipelines(self) -> ProjectPipelines:
        """The project's pipelines."""
        environment = None if self._environment is None else tuple(sorted(self._environment.items()))
        file = self.file.folder / FILE_NAME
        surroundings = ProjectSurroundings(Project, file, self.seed, self.principal, environment)
        return ProjectPipelines(self, surroundings, lambda: self.lineage, self.executor, self._looping)

    def _looping(self) -> set[str]:
        """The runs that a loop may go on with."""
        states = (self.retraining.state(each) for each in self.retraining.models)
        return {each.run_id for each in states if each.state != "idle"}

    @cached_property
    def lineage(self) -> ToldLineage:
        """What OpenLineage's receivers are told."""
        variables = os.environ if self._environment is None else self._environment
        return ToldLineage(self.settings, self.file.folder, self.records, self.models, variables)

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
