"""Scores are remembered bit by bit, bounded, and for a while only."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelyard.serving.cache import ScoreCache

Matrix = NDArray[np.float64]


class Model:
    """Doubles the sum of each row, and counts the rows it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, matrix: Matrix) -> Matrix:
        self.asked += len(matrix)
        doubled: Matrix = matrix.sum(axis=1, keepdims=True) * 2
        return doubled


def rows(*values: float) -> Matrix:
    """Rows of one value each."""
    return np.array(values, dtype=np.float64).reshape(-1, 1)


def test_a_row_that_came_before_is_not_asked_again() -> None:
    """Only the new ones of a batch reach the model, and all come back in their order."""
    cache, model = ScoreCache(10, 60), Model()
    assert cache.scores(rows(1, 2), model)[1] == 0
    scores, known = cache.scores(rows(3, 2, 1), model)
    assert scores.tolist() == [[6.0], [4.0], [2.0]]
    assert (known, model.asked) == (2, 3)


def test_an_old_answer_is_asked_anew() -> None:
    """After its time it is forgotten."""
    now = [0.0]
    cache, model = ScoreCache(10, 5, lambda: now[0]), Model()
    cache.scores(rows(1), model)
    now[0] = 5.0
    assert cache.scores(rows(1), model)[1] == 1
    now[0] = 5.1
    assert cache.scores(rows(1), model)[1] == 0


def test_the_least_recently_used_makes_room() -> None:
    """Whatever is asked, no more answers are kept than were allowed."""
    cache, model = ScoreCache(2, 60), Model()
    cache.scores(rows(1, 2), model)
    cache.scores(rows(1), model)
    cache.scores(rows(3), model)
    assert len(cache) == 2
    assert cache.scores(rows(1, 3), model)[1] == 2
    assert cache.scores(rows(2), model)[1] == 0


def test_what_is_no_number_is_not_remembered() -> None:
    """The next one may be; and a missing value is a row like others."""
    cache, model = ScoreCache(10, 60), Model()
    assert np.isnan(cache.scores(rows(np.nan), model)[0]).all()
    assert len(cache) == 0


@given(st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.5, -3.0]), min_size=1, max_size=8), max_size=12))
def test_answers_are_those_of_the_model(batches: list[list[float]]) -> None:
    """With a cache too small for them, repeats within a batch and both zeros."""
    cache = ScoreCache(2, 60)
    for batch in batches:
        assert cache.scores(rows(*batch), Model())[0].tolist() == Model()(rows(*batch)).tolist()
