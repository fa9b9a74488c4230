"""Values that the measures hand around."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ModelName = Literal["forest", "xgboost", "logistic", "huge"]
State = Literal["met", "missed", "reported", "not measured"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Endpoint:
    """Where to POST what: bodies are taken in turn, so that no cache answers."""

    port: int
    path: str
    bodies: tuple[bytes, ...]


@dataclass(frozen=True)
class Load:
    """What a closed loop of connections saw: requests a second, milliseconds, and answers that were no answers."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


@dataclass(frozen=True)
class Cell:
    """One point of the grid."""

    model: ModelName
    rows: int
    connections: int

    def __str__(self) -> str:
        return f"{self.model}, {self.rows} row{'s' if self.rows > 1 else ''}, concurrency {self.connections}"


@dataclass(frozen=True)
class Target:
    """A limit that a figure has to keep."""

    sign: Literal[">=", "<="]
    limit: float

    def met(self, value: float) -> bool:
        return value >= self.limit if self.sign == ">=" else value <= self.limit

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the table; `value` is None when it could not be measured, and `note` says why.

    `evidence` is what the value was computed from, for the results file, which stays on this machine.
    """

    measure: str
    what: str
    value: float | None
    unit: str = "x"
    target: Target | None = None
    note: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """Whether the target is met."""
        if self.value is None:
            return "not measured"
        if self.target is None:
            return "reported"
        return "met" if self.target.met(self.value) else "missed"

    def as_json(self) -> dict[str, Any]:
        """The figure with its state, for the results file."""
        return asdict(self) | {"target": str(self.target) if self.target else None, "state": self.state}


def median_load(loads: Sequence[Load]) -> Load:
    """Each fact's median over repeats; errors add up."""
    return Load(
        statistics.median(each.requests_per_s for each in loads),
        statistics.median(each.p50_ms for each in loads),
        statistics.median(each.p99_ms for each in loads),
        sum(each.errors for each in loads),
    )
