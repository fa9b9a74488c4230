"""One aggregation: what is made of which column of the events in a window."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

import pyarrow as pa

from modelyard.core import did_you_mean, shown
from modelyard.core.durations import format_duration
from modelyard.features.errors import InvalidDefinition

Function = Literal["count", "sum", "mean", "min", "max", "distinct", "last"]
"""What can be made of the values in a window."""

_REMEDY = 'Aggregation("amount", "sum", window=timedelta(hours=1))'


@dataclass(frozen=True)
class Aggregation:
    """A function of the values of `column` in a window, by default named like `amount_sum_1h`.

    Nulls (and NaN) are passed over by all functions: `count` and `distinct` count what is left, and `last` is the value
    of the latest event that has one. Of an empty window count, sum and distinct are 0, and the others null.
    """

    column: str
    function: Function
    window: timedelta
    name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise InvalidDefinition(f"An aggregation is of the column {self.column!r:.60}.", remedy=_REMEDY)
        if self.function not in get_args(Function):
            near = did_you_mean(str(self.function), get_args(Function))
            raise InvalidDefinition(f"There is no aggregation {shown(str(self.function))}.", remedy=near)
        if not isinstance(self.window, timedelta) or self.window <= timedelta(0):
            raise InvalidDefinition(
                f"The window of {self.column[:80]} {self.function} is {str(self.window)[:40]}.",
                remedy=f"Give a timedelta: {_REMEDY}",
            )

    @property
    def feature(self) -> str:
        """The name of the feature that it makes."""
        exact = format_duration(self.window) if self.window_us % 1000 == 0 else f"{self.window_us}us"
        return self.name or f"{self.column}_{self.function}_{exact}"

    @property
    def window_us(self) -> int:
        """The window in microseconds."""
        return self.window // timedelta(microseconds=1)

    def type_of(self, column: pa.DataType, view: str) -> pa.DataType:
        """The type of the feature. InvalidDefinition for sums of what is no number, and for types without order."""
        if self.function in ("count", "distinct"):
            return pa.int64()
        bare = column.value_type if pa.types.is_dictionary(column) else column
        if pa.types.is_nested(bare):
            raise self._refused(bare, view)
        if self.function not in ("sum", "mean"):
            return bare
        if pa.types.is_floating(bare) or pa.types.is_null(bare):
            return pa.float64()
        if not (pa.types.is_integer(bare) or pa.types.is_boolean(bare)):
            raise self._refused(bare, view)
        return pa.int64() if self.function == "sum" else pa.float64()

    def _refused(self, found: pa.DataType, view: str) -> InvalidDefinition:
        return InvalidDefinition(
            f"View '{view}' wants the {self.function} of '{self.column[:80]}', which is {str(found)[:60]}.",
            context={"view": view, "column": self.column[:80]},
            remedy="Cast it to a number in the source, or count it.",
        )
