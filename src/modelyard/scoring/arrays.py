"""Between Arrow and numpy without pandas, which `pa.array`, `pa.scalar` and `to_numpy` import where it is installed.

That takes as long as scoring a million rows, in each process of a cluster.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def array_of(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Numbers (n,) as an array of a type of the same width; what is contiguous is not copied, and must not change."""
    if values.dtype.itemsize * 8 != kind.bit_width:
        raise ValueError(f"{values.dtype} is not as wide as {kind}")
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def texts_of(texts: Sequence[str]) -> pa.Array:
    """Texts as an array of `string`."""
    written = [each.encode() for each in texts]
    ends = np.cumsum([0, *map(len, written)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(written), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(written))])


def values_of(array: pa.Array, kind: type[Number]) -> NDArray[Number]:
    """The values (n,) of an array of numbers of this type, not copied where none is null; of floats null is NaN."""
    validity, data = array.buffers()
    if data is None or not len(array):
        return np.full(len(array), np.nan if np.issubdtype(kind, np.floating) else 0).astype(kind)
    values = np.frombuffer(data, kind, array.offset + len(array))[array.offset :]
    if not array.null_count:
        return values
    there = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")[
        array.offset : len(values) + array.offset
    ]
    return np.where(there.astype(bool), values, np.nan).astype(kind)
