"""How a comparison judges: which statistics decide, from which size on, at which risk of a false alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from modelyard.core import InvalidInput, did_you_mean

ALPHA = 0.01
"""Chance, over all columns of a comparison together, that one is called drifted when nothing changed."""

THRESHOLDS: Mapping[str, float] = {
    "psi": 0.2,
    "ks": 0.15,
    "total_variation": 0.15,
    "js": 0.15,
    "wasserstein": 0.38,
    "chi2": 0.15,
    "energy": 0.05,
    "missing": 0.15,
    "new_levels": 0.15,
}
"""From which size on a statistic is drift, unless another is asked for.

PSI's is the credit scorers' (Siddiqi 2006). The others are about as far apart as KS .15, a mean moved by .38 standard
deviations. `wasserstein` is in robust standard deviations of the reference; `chi2` is judged by Cramér's V.
"""

METHODS = ("psi", "ks", "total_variation", "js", "wasserstein", "chi2")
"""What may be asked for; of a column that it is not for, the nearest of the others is taken."""

OF_NUMBERS = {"total_variation": "ks", "chi2": "ks"}
OF_LEVELS = {"ks": "total_variation", "wasserstein": "total_variation"}


@dataclass(frozen=True)
class CompareOptions:
    """What decides. InvalidInput for a method that is none, or a threshold that is not above 0.

    `threshold` takes the place of every default; without `method` PSI and the effect decide, which is KS for numbers
    and total variation for levels. Rows beyond `exact_rows` a side are counted in bins instead of sorted. `joint`:
    whether columns are also compared all together.
    """

    threshold: float | None = None
    method: str | None = None
    alpha: float = ALPHA
    joint: bool = True
    exact_rows: int = 8_000_000
    threads: int = 2

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in METHODS:
            remedy = did_you_mean(self.method, METHODS)
            raise InvalidInput(f"There is no method '{self.method[:80]}'.", code="BAD_METHOD", remedy=remedy)
        if self.threshold is not None and not (isfinite(self.threshold) and self.threshold > 0):
            raise InvalidInput(
                f"A threshold of {self.threshold:g} finds drift everywhere or nowhere.",
                code="BAD_THRESHOLD",
                remedy="Give a number above 0, such as 0.1.",
            )

    def threshold_of(self, method: str) -> float:
        """The size from which on it is drift."""
        return self.threshold if self.threshold is not None else THRESHOLDS[method]

    def deciding(self, *, numeric: bool) -> tuple[str, ...]:
        """The statistics that decide on a column."""
        if self.method is None:
            return ("ks", "psi") if numeric else ("total_variation", "psi")
        return ((OF_NUMBERS if numeric else OF_LEVELS).get(self.method, self.method),)
