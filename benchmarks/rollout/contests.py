"""A/B tests without a difference, looked at all the time: how often something is found nevertheless."""

from dataclasses import dataclass

import numpy as np

from modelyard.stats.experiments import RARER, SKEWED, VALUES, VALUES_UNEVEN, boundary, skewness_of_difference

from .events import Flags, Floats


@dataclass(frozen=True)
class Paths:
    """Of many runs at their looks (runs, looks): units, standard errors from zero, and whether gates are open."""

    units: Floats
    z: Floats
    ready: Flags


def binary_paths(
    random: np.random.Generator,
    runs: int,
    rates: tuple[float, float],
    *,
    units: int = 20_000,
    look: int = 50,
    share: float = 0.5,
) -> Paths:
    """Of two shares; every `look` units there is a look."""
    looks = units // look
    treated = random.binomial(look, share, (runs, looks))
    counts = [np.cumsum(each, axis=1).astype(float) for each in (look - treated, treated)]
    drawn = [random.binomial(each, rate) for each, rate in zip((look - treated, treated), rates, strict=True)]
    hits = [np.cumsum(each, axis=1) for each in drawn]
    rarer = np.minimum.reduce([np.minimum(hit, count - hit) for hit, count in zip(hits, counts, strict=True)])
    means = [hit / np.maximum(count, 1) for hit, count in zip(hits, counts, strict=True)]
    return _paths(means, [each * (1 - each) for each in means], counts, rarer >= RARER)


def value_paths(
    random: np.random.Generator,
    runs: int,
    kind: str,
    *,
    units: int = 20_000,
    look: int = 50,
    share: float = 0.5,
    skewed: float = SKEWED,
) -> Paths:
    """Of values: `normal`, `exponential`, `spend` (one in ten spends, log-normally, sigma 1.5), `rare spend` (one in
    fifty does). They are judged while the difference is no more skewed than `skewed`.
    """
    treated = random.random((runs, units)) < share
    values = drawn(random, kind, (runs, units))
    places = slice(look - 1, None, look)
    counts, means, variances, cubes = [], [], [], []
    for arm in (~treated, treated):
        count = np.maximum(np.cumsum(arm, axis=1)[:, places], 1).astype(float)
        mean = np.cumsum(arm * values, axis=1)[:, places] / count
        square = np.cumsum(arm * values**2, axis=1)[:, places] / count
        cube = np.cumsum(arm * values**3, axis=1)[:, places] / count
        cubes.append((cube - 3 * mean * square + 2 * mean**3) * count)
        counts.append(count)
        means.append(mean)
        variances.append(np.maximum(square - mean**2, 0.0))
    least = VALUES if 0.1 <= share <= 0.9 else VALUES_UNEVEN
    squares = [variance * count for variance, count in zip(variances, counts, strict=True)]
    skewness = skewness_of_difference((cubes[0], cubes[1]), (squares[0], squares[1]), (counts[0], counts[1]))
    ready = (np.minimum(counts[0], counts[1]) >= least) & (np.abs(skewness) <= skewed)
    return _paths(means, variances, counts, ready)


def drawn(random: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Floats:
    """Values of a kind, of this shape."""
    if kind == "normal":
        return random.standard_normal(shape)
    if kind == "exponential":
        return random.standard_exponential(shape)
    spenders = 0.02 if kind == "rare spend" else 0.1
    return np.where(random.random(shape) < spenders, random.lognormal(0, 1.5, shape), 0.0)


def _paths(means: list[Floats], variances: list[Floats], counts: list[Floats], ready: Flags) -> Paths:
    error = np.sqrt(sum(each / np.maximum(count, 1) for each, count in zip(variances, counts, strict=True)))
    z = np.abs(means[1] - means[0]) / np.where(error > 0, error, np.inf)
    return Paths(counts[0] + counts[1], z, ready)


def told(paths: Paths, *, alpha: float = 0.05, planned: float = 20_000, gated: bool = True) -> float:
    """The share of runs in which any look finds a difference."""
    found = paths.z >= boundary(paths.units, alpha=alpha, planned=planned)
    return float((found & paths.ready if gated else found).any(axis=1).mean())


def naively_told(paths: Paths) -> float:
    """A mutant: the test that is right at one look, at 5%, taken at all of them."""
    return float(((paths.z >= 1.959964) & paths.ready).any(axis=1).mean())
