"""What a profile says: of the table, of each column, of pairs of columns."""

from typing import Literal

import msgspec

from modelyard.inference import NumberProfile

Kind = Literal["number", "text", "flag", "time", "other", "empty"]
"""What a column is described as: numbers, strings, true and false, instants, anything else, nothing at all."""


class Count(msgspec.Struct, frozen=True):
    """A count; where not `exact` an estimate, whose relative standard error is `error`."""

    value: int
    exact: bool = True
    error: float = 0.0


class Level(msgspec.Struct, frozen=True):
    """A value, as text of at most 120 characters, and how many rows have it."""

    value: str
    count: int


class Histogram(msgspec.Struct, frozen=True):
    """Counts between rising `edges`, each edge belonging to the bin above it, the last to the last bin.

    Bins are of equal width over the bulk of the values; `below` and `above` count those beyond it on either side, so
    that one stray value does not flatten the picture. `len(edges) == len(counts) + 1`.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int = 0
    above: int = 0


class Outliers(msgspec.Struct, frozen=True):
    """How many values lie outside the fences [low, high]."""

    low: float
    high: float
    count: int


class Quantities(msgspec.Struct, frozen=True):
    """The distribution of numbers, or of instants in microseconds since 1970 (UTC).

    Minimum, maximum and the moments are of all finite values; quantiles (by share of rows, as text: "0.5"), histogram,
    outliers and `distribution` of the sample. Of instants the deviation is in microseconds.
    """

    minimum: float | int | None
    maximum: float | int | None
    mean: float | None
    deviation: float | None
    skew: float | None
    quantiles: dict[str, float]
    histogram: Histogram | None
    outliers: Outliers | None
    distribution: NumberProfile
    nans: int = 0
    infinities: int = 0
    zeros: int = 0
    negatives: int = 0


class Lengths(msgspec.Struct, frozen=True):
    """Lengths of strings in characters, and how many are empty or only white space."""

    shortest: int
    longest: int
    mean: float
    empty: int
    blank: int


class Column(msgspec.Struct, frozen=True):
    """One column. `missing` counts nulls and NaN; `top` its commonest values, exact or of the sample."""

    name: str
    type: str
    kind: Kind
    nulls: int
    missing: int
    distinct: Count
    top: tuple[Level, ...] = ()
    top_exact: bool = True
    quantities: Quantities | None = None
    lengths: Lengths | None = None
    earliest: str | None = None
    latest: str | None = None


class Association(msgspec.Struct, frozen=True):
    """How much two columns tell of each other, on the rows where both are there.

    `strength`: Spearman's correlation in [-1, 1] for two numbers, Cramér's V for two columns of levels, the correlation
    ratio for one of each, both in [0, 1]. `pearson` for two numbers.
    """

    first: str
    second: str
    measure: Literal["spearman", "cramers_v", "correlation_ratio"]
    strength: float
    pearson: float | None = None


class Finding(msgspec.Struct, frozen=True):
    """Something worth a look, in a sentence; `code` for programs."""

    code: str
    sentence: str
    column: str | None = None


class Profile(msgspec.Struct, frozen=True):
    """A table described. `sampled` rows, drawn evenly, stand for all where a figure says it is of the sample.

    `duplicates` counts rows that repeat an earlier one.
    """

    rows: int
    sampled: int
    duplicates: Count
    columns: tuple[Column, ...]
    associations: tuple[Association, ...] = ()
    associated: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the sample is all rows, so that every figure is exact."""
        return self.sampled == self.rows
