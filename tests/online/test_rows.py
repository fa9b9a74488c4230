"""Packed rows give back what was put in, alone and by the column; keys are equal when entities are."""

from math import isnan, nan
from random import Random

import numpy as np
import pytest

from modelyard.core import Scalar
from modelyard.online import RowBatch, StoredRow, bool_column, column_of, float_column, int_column, text_column
from modelyard.online.keys import encode_key, encode_keys, encode_rows
from modelyard.online.rows import pack, unpack, unpack_columns

VALUES: tuple[Scalar, ...] = (None, 1.5, -0.0, float("inf"), 7, -(2**63), 2**80, True, False, "", "é\x00", "x" * 300)


def random_rows(seed: int) -> list[StoredRow]:
    """Some rows of equally many values, any of them null or of any type."""
    random = Random(seed)
    width = random.choice([1, 2, 6, 7, 40, 300])
    return [
        StoredRow(random.randrange(-(2**62), 2**62), -(2**63), tuple(random.choices(VALUES, k=width)))
        for _ in range(random.choice([1, 5, 30]))
    ]


@pytest.mark.parametrize("seed", range(30))
def test_any_rows_come_back(seed: int) -> None:
    """Whether they are read one by one or by the column, some columns or all, in any order."""
    rows = random_rows(seed)
    width = len(rows[0].values)
    columns = [column_of([row.values[at] for row in rows]) for at in range(width)]
    events, available = (np.array([getattr(row, name) for row in rows]) for name in ("event_us", "available_us"))
    packed = pack(events, available, columns)
    assert [unpack(data) for data in packed] == rows
    places = Random(seed).sample(range(width), min(width, 5))
    found = unpack_columns(packed, width, places)
    assert found.columns == [[row.values[at] for row in rows] for at in places]
    assert found.gaps == [any(row.values[at] is None for row in rows) for at in places] or not any(found.gaps)
    assert found.events.tolist() == events.tolist()


def test_columns_of_one_type_are_packed_as_those_of_any() -> None:
    """Numbers with and without nulls, truths, texts; NaN is null."""
    there = np.array([True, False, True])
    pairs = [
        (float_column(np.array([1.0, nan, 2.5])), column_of([1.0, None, 2.5])),
        (float_column(np.array([1.0, 2.0, nan]), there), column_of([1.0, None, nan])),
        (int_column(np.array([1, 2, 3]), there), column_of([1, None, 3])),
        (bool_column(np.array([True, True, False]), there), column_of([True, None, False])),
        (text_column([b"a", None, "é".encode()]), column_of(["a", None, "é"])),
    ]
    for fast, slow in pairs:
        instants = np.zeros(3, dtype=np.int64)
        assert [unpack(row) for row in pack(instants, instants, [fast])] == [
            unpack(row) for row in pack(instants, instants, [slow])
        ]


def test_keys_by_the_column_are_the_keys_one_by_one() -> None:
    """Numbers, texts, both, mixed types, nulls, and keys too long for a store."""
    columns: list[list[list[Scalar]]] = [
        [[1, -5, 2**62]],
        [["a", "b\x00c", ""]],
        [[1, 2, 3], ["x", "y", "z" * 600]],
        [[1, "1", 1.5]],
        [[True, 2**70, -0.0]],
    ]
    for given in columns:
        assert encode_keys(given) == [encode_key(row) for row in zip(*given, strict=True)]
    numbers = np.array([-1, 0, 2**63 - 1])
    assert encode_keys([numbers]) == [encode_key((each,)) for each in numbers.tolist()]
    assert encode_rows([["a", None, "b"], [1, 2, nan]]) == [encode_key(("a", 1)), None, None]
    assert isnan(nan)


def test_keys_are_equal_when_entities_are_and_only_then() -> None:
    """7 is 7.0; text is no number, True is no 1, and parts do not run into each other."""
    assert encode_key((7,)) == encode_key((7.0,))
    different: list[tuple[Scalar, ...]] = [
        (7,), ("7",), (7.5,), (True,), (1,), (2**64,), (str(2**64),),
        ("a", "b"), ("a\x00sb",), ("a\x00", "b"), ("a", "\x00b"),
    ]  # fmt: skip
    assert len({encode_key(each) for each in different}) == len(different)


def test_whole_numbers_and_texts_are_in_order() -> None:
    """So that writes in the order of keys go to one end of a tree."""
    numbers: list[Scalar] = [-(2**63), -5, 0, 3, 2**62]
    texts: list[Scalar] = ["", "a", "ab", "b"]
    for values in (numbers, texts):
        keys = encode_keys([values])
        assert keys == sorted(keys)


def test_a_batch_of_rows_keeps_the_newest_of_each_key() -> None:
    """By event time, then availability, then the last."""
    rows = [StoredRow(5, 1, ("a",)), StoredRow(5, 2, ("b",)), StoredRow(4, 9, ("c",)), StoredRow(5, 2, ("d",))]
    batch = RowBatch.of_rows([(("k",), row) for row in rows])
    assert [unpack(row).values for row in batch.rows] == [("d",)]
