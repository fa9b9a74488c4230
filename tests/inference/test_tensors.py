"""Rows with tensors and text: what is let in, exactly, and what is refused with its place."""

from typing import Any

import numpy as np
import pytest

from modelyard.inference import Encoder, Field, InvalidRow, Signature, TensorEncoder, encoder_of, pack_golden
from modelyard.inference.tensors import unpack_golden

IMAGE = Field("image", "tensor", nullable=False, dtype="float32", shape=(2, 2))
WORDS = Field("words", "text", nullable=False, shape=(1,))
AGE = Field("age", "number", nullable=False)
SIGNATURE = Signature((IMAGE, AGE, WORDS))
FINE: Any = [[1.0, 2], [3, 4.5]]


def encode(*fields: Field, value: Any) -> np.ndarray[Any, Any]:
    """One value of one field, encoded."""
    arrays = TensorEncoder(Signature(fields))([[value]]).arrays
    assert arrays is not None
    return arrays[fields[0].name]


def test_each_input_is_an_array_and_the_rest_a_matrix() -> None:
    """In the signature's order, however a tensor is written."""
    array = np.array(FINE, dtype=np.float32)
    encoded = TensorEncoder(SIGNATURE)([[FINE, 7, "a"], [array, 8.0, "é"]])
    assert encoded.matrix.tolist() == [[7.0], [8.0]]
    assert encoded.arrays is not None
    assert encoded.arrays["image"].dtype == np.float32
    assert encoded.arrays["image"].tolist() == [array.tolist()] * 2
    assert encoded.arrays["words"].tolist() == [["a"], ["é"]]


def test_signatures_of_columns_are_encoded_as_ever() -> None:
    """No tensor, no other encoder."""
    assert isinstance(encoder_of(Signature((AGE,))), Encoder)
    assert isinstance(encoder_of(SIGNATURE), TensorEncoder)


def test_no_rows_are_no_rows() -> None:
    """Of the right shape all the same."""
    encoded = TensorEncoder(SIGNATURE)([])
    assert encoded.arrays is not None
    assert encoded.arrays["image"].shape == (0, 2, 2)
    assert encoded.matrix.shape == (0, 1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "nothing in place of a tensor"),
        (3.5, "a float in place of a tensor"),
        ("image", "a str in place of a tensor"),
        ([1.0, 2.0], r"shape \[2\]"),
        ([[1.0], [2.0, 3.0]], "unequal"),
        ([[1.0, "2"], [3.0, 4.0]], "no float32"),
        ([[1.0, None], [3.0, 4.0]], "no float32"),
        ([[1.0, True], [3.0, 4.0]], "no float32"),
        ([[1.0, 1e39], [3.0, 4.0]], "not finite"),
        ([[1.0, float("nan")], [3.0, 4.0]], "not finite"),
        ([[1, 16_777_217], [3, 4]], "does not hold"),
        ([[1, 10**400], [3, 4]], "no float32"),
        ([], r"shape \[0\]"),
        (np.zeros((2, 2)), "elements of float64"),
        (np.zeros((2, 3), np.float32), r"shape \[2, 3\]"),
    ],
)
def test_what_is_no_tensor_of_the_field_is_refused(value: Any, told: str) -> None:
    """With row, field, and what belongs there."""
    with pytest.raises(InvalidRow, match=told) as refused:
        TensorEncoder(SIGNATURE)([[FINE, 1, "a"], [value, 1, "a"]])
    assert refused.value.context["path"] == "[1].image"
    assert "float32 of shape [2, 2]" in refused.value.message


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 255), ("int32", 2**31 - 1), ("int64", 2**63 - 1)])
def test_whole_numbers_are_held_exactly_or_refused(dtype: Any, most: int) -> None:
    """The largest goes in, the next does not, nor does a fraction."""
    field = Field("n", "tensor", dtype=dtype, shape=(1,))
    assert encode(field, value=[most]).tolist() == [[most]]
    for wrong in ([most + 1], [0.5], [-(most + 2)]):
        with pytest.raises(InvalidRow):
            encode(field, value=wrong)


def test_truth_values_are_no_numbers() -> None:
    """And the other way round."""
    field = Field("flags", "tensor", dtype="bool", shape=(2,))
    assert encode(field, value=[True, False]).tolist() == [[True, False]]
    with pytest.raises(InvalidRow):
        encode(field, value=[1, 0])


@pytest.mark.parametrize("value", [None, 7, b"bytes", ["a"]])
def test_text_is_a_string(value: Any) -> None:
    """Nothing is cast, and nothing may be missing."""
    with pytest.raises(InvalidRow, match="expected a string"):
        TensorEncoder(SIGNATURE)([[FINE, 1, value]])


def test_plain_fields_and_widths_are_checked_as_ever() -> None:
    """By the same rules as in rows of columns."""
    with pytest.raises(InvalidRow, match="'age'"):
        TensorEncoder(SIGNATURE)([[FINE, "old", "a"]])
    with pytest.raises(InvalidRow, match="takes 3: image, age, words"):
        TensorEncoder(SIGNATURE)([[FINE, 1]])


def test_golden_rows_come_back_as_they_were() -> None:
    """Tensors, numbers, and text with what files may not like."""
    array = np.array(FINE, dtype=np.float32)
    rows: list[list[Any]] = [[array, 1.5, "a\x00"], [array + 1, -2.0, "é\n🙂"]]
    back, scores = unpack_golden(SIGNATURE, pack_golden(SIGNATURE, rows, np.array([[0.25], [0.5]])))
    assert scores.tolist() == [[0.25], [0.5]]
    assert [row[1:] for row in back] == [row[1:] for row in rows]
    assert all(np.array_equal(np.asarray(have[0]), want[0]) for have, want in zip(back, rows, strict=True))


@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x03\x04 nothing"])
def test_what_holds_no_golden_rows_is_refused(data: bytes) -> None:
    """Damage is told apart from a fault of ours."""
    with pytest.raises(ValueError, match="golden rows"):
        unpack_golden(SIGNATURE, data)
