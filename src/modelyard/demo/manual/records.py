"""What the demonstration of language models reports: `summary.json`."""

import msgspec

from modelyard.stats import wilson


class Share(msgspec.Struct, frozen=True):
    """So many of so many, and an interval of 95% of their share (Wilson); no interval of none."""

    hits: int
    total: int
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, hits: int, total: int) -> "Share":
        """The share with its interval."""
        ends = wilson(hits, total)
        return cls(hits, total, *(ends or (None, None)))

    @property
    def value(self) -> float:
        """The share; nought of none."""
        return self.hits / self.total if self.total else 0.0


class Half(msgspec.Struct, frozen=True):
    """How one deployment did on the reported half: what it abstained from, got right, and rests on the right page.

    `abstained` are of the questions without an answer, `refused` of those with one; `right` and `cited` of the latter.
    """

    abstained: Share
    refused: Share
    right: Share
    cited: Share


class Told(msgspec.Struct, frozen=True):
    """One question of the reported half, with both answers."""

    id: str
    question: str
    pages: tuple[str, ...]
    grounded: str
    cited: tuple[str, ...]
    right: bool
    abstained: bool
    bare: str
    bare_abstained: bool


class Check(msgspec.Struct, frozen=True):
    """A promise, whether it was kept, and by which figures."""

    promise: str
    kept: bool
    found: str


class ManualSummary(msgspec.Struct, frozen=True):
    """The whole run. `more` is by how much more of the unanswerable the application abstains from than the bare model,
    with an interval of 95% (Newcombe). Durations are wall time; `phases` in their order.
    """

    model: str
    embedder: str
    pages: int
    chunks: int
    least: float
    grounded: Half
    bare: Half
    more: tuple[float, float, float]
    checks: tuple[Check, ...]
    told: tuple[Told, ...]
    history: tuple[str, ...]
    phases: dict[str, float]
    requests: int
    input_tokens: int
    output_tokens: int
    seed: int
    wall_s: float

    @property
    def kept(self) -> bool:
        """Whether every promise was."""
        return all(each.kept for each in self.checks)
