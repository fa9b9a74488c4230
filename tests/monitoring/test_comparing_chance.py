"""How often chance alone is called drift, and how often planted drift is found."""

from collections.abc import Callable

import numpy as np
import pytest

from modelyard.monitoring import CompareOptions, detect_drift
from modelyard.monitoring.comparing import Planted, power_table
from modelyard.monitoring.comparing.compare import compare_columns

Draw = Callable[[np.random.Generator, int], np.ndarray]

SHAPES: dict[str, Draw] = {
    "normal": lambda random, rows: random.normal(size=rows),
    "heavy tail": lambda random, rows: random.standard_cauchy(rows),
    "counts": lambda random, rows: random.poisson(1.0, rows),
    "rare flag": lambda random, rows: (random.random(rows) < 0.01).astype(float),
    "mostly zero": lambda random, rows: np.where(random.random(rows) < 0.9, 0.0, random.gamma(2.0, size=rows)),
    "a third missing": lambda random, rows: np.where(random.random(rows) < 0.3, np.nan, random.normal(size=rows)),
    "three levels": lambda random, rows: random.choice(["a", "b", "c"], rows, p=[0.7, 0.2, 0.1]),
    "long tail of levels": lambda random, rows: (random.zipf(1.5, rows) % 5000).astype(str),
    "a thousand levels": lambda random, rows: random.integers(0, 1000, rows).astype(str),
    "always new": lambda random, rows: random.integers(0, 2**62, rows).astype(str),
}
METHODS = (None, "psi", "ks", "js", "wasserstein", "chi2")


def false_alarms(draw: Draw, method: str | None, pairs: int, rows: tuple[int, int], threshold: float | None) -> float:
    """The share of pairs without a change that are called drift."""
    random, options, alarms = np.random.default_rng(0), CompareOptions(threshold, method, joint=False), 0
    for _ in range(pairs):
        sides = ({"x": draw(random, each)} for each in rows)
        alarms += compare_columns(next(sides), next(sides), options).drifted
    return alarms / pairs


@pytest.mark.parametrize("shape", SHAPES)
def test_chance_is_seldom_called_drift(shape: str) -> None:
    """Even with a threshold of next to nothing, so that the null alone decides: 25 pairs, nominally .01 of them."""
    assert false_alarms(SHAPES[shape], None, 25, (800, 500), 1e-9) <= 1 / 25


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("threshold", [None, 1e-9], ids=["default", "null alone"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_false_alarms_are_at_most_nominal(shape: str, method: str | None, threshold: float | None) -> None:
    """1,000 pairs; with the default thresholds, and with none, at most .01 (and three deviations)."""
    found = false_alarms(SHAPES[shape], method, 1000, (800, 500), threshold)
    assert found <= 0.01 + 3 * np.sqrt(0.01 / 1000)


def test_planted_shifts_are_found_as_the_table_says() -> None:
    """A shift of half a deviation always, one of a tenth never; what stands in the docs comes from this code."""
    names = ("nothing", "mean + 0.1 deviations", "mean + 0.5 deviations", "missing 5% → 50%", "new level, 20% of rows")
    found = {(each.name, each.rows): each for each in power_table((1000,), 8, names=names)}
    assert found["mean + 0.5 deviations", 1000].found == 1
    assert found["mean + 0.1 deviations", 1000].found == 0
    assert found["nothing", 1000].found == 0
    assert found["missing 5% → 50%", 1000].found == 1
    assert found["new level, 20% of rows", 1000].found == 1
    assert isinstance(next(iter(found.values())), Planted)


def test_a_small_effect_that_is_sure_is_no_drift_by_default() -> None:
    """The threshold is of the effect: certainty does not make it larger."""
    random = np.random.default_rng(1)
    assert not detect_drift(random.normal(size=50_000), random.normal(0.1, 1, 50_000)).is_drifted
