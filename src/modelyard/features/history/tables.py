"""Features as they were, for rows in memory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelyard.features.join import Entities, check_names, joined, prepare
from modelyard.features.selection import Selection
from modelyard.features.tables import as_table, to_pandas, to_polars

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class HistoricalFeatures:
    """The entity rows with their features."""

    table: pa.Table

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self.table

    def to_df(self) -> "pd.DataFrame":
        """As a pandas DataFrame."""
        return to_pandas(self.table)

    def to_polars(self) -> Any:
        """As a polars DataFrame. Unavailable when polars is not installed."""
        return to_polars(self.table)


def historical_features(
    entities: object, selection: Selection, *, event_time: str, as_known: bool = True
) -> HistoricalFeatures:
    """Join what is selected to the rows. See `point_in_time_join`."""
    table = as_table(entities, "entity rows")
    check_names(table.column_names, selection.wanted)
    found = joined(Entities.of(table, event_time), list(prepare(selection.wanted, as_known=as_known)))
    return HistoricalFeatures(found.select([*table.column_names, *selection.order]))
