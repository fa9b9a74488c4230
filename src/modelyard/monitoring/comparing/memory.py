"""Memory that columns are read into and sorted in, one after another."""

from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Memory(local):
    """Each thread's own, as large as the largest column so far; forgotten with the comparison.

    Of millions of rows, asking the operating system for fresh pages takes longer than sorting what is put into them.
    """

    def __init__(self) -> None:
        """Empty."""
        self._held: dict[str, NDArray[np.uint8]] = {}

    def array(self, side: str, kind: np.dtype[Any], rows: int) -> NDArray[Any]:
        """Room for so many values (rows,), whatever they are; it is what the next column of this side is put into."""
        size = rows * kind.itemsize
        held = self._held.get(side)
        if held is None or len(held) < size:
            held = self._held[side] = np.empty(size, np.uint8)
        return held[:size].view(kind)
