"""Values that the measures hand around."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ModelName = Literal["forest", "xgboost", "logistic", "huge"]

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


def median_load(loads: Sequence[Load]) -> Load:
    """Each fact's median over repeats; errors add up."""
    return Load(
        statistics.median(each.requests_per_s for each in loads),
        statistics.median(each.p50_ms for each in loads),
        statistics.median(each.p99_ms for each in loads),
        sum(each.errors for each in loads),
    )
