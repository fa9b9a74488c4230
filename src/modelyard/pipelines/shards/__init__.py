"""Data-parallel work inside a step: rows cut into shards, a function called on each, answers joined in a fixed order.

Owns the cut, the order and what is kept of it. Does not own the processes (`execution`, through `parts`).
"""

from .data_parallel import data_parallel
from .shards import Rounds, Shards

__all__ = ["Rounds", "Shards", "data_parallel"]
