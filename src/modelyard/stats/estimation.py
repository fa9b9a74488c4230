"""Performance before labels are known: what it would be if nothing but the inputs had changed.

Every estimate here takes the relation of inputs and truth as it was in the reference. When that changes (concept drift)
it goes on saying what it said, with the same interval: it is no substitute for labels, and where labels are known and
disagree, they are right.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .intervals import LEVEL

Floats = NDArray[np.float64]

_ROUNDS = 200
_MOST = 20_000


@dataclass(frozen=True)
class Estimate:
    """An estimated metric with the interval that holds it at the asked level, if the assumption holds."""

    value: float
    lower: float
    upper: float

    def contradicts(self, lower: float, upper: float) -> bool:
        """Whether realised performance, known to lie in this interval, lies outside the estimated one."""
        return lower > self.upper or upper < self.lower


@dataclass(frozen=True)
class Calibrator:
    """Scores to probabilities: steps that never fall, `values` (k,) from `starts` (k,) on."""

    starts: Floats
    values: Floats

    @classmethod
    def fit(cls, scores: ArrayLike, labels: ArrayLike) -> "Calibrator":
        """By isotonic regression of `labels` (n,) of 0 and 1 on finite `scores` (n,); at least one row.

        Pool adjacent violators: Ayer, Brunk, Ewing, Reid and Silverman (Annals of Mathematical Statistics 26, 1955);
        for calibration Zadrozny and Elkan (KDD 2002). With fewer than about a thousand rows its steps are mostly
        chance.
        """
        s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
        found, places = np.unique(s, return_inverse=True)
        sums, sizes = np.bincount(places, weights=y), np.bincount(places).astype(np.float64)
        blocks: list[tuple[float, float, float]] = []
        for start, total, size in zip(found.tolist(), sums.tolist(), sizes.tolist(), strict=True):
            block = (start, total, size)
            while blocks and blocks[-1][1] * block[2] >= block[1] * blocks[-1][2]:
                last = blocks.pop()
                block = (last[0], last[1] + block[1], last[2] + block[2])
            blocks.append(block)
        return cls(np.array([each[0] for each in blocks]), np.array([each[1] / each[2] for each in blocks]))

    def __call__(self, scores: ArrayLike) -> Floats:
        """Probabilities (n,) of scores (n,); below the least score seen, the least probability."""
        places = np.searchsorted(self.starts, np.asarray(scores, dtype=np.float64), side="right") - 1
        found: Floats = self.values[np.maximum(places, 0)]
        return found


def estimate_binary(
    reference_scores: ArrayLike,
    reference_labels: ArrayLike,
    scores: ArrayLike,
    *,
    level: float = LEVEL,
    rounds: int = _ROUNDS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Metrics of a binary classifier on unlabelled `scores` (m,), as `binary_metrics` has them: accuracy, precision, …

    Confidence-based performance estimation (CBPE): scores are calibrated on the labelled reference (n,), and each row
    counts as positive with its probability. The interval redraws the reference, for the calibration, and the labels,
    for the chance in m rows. Of at most 20,000 rows a side. Garg, Balakrishnan, Lipton, Neyshabur and Sedghi (ICLR
    2022) on what confidence can tell; it is right under covariate shift, and blind to concept drift. Not for a model
    whose scores are calibrated on the whole but not where the shift leads. Empty with fewer than 50 labels or without
    both classes.
    """
    random = np.random.default_rng(seed)
    s, y = np.asarray(reference_scores, dtype=np.float64), np.asarray(reference_labels, dtype=np.float64)
    now = np.asarray(scores, dtype=np.float64)
    if len(s) < 50 or len(now) == 0 or y.min() == y.max():
        return {}
    s, y = _even((s, y), random)
    (now,) = _even((now,), random)
    drawn = [_expected(Calibrator.fit(s, y)(now), now)]
    for _ in range(rounds):
        chosen = random.integers(0, len(s), len(s))
        probabilities = Calibrator.fit(s[chosen], y[chosen])(now)
        drawn.append(_expected((random.random(len(now)) < probabilities).astype(np.float64), now))
    tail = (1 - level) / 2
    found = {}
    for name, value in drawn[0].items():
        values = [each[name] for each in drawn[1:] if name in each]
        if values:
            low, high = np.quantile(values, [tail, 1 - tail])
            found[name] = Estimate(value, min(value, float(low)), max(value, float(high)))
    return found


def _even(arrays: tuple[Floats, ...], random: np.random.Generator) -> tuple[Floats, ...]:
    if len(arrays[0]) <= _MOST:
        return arrays
    chosen = np.sort(random.choice(len(arrays[0]), _MOST, replace=False))
    return tuple(each[chosen] for each in arrays)


def _expected(probabilities: Floats, scores: Floats) -> dict[str, float]:
    """The metrics of the expected confusion counts, and the expected AUC."""
    said = scores > 0.5
    hits, positives = float(probabilities[said].sum()), float(probabilities.sum())
    wrong = float((1 - probabilities[~said]).sum())
    found = {"accuracy": (hits + wrong) / len(scores)}
    if said.any():
        found["precision"] = hits / int(said.sum())
    if positives > 0:
        found["recall"] = hits / positives
        found["f1"] = 2 * hits / (positives + int(said.sum()))
    if (area := _weighted_auc(scores, probabilities)) is not None:
        found["auc"] = area
    return found


def _weighted_auc(scores: Floats, chances: Floats) -> float | None:
    """The AUC when each row is a positive with its chance and a negative with the rest, ties counting half."""
    _, places = np.unique(scores, return_inverse=True)
    up, down = np.bincount(places, weights=chances), np.bincount(places, weights=1 - chances)
    whole = float(up.sum() * down.sum())
    return float(up @ (np.cumsum(down) - down / 2)) / whole if whole > 0 else None


def estimate_loss(
    reference: ArrayLike,
    reference_losses: ArrayLike,
    current: ArrayLike,
    *,
    level: float = LEVEL,
    seed: int = 0,
) -> Estimate | None:
    """The mean loss of a model on unlabelled rows (m, d), NaN allowed: direct loss estimation (DLE), for regression.

    A second model, a random forest, learns the losses (|error|, or its square) of the labelled reference rows (n, d),
    which the watched model was not trained on, by halves: each half is judged by what the other taught, and what it was
    mistaken by on the whole is taken off. The interval is of both means, and of how far the halves disagree. It sees
    that rows came where the model errs more; it is blind to errors that grow where rows always were, and beyond the
    reference's range it knows nothing. None below 200 rows.
    """
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 - takes a second, and few need it

    x, losses = np.asarray(reference, dtype=np.float64), np.asarray(reference_losses, dtype=np.float64)
    now = np.asarray(current, dtype=np.float64)
    if len(x) < 200 or len(now) == 0:
        return None
    half = np.random.default_rng(seed).permutation(len(x)) % 2 == 0
    residuals, told, means = np.empty(len(x)), np.zeros(len(now)), []
    for side in (half, ~half):
        model = RandomForestRegressor(60, min_samples_leaf=15, random_state=seed, n_jobs=1)
        model.fit(x[side][:_MOST], losses[side][:_MOST])
        residuals[~side] = losses[~side] - model.predict(x[~side])
        given = model.predict(now)
        told += given / 2
        means.append(float(given.mean()))
    value = max(0.0, float(told.mean() + residuals.mean()))
    spread = float(residuals.var(ddof=1))
    taught = (means[0] - means[1]) ** 2 / 2  # how far what was learnt depends on the rows it was learnt from
    error = math.sqrt((spread + float(told.var())) / len(now) + spread / len(x) + taught)
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return Estimate(value, max(0.0, value - reach), value + reach)


@dataclass(frozen=True)
class Reweighted:
    """A mean over the reference, weighted to look like the current rows; `effective` rows carry it, of `rows`.

    `estimate` is None where fewer than 50 do, or 3% of them: the tables hardly overlap, and no weighting can make up
    for it.
    """

    estimate: Estimate | None
    effective: float
    rows: int


def reweighted_mean(
    reference: ArrayLike,
    values: ArrayLike,
    current: ArrayLike,
    *,
    level: float = LEVEL,
    most: float = 50.0,
) -> Reweighted:
    """The mean of `values` (n,), losses or hits of reference rows (n, d), with inputs spread as in `current` (m, d).

    Weights are the odds of a logistic regression on columns, and the squares of those that hold more than two values,
    that tells the tables apart, at most `most`: Sugiyama, Krauledat and Müller (JMLR 8, 2007) on covariate shift; Kish
    (1965) on effective rows. Finite columns, scaled alike. A second opinion on `estimate_binary` and `estimate_loss`,
    with their blindness.
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    numbers = np.asarray(values, dtype=np.float64)
    rows = np.vstack([x, y])
    graded = [at for at in range(rows.shape[1]) if len(np.unique(rows[:, at])) > 2]  # else the square says the same
    columns = np.hstack([rows, rows[:, graded] ** 2])
    columns = (columns - columns.mean(axis=0)) / np.maximum(columns.std(axis=0), 1e-9)
    logits = _logistic(np.hstack([np.ones((len(rows), 1)), columns]), np.append(np.zeros(len(x)), np.ones(len(y))))
    weights = np.minimum(np.exp(np.clip(logits[: len(x)], -30, 30)) * len(x) / len(y), most)
    weights /= weights.sum()
    effective = float(1 / (weights**2).sum())
    if effective < max(50, 0.03 * len(x)):
        return Reweighted(None, effective, len(x))
    mean = float(weights @ numbers)
    error = math.sqrt(float((weights**2) @ (numbers - mean) ** 2) + float(numbers.var()) / len(y))
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return Reweighted(Estimate(mean, mean - reach, mean + reach), effective, len(x))


def _logistic(rows: Floats, labels: Floats, ridge: float = 1.0) -> Floats:
    """The logits of a logistic regression with a ridge, by Newton's steps."""
    weights = np.zeros(rows.shape[1])
    penalty = ridge * np.eye(rows.shape[1])
    penalty[0, 0] = 0.0
    for _ in range(25):
        chances = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (labels - chances) - penalty @ weights
        curve = (rows * (chances * (1 - chances))[:, None]).T @ rows + penalty + 1e-9 * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-8:
            break
    found: Floats = rows @ weights
    return found
