"""A question's vector in a few directions: enough to see whether questions change, too little to read them by."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 8
"""How many there are."""

_SEED = 20260101


def directions(vector: NDArray[np.floating[Any]]) -> tuple[float, ...]:
    """The lengths of a vector (dimension,) along `DIRECTIONS` fixed directions, chosen by chance, to four decimals.

    Of unit vectors they are about 1 / sqrt(dimension) large. The same vector gives the same numbers everywhere.
    """
    return tuple(round(float(each), 4) for each in _fixed(len(vector)) @ np.asarray(vector, dtype=np.float64))


@cache
def _fixed(dimension: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng(_SEED).standard_normal((DIRECTIONS, dimension))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(drawn)
