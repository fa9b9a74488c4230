"""Answers of shards, joined in the order of a fixed binary tree, whatever the order in which they come.

Sums of floating-point numbers hang on their order; here it hangs on the number of shards alone. A tree also loses less
than a running sum: its error grows with the logarithm of the number of terms (Higham, "The Accuracy of Floating Point
Summation", 1993).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from modelyard.core import InvalidInput

Combine = Callable[[Any, Any], Any]
"""Joins the answers of two neighbouring groups of shards, the earlier first. It may change them: each is used once."""


class Tree:
    """Joins the answers of `leaves` shards; holds only those that wait for their neighbour."""

    def __init__(self, leaves: int, combine: Combine) -> None:
        self._leaves, self._combine = leaves, combine
        self._waiting: dict[tuple[int, int], Any] = {}
        self.total: Any = None

    def put(self, at: int, value: Any) -> None:
        """Take the answer of a shard; after the last one `total` is theirs together."""
        level, width = 0, self._leaves
        while width > 1:
            neighbour = at ^ 1
            if neighbour < width:
                if (level, neighbour) not in self._waiting:
                    self._waiting[level, at] = value
                    return
                other = self._waiting.pop((level, neighbour))
                value = self._combine(other, value) if neighbour < at else self._combine(value, other)
            at, level, width = at // 2, level + 1, (width + 1) // 2
        self.total = value


def add(one: Any, other: Any) -> Any:
    """The sum of two answers: numbers, arrays of one shape, and tuples and dicts of them, part by part.

    A key that only one dict has keeps its value: counts of levels can be added. InvalidInput for all else.
    """
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape:
        return one + other
    if _is_number(one) and _is_number(other):
        return one + other
    if type(one) is dict and type(other) is dict:
        return {**one, **{key: add(one[key], value) if key in one else value for key, value in other.items()}}
    if type(one) is tuple and type(other) is tuple and len(one) == len(other):
        return tuple(add(mine, theirs) for mine, theirs in zip(one, other, strict=True))
    raise InvalidInput(
        f"The answers of two shards cannot be added: {_shape(one)} and {_shape(other)}.",
        remedy="Return numbers, arrays of one shape, or tuples or dicts of them; or say how to join them: combine=.",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _shape(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__} of {len(value)}" if isinstance(value, tuple | dict) else type(value).__name__
