"""All columns together, on an even sample of the rows: what none of them shows alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.stats import domain_classifier, mmd, pca_reconstruction, rank_scores

from .judging import Measured, judge
from .options import CompareOptions
from .reading import numbers_of, text_of
from .records import Joint

ROWS = 3_000
"""So many rows of each side are looked at."""

THRESHOLD = 0.65
"""From this AUC on a table as a whole drifted: as far apart as a number whose KS is .21, in whatever way."""

_TOP = 6
_WEIGHTS = 10
_WIDEST = 300

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sampled:
    """A column at the same rows as the others of its table: Arrow values of both sides."""

    name: str
    numeric: bool
    reference: pa.Array
    current: pa.Array


def judge_together(sampled: Sequence[Sampled], options: CompareOptions) -> Joint | None:
    """The verdict on the table; None below two columns."""
    if len(sampled) < 2:
        return None
    names, x, y = encoded(sampled)
    rows = len(x), len(y)
    found = domain_classifier(x, y, alpha=options.alpha)
    if found is None:
        reason = f"{min(rows)} rows are too few to compare columns together"
        return Joint(verdict="inconclusive", reason=reason, rows_ref=rows[0], rows_cur=rows[1])
    area = Measured("auc", found.auc, THRESHOLD, found.bound, f"told apart with an AUC of {found.auc:.2f}")
    verdict, reason, _ = judge([area], [], rows)
    rebuilt, kernel = pca_reconstruction(x, y, alpha=options.alpha), mmd(x, y, alpha=options.alpha)
    return Joint(
        verdict=verdict,
        reason=reason,
        rows_ref=rows[0],
        rows_cur=rows[1],
        auc=found.auc,
        interval=found.interval,
        threshold=THRESHOLD,
        bound=found.bound,
        weights=_by_column(names, found.weights),
        reconstruction=rebuilt.effect if rebuilt else None,
        reconstruction_bound=rebuilt.bound if rebuilt else None,
        mmd=math.sqrt(kernel.statistic) if kernel else None,
        mmd_bound=math.sqrt(kernel.bound) if kernel else None,
    )


def _by_column(names: Sequence[str], weights: Matrix) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, weight in zip(names, weights.tolist(), strict=True):
        sums[name] = sums.get(name, 0.0) + weight
    return dict(sorted(sums.items(), key=lambda each: -each[1])[:_WEIGHTS])


def encoded(sampled: Sequence[Sampled]) -> tuple[list[str], Matrix, Matrix]:
    """Numbers as normal scores of the reference's ranks, the commonest levels as indicators, missing as one more."""
    names: list[str] = []
    parts: list[tuple[Matrix, Matrix]] = []
    numbers = [each for each in sampled if each.numeric]
    first, second = ([_with_nan(getattr(each, side)) for each in numbers] for side in ("reference", "current"))
    if numbers:
        parts.append(rank_scores(np.column_stack(first), np.column_stack(second)))
        names += [each.name for each in numbers]
        gone = [(np.isnan(a).astype(float), np.isnan(b).astype(float)) for a, b in zip(first, second, strict=True)]
        chosen = [at for at, (a, b) in enumerate(gone) if a.any() or b.any()]
        names += [numbers[at].name for at in chosen]
        parts += [_scaled(gone[at][0][:, None], gone[at][1][:, None]) for at in chosen]
    for each in (one for one in sampled if not one.numeric):
        made = _indicators(each)
        names += [each.name] * made[0].shape[1]
        parts.append(_scaled(*made))
    x, y = (np.hstack([part[side] for part in parts])[:, :_WIDEST] for side in (0, 1))
    return names[:_WIDEST], x, y


def _with_nan(values: pa.Array) -> Matrix:
    found = np.full(len(values), np.nan)
    found[np.asarray(values.is_valid())] = numbers_of(values)[0]
    return found


def _indicators(column: Sampled) -> tuple[Matrix, Matrix]:
    first, second = text_of(column.reference), text_of(column.current)
    counted = pa.chunked_array([first, second]).drop_null().value_counts()
    top = pc.sort_indices(counted.field("counts"))[::-1][:_TOP]
    levels = counted.field("values").take(top).to_pylist()
    if not levels:
        return np.empty((len(first), 0)), np.empty((len(second), 0))
    return _has(first, levels), _has(second, levels)


def _has(values: pa.Array, levels: Sequence[str]) -> Matrix:
    """Whether each row has each level (n, levels); a row without a value has none."""
    found = (np.asarray(pc.equal(values, level).fill_null(False)) for level in levels)  # noqa: FBT003 - Arrow's way
    return np.column_stack([each.astype(np.float64) for each in found])


def _scaled(x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
    """By the reference's spread; that of a rare indicator counts as .1, so that a few rows do not rule."""
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 0.1)
    return (x - middle) / spread, (y - middle) / spread
