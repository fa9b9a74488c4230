"""What the server's live histograms cost in CPU time: `python -m benchmarks.sketching`.

Rows come as the server counts them; with as many bins as a bundle has by default, and with the most it may have.
"""

import sys
import time

import numpy as np

from modelyard.bundling.profile import BINS as DEFAULT_BINS
from modelyard.inference import CategoryProfile, NumberProfile, ReferenceProfile, Sketch
from modelyard.serving.arms import SKETCHED_TOGETHER

from .figures import Figure, Target

NUMBERS, CATEGORIES, ROWS = 30, 5, 512_000
BINS = (DEFAULT_BINS, 512)
REACH_US = 2.0
"""Microseconds a row may cost, of all its columns."""


def main() -> int:
    """Print the microseconds of a row; 1 when they are more than is to be reached."""
    missed = False
    for bins, us in _costs(ROWS).items():
        missed |= us > REACH_US
        told = f"sketch of {NUMBERS + CATEGORIES} columns, {bins} bins: {us:.2f} us a row"
        print(f"{told} (<= {REACH_US:g}: {'met' if us <= REACH_US else 'missed'})")  # noqa: T201 - what it is for
    return int(missed)


def short() -> list[Figure]:
    """A quarter of the rows."""
    what = f"a row of {NUMBERS + CATEGORIES} columns counted"
    target = Target("<=", REACH_US)
    return [
        Figure("live histograms", f"{what}, {bins} bins", us, "us", target) for bins, us in _costs(ROWS // 4).items()
    ]


def _costs(count: int) -> dict[int, float]:
    """Microseconds of a row by the number of bins, the best of three."""
    random = np.random.default_rng(0)
    rows = np.column_stack([random.normal(size=(count, NUMBERS)), random.integers(0, 8, (count, CATEGORIES))])
    rows[random.random(rows.shape) < 0.05] = np.nan
    return {bins: min(_us(_profile(bins, random), rows) for _ in range(3)) for bins in BINS}


def _profile(bins: int, random: np.random.Generator) -> ReferenceProfile:
    numbers = []
    for at in range(NUMBERS):
        edges = np.unique(np.quantile(random.normal(size=50_000), np.arange(1, bins) / bins))
        numbers.append(NumberProfile(f"number {at}", tuple(edges.tolist()), (0,) * (len(edges) + 1), 0))
    levels = tuple(f"level {at}" for at in range(8))
    categories = [CategoryProfile(f"category {at}", levels, (0,) * 8, 0, 0) for at in range(CATEGORIES)]
    return ReferenceProfile(0, (*numbers, *categories))


def _us(profile: ReferenceProfile, rows: np.ndarray) -> float:
    sketch = Sketch(profile)
    began = time.process_time()
    for at in range(0, len(rows), SKETCHED_TOGETHER):
        sketch.update(rows[at : at + SKETCHED_TOGETHER])
    return (time.process_time() - began) / len(rows) * 1e6


if __name__ == "__main__":
    sys.exit(main())
