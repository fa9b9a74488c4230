"""A source that was opened: what columns it has, and its rows as a stream."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Rows:
    """Rows that are read anew each time `batches` is called, in the source's order; never an empty batch.

    `narrowed` reads some columns alone, where that is cheaper than to read all and drop the others.
    """

    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    narrowed: Callable[[list[str]], Iterator[pa.RecordBatch]] | None = None

    @classmethod
    def of(cls, table: pa.Table) -> "Rows":
        """Those of a table."""
        return cls(table.schema, lambda: (each for each in table.to_batches() if len(each)))

    def only(self, names: Sequence[str]) -> "Rows":
        """With these columns alone, which there must be."""
        wanted = list(names)
        schema = pa.schema([self.schema.field(name) for name in wanted])
        narrowed = self.narrowed
        if narrowed is not None:
            return Rows(schema, lambda: narrowed(wanted))
        return Rows(schema, lambda: (each.select(wanted) for each in self.batches()))

    def table(self) -> pa.Table:
        """All rows in memory."""
        return pa.Table.from_batches(self.batches(), self.schema)
