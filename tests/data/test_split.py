"""Splits are of the sizes they promise, the same wherever they are made, and judged for what leaks."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, Verdict
from modelyard.data import check_split, split
from modelyard.data.split.keys import drawn

RANDOM = np.random.default_rng(0)
ROWS = 1_000
TABLE = pa.table(
    {
        "id": RANDOM.permutation(ROWS),
        "customer": [f"c{each}" for each in RANDOM.integers(0, 120, ROWS)],
        "country": RANDOM.choice(np.array(["de", "fr", "it", None], dtype=object), ROWS, p=[0.7, 0.2, 0.08, 0.02]),
        "at": pa.array([datetime(2026, 1, 1) + timedelta(hours=int(each)) for each in RANDOM.integers(0, 400, ROWS)]),
        "bought": RANDOM.integers(0, 2, ROWS),
    }
)
INTO = {"train": 0.7, "tune": 0.1, "test": 0.2}
WAYS = [("random", None), ("random", "id"), ("time:at", None), ("group:customer", None), ("strata:country", None),
        ("strata:country", "id")]  # fmt: skip


def ids(parts: dict[str, pa.Table]) -> dict[str, set[int]]:
    """Which rows each part has."""
    return {name: set(part["id"].to_pylist()) for name, part in parts.items()}


@pytest.mark.parametrize(("by", "key"), WAYS)
def test_every_row_is_in_one_part_and_rows_keep_their_order(by: str, key: str | None) -> None:
    """The parts together are the table."""
    parts = split(TABLE, INTO, by=by, key=key)
    assert list(parts) == list(INTO)
    place = {each: at for at, each in enumerate(TABLE["id"].to_pylist())}
    for part in parts.values():
        places = [place[each] for each in part["id"].to_pylist()]
        assert places == sorted(places)
    assert sorted(each for part in ids(parts).values() for each in part) == list(range(ROWS))


@pytest.mark.parametrize(("by", "key"), [("random", "id"), ("group:customer", None), ("strata:country", "id"),
                                         ("time:at", None)])  # fmt: skip
def test_where_a_key_is_given_the_order_of_the_rows_does_not_matter(by: str, key: str | None) -> None:
    """Shuffled, and with keys of another integer type."""
    shuffled = TABLE.take(pa.array(np.random.default_rng(5).permutation(ROWS)))
    narrow = shuffled.set_column(0, "id", shuffled["id"].cast(pa.int16()))
    assert ids(split(TABLE, INTO, by=by, key=key)) == ids(split(narrow, INTO, by=by, key=key))


def test_a_draw_is_the_same_on_every_machine() -> None:
    """The numbers are BLAKE2b's, written down once."""
    assert drawn(["a", "", None], 0).tolist() == [1180611056775590988, 9091287293456044834, 18396602041545315495]
    assert drawn(["a"], 0).tolist() != drawn(["a"], 1).tolist()
    parts = split(pa.table({"id": list(range(10))}), {"a": 0.5, "b": 0.5}, by="random", key="id")
    assert parts["a"]["id"].to_pylist() == [0, 3, 7, 8, 9]


@pytest.mark.parametrize(("by", "key"), [("random", None), ("random", "id"), ("group:customer", None)])
def test_another_seed_is_another_draw(by: str, key: str | None) -> None:
    """And the same seed the same."""
    first, again, other = (ids(split(TABLE, INTO, by=by, key=key, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(8, 200),
    cuts=st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 9),
)
def test_sizes_are_those_that_are_promised(rows: int, cuts: list[int], seed: int) -> None:
    """Part k of a random split ends after the rounded share of the rows; parts of few rows may be refused."""
    borders = [0, *sorted(cuts), 100]
    into = {f"p{at}": (b - a) / 100 for at, (a, b) in enumerate(pairwise(borders))}
    ends = [(each * rows + 50) // 100 for each in borders]
    table = pa.table({"id": range(rows), "g": [each % 3 for each in range(rows)]})
    if any(a == b for a, b in pairwise(ends)):
        with pytest.raises(InvalidInput, match="none would be in part"):
            split(table, into, seed=seed)
        return
    for key in (None, "id"):
        assert [len(each) for each in split(table, into, key=key, seed=seed).values()] == [
            b - a for a, b in pairwise(ends)
        ]


def test_strata_are_shared_out_alike() -> None:
    """In every level a part is less than one row off, and in all less than one for each other part."""
    for key in (None, "id"):
        parts = split(TABLE, INTO, by="strata:country", key=key)
        whole = Counter(TABLE["country"].to_pylist())
        for name, part in parts.items():
            assert abs(len(part) - INTO[name] * ROWS) < len(INTO) - 1
            counts = Counter(part["country"].to_pylist())
            assert all(abs(counts[level] - INTO[name] * whole[level]) < 1 for level in whole)


def test_many_small_strata_do_not_all_go_to_the_largest_part() -> None:
    """What a level cannot give, the next ones make up for."""
    table = pa.table({"g": [each // 2 for each in range(1000)]})
    parts = split(table, {"train": 0.8, "test": 0.2}, by="strata:g")
    assert [len(each) for each in parts.values()] == [800, 200]


def test_groups_stay_together() -> None:
    """And the sizes are off by half a border group at most."""
    parts = split(TABLE, INTO, by="group:customer")
    customers = [set(each["customer"].to_pylist()) for each in parts.values()]
    assert sum(map(len, customers)) == len(set(TABLE["customer"].to_pylist()))
    largest = max(Counter(TABLE["customer"].to_pylist()).values())
    assert all(abs(len(part) - INTO[name] * ROWS) <= largest for name, part in parts.items())


def test_time_flows_from_part_to_part() -> None:
    """Rows of one instant stay in the part where the first of them falls."""
    parts = list(split(TABLE, INTO, by="time:at").values())
    for earlier, later in pairwise(parts):
        assert max(earlier["at"].to_pylist()) < min(later["at"].to_pylist())
    days = pa.table({"id": range(6), "at": pa.array([datetime(2026, 1, each) for each in (1, 2, 2, 2, 3, 4)])})
    halves = split(days, {"a": 0.5, "b": 0.5}, by="time:at")
    assert ids(halves) == {"a": {0, 1, 2, 3}, "b": {4, 5}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"into": {"a": 1.0}}, "cannot be given out: a=1"),
        ({"into": {"a": 0.5, "b": 0.6}}, "together 1.1"),
        ({"into": {"a": 1.5, "b": -0.5}}, "cannot be given out"),
        ({"into": {"a/b": 0.5, "c": 0.5}}, "cannot name a part"),
        ({"into": {"a": 0.9999, "b": 0.0001}}, "none would be in part 'b'"),
        ({"by": "tme:at"}, "Did you mean 'time'"),
        ({"by": "time"}, "needs a column.*time:COLUMN"),
        ({"by": "random:id"}, "takes no column"),
        ({"by": "time:whn"}, "no column 'whn'"),
        ({"by": "time:id"}, "is no time"),
        ({"by": "group:country"}, "missing values, so that some rows have no group"),
        ({"by": "group:custmer"}, "Did you mean 'customer'"),
        ({"by": "group:customer", "key": "id"}, "a key has no meaning"),
        ({"key": "customer"}, "repeat a key.*group:customer"),
        ({"seed": -1}, "is no seed"),
    ],
)
def test_what_cannot_be_split_so_is_refused(given: dict[str, object], said: str) -> None:
    """With what is wrong and what to write."""
    with pytest.raises(InvalidInput, match=said):
        split(TABLE, **{"into": INTO, **given})  # type: ignore[arg-type]


def test_rows_that_belong_nowhere_are_refused() -> None:
    """No time, too few rows, values without a text."""
    gap = pa.table({"at": pa.array([datetime(2026, 1, 1), None, datetime(2026, 1, 2)])})
    with pytest.raises(InvalidInput, match="1 rows have no time"):
        split(gap, {"a": 0.5, "b": 0.5}, by="time:at")
    with pytest.raises(InvalidInput, match="2 rows cannot be split into 3"):
        split(TABLE.slice(0, 2), INTO)
    with pytest.raises(InvalidInput, match="cannot be told apart"):
        split(pa.table({"x": [[1], [2]]}), {"a": 0.5, "b": 0.5}, by="group:x")


def test_honest_splits_pass() -> None:
    """By group for what a customer knows, by time for what the future knows."""
    assert (
        check_split(split(TABLE, INTO, by="group:customer"), keys=["customer"], label="bought").verdict is Verdict.PASS
    )
    assert check_split(split(TABLE, INTO, by="time:at"), time="at").verdict is Verdict.PASS


def test_a_split_by_chance_shares_customers_and_mixes_times() -> None:
    """With the counts as evidence, and what to do as the reason."""
    found = check_split(split(TABLE, {"train": 0.5, "test": 0.5}), keys=["customer", "id"], time="at")
    assert found.verdict is Verdict.FAIL
    assert found.evidence["shared_id"] == {"train and test": 0}
    said = " ".join(found.reasons)
    assert "Split by group:customer" in said
    assert "Split by time:at" in said
    assert len(found.reasons) == 2


def test_rows_that_repeat_across_parts_are_counted() -> None:
    """Each different row once, with nulls and NaN equal to themselves."""
    a = pa.table({"x": [1.0, None, float("nan"), 4.0], "y": ["a", None, "c", "d"]})
    b = pa.table({"x": [None, float("nan"), 4.0, 1.0, 1.0], "y": [None, "c", "other", "a", "a"]})
    found = check_split({"train": a, "test": b})
    assert (found.verdict, found.evidence["repeated_rows"]) == (Verdict.FAIL, {"train and test": 3})


def test_a_column_that_knows_the_label_is_found() -> None:
    """Whatever its type; a label of text has two classes too."""
    leaky = TABLE.append_column("refund", TABLE["bought"].cast(pa.float64())).set_column(
        4, "bought", pa.array(["yes" if each else "no" for each in TABLE["bought"].to_pylist()])
    )
    found = check_split(split(leaky, INTO, by="time:at"), label="bought")
    assert found.verdict is Verdict.FAIL
    assert ["refund" in each for each in found.reasons] == [True]


def test_what_cannot_be_looked_at_is_no_pass() -> None:
    """A label of many classes, a part without rows."""
    parts = split(TABLE, INTO, by="group:customer")
    assert check_split(parts, label="country").verdict is Verdict.INCONCLUSIVE
    assert check_split({**parts, "none": TABLE.slice(0, 0)}).verdict is Verdict.INCONCLUSIVE
    with pytest.raises(InvalidInput, match="no column 'customr'"):
        check_split(parts, keys=["customr"])
