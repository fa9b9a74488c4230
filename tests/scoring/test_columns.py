"""Columns are encoded as rows are: bit for bit, and refused for the same reasons."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core import Value
from modelyard.inference import LARGEST_SINGLE, Encoder, Field, InvalidRow, Signature
from modelyard.scoring import ColumnEncoder, numbers_of_text

NUMBERS = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1e300, 3.5e38, 2.0**53, 2.0**60]))
WHOLE = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5))
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "other", "", "strange", "ü"]))

FLOATS = st.floats(allow_nan=False, allow_infinity=False)

COLUMNS: dict[str, tuple[Any, list[pa.DataType]]] = {
    "floats": (NUMBERS, [pa.float64(), pa.float32()]),
    "whole": (WHOLE, [pa.int64()]),
    "small": (st.one_of(st.none(), st.integers(0, 255)), [pa.uint8(), pa.int16()]),
    "flags": (st.one_of(st.none(), st.booleans()), [pa.bool_()]),
    "texts": (TEXTS, [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]),
    "nothing": (st.none(), [pa.null()]),
    "decimals": (st.one_of(st.none(), st.just(Decimal("1.50"))), [pa.decimal128(5, 2)]),
}

FIELDS = st.builds(
    lambda kind, nullable, finite, largest, unknown, levels: Field(
        "x",
        kind,
        nullable=nullable,
        finite=finite,
        largest=largest if finite else None,
        unknown=unknown,
        categories=levels,
    ),
    st.sampled_from(["number", "category"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, LARGEST_SINGLE]),
    st.sampled_from(["null", "error", "other"]),
    st.sampled_from([("a", "b"), ("a", "b", "other"), ()]),
)


def one_by_one(encoder: Encoder, columns: Sequence[pa.Array]) -> tuple[list[bytes], dict[int, str], dict[str, int]]:
    """What `Encoder` makes of each row alone, with flags as 1 and 0."""
    matrix, refused, unknown = [], dict[int, str](), dict[str, int]()
    for index, row in enumerate(zip(*(each.to_pylist() for each in columns), strict=True)):
        plain: list[Value] = [int(each) if isinstance(each, bool) else each for each in row]
        try:
            encoded = encoder([plain])
        except InvalidRow as error:
            refused[index] = error.message.replace("row 0 ", f"row {index} ", 1)
            continue
        matrix.append(encoded.matrix.tobytes())
        for name, count in encoded.unknown.items():
            unknown[name] = unknown.get(name, 0) + count
    return matrix, refused, unknown


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_columns_are_encoded_as_rows_are(data: st.DataObject) -> None:
    """Every kind of field with every type of column: the same bits, the same refusals, the same unseen levels."""
    count, fields, columns = data.draw(st.integers(0, 12)), [], []
    for at in range(data.draw(st.integers(1, 4))):
        field = data.draw(FIELDS)
        values, types = COLUMNS[data.draw(st.sampled_from(sorted(COLUMNS)))]
        held = data.draw(st.lists(values, min_size=count, max_size=count))
        with np.errstate(over="ignore"):
            columns.append(pa.array(held, data.draw(st.sampled_from(types))))
        fields.append(Field(**{name: getattr(field, name) for name in field.__struct_fields__} | {"name": f"x{at}"}))
    signature = Signature(tuple(fields))
    found = ColumnEncoder(signature)(columns)
    matrix, refused, unknown = one_by_one(Encoder(signature), columns)
    assert found.refused == refused
    assert found.unknown == unknown
    assert [row.tobytes() for row in found.matrix] == matrix
    assert found.matrix.flags.c_contiguous


def test_rows_are_called_by_the_numbers_they_are_given() -> None:
    """Those of the file, not of the part of it."""
    encode = ColumnEncoder(Signature((Field("x", "number", nullable=False),)))
    found = encode([pa.array([1.0, None, 3.0])], np.array([10, 20, 30]))
    assert list(found.refused) == [1]
    assert "of row 20 is None" in found.refused[1]
    assert found.matrix.tolist() == [[1.0], [3.0]]


def test_tensors_and_text_come_from_lists() -> None:
    """Row by row; one that is refused does not take the others with it."""
    signature = Signature((Field("t", "tensor", dtype="float32", shape=(2,)), Field("s", "text"), Field("n", "number")))
    columns = [pa.array([[1.0, 2.0], [3.0], [5.0, 6.0]]), pa.array(["a", "b", "c"]), pa.array([1, 2, None])]
    found = ColumnEncoder(signature)(columns, np.array([4, 5, 6]))
    assert list(found.refused) == [1]
    assert "of row 5 has shape [1]" in found.refused[1]
    assert found.arrays is not None
    assert found.arrays["t"].tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert found.arrays["s"].tolist() == ["a", "c"]
    assert found.matrix[:, 0].tolist() == pytest.approx([1.0, np.nan], nan_ok=True)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers().map(str)))
)
def test_numbers_as_text_are_the_nearest_floats(texts: list[str | None]) -> None:
    """And whole ones that no float64 holds are no numbers, as in JSON."""
    numbers, bad = numbers_of_text(pa.array(texts, pa.string()))
    for text, number, is_bad in zip(texts, numbers.to_pylist(), bad.to_pylist(), strict=True):
        if text is None:
            assert number is None
            assert not is_bad
        elif text.lstrip("-").isdecimal():
            assert is_bad is not exactly(text)
        else:
            assert not is_bad
            assert number == float(text)


def exactly(text: str) -> bool:
    """Whether a float64 holds a whole number."""
    try:
        return int(float(text)) == int(text)
    except OverflowError:
        return False


def test_what_is_no_number_is_told() -> None:
    """Empty texts are missing, and spaces around a number are none of it."""
    numbers, bad = numbers_of_text(pa.array(["1.5", " 2 ", "", "NA", "x", "0x10", "1,5", "nan", "1e2"]))
    assert bad.to_pylist() == [False, False, False, False, True, True, True, True, False]
    assert numbers.to_pylist() == [1.5, 2.0, None, None, None, None, None, None, 100.0]
