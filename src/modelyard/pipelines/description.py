"""What is said of a pipeline, wherever it is written: Python, an exported or a plain file. Rules and charts read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wire:
    """What a stage takes from another: `name` of its input, `source` the stage that gives it; None when none does."""

    name: str
    source: str | None


@dataclass(frozen=True)
class Clash:
    """An input that gets what it can never be."""

    input: str
    gets: str
    wants: str


@dataclass(frozen=True)
class Stage:
    """One stage.

    `gives`: the names of its outputs; `unused`: those that nobody takes. `waits`: stages whose judgement holds it back;
    `conditions`: the stage that each condition asks, and the condition as text. `threshold`: what an evaluation asks
    for. `seeded`: whether its randomness repeats; None where nobody can tell.
    """

    name: str
    kind: str
    wires: tuple[Wire, ...] = ()
    gives: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()
    threshold: Mapping[str, float] = field(default_factory=dict)
    seeded: bool | None = None
    clashes: tuple[Clash, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The stages it takes from or whose outputs its conditions ask, each once."""
        asked = (source for source, _ in self.conditions)
        return tuple(dict.fromkeys([each.source for each in self.wires if each.source is not None] + list(asked)))


@dataclass(frozen=True)
class Flaw:
    """Something wrong with how the pipeline is written, found while it was read."""

    code: str
    step: str | None
    message: str
    remedy: str


@dataclass(frozen=True)
class Description:
    """A pipeline in words.

    `listed`: the order of the stages is the order they run in, as in plain files; otherwise what they take from each
    other decides. `outside`: stages of an earlier run.
    """

    name: str
    stages: tuple[Stage, ...]
    rollback: str | None = None
    listed: bool = False
    outside: tuple[str, ...] = ()
    flaws: tuple[Flaw, ...] = ()

    def of(self, *kinds: str) -> tuple[Stage, ...]:
        """The stages of these kinds, in order."""
        return tuple(each for each in self.stages if each.kind in kinds)

    def before(self, stage: Stage) -> tuple[Stage, ...]:
        """The stages that must have run before a stage can: those it takes from or waits for, however far.

        Where the order is listed, also all that stand before it.
        """
        by_name = {each.name: each for each in reversed(self.stages)}
        found: dict[str, Stage] = {}
        ahead = [stage]
        while ahead:
            each = ahead.pop()
            for name in (*each.sources, *each.waits):
                if name in by_name and name not in found:
                    found[name] = by_name[name]
                    ahead.append(by_name[name])
        if self.listed:
            found |= {each.name: each for each in self.stages[: self.stages.index(stage)]}
        return tuple(found.values())
