"""Where a run happens: its stores, folders, clock, processes and watchers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from modelyard.core import Clock
from modelyard.execution import Executor
from modelyard.storage import ArtifactStore, RecordStore

from ..artifacts import Scratch
from ..code import ProjectNames
from ..context import Surroundings
from ..datasets import States
from .keys import Versions
from .observer import Observer


def _unknown(_name: str) -> None:
    """Nobody knows anything of a dataset."""


@dataclass(frozen=True)
class Place:
    """What the engine is given.

    `folder`: of the project, in which its code stands. `executor` gives the processes, when a step first needs one;
    None runs every step in this one. `engine` is what runs record of it. `apart`: its processes may be on other
    machines, and show first that they see the same project and artifacts. `width`: calls handed to it at a time.
    `frozen`: steps' clocks stand at the instant at which the step is ordered. `versions` of datasets, for cache keys;
    `datasets` as they are now, for the record.
    """

    records: RecordStore
    artifacts: ArtifactStore
    folder: Path
    workspace: Path
    clock: Clock
    surroundings: Surroundings
    seed: int = 0
    executor: Callable[[], Executor] | None = None
    engine: str = "local"
    apart: bool = False
    width: int = 8
    frozen: bool = False
    versions: Versions = _unknown
    datasets: States = _unknown
    observers: tuple[Observer, ...] = field(default_factory=tuple)

    @property
    def names(self) -> ProjectNames:
        """Names of the project's code."""
        return ProjectNames(self.folder)

    @property
    def scratch(self) -> Scratch:
        """Copies of artifacts that can be made again."""
        return Scratch(self.workspace / "scratch")

    def log_of(self, run_id: str, step: str, element: int | None) -> Path:
        """The file of what a step writes, relative to the workspace."""
        return _of(run_id, "logs") / f"{_call(step, element)}.log"


def kept_of(run_id: str, step: str, element: int | None = None) -> Path:
    """The folder that a step finds again when its run is resumed, relative to the workspace."""
    return _of(run_id, "kept") / _call(step, element)


_PICTURES = {".html", ".png", ".svg"}


def pictures_of(workspace: Path, run_id: str, step: str) -> list[Path]:
    """The pictures and pages that a step left in its folder, by name."""
    folder = workspace / kept_of(run_id, step)
    return sorted(each for each in folder.glob("*") if each.suffix in _PICTURES and each.is_file())


def _of(run_id: str, what: str) -> Path:
    return Path("runs") / quote(run_id, safe="") / what


def _call(step: str, element: int | None) -> str:
    return quote(step if element is None else f"{step}.{element}", safe="")
