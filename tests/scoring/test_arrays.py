"""Arrow and numpy, each from the other, without pandas."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from modelyard.scoring.arrays import array_of, texts_of, values_of


def test_values_are_what_pyarrow_makes_of_them() -> None:
    """Also from the middle of an array, with nulls, and of none."""
    floats = pa.array([1.5, None, -2.0, None, 7.0, 0.25, None, 1e300, 3.0, None])
    for array in (floats, floats[1:9], floats[4:6], floats[:0], pa.nulls(3, pa.float64()), floats.drop_null()):
        np.testing.assert_array_equal(values_of(array, np.float64), array.to_numpy(zero_copy_only=False))


def test_arrays_hold_what_was_given() -> None:
    """Columns of a matrix, instants and texts of several bytes."""
    matrix = np.arange(6.0).reshape(3, 2)
    assert array_of(matrix[:, 1], pa.float64()).to_pylist() == [1.0, 3.0, 5.0]
    instant = pa.timestamp("us", tz="UTC")
    assert array_of(np.array([1_000_000]), instant) == pa.array([1_000_000], instant)
    assert texts_of(["", "é", "no", "日本"]).to_pylist() == ["", "é", "no", "日本"]
    assert texts_of([]).to_pylist() == []


def test_numbers_of_another_width_are_refused() -> None:
    """Arrow would read beyond their end."""
    with pytest.raises(ValueError, match="float32 is not as wide as double"):
        array_of(np.zeros(2, np.float32), pa.float64())


def test_none_of_them_imports_pandas() -> None:
    """It takes longer than scoring a million rows."""
    program = (
        "import sys, numpy as np, pyarrow as pa; from modelyard.scoring.arrays import array_of, texts_of, values_of;"
        "texts_of(['a']); values_of(array_of(np.zeros(3), pa.float64()), np.float64); print('pandas' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "False"
