"""Features of entities, as they were known at the time of each row: what training would have seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from modelyard.features import Definitions


class PointInTime:
    """Joins features to rows; see `records.Enrichment`. The sources are read once, when it is made."""

    def __init__(
        self, definitions: "Definitions", features: Sequence[str], *, event_time: str, spill: Path | None = None
    ) -> None:
        """`features` are `view:feature` names; large ones go to the folder `spill`, and are mapped from there.

        UnknownFeature for a name that nothing has; SourceUnreadable as the join has it.
        """
        from modelyard.features import prepare, select  # noqa: PLC0415 - who joins nothing starts without that room

        self._selection = select(definitions, list(features))
        self._views = list(prepare(self._selection.wanted, spill=spill))
        self._event_time = event_time

    @property
    def digests(self) -> Mapping[str, str]:
        """See `records.Enrichment`."""
        return {each.view.name: view.digest for each, view in zip(self._selection.wanted, self._views, strict=True)}

    def columns(self, schema: pa.Schema) -> pa.Schema:
        """See `records.Enrichment`. InvalidDefinition when the rows lack a key, or have the name of a feature."""
        self._selection.check(schema.names)
        found: pa.Schema = self(schema.empty_table()).schema
        return found

    def __call__(self, table: pa.Table) -> pa.Table:
        """See `records.Enrichment`."""
        from modelyard.features import Entities, joined  # noqa: PLC0415 - as above

        found = joined(Entities.of(table, self._event_time), self._views)
        return self._selection.complete(table.column_names, found)
