"""A feature that alone tells the label is found; honest ones are left alone, however few the rows."""

from math import nan

import numpy as np
import pytest

from modelyard.core import Scalar, Verdict
from modelyard.data import check_leaks


def labels(rows: int, seed: int = 0) -> list[int]:
    """Labels of which four in ten are 1."""
    return [int(each) for each in np.random.default_rng(seed).random(rows) < 0.4]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_tells_the_label_is_named(sign: int) -> None:
    """In either direction, with the AUC it reaches and what to do."""
    known = labels(500)
    noise = np.random.default_rng(1).normal(0, 0.3, 500)
    columns: dict[str, list[Scalar]] = {
        "späte": [sign * float(each + extra) for each, extra in zip(known, noise, strict=True)],
        "honest": [float(each) for each in noise],
    }
    judgement = check_leaks(columns, known)
    assert judgement.verdict is Verdict.FAIL
    (reason,) = judgement.reasons
    assert reason.startswith("Feature 'späte' alone tells the label with AUC 0.9")
    assert "declare when it becomes available" in reason


def test_being_missing_can_be_the_leak() -> None:
    """A value that is only there when the label is 1 tells it, whatever it says."""
    known = labels(500)
    for absent in (None, nan):
        given: list[Scalar] = [1.0 if label else absent for label in known]
        assert check_leaks({"refund": given}, known).verdict is Verdict.FAIL


def test_a_category_that_tells_the_label_is_found_and_an_id_is_not() -> None:
    """Levels are scored on rows they were not counted on: a level of its own for each row proves nothing."""
    known = labels(500)
    assert check_leaks({"state": ["paid" if each else "open" for each in known]}, known).verdict is Verdict.FAIL
    assert check_leaks({"id": [f"row {at}" for at in range(500)]}, known).verdict is Verdict.PASS


def test_rows_without_a_label_are_left_out() -> None:
    """They are no third class: what is only large where nobody knows is no leak."""
    known = labels(400)
    values: list[Scalar] = [float(each) for each in np.random.default_rng(2).random(400)]
    judgement = check_leaks({"x": [*values, *[9.0] * 400]}, [*known, *[None] * 400])
    assert judgement.verdict is Verdict.PASS
    assert judgement.evidence == check_leaks({"x": values}, known).evidence


@pytest.mark.parametrize("known", [[], [None, None], [1, 1, 1], [0]])
def test_without_two_classes_nothing_can_be_told(known: list[int | None]) -> None:
    """No data is never a pass."""
    assert check_leaks({"x": [1.0] * len(known), "c": ["a"] * len(known)}, known).verdict is Verdict.INCONCLUSIVE
    assert check_leaks({}, [0, 1]).verdict is Verdict.INCONCLUSIVE


def test_a_feature_without_any_value_tells_nothing() -> None:
    """It is not counted against the others."""
    known = labels(200)
    given: dict[str, list[Scalar]] = {"none": [None] * 200, "x": [float(at % 7) for at in range(200)]}
    judgement = check_leaks(given, known)
    assert judgement.verdict is Verdict.PASS


@pytest.mark.parametrize("rows", [10, 20, 40, 200])
def test_honest_features_are_seldom_accused(rows: int) -> None:
    """False alarms stay below one in fifty tables, also where an AUC of .8 is mere chance."""
    random = np.random.default_rng(rows)
    accused = 0
    for _ in range(100):
        known = [int(each) for each in random.random(rows) < 0.4]
        columns: dict[str, list[Scalar]] = {f"x{at}": random.random(rows).tolist() for at in range(5)}
        columns["gaps"] = [None if each < 0.3 else each for each in random.random(rows).tolist()]
        columns["level"] = [str(each) for each in random.integers(0, 4, rows)]
        accused += check_leaks(columns, known).verdict is Verdict.FAIL
    assert accused <= 2


def test_a_leak_among_too_few_rows_is_inconclusive() -> None:
    """Six rows in perfect order are not a pass, and no proof either."""
    judgement = check_leaks({"x": [1, 2, 3, 4, 5, 6]}, [0, 0, 0, 1, 1, 1])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "6 rows cannot show whether x tells the label" in judgement.reasons[0]
