"""Where a project keeps things: its file, its folders, its stores, its keys."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Self

from modelyard.access import Principal, local_principal
from modelyard.audit import AuditLog, Checkpoints, Sink, open_sink
from modelyard.core import (
    Clock,
    IdSource,
    SystemClock,
    SystemIds,
)
from modelyard.data import Versions
from modelyard.inference import Trust
from modelyard.storage import (
    ArtifactStore,
    FencedRecordStore,
    RecordStore,
    StoreUnavailable,
    Transaction,
    open_artifact_store,
    open_record_store,
)
from modelyard.tracking import Evaluations, Tracker

from .keys import KEYS_FOLDER, ProjectKeys
from .project_file import ProjectFile, load_project_file


class ProjectStores:
    """The project file, the folders, and every store that stands by itself."""

    def __init__(
        self,
        path: Path | str = ".",
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        principal: Principal | None = None,
        environment: Mapping[str, str] | None = None,
        seed: int = 0,
        fence: Callable[[Transaction], None] | None = None,
    ) -> None:
        """The project whose `modelyard.yaml` stands at `path`. Nothing is created before it is needed.

        `fence` is asked in every write transaction of the record store, and what it raises stops the write.
        """
        self.file = load_project_file(Path(path), environment)
        self._environment = environment
        self.clock = clock or SystemClock()
        self.ids = ids or SystemIds()
        self.principal = principal or local_principal(self.settings.security.roles)
        self.seed = seed
        self._fence = fence
        self._lender: Self | None = None
        self._lending = Lock()

    def another(
        self, *, principal: Principal | None = None, fence: Callable[[Transaction], None] | None = None
    ) -> Self:
        """The same project once more, read anew, for another thread or another caller; close it before this one.

        Its stores are its own, except the online store, which is safe for many threads, and which a process can open
        but once where it is embedded: that is this project's.
        """
        found = type(self)(
            self.file.folder,
            clock=self.clock,
            ids=self.ids,
            principal=principal or self.principal,
            environment=self._environment,
            seed=self.seed,
            fence=fence,
        )
        found._lender = self._lender or self
        return found

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
    def log_folder(self) -> Path:
        """What was sealed of what they wrote."""
        return self.workspace / "log"

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
        return store if self._fence is None else FencedRecordStore(store, self._fence)

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
        self._make_workspace()
        declared = self.settings.stores.tracking
        uri = declared.get_secret_value() if declared else f"sqlite:///{self.workspace / 'mlflow.db'}"
        return Tracker(uri, (self.workspace / "mlartifacts").as_uri(), self.clock)

    def _make_workspace(self) -> None:
        try:
            self.workspace.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"The workspace {self.workspace} cannot be made: {error}.", remedy="Correct stores.workspace."
            ) from error

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
    def keys(self) -> ProjectKeys:
        """The keys that sign, and those whose signatures count."""
        return ProjectKeys(self.settings.security, self.file.folder, self.workspace / KEYS_FOLDER)

    @cached_property
    def trust(self) -> Trust:
        """Whose bundles are loaded, and whose Python runs."""
        return self.keys.trust()
