"""What adopting is given, and what it tells."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.core import counted
from modelyard.inference import ISOLATED

from ..building import listed

Progress = Callable[[str], None]
"""Told what is being done, a sentence each time."""


@dataclass(frozen=True)
class Wanted:
    """A model, its data, and what is said of them. See `adopt`."""

    model: Any
    data: Any
    target: Any
    name: str | None = None
    into: Path = Path()
    task: str | None = None
    columns: tuple[str, ...] = ()
    classes: str | None = None
    tolerance: float = 1e-6
    allow_python: bool = False


@dataclass(frozen=True, repr=False)
class Adopted:
    """A project that was made of a model and data, with version 1 registered. Prints as sentences.

    `columns` in the order the model reads them, matched as `matched` says; `unused` are the data's others. `row_us`:
    microseconds for one row, measured when the bundle was built; `tried` are the faster ways that did not carry the
    model. `metrics` are of the rows given, which flatter a model that has learned from them. `serve`, `ask` and
    `promote` are commands that work now.
    """

    project: str
    files: tuple[str, ...]
    name: str
    bundle: str
    task: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    matched: str
    unused: tuple[str, ...]
    dataset: str
    rows: int
    metrics: dict[str, float]
    runtime: str
    row_us: float | None
    tried: tuple[str, ...]
    notes: tuple[str, ...] = ()
    version: int = 1
    verdict: str = ""
    serve: str = ""
    ask: str = ""
    promote: str = ""

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        """The same for a person, a line each."""
        unused = f"; not used: {listed(self.unused)}" if self.unused else ""
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        flattered = "(on these rows: they flatter a model that has learned from them)"
        return [
            f"Registered {self.name} version {self.version}; wrote {' and '.join(self.files)} to {self.project}.",
            f"task     {self.task}{f': {listed(self.classes)}' if self.classes else ''}",
            f"columns  {self.matched}{unused}",
            f"data     {self.dataset}, {counted(self.rows, 'row')}",
            *([f"metrics  {metrics} {flattered}"] if metrics else []),
            f"runtime  {self.cost}",
            *(f"note     {each}" for each in self.notes),
            "",
            "Serve it:                   " + self.serve,
            "Ask it, beside that:        " + self.ask,
            "Make it live, and watched:  " + self.promote,
        ]

    @property
    def cost(self) -> str:
        """What carries the model, at which cost; and why, where that is no fast runtime."""
        a_row = "" if self.row_us is None else f", {self.row_us:,.{0 if self.row_us >= 100 else 1}f} µs a row"
        if self.runtime not in ISOLATED:
            return f"{self.runtime}{a_row}"
        library = {"lightgbm": "LightGBM", "xgboost": "XGBoost"}.get(self.runtime, "Python")
        tried = "; ".join(textwrap.shorten(each, 160, placeholder=" …") for each in self.tried)
        why = f" ({tried})" if tried else ""
        return f"no fast runtime carries it: {library} in a worker process of its own answers{a_row}{why}"
