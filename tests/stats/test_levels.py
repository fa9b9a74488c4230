"""Levels gathered without a look at what they would tell."""

import numpy as np
import pytest

from modelyard.stats import gather_levels, new_levels, psi, total_variation


def drawn(shares: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Counts of so many rows."""
    return np.random.default_rng(seed).multinomial(rows, shares).astype(np.float64)


def test_rows_are_kept_whatever_is_gathered() -> None:
    """Both sides keep their sums, and few levels stand for themselves."""
    for levels, rows in ((5, 1000), (2000, 50_000), (2000, 300)):
        shares = np.random.default_rng(levels).dirichlet(np.ones(levels))
        r, c = drawn(shares, rows, 1), drawn(shares, rows, 2)
        found = gather_levels(r, c)
        assert (found.reference.sum(), found.current.sum(), found.cells.sum()) == (rows, rows, rows)
        assert len(found.cells) < 1200
    few = gather_levels(np.array([500.0, 300, 200]), np.array([400.0, 400, 200]))
    assert total_variation(few.reference, few.current) == pytest.approx(0.1)


def test_fifteen_thousand_unchanged_levels_are_close() -> None:
    """By themselves they are half a total variation apart with 20,000 rows, by nothing but chance."""
    shares = np.full(15_000, 1 / 15_000)
    r, c = drawn(shares, 20_000, 1), drawn(shares, 20_000, 2)
    assert total_variation(r, c) > 0.4  # the wrong answer
    found = gather_levels(r, c)
    assert total_variation(found.reference, found.current) < 0.05
    assert psi(found.reference, found.current) < 0.02


def test_new_levels_are_expected_where_every_value_is_new() -> None:
    """Good and Turing: of values that occur once each, the next is surely new; of three levels, surely not."""
    ever_new = new_levels(np.append(np.ones(1000), np.zeros(500)), np.append(np.zeros(1000), np.ones(500)))
    assert (ever_new.share, ever_new.expected, ever_new.excess) == (1.0, 1.0, 0.0)
    three = new_levels(np.array([500.0, 300, 200, 0]), np.array([400.0, 300, 100, 200]))
    assert (three.share, three.expected, three.excess) == (0.2, 0.0, 0.2)


@pytest.mark.parametrize("rows", [200, 2000])
@pytest.mark.parametrize("shape", ["uniform", "long tail", "one and many"])
def test_the_null_is_seldom_exceeded(shape: str, rows: int) -> None:
    """50 pairs of 1,000 levels at a risk of one in twenty (and three deviations)."""
    weights = {
        "uniform": np.ones(1000),
        "long tail": 1 / np.arange(1, 1001),
        "one and many": np.append(999, np.ones(999)),
    }
    shares = weights[shape] / weights[shape].sum()
    over = 0
    for seed in range(50):
        found = gather_levels(drawn(shares, rows, 2 * seed), drawn(shares, rows, 2 * seed + 1))
        bound = found.null_quantile(rows, total_variation, alpha=0.05)
        over += total_variation(found.reference, found.current) > bound
    assert over <= 2.5 + 3 * 1.6
