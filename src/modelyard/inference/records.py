"""What a bundle says about itself: `bundle.json` as frozen values."""

from math import inf
from sys import float_info
from typing import Any, Literal

import msgspec

from modelyard.core import Digest

FORMAT_VERSION = 6
"""The bundle format this code writes. It reads this version and every older one, and refuses newer ones.

To change the format: raise this number, give every new field a default that means what older bundles did, add a bundle
of the old version to `tests/inference/test_formats.py`, and say in the changelog which servers must be upgraded first.

1: as first released. 2: `finite` and `largest` of fields, `floor` of the bundle, the ONNX runtimes. 3: tensors and
text as fields, their runtime `onnx-tensors` and their golden rows in `golden.npz`. 4: in the feature plan, on-demand
features (`derived`), what only they read (`inputs` of views), and the policy `serve`. 5: functions of on-demand
features: their files of code (`transforms`), and `functions` in the feature plan. 6: the tasks `embedding`, `prompt`
and `generation`; bundles of the last two hold no model.
"""

LARGEST_SINGLE = 3.4028234663852886e38
"""The largest float32: what models that round their input first can take."""

Task = Literal["binary", "multiclass", "regression", "embedding", "index", "prompt", "generation"]
"""What a bundle answers: predictions (see `Predictions` for their scores), or a vector for a text (see `Embedder`).
An `index` of documents, a `prompt`, and an application that has text made by an upstream (`generation`) hold no model
and give no scores."""

PREDICTIONS: tuple[Task, ...] = ("binary", "multiclass", "regression")
"""The tasks of models that predict."""

FieldKind = Literal["number", "category", "tensor", "text"]
"""What a field holds; see `Field`."""

DType = Literal["float32", "float64", "int64", "int32", "uint8", "bool"]
"""What the elements of a tensor are."""

UnknownLevel = Literal["null", "error", "other"]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input column, in the order the model expects it.

    `number`: float64; `minimum` and `maximum` are those seen in training, for information. `category`: a string, coded
    as its position in `categories` (float64), null as NaN; `unknown` says what an unseen level becomes. `tensor`:
    elements of `dtype`, and `shape` of each row. `text`: a string as it is; `shape` is () or (1,), as the model has it.
    Tensors and text are never missing.
    `nullable` False makes a missing value an error of the caller; `finite` False lets infinities in. A number beyond
    `largest`, either way, is refused (`LARGEST_SINGLE` for models that round to float32 first).
    """

    name: str
    kind: FieldKind
    nullable: bool = True
    categories: tuple[str, ...] = ()
    unknown: UnknownLevel = "null"
    minimum: float | None = None
    maximum: float | None = None
    finite: bool = True
    largest: float | None = None
    dtype: DType | None = None
    shape: tuple[int, ...] = ()

    @property
    def limit(self) -> float:
        """The largest number that is let in, either way."""
        if not self.finite:
            return inf
        return float_info.max if self.largest is None else self.largest

    @property
    def may_miss(self) -> bool:
        """Whether the model can meet NaN here: a missing value, or an unseen level that becomes one."""
        if self.nullable or self.kind == "number" or self.unknown == "error":
            return self.nullable
        return self.unknown == "null" or "other" not in self.categories


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model's inputs, in order."""

    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def plain(self) -> "Signature":
        """The numbers and categories alone: what makes up the encoded matrix, the profile and the histograms."""
        return Signature(tuple(field for field in self.fields if field.kind in ("number", "category")))

    @property
    def has_tensors(self) -> bool:
        """Whether there are tensors or text, so that a row is more than a row of one matrix."""
        return any(field.kind in ("tensor", "text") for field in self.fields)


class NumberProfile(msgspec.Struct, frozen=True, tag="number"):
    """A numeric column in the reference: counts between quantile `edges`.

    `edges` are strictly increasing finite inner cut points, at most 511; `counts` has `len(edges) + 1` bins, bin i
    holding values v with edges[i-1] < v <= edges[i]; nulls (NaN) are counted apart. `strays`: values beyond the
    fences that `fences` draws from the bins; None where nobody counted.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    nulls: int
    mean: float | None = None
    deviation: float | None = None
    strays: int | None = None

    @property
    def is_constant(self) -> bool:
        """Whether the reference holds one value, up to the rounding of its mean: its only edge."""
        spread = abs(self.mean or 0.0) * 1e-9
        return len(self.edges) == 1 and self.deviation is not None and self.deviation <= spread


class CategoryProfile(msgspec.Struct, frozen=True, tag="category"):
    """A categorical column in the reference: count by level, unknown levels and nulls apart."""

    name: str
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    unknown: int
    nulls: int


ColumnProfile = NumberProfile | CategoryProfile
"""The reference distribution of one column."""


class SampledRows(msgspec.Struct, frozen=True):
    """Rows as codes of their bins or levels, a byte a value, row after row; see `sampled`.

    `losses`: how wrong the model was on each, in four bytes, NaN where that is not known; empty where it is of none.
    """

    columns: tuple[str, ...]
    codes: bytes
    losses: bytes = b""


class ReferenceProfile(msgspec.Struct, frozen=True):
    """What training-time data looked like: input columns, the model's scores, and calibration.

    `importance` maps feature name to a non-negative weight summing to 1 (permutation importance). `calibration` has
    (mean score, share of positives, rows) by score decile, for binary tasks. `performance` holds the holdout metrics
    that monitoring compares with. `sample`: some of the rows, for what columns show only together, and segments; with
    losses where `performance` is of the same rows.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    scores: NumberProfile | None = None
    importance: dict[str, float] = {}
    calibration: tuple[tuple[float, float, int], ...] = ()
    performance: dict[str, float] = {}
    sample: SampledRows | None = None


class BundleInfo(msgspec.Struct, frozen=True):
    """The contents of `bundle.json`. Its SHA-256 is the bundle's digest; `files` pins every other file.

    `plan` is the feature plan as JSON; the room `online` gives it its meaning (`online.FeaturePlan`). `transforms` are
    the files of code that its functions are in, which run in a worker process and need permission. Scores may differ
    from the original's by `tolerance`, relative to the original's score or, where that is smaller, to `floor`; vectors
    of an embedder by `tolerance` of one minus the cosine.
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
    floor: float = 1e-12
    created_us: int = 0
    transforms: tuple[str, ...] = ()
