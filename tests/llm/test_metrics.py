"""Metrics of rankings equal what others compute."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from modelyard.llm import METRICS, ndcg, recall, reciprocal_rank


def test_ndcg_equals_scikit_learns() -> None:
    """On 40 rankings of chance with relevance of 0 to 3, at several depths, to 1e-9."""
    random = np.random.default_rng(0)
    for _ in range(40):
        gains = random.integers(0, 4, 12)
        gains[0] = 1
        scores = random.permutation(12).astype(float)
        found = [str(at) for at in np.argsort(-scores)]
        relevant = {str(at): float(gain) for at, gain in enumerate(gains) if gain}
        for k in (1, 3, 10, 12):
            assert ndcg(found, relevant, k) == pytest.approx(ndcg_score([gains], [scores], k=k), abs=1e-9)


def test_recall_and_rank_by_hand() -> None:
    """What is found twice as far down counts half; what is beyond the depth not at all."""
    relevant = {"a": 1.0, "b": 2.0}
    assert reciprocal_rank(["x", "b", "a"], relevant, 10) == 0.5
    assert reciprocal_rank(["x", "b", "a"], relevant, 1) == 0
    assert recall(["x", "b", "a"], relevant, 2) == 0.5
    assert recall(["x", "b", "a"], relevant, 3) == 1
    assert [measure([], relevant, 10) for measure in METRICS.values()] == [0, 0, 0]
    assert [measure(["b", "a"], relevant, 10) for measure in METRICS.values()] == [1, 1, 1]
