"""Which rows are scored: those for which an SQL expression is true."""

from typing import Any

import numpy as np
import pyarrow as pa

from .errors import NotScorable

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""An expression sees the rows and nothing else; one thread keeps their order."""


class Where:
    """A condition over the columns of a row, in DuckDB's SQL. For one thread.

    It is told row by row: null is not true, and what looks at several rows is refused.
    """

    def __init__(self, condition: str, schema: pa.Schema) -> None:
        """NotScorable says what of the condition DuckDB does not understand."""
        import duckdb  # noqa: PLC0415 - only who filters pays for it

        self._query = f"SELECT coalesce(CAST(({condition}) AS BOOLEAN), false) FROM part"
        self._condition = condition
        self._session: Any = duckdb.connect(":memory:", config=_CLOSED)
        self._errors = duckdb.Error
        if len(self.keeps(schema.empty_table())):
            raise self._refused("it looks at several rows")

    def keeps(self, table: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows it is true for (n_rows,)."""
        self._session.register("part", table)
        try:
            found: np.ndarray[Any, np.dtype[np.bool_]] = np.array(
                self._session.execute(self._query).fetchnumpy().popitem()[1], dtype=bool
            )
        except self._errors as error:
            raise self._refused(str(error).strip().split("\n")[0][:300]) from error
        finally:
            self._session.unregister("part")
        if len(found) != len(table):
            raise self._refused("it looks at several rows")
        return found

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def _refused(self, why: str) -> NotScorable:
        return NotScorable(
            f"--where {self._condition[:200]!r} cannot be used: {why}.",
            remedy="""Give a condition over the input's columns, such as "country = 'de' AND amount > 10".""",
        )
