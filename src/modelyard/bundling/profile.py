"""The reference profile: what training-time data looked like, for monitoring."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.inference import (
    CategoryProfile,
    ColumnProfile,
    Field,
    NumberProfile,
    ReferenceProfile,
    SampledRows,
    Signature,
    fences,
    level_codes,
    number_codes,
    pack_rows,
    sampled_columns,
)
from modelyard.stats import auc

BINS = 20
"""Quantile bins of a number: few enough that PSI's null value is small at a week's rows."""

SAMPLED = 3_000
"""Rows that are kept as they stand together."""

_IMPORTANCE_ROWS = 2000

Measure = Callable[[NDArray[np.float64], NDArray[np.float64]], float | None]


def build_profile(
    signature: Signature,
    matrix: NDArray[np.float64],
    scores: NDArray[np.float64],
    *,
    importance: Mapping[str, float],
    performance: Mapping[str, float],
    losses: NDArray[np.float64] | None = None,
) -> ReferenceProfile:
    """The profile of encoded training rows (n, f) float64 and the model's scores for them (n,).

    `losses` (n,), for rows that `performance` is of: 0 or 1 for an answer that is right or wrong, |error| of a number.
    """
    columns: list[ColumnProfile] = [
        _number(field.name, matrix[:, index]) if field.kind == "number" else _category(field, matrix[:, index])
        for index, field in enumerate(signature.fields)
    ]
    profile = ReferenceProfile(
        rows=len(matrix),
        columns=tuple(columns),
        scores=_number("score", scores),
        importance=dict(importance),
        performance=dict(performance),
    )
    return msgspec.structs.replace(profile, sample=_sample(profile, matrix, losses))


def _sample(
    profile: ReferenceProfile, matrix: NDArray[np.float64], losses: NDArray[np.float64] | None
) -> SampledRows | None:
    """Some rows drawn at random, always the same ones."""
    if not len(matrix) or not profile.columns:
        return None
    chosen = np.sort(np.random.default_rng(0).permutation(len(matrix))[:SAMPLED])
    wanted = set(sampled_columns(profile))
    codes = {
        each.name: number_codes(each, matrix[chosen, at])
        if isinstance(each, NumberProfile)
        else level_codes(matrix[chosen, at])
        for at, each in enumerate(profile.columns)
        if each.name in wanted
    }
    return pack_rows(codes, None if losses is None else losses[chosen])


def permutation_importance(
    predict: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    matrix: NDArray[np.float64],
    labels: NDArray[np.float64],
    names: Sequence[str],
    *,
    seed: int,
    measure: Measure = auc,
) -> dict[str, float]:
    """How much of a measure is lost when one column is shuffled (Breiman 2001), never negative, summing to 1.

    `predict` gives scores (n,) or (n, k), and `measure` says how good they are, more being better; None: nobody can
    say. On at most 2,000 rows drawn by `seed`. Correlated columns share their importance, so that each looks smaller.
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(matrix))[:_IMPORTANCE_ROWS]
    sample, truth = matrix[chosen], labels[chosen]
    whole = measure(predict(sample), truth)
    if whole is None:
        return dict.fromkeys(names, 1 / len(names))
    shuffled = np.repeat(sample[None], len(names), axis=0)  # one call for all columns: a call costs more than its rows
    for index in range(len(names)):
        shuffled[index, :, index] = random.permutation(sample[:, index])
    answers = predict(shuffled.reshape(-1, len(names)))
    scores = answers.reshape(len(names), len(sample), *answers.shape[1:])
    kept = [measure(each, truth) for each in scores]
    losses = [0.0 if each is None else max(0.0, whole - each) for each in kept]
    total = sum(losses)
    return {name: loss / total if total else 1 / len(names) for name, loss in zip(names, losses, strict=True)}


def _number(name: str, values: NDArray[np.float64]) -> NumberProfile:
    present = values[~np.isnan(values)]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1])) if len(present) else np.empty(0)
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    profile = NumberProfile(
        name=name,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        nulls=len(values) - len(present),
        mean=float(present.mean()) if len(present) else None,
        deviation=float(present.std()) if len(present) else None,
    )
    ends = fences(profile)
    if ends is None:
        return profile
    strays = np.count_nonzero((present < ends[0]) | (present > ends[1]))
    return msgspec.structs.replace(profile, strays=int(strays))


def _category(field: Field, codes: NDArray[np.float64]) -> CategoryProfile:
    """Counts by level; training rows have no unknown levels, so that every NaN is a missing value."""
    known = codes[~np.isnan(codes)].astype(np.int64)
    counts = np.bincount(known, minlength=len(field.categories))
    return CategoryProfile(field.name, field.categories, tuple(counts.tolist()), 0, len(codes) - len(known))
