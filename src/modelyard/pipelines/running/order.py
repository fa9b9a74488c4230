"""An order for one call of a step, as any process can carry it out, and the report of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import Digest

from ..artifacts import Artifact
from ..context import Surroundings


@dataclass(frozen=True)
class Taken:
    """An input: an artifact, or an element inside its value."""

    artifact: Artifact
    path: tuple[str | int, ...] = ()

    @property
    def identity(self) -> str:
        """Equal when the values are."""
        return self.artifact.identity + (f"#{msgspec.json.encode(self.path).decode()}" if self.path else "")


@dataclass(frozen=True)
class Order:
    """One call.

    `function`: its name, see `ProjectNames`. `files`: digests of the project's files that the code was read from.
    `inputs`: by parameter, `Taken` also inside lists and dicts. `at`: the instant at which the step's clock stands, or
    None for the machine's. `secrets` the step sees; `hidden`, those of other steps, it does not. `threads` of
    native libraries, such as OpenMP and BLAS. `kept`: the step's own folder, which outlives its process. `sight`: where
    the process may be on another machine, an artifact that it must see, and the name of the machine that put it there.
    `deterministic`: whether every training of the run is made twice and compared.
    """

    run_id: str
    step: str
    function: str
    inputs: Mapping[str, Any]
    seed: int
    context_seed: int
    folder: Path
    scratch: Path
    surroundings: Surroundings
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    at: datetime | None = None
    threads: int = 1
    kept: Path | None = None
    sight: tuple[Digest, str] | None = None
    deterministic: bool = False


@dataclass(frozen=True)
class Report:
    """What a call gave. `touched`: whether it asked for the project's services; `reads`: datasets it said it read.

    `schemas`: the types of their columns, by name, where these are known.
    """

    output: Artifact
    result: Any
    seconds: float
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    reads: Mapping[str, str] = field(default_factory=dict)
    touched: bool = False
    schemas: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
