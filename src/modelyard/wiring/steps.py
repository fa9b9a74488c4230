"""What a step's process needs of its project: built anew there from the project file, once a process."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from modelyard.access import Principal
from modelyard.core import Clock, ManualClock, ModelyardError, canonical_json, digest_of
from modelyard.data import DatasetSettings, TablePromises, Version, load_function, open_data
from modelyard.pipelines import DatasetState, ProjectNames, Services, fingerprint, generation_of
from modelyard.storage import ArtifactStore

from .datasets import VERSION
from .project_file import LoadedFile


class StepProject(Protocol):
    """What of a project a step's process uses."""

    @property
    def artifacts(self) -> ArtifactStore: ...
    @property
    def services(self) -> Services: ...


@dataclass(frozen=True)
class ProjectSurroundings:
    """See `pipelines.Surroundings`. `make`: the project's class.

    `environment`: what the project was opened with instead of the process's own.
    """

    make: Callable[..., StepProject]
    file: Path
    seed: int
    principal: Principal
    environment: tuple[tuple[str, str], ...] | None = None

    def artifacts(self) -> ArtifactStore:
        """The project's artifact store."""
        return _opened(self, still=False).project.artifacts

    def services(self, clock: Clock) -> Services:
        """The project's services; a clock that stands still is set, so that what is open can stay open."""
        opened = _opened(self, still=isinstance(clock, ManualClock))
        if opened.still is not None:
            opened.still.set(clock.now())
        return opened.project.services


@dataclass(frozen=True)
class _Opened:
    project: StepProject
    still: ManualClock | None


@lru_cache(maxsize=4)
def _opened(around: ProjectSurroundings, *, still: bool) -> _Opened:
    clock = ManualClock(datetime(1970, 1, 1, tzinfo=UTC)) if still else None
    environment = None if around.environment is None else dict(around.environment)
    project = around.make(
        around.file, clock=clock, principal=around.principal, environment=environment, seed=around.seed
    )
    return _Opened(project, clock)


_PROMISES = {*TablePromises.model_fields, "schema_file", "checks", "min_rows"}
"""The settings of a dataset that say what is promised of it, not what it is."""


class DatasetVersions:
    """Which version of its datasets a project has now: for the keys of cached steps, and for the record.

    Files and folders by their bytes, dataset versions by their name and number, functions by their code and what
    `version` says. What comes from elsewhere, or from a function without it, is only known by reading it: None.
    """

    def __init__(self, file: LoadedFile, kept: Callable[[str], Version]) -> None:
        """`kept`: the dataset version that NAME@NUMBER means."""
        self._file = file
        self._kept = kept

    def __call__(self, name: str) -> str | None:
        """The version for a cache key, with what is promised: a judgement of the dataset depends on that too."""
        state = self.state(name)
        if state is None or state.version is None:
            return None
        return digest_of(f"{state.version} {state.promises}".encode())

    def state(self, name: str) -> DatasetState | None:
        """A dataset without its columns."""
        settings = self._file.settings.datasets.get(name)
        if settings is None:
            return None
        told = hashlib.sha256(settings.model_dump_json(include=_PROMISES).encode())
        schema = None if settings.schema_file is None else self._file.folder / settings.schema_file
        if schema is not None and schema.is_file():
            told.update(schema.read_bytes())
        return DatasetState(self._version(settings), told.hexdigest())

    def columns(self, name: str) -> Mapping[str, str]:
        """Types by column of a dataset as it is now; empty when a function makes it. Text files are read for it."""
        settings = self._file.settings.datasets[name]
        if ".py:" in settings.source:
            return {}
        if settings.source.startswith(VERSION):
            version = self._kept(settings.source.removeprefix(VERSION))
            return {each.name: each.type for each in version.columns}
        source = settings.source if "://" in settings.source else self._file.folder / settings.source
        return {field.name: str(field.type) for field in open_data(source, settings.read.options()).schema}

    def _version(self, settings: DatasetSettings) -> str | None:
        if settings.source.startswith(VERSION):
            with suppress(ModelyardError):  # one that is not there has no version; reading it says so
                found = self._kept(settings.source.removeprefix(VERSION))
                return f"{found.label}:{found.digest[:12]}"
            return None
        if ".py:" in settings.source:
            return None if settings.version is None else self._of_function(settings.source, settings.version)
        if "://" in settings.source:
            return None
        path = self._file.folder / settings.source
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        if not files:
            return None
        told = hashlib.sha256()
        for each in files:
            status = each.stat()
            told.update(_digest(each, status.st_mtime_ns, status.st_size, status.st_ino))
        told.update(settings.model_dump_json(exclude=_PROMISES).encode())
        return told.hexdigest()

    def _of_function(self, source: str, version: str) -> str:
        folder = self._file.folder
        code = fingerprint(load_function(source, folder), ProjectNames(folder))
        told = load_function(version, folder)()
        generation_of(folder)  # so that a later change of the files that this loaded is seen
        return digest_of(canonical_json([code, str(told)]))


@lru_cache(maxsize=10_000)
def _digest(file: Path, _changed: int, _size: int, _inode: int) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
