"""What a bundle says about itself: `bundle.json` as frozen values."""

from typing import Any, Literal

import msgspec

from modelyard.core import Digest

FORMAT_VERSION = 1
"""The bundle format this code writes. It reads this version and every older one, and refuses newer ones.

To change the format: raise this number, keep reading the older shape in `load.py`, add a bundle of the old version to
`tests/inference/`, and say in the changelog which servers must be upgraded first.
"""

Task = Literal["binary", "multiclass", "regression"]
"""What a model answers; see `Predictions` for the shape of its scores."""

UnknownLevel = Literal["null", "error", "other"]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input column, in the order the model expects it.

    `number`: float64; `minimum` and `maximum` are those seen in training, for information. `category`: a string, coded
    as its position in `categories` (float64), null as NaN; `unknown` says what an unseen level becomes.
    `nullable` False makes a missing value an error of the caller.
    """

    name: str
    kind: Literal["number", "category"]
    nullable: bool = True
    categories: tuple[str, ...] = ()
    unknown: UnknownLevel = "null"
    minimum: float | None = None
    maximum: float | None = None


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model's inputs, in order."""

    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)


class NumberProfile(msgspec.Struct, frozen=True, tag="number"):
    """A numeric column in the reference: counts between quantile `edges`.

    `edges` are strictly increasing finite inner cut points, at most 511; `counts` has `len(edges) + 1` bins, bin i
    holding values v with edges[i-1] < v <= edges[i]; nulls (NaN) are counted apart.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    nulls: int
    mean: float | None = None
    deviation: float | None = None


class CategoryProfile(msgspec.Struct, frozen=True, tag="category"):
    """A categorical column in the reference: count by level, unknown levels and nulls apart."""

    name: str
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    unknown: int
    nulls: int


ColumnProfile = NumberProfile | CategoryProfile
"""The reference distribution of one column."""


class ReferenceProfile(msgspec.Struct, frozen=True):
    """What training-time data looked like: input columns, the model's scores, and calibration.

    `importance` maps feature name to a non-negative weight summing to 1 (permutation importance). `calibration` has
    (mean score, share of positives, rows) by score decile, for binary tasks. `performance` holds the holdout metrics
    that monitoring compares with.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    scores: NumberProfile | None = None
    importance: dict[str, float] = {}
    calibration: tuple[tuple[float, float, int], ...] = ()
    performance: dict[str, float] = {}


class BundleInfo(msgspec.Struct, frozen=True):
    """The contents of `bundle.json`. Its SHA-256 is the bundle's digest; `files` pins every other file.

    `plan` is the feature plan as JSON; the room `online` gives it its meaning (`online.FeaturePlan`).
    """

    format: int
    model: str
    version: str
    task: Task
    runtime: str
    signature: Signature
    plan: dict[str, Any]
    files: dict[str, Digest]
    classes: tuple[str, ...] = ()
    run: str | None = None
    datasets: dict[str, Digest] = {}
    code: Digest | None = None
    metrics: dict[str, float] = {}
    tolerance: float = 1e-6
    created_us: int = 0
