"""What a step's process needs of its project: built anew there from the project file, once a process."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from modelyard.access import Principal
from modelyard.core import Clock, ManualClock
from modelyard.pipelines import Services
from modelyard.storage import ArtifactStore

from .project_file import LoadedFile


class StepProject(Protocol):
    """What of a project a step's process uses."""

    @property
    def artifacts(self) -> ArtifactStore: ...
    @property
    def services(self) -> Services: ...


@dataclass(frozen=True)
class ProjectSurroundings:
    """See `pipelines.Surroundings`.

    `make`: the project's class. `environment`: what the project was opened with instead of the process's own.
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


class DatasetVersions:
    """Which version of its datasets a project has now, for the keys of cached steps.

    Files and folders by their bytes. What comes from a function, or from elsewhere, is only known by reading it: None.
    """

    def __init__(self, file: LoadedFile) -> None:
        self._file = file

    def __call__(self, name: str) -> str | None:
        settings = self._file.settings.datasets.get(name)
        if settings is None or ".py:" in settings.source or "://" in settings.source:
            return None
        path = self._file.folder / settings.source
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        if not files:
            return None
        told = hashlib.sha256()
        for each in files:
            found = each.stat()
            told.update(_digest(each, found.st_mtime_ns, found.st_size, found.st_ino))
        told.update(settings.model_dump_json().encode())
        return told.hexdigest()


@lru_cache(maxsize=10_000)
def _digest(file: Path, _changed: int, _size: int, _inode: int) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
