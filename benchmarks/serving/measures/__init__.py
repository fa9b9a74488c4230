"""The measures, by the name that `--only` takes."""

from collections.abc import Callable, Mapping

from ...figures import Figure
from ..bench import Bench
from .against_echo import against_echo
from .against_peers import forest_one_row, grid, hundred_rows, logistic_one_row, xgboost_one_row
from .footprint import evenness, start
from .latency import open_loop
from .overhead import overhead
from .overload import overload
from .shadows import shadows
from .swaps import swaps

Measure = Callable[[Bench], list[Figure]]

ALL: Mapping[str, Measure] = {
    "start": start,
    "echo": against_echo,
    "overhead": overhead,
    "open-loop": open_loop,
    "evenness": evenness,
    "shadows": shadows,
    "swaps": swaps,
    "overload": overload,
    "forest": forest_one_row,
    "logistic": logistic_one_row,
    "xgboost": xgboost_one_row,
    "hundred": hundred_rows,
}
"""In the order they run. `grid` is apart: it takes an hour."""

__all__ = ["ALL", "Measure", "grid"]
