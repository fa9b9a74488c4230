"""What the server's live histograms cost: `python -m benchmarks.sketching`.

Rows come as the server counts them; with as many bins as a bundle has by default, and with the most it may have.
"""

import sys
import time

import numpy as np

from modelyard.bundling.profile import BINS as DEFAULT_BINS
from modelyard.inference import CategoryProfile, NumberProfile, ReferenceProfile, Sketch
from modelyard.serving.arms import SKETCHED_TOGETHER

NUMBERS, CATEGORIES, ROWS = 30, 5, 512_000
BINS = (DEFAULT_BINS, 512)
REACH_US = 2.0
"""Microseconds a row may cost, of all its columns."""


def main() -> int:
    """Print the microseconds of a row; 1 when they are more than is to be reached."""
    random = np.random.default_rng(0)
    rows = np.column_stack([random.normal(size=(ROWS, NUMBERS)), random.integers(0, 8, (ROWS, CATEGORIES))])
    rows[random.random(rows.shape) < 0.05] = np.nan
    missed = False
    for bins in BINS:
        profile = _profile(bins, random)
        us = min(_us(profile, rows) for _ in range(3))
        missed |= us > REACH_US
        told = f"sketch of {len(profile.columns)} columns, {bins} bins: {us:.2f} us a row"
        print(f"{told} (<= {REACH_US:g}: {'met' if us <= REACH_US else 'missed'})")  # noqa: T201 - what it is for
    return int(missed)


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
    began = time.perf_counter()
    for at in range(0, len(rows), SKETCHED_TOGETHER):
        sketch.update(rows[at : at + SKETCHED_TOGETHER])
    return (time.perf_counter() - began) / len(rows) * 1e6


if __name__ == "__main__":
    sys.exit(main())
