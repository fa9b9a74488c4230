"""The composition root of training and control: from a project file to stores, drivers and services."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from logging import WARNING
from pathlib import Path
from typing import Any

import msgspec

from modelyard.access import Principal, StoredKey, local_principal
from modelyard.audit import AuditLog, Checkpoints, IntentHandler, Intents, Note, Sink, open_sink
from modelyard.core import (
    Clock,
    Digest,
    IdSource,
    ModelyardError,
    SystemClock,
    SystemIds,
    atomic_write,
    canonical_json,
    did_you_mean,
    digest_of,
    log_event,
    to_micros,
)
from modelyard.data import Versions
from modelyard.execution import EngineName, Executor, check_engine, deterministic_environment, open_executor
from modelyard.features import AppliedDefinitions, Definitions, FeatureStore, load_definitions
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, Trust, load_bundle
from modelyard.monitoring import Monitors
from modelyard.online import LOCAL, OnlineStore, open_online_store
from modelyard.pipelines import (
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
from modelyard.registry import Approvals, NotServable, Projector, Registry
from modelyard.retraining import Retraining
from modelyard.rollout import (
    ALIAS_CHANGE,
    INTENT,
    AliasProjection,
    OutsideChanges,
    Promotions,
    Rollouts,
    RoutePublisher,
)
from modelyard.routing import FeedFolder, KeyEntry
from modelyard.storage import ArtifactStore, RecordStore, Snapshot, open_artifact_store, open_record_store
from modelyard.tracking import Evaluations, RegisteredModels, Tracker

from .keys import KEYS_FOLDER, ProjectKeys
from .lineage import ToldLineage
from .project_file import FILE_NAME, ProjectFile, load_project_file
from .services import ProjectServices
from .steps import DatasetVersions, ProjectSurroundings

KEYS = "key"
"""The kind of the documents that API keys are stored as."""


class Project:
    """Everything of one project, each part made when it is first used. Use from one thread; close when done."""

    def __init__(
        self,
        path: Path | str = ".",
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        principal: Principal | None = None,
        environment: Mapping[str, str] | None = None,
        seed: int = 0,
    ) -> None:
        """The project whose `modelyard.yaml` stands at `path`. Nothing is created before it is needed."""
        self.file = load_project_file(Path(path), environment)
        self._environment = environment
        self.clock = clock or SystemClock()
        self.ids = ids or SystemIds()
        self.principal = principal or local_principal(self.settings.security.roles)
        self.seed = seed

    @property
    def settings(self) -> ProjectFile:
        """The project file."""
        return self.file.settings

    @property
    def workspace(self) -> Path:
        """The folder of every embedded store."""
        return self.file.folder / self.settings.stores.workspace

    @property
    def run_folder(self) -> Path:
        """Pids, logs of processes, the pepper."""
        return self.workspace / "run"

    @property
    def journal_folder(self) -> Path:
        """Where servers write."""
        return self.workspace / "journal"

    @property
    def online_folder(self) -> Path:
        """The embedded online store."""
        return self.workspace / "online"

    @cached_property
    def records(self) -> RecordStore:
        """The record store, at this version's schema."""
        declared = self.settings.stores.records
        url = declared.get_secret_value() if declared else f"sqlite:///{self.workspace / 'records.db'}"
        store = open_record_store(url)
        store.migrate()
        return store

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The artifact store."""
        return open_artifact_store(self.settings.stores.artifacts or self.workspace / "artifacts")

    @cached_property
    def datasets(self) -> Versions:
        """Dataset versions."""
        return Versions(self.records, self.artifacts, self.clock, self.workspace / "datasets")

    @cached_property
    def tracker(self) -> Tracker:
        """MLflow."""
        self.workspace.mkdir(parents=True, exist_ok=True)
        declared = self.settings.stores.tracking
        uri = declared.get_secret_value() if declared else f"sqlite:///{self.workspace / 'mlflow.db'}"
        return Tracker(uri, (self.workspace / "mlartifacts").as_uri(), self.clock)

    @cached_property
    def evaluations(self) -> Evaluations:
        """What models were found to be worth on labelled rows."""
        return Evaluations(self.records, self.artifacts, self.clock)

    @cached_property
    def audit(self) -> AuditLog:
        """The audit record."""
        return AuditLog(self.records, self.clock)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Signed checkpoints of the audit record, kept apart from the record store."""
        return Checkpoints(self.records, self.audit, self._checkpoint_sink, self.keys, self.clock)

    def _checkpoint_sink(self) -> Sink:
        declared = self.settings.security.audit_checkpoints or self.workspace / "audit-checkpoints.jsonl"
        return open_sink(str(declared) if "://" in str(declared) else self.file.folder / declared)

    @cached_property
    def feed(self) -> FeedFolder:
        """The feed that servers follow."""
        return FeedFolder(self.workspace / "feed")

    @cached_property
    def publisher(self) -> RoutePublisher:
        """Publishes the feed."""
        return RoutePublisher(
            self.records,
            self.feed,
            _key_entries,
            self._project,
            self.settings.deployments,
            authentication=self.settings.security.authentication,
            trust=lambda: self.trust,
        )

    def _project(self, model: str) -> Note:
        return self.projector.project(model)

    @cached_property
    def keys(self) -> ProjectKeys:
        """The keys that sign, and those whose signatures count."""
        return ProjectKeys(self.settings.security, self.file.folder, self.workspace / KEYS_FOLDER)

    @cached_property
    def trust(self) -> Trust:
        """Whose bundles are loaded, and whose Python runs."""
        return self.keys.trust()

    @cached_property
    def intents(self) -> Intents:
        """Changes on their way, and their reconciler."""
        handlers: dict[str, IntentHandler] = {
            INTENT: self.publisher,
            ALIAS_CHANGE: AliasProjection(lambda: self.projector),
        }
        return Intents(self.records, self.audit, self.clock, self.ids, handlers)

    @cached_property
    def projector(self) -> Projector:
        """Shows the registry in MLflow."""
        return Projector(self.records, RegisteredModels(self.tracker))

    @cached_property
    def models(self) -> Registry:
        """Model versions and aliases."""
        tracked = RegisteredModels(self.tracker)
        return Registry(self.records, self.audit, self.artifacts, tracked, self.clock, self.approvals)

    @cached_property
    def approvals(self) -> Approvals:
        """Who may let a version hold an alias."""
        return Approvals(self.records, self.audit, self.clock, self.settings.security.approvals, self._configuration)

    def _configuration(self, model: str, alias: str) -> Digest:
        """The digest of what serves an alias of a model: the model's section, and the deployments that follow."""
        section = self.settings.models.get(model)
        following = self.rollouts.following(model, alias)
        told = {
            "model": section.model_dump(mode="json") if section is not None else None,
            "deployments": {each: self.settings.deployments[each].model_dump(mode="json") for each in following},
        }
        return digest_of(canonical_json(told))

    @cached_property
    def log(self) -> PredictionLog:
        """The prediction log."""
        return PredictionLog(self.journal_folder, self.workspace / "log")

    @cached_property
    def online(self) -> OnlineStore:
        """The online store, for writing."""
        return open_online_store(self.settings.stores.online.get_secret_value(), self.online_folder)

    def online_address(self) -> Path | None:
        """A file that tells servers where the online store is, which nobody else can read; None: it is embedded."""
        address = self.settings.stores.online.get_secret_value()
        if address == LOCAL:
            return None
        file = self.run_folder / "online-store"
        atomic_write(file, address.encode(), mode=0o600)
        return file

    @cached_property
    def features(self) -> FeatureStore:
        """The project's features."""
        section = self.settings.features
        pushed = self.workspace / "pushed"
        definitions = load_definitions(self.file.folder / section.module, pushed) if section else Definitions()
        return FeatureStore(definitions, self.online, self.records, self.clock)

    @cached_property
    def applied_features(self) -> AppliedDefinitions:
        """The feature definitions as they were applied."""
        return AppliedDefinitions(self.records, self.audit, self.clock)

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
    def rollouts(self) -> Rollouts:
        """Deployments."""
        return Rollouts(
            self.records,
            self.intents,
            self.models,
            self.feed,
            self.log,
            self.clock,
            self.ids,
            self.settings.deployments,
        )

    @cached_property
    def promotions(self) -> Promotions:
        """Moving aliases, through rollouts where deployments follow."""
        return Promotions(self.records, self.intents, self.models, self.rollouts, self.clock)

    @cached_property
    def outside(self) -> OutsideChanges:
        """What plain MLflow clients changed."""
        policy = self.settings.security.outside_changes
        return OutsideChanges(self.intents, self.models, self.projector, self.promotions, policy)

    @cached_property
    def monitors(self) -> Monitors:
        """Windows and alerts."""
        return Monitors(self.records, self.log, self.clock, self.bundle, self.settings.monitoring, self.settings.alerts)

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

    def executor(self, engine: EngineName) -> Executor:
        """The processes that steps run in, kept until the project is closed."""
        if engine not in self._executors:
            opened = open_executor(engine, self.settings.execution, deterministic_environment())
            self._executors[engine] = opened
        return self._executors[engine]

    @cached_property
    def _executors(self) -> dict[EngineName, Executor]:
        return {}

    def bundle(self, deployment: str, version: str) -> Bundle:
        """The bundle of a deployment's version, as servers have it."""
        digest = self.models.get(self.settings.deployments[deployment].model_name, version).bundle
        if digest is None:
            raise NotServable(f"Version {version} of '{deployment}' has no bundle.")
        if digest not in self._bundles:
            self._bundles[digest] = load_bundle(self.feed.bundle_path(digest), expect=digest, trust=self.trust)
        return self._bundles[digest]

    @cached_property
    def _bundles(self) -> dict[str, Bundle]:
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
            if name in made:
                made.pop(name).close()

    def _vouch(self) -> None:
        """A checkpoint of what this process and its workers have recorded; nothing that was done fails with it."""
        try:
            self.checkpoints.write_soon()
        except ModelyardError as error:
            log_event("wiring", "no audit checkpoint was written", level=WARNING, code=error.code, error=error.message)


def _key_entries(view: Snapshot) -> tuple[KeyEntry, ...]:
    """The keys that servers accept."""
    keys = [msgspec.convert(each.body, StoredKey) for each in view.scan(KEYS)]
    return tuple(
        KeyEntry(each.key_id, each.digest, each.role.value, each.deployments, each.expires_us)
        for each in keys
        if each.revoked_us is None
    )
