"""What a comparison found."""

from typing import Literal

import msgspec

Verdict = Literal["pass", "fail", "inconclusive"]
ColumnKind = Literal["number", "category", "vector", "empty", "mixed"]


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the current table against the reference; `fail` means drifted.

    `method` is what decided, `statistic` its size, `threshold` from where it counts and `bound` what chance alone
    exceeds at these rows with the allowed risk, corrected over columns. What a kind of column does not have is None:
    `ks`, `wasserstein` (in the column's unit), `wasserstein_scaled` (in robust standard deviations of the reference)
    are of numbers, `chi2` and `total_variation` of levels. `p_value` is of KS or chi-square and decides nothing.
    `new_levels` and `vanished_levels` are the commonest at most; `new_share` and `new_expected` the share of current
    rows of new levels, and what was to be expected of an unchanged column. `beyond`: shares of values beyond Tukey's
    fences of the reference, in the reference and now; `outside` the share of current values outside its range. `error`
    is how much KS may be too small where rows were counted in bins; 0: exact.
    """

    name: str
    kind: ColumnKind
    verdict: Verdict
    reason: str
    method: str | None = None
    statistic: float | None = None
    threshold: float | None = None
    bound: float | None = None
    p_value: float | None = None
    psi: float | None = None
    ks: float | None = None
    js: float | None = None
    wasserstein: float | None = None
    wasserstein_scaled: float | None = None
    chi2: float | None = None
    total_variation: float | None = None
    energy: float | None = None
    new_levels: tuple[str, ...] = ()
    vanished_levels: tuple[str, ...] = ()
    new_share: float | None = None
    new_expected: float | None = None
    rows_ref: int = 0
    rows_cur: int = 0
    missing_ref: float | None = None
    missing_cur: float | None = None
    type_ref: str = ""
    type_cur: str = ""
    range_ref: tuple[float, float] | None = None
    range_cur: tuple[float, float] | None = None
    outside: float | None = None
    beyond: tuple[float, float] | None = None
    quantile_shift: dict[str, float] = {}
    shift: float | None = None
    error: float = 0.0
    labels: tuple[str, ...] = ()
    shares_ref: tuple[float, ...] = ()
    shares_cur: tuple[float, ...] = ()


class Joint(msgspec.Struct, frozen=True, kw_only=True):
    """All columns together, on an even sample of both tables; see `stats.domain_classifier` and its neighbours.

    `auc` decides. `weights`: the columns that most tell the tables apart. `reconstruction` is the change of the error
    of rows rebuilt from the reference's main components, in standard deviations of one row's; `mmd` beside what chance
    alone exceeds.
    """

    verdict: Verdict
    reason: str
    rows_ref: int
    rows_cur: int
    auc: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float | None = None
    bound: float | None = None
    weights: dict[str, float] = {}
    reconstruction: float | None = None
    reconstruction_bound: float | None = None
    mmd: float | None = None
    mmd_bound: float | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two tables compared. `share` is of the columns that were judged; None when none was.

    `skipped` columns were not looked at, and why; they stand on one side only, or hold what is not compared.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    share: float | None
    rows_ref: int
    rows_cur: int
    columns: tuple[ColumnDrift, ...]
    joint: Joint | None
    skipped: dict[str, str]

    @property
    def drifted(self) -> bool:
        """Whether anything drifted."""
        return self.verdict == "fail"
