"""A card's facts, as values that are kept as JSON."""

from typing import Any

import msgspec

from modelyard.bundling import Attempt
from modelyard.inference import Field, ReferenceProfile, Task
from modelyard.tracking import Evaluation

from ..lineage import Lineage


class Declaration(msgspec.Struct, frozen=True):
    """What people say of a model, in the project file."""

    owner: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class DataFacts(msgspec.Struct, frozen=True):
    """A dataset that the version's run read. `label`: of the dataset version, `bookings@3`, where it was one.

    `missing`: share of all values in it. `findings`: sentences of its profile. `columns`: types by name.
    """

    name: str
    digest: str
    label: str = ""
    columns: dict[str, str] = {}
    rows: int | None = None
    missing: float | None = None
    repeated: int | None = None
    findings: tuple[str, ...] = ()
    created_at: str = ""
    note: str = ""


class Training(msgspec.Struct, frozen=True):
    """How the version was made."""

    params: dict[str, Any]
    pipeline: str = ""
    run: str = ""
    tracked_run: str = ""
    seconds: float | None = None
    commit: str = ""
    uncommitted: bool = False


class BuildFacts(msgspec.Struct, frozen=True):
    """What serves the version. `attempts`: every runtime that was tried, the one kept with an empty `why_not`."""

    digest: str
    runtime: str
    task: Task
    classes: tuple[str, ...]
    fields: tuple[Field, ...]
    tolerance: float
    bytes: int | None
    attempts: tuple[Attempt, ...] = ()

    @property
    def kept(self) -> Attempt | None:
        """The attempt that is served."""
        return next((each for each in self.attempts if not each.why_not), None)


class Approval(msgspec.Struct, frozen=True):
    """What an alias asks of people, and has got. `missing`: why it may not be held yet, or nothing."""

    alias: str
    required: int
    approved_by: tuple[str, ...]
    missing: str
    void: tuple[str, ...] = ()


class Moved(msgspec.Struct, frozen=True):
    """A move of an alias to this version, or away from it."""

    at: str
    alias: str
    came: bool
    by: str
    reason: str = ""


class Card(msgspec.Struct, frozen=True):
    """One version. None, or an empty value, is what is not on record; `unknown` says of each part how it would be.

    `judged`: a sentence, where what was evaluated is not the very model that was registered.
    """

    model: str
    number: int
    label: str
    created_at: str
    created_by: str
    written_at: str
    description: str
    tags: dict[str, str]
    aliases: tuple[str, ...]
    archived: bool
    gate: str
    gate_reasons: tuple[str, ...]
    metrics: dict[str, float]
    declared: Declaration
    training: Training
    data: tuple[DataFacts, ...]
    lineage: Lineage
    evaluation: Evaluation | None = None
    judged: str = ""
    profile: ReferenceProfile | None = None
    build: BuildFacts | None = None
    approvals: tuple[Approval, ...] = ()
    moves: tuple[Moved, ...] = ()
    unknown: dict[str, str] = {}

    @property
    def title(self) -> str:
        """Model and version, as one says them."""
        return f"{self.model} {self.label}"
