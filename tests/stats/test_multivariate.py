"""Tables told apart by what no column shows alone, and not told apart by chance."""

import numpy as np
import pytest

from modelyard.stats import domain_classifier, pca_reconstruction, rank_scores


def correlated(rows: int, correlation: float, random: np.random.Generator) -> np.ndarray:
    """Two normal columns of that correlation, and one by itself."""
    x, y, z = random.normal(size=(3, rows))
    return np.column_stack([x, correlation * x + np.sqrt(1 - correlation**2) * y, z])


def test_the_auc_of_a_shift_is_the_textbooks() -> None:
    """One normal column moved by d: Φ(d/√2)."""
    random = np.random.default_rng(0)
    found = domain_classifier(random.normal(size=(4000, 1)), random.normal(1, 1, (4000, 1)))
    assert found is not None
    assert found.auc == pytest.approx(0.7602, abs=0.02)
    assert found.interval is not None
    assert found.interval[0] < 0.7602 < found.interval[1]


def test_a_changed_correlation_is_told() -> None:
    """By its product, and by the two columns it is of."""
    random = np.random.default_rng(1)
    found = domain_classifier(correlated(2000, 0.0, random), correlated(2000, 0.9, random))
    assert found is not None
    assert found.auc > 0.7
    assert found.weights[:2].sum() > 0.8
    rebuilt = pca_reconstruction(correlated(2000, 0.0, random), correlated(2000, 0.9, random))
    assert rebuilt is not None
    assert abs(rebuilt.effect) > rebuilt.bound


def test_without_a_change_the_bounds_are_seldom_passed() -> None:
    """150 pairs of six columns, at a risk of one in twenty (and three deviations)."""
    random, told, rebuilt = np.random.default_rng(2), 0, 0
    for _ in range(150):
        x, y = random.normal(size=(300, 6)), random.normal(size=(200, 6))
        found, other = domain_classifier(x, y, alpha=0.05), pca_reconstruction(x, y, alpha=0.05)
        assert found is not None
        assert other is not None
        told += found.auc > found.bound
        rebuilt += abs(other.effect) > other.bound
    assert max(told, rebuilt) <= 7.5 + 3 * 2.7


def test_too_little_is_none() -> None:
    """Rows or columns; a constant table has no components."""
    assert domain_classifier(np.zeros((10, 2)), np.zeros((100, 2))) is None
    assert pca_reconstruction(np.zeros((100, 1)), np.zeros((100, 1))) is None
    assert pca_reconstruction(np.zeros((100, 3)), np.zeros((100, 3))) is None


def test_rank_scores_know_no_units_and_no_strays() -> None:
    """A million is the greatest value, and no more; missing is the middle."""
    random = np.random.default_rng(3)
    x = random.gamma(2.0, size=(500, 2))
    first, second = rank_scores(x, np.array([[1e6, np.nan]]))
    assert abs(float(first.mean())) < 0.02
    assert float(first.std()) == pytest.approx(1, abs=0.05)
    assert second.tolist() == [[pytest.approx(3, abs=0.1), 0.0]]
    rescaled, _ = rank_scores(np.exp(x), np.exp(x))
    assert rescaled == pytest.approx(first)
