"""Folds of cross-validation: every row judged once, nothing torn apart, nothing learned from the future."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, Verdict
from modelyard.data import check_split, folds

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int = 103) -> pa.Table:
    """Rows with an id, a time that two of them share, a customer with some rows, and a class that is rare."""
    chance = np.random.default_rng(3)
    return pa.table(
        {
            "id": np.arange(count),
            "at": [BEGIN + timedelta(hours=each // 2) for each in chance.permutation(count).tolist()],
            "customer": [f"c{each}" for each in chance.integers(0, 20, count)],
            "class": ["rare" if each < 0.2 else "usual" for each in chance.random(count)],
            "amount": chance.random(count),
        }
    )


@pytest.mark.parametrize("by", ["random", "group:customer", "strata:class"])
@pytest.mark.parametrize("count", [2, 5, 7])
def test_every_row_is_judged_once_and_never_by_what_learned_it(by: str, count: int) -> None:
    """Training and test rows of a fold are all rows, none in both."""
    table = rows()
    pairs = list(folds(table, count, by=by))
    assert len(pairs) == count
    tested = [each for _, test in pairs for each in test["id"].to_pylist()]
    assert sorted(tested) == table["id"].to_pylist()
    for train, test in pairs:
        assert sorted([*train["id"].to_pylist(), *test["id"].to_pylist()]) == table["id"].to_pylist()
        assert check_split({"train": train, "test": test}, keys=["id"]).verdict is Verdict.PASS
        assert abs(len(test) - len(table) / count) <= {"random": 1, "group:customer": 10}.get(by, count)


def test_groups_are_not_torn_apart_and_the_leak_check_agrees() -> None:
    """By chance they would be: the same check says so."""
    table = rows()
    for train, test in folds(table, 4, by="group:customer"):
        assert check_split({"train": train, "test": test}, keys=["customer"]).verdict is Verdict.PASS
    torn = [check_split({"train": train, "test": test}, keys=["customer"]) for train, test in folds(table, 4)]
    assert {each.verdict for each in torn} == {Verdict.FAIL}


def test_nothing_is_learned_from_the_future() -> None:
    """Each fold learns from all that went before the stretch that it is tested on; equal instants stay together."""
    pairs = list(folds(rows(), 4, by="time:at"))
    assert len(pairs) == 4
    for train, test in pairs:
        assert check_split({"train": train, "test": test}, keys=["id"], time="at").verdict is Verdict.PASS
    assert [len(train) for train, _ in pairs] == [22, 42, 62, 82]
    for (train, test), (later, _) in pairwise(pairs):
        assert sorted(later["id"].to_pylist()) == sorted([*train["id"].to_pylist(), *test["id"].to_pylist()])


def test_levels_are_shared_out_alike() -> None:
    """A class of 20 rows in 5 folds: four in each, give or take none."""
    table = pa.table({"id": range(100), "class": ["rare"] * 20 + ["usual"] * 80})
    counts = [test["class"].to_pylist().count("rare") for _, test in folds(table, 5, by="strata:class")]
    assert counts == [4] * 5


def test_the_same_seed_gives_the_same_folds_and_a_key_makes_the_order_of_rows_mean_nothing() -> None:
    """Other seeds give others."""
    table = rows()

    def tested(given: pa.Table, **how: Any) -> list[set[int]]:
        return [set(test["id"].to_pylist()) for _, test in folds(given, 3, **how)]

    assert tested(table) == tested(table)
    assert tested(table) != tested(table, seed=1)
    turned = table.take(np.arange(len(table))[::-1])
    assert tested(table, key="id") == tested(turned, key="id")
    assert tested(table, by="group:customer") == tested(turned, by="group:customer")
    assert tested(table, by="group:customer") != tested(turned, by="group:customer", seed=1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(2, 6))
def test_any_groups_are_folds_or_too_few(groups: list[int], count: int) -> None:
    """As many groups as folds are always enough, however large one of them is."""
    table = pa.table({"g": groups, "id": range(len(groups))})
    if len(set(groups)) < count:
        with pytest.raises(InvalidInput, match="cannot be given out"):
            folds(table, count, by="group:g")
        return
    pairs = list(folds(table, count, by="group:g"))
    assert all(len(test) for _, test in pairs)
    assert not any(set(train["g"].to_pylist()) & set(test["g"].to_pylist()) for train, test in pairs)


@pytest.mark.parametrize(
    ("count", "how", "said"),
    [
        (1, {}, "1 is no number of folds"),
        (True, {}, "True is no number of folds"),
        (104, {}, "103 rows cannot be given out to 104 folds"),
        (103, {"by": "time:at"}, "103 rows cannot be given out"),
        (60, {"by": "time:at"}, "The values of column 'at' cannot be given out to 60 folds"),
        (3, {"by": "group:costumer"}, "no column 'costumer'"),
        (3, {"by": "grup:customer"}, "no split by 'grup'"),
        (3, {"by": "time:at", "key": "id"}, "a key has no meaning"),
        (3, {"seed": -1}, "-1 is no seed"),
    ],
)
def test_folds_that_cannot_be_are_refused_at_once(count: int, how: dict[str, Any], said: str) -> None:
    """Before the first is made."""
    with pytest.raises(InvalidInput, match=said):
        folds(rows(), count, **how)
