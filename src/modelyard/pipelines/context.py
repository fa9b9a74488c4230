"""What a running step can reach: the project's data, features and models, through a contract that wiring fills."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import Clock, Judgement
from modelyard.inference import Embedder, Signature
from modelyard.storage import ArtifactStore

from .errors import InvalidPipeline


@dataclass(frozen=True)
class Samples:
    """Rows as a model reads them.

    `table`: the n rows themselves, features in the signature's order, then the label; `matrix`: the features encoded,
    (n, f) float64; `labels` (n,) of 0 and 1; `weights` (n,) of how much each row counts, of rows that were weighed.
    """

    signature: Signature
    table: pa.Table
    matrix: NDArray[np.float64]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Candidate:
    """A trained model on its way to the registry, with what it was trained on."""

    model: Any
    samples: Samples
    params: Mapping[str, Any] = field(default_factory=dict)


class Reindexing(Protocol):
    """The steps of `REINDEX`, for an application whose policy says which documents its answers rest on.

    `candidate` is what `index` gave: plain values, for the record has them. Each may be called again after a crash, and
    gives the same.
    """

    def index(self, model: str) -> dict[str, Any]:
        """Bring the live version's index up to date, and register it; only what changed is embedded.

        `of`: the live version; `index`, `version`, `digest`: the new index; `documents`: how many are other; `told`: in
        words.
        """

    def evaluate(self, model: str, candidate: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the policy's suite of the candidate and of the version it was made of.

        Metrics of both, by how much the candidate's are better, and what the limits say: `verdict`, and a line for
        each of its `reasons`.
        """

    def register(
        self, model: str, candidate: Mapping[str, Any], evaluation: Mapping[str, Any], gates: Sequence[Judgement]
    ) -> int:
        """Register the live version on the new index; returns its number. Conflict when another is live by now."""


class Services(Protocol):
    """What the project gives to its steps."""

    @property
    def reindexing(self) -> Reindexing:
        """What brings an application onto a new index of its documents."""

    def embedder(self, version: str) -> Embedder:
        """A registered embedder, `NAME/3`, to embed texts with. A step that is cached names a number, not an alias."""

    def dataset(self, name: str, as_of: datetime, window: Mapping[str, str] | None = None) -> pa.Table:
        """The rows of a dataset whose label is known at `as_of`, by event time; see `training_window`."""

    def check(self, name: str, rows: pa.Table) -> Judgement:
        """The dataset's declared checks, and the leak check over those of the model's features that the rows have."""

    def join(self, model: str, rows: pa.Table) -> pa.Table:
        """`rows` with the model's features as they were known at each row's event time."""

    def samples(
        self, model: str, rows: pa.Table, *, signature: Signature | None = None, complete: bool = False
    ) -> Samples:
        """Joined rows in the order of a signature: the given one, or one inferred from these rows.

        `complete` leaves out rows with a missing value; a signature inferred from complete rows requires every value.
        """

    def champion_metrics(self, model: str, rows: pa.Table, *, complete: bool = False) -> dict[str, float]:
        """Metrics of the version in production on joined rows, or the complete ones; empty when there is none."""

    def challenge(
        self, model: str, candidate: Candidate, rows: pa.Table, *, metric: str = "auc", complete: bool = False
    ) -> dict[str, float]:
        """How much better a candidate is than the version in production on the same joined rows, which neither of them
        may have learned from: `candidate`, `champion`, `difference` with its 95% interval `lower` to `upper`, `rows`.

        Empty when there is no version in production, or too few rows to tell.
        """

    def evaluate(self, model: str, candidate: Candidate, rows: pa.Table, *, complete: bool = False) -> dict[str, float]:
        """Metrics of a candidate on joined rows that it has not seen, or the complete ones.

        With them the slices and groups that the project declares are measured, and kept for the card of the version
        that is registered with these metrics. As a page they are in the step's folder.
        """

    def register(
        self, model: str, candidate: Candidate, metrics: Mapping[str, float], gates: Sequence[Judgement]
    ) -> int:
        """Build the bundle, log the model, create the version; returns its number."""


class Surroundings(Protocol):
    """What a step needs around it in whatever process it runs: picklable, small, and equal when it means the same."""

    def artifacts(self) -> ArtifactStore:
        """The project's artifact store."""

    def services(self, clock: Clock) -> Services:
        """The project's services, at the time of a clock."""


class Read(Protocol):
    """Puts on record which version of a dataset a step has read, and its columns' types where these are known."""

    def __call__(self, name: str, digest: str, columns: Mapping[str, str] | None = None) -> None: ...


def _nothing_read(name: str, digest: str, columns: Mapping[str, str] | None = None) -> None:
    """Outside the engine nobody records what was read."""


@dataclass(frozen=True)
class RunContext:
    """One run: its id, its clock and seed, and the services of the project; `step` is the one that asks.

    `read(name, digest, columns)` puts on record which version of a dataset the step has read. `kept` is where `folder`
    will be. `deterministic`: the run trains every model twice and compares, so that libraries that are faster when
    they need not repeat themselves are to be told. `project` is the folder of the project.
    `secrets`: environment variables whose values must not be shown.
    """

    run_id: str
    clock: Clock
    seed: int
    services: Services
    step: str = ""
    read: Read = _nothing_read
    kept: Path | None = None
    deterministic: bool = False
    project: Path | None = None
    secrets: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """A folder that is kept with the run and that a step finds again when the run is resumed: for checkpoints.

        Pictures (.html, .png, .svg) in it are shown with the step in MLflow. Elements of a mapped step have one each.
        """
        if self.kept is None:
            raise InvalidPipeline("This run keeps no folders.", remedy="Run it: modelyard pipeline run NAME.")
        self.kept.mkdir(parents=True, exist_ok=True)
        return self.kept


_CURRENT: ContextVar[RunContext | None] = ContextVar("run", default=None)


def context() -> RunContext:
    """The run that the calling step belongs to."""
    current = _CURRENT.get()
    if current is None:
        raise InvalidPipeline(
            "This step asks for the project's services outside a run.", remedy="Run it: modelyard pipeline run NAME."
        )
    return current


def in_run() -> RunContext | None:
    """The run that the caller belongs to, if it belongs to one."""
    return _CURRENT.get()


def enter(run: RunContext) -> Any:
    """Make a run current; `leave` takes the token."""
    return _CURRENT.set(run)


def leave(token: Any) -> None:
    """Undo `enter`."""
    _CURRENT.reset(token)
