"""What a search found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class TrialRecord:
    """One trial. `value` is None for one that failed; of a pruned one it is the last that it reported, if any.

    `reported` holds the intermediate values by step; `error` says why a trial failed; `space` has the distribution of
    each parameter, as Optuna writes it in JSON.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    params: Mapping[str, Any]
    value: float | None
    reported: Mapping[int, float]
    seconds: float
    error: str = ""
    space: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchResult:
    """The trials of a search in the order of their numbers, and why it ended.

    `best` is the complete trial with the best value, the first of several. `ended` is one of: all trials were made,
    the budget was spent, nothing better came. `importance`: the share of the value's variance that each parameter
    explains (functional ANOVA, Hutter et al. 2014), empty when there are too few trials to tell.
    """

    direction: Literal["minimize", "maximize"]
    best: TrialRecord
    trials: tuple[TrialRecord, ...]
    ended: str
    importance: Mapping[str, float]

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of the best trial."""
        return self.best.params

    @property
    def value(self) -> float:
        """The value of the best trial."""
        return self.best.value or 0.0
