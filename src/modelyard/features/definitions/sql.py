"""Queries as sources: DuckDB, and any database of SQLAlchemy."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import SecretStr

from modelyard.features.errors import InvalidDefinition, SourceUnreadable

from .rows import Rows

_BATCH = 65_536
_REMEDY = "Try the query by itself; check the database's address, and the right to read it."


@dataclass(frozen=True)
class SqlSource:
    """The rows of a query. `database` is a DuckDB file, a URL of SQLAlchemy, or None: DuckDB without a file.

    DuckDB reads files that the query names, loads no extensions from the network, and opens its file read-only. Rows
    stream from DuckDB; those of other databases are gathered, their types told from all values.
    """

    query: str
    database: str | Path | SecretStr | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.query, str) or not self.query.strip():
            raise InvalidDefinition("A SqlSource has no query.", remedy='SqlSource("SELECT … FROM …", database=…)')
        if not isinstance(self.database, str | Path | SecretStr | None):
            raise InvalidDefinition(
                f"The database of a SqlSource is {type(self.database).__name__}.",
                remedy="Give a DuckDB file, a URL of SQLAlchemy, or nothing.",
            )

    def open(self, folder: Path | None = None) -> Rows:
        """The query's columns and rows. A relative file is found from `folder`. SourceUnreadable when it fails."""
        address = self.database.get_secret_value() if isinstance(self.database, SecretStr) else self.database
        if isinstance(address, str) and "://" in address:
            return Rows.of(_from_sqlalchemy(address, self.query))
        file = None if address is None else (folder or Path()) / address
        return _from_duckdb(file, self.query, folder)


def _from_duckdb(file: Path | None, query: str, folder: Path | None) -> Rows:
    if file is not None and not file.is_file():
        raise SourceUnreadable(f"There is no DuckDB file {file}.", remedy="Correct the path in the SqlSource.")

    def batches() -> Iterator[pa.RecordBatch]:
        with _told(query), closing(_duckdb(file, folder)) as connection:
            reader = connection.sql(query).to_arrow_reader(_BATCH)
            yield from (each for each in reader if len(each))

    with _told(query), closing(_duckdb(file, folder)) as connection:
        schema = connection.sql(f"SELECT * FROM ({query.rstrip().rstrip(';')}) LIMIT 0").to_arrow_table().schema
    return Rows(schema, batches)


def _duckdb(file: Path | None, folder: Path | None) -> Any:
    import duckdb  # noqa: PLC0415 - only a query pays for it

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "TimeZone": "UTC",
    }
    if folder is not None:
        settings["file_search_path"] = str(folder)
    return duckdb.connect(str(file or ":memory:"), read_only=file is not None, config=settings)


def _from_sqlalchemy(url: str, query: str) -> pa.Table:
    import sqlalchemy  # noqa: PLC0415 - as above

    with _told(query):
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect().execution_options(stream_results=True) as connection:
                found = connection.execute(sqlalchemy.text(query))
                names = list(found.keys())
                parts = [_arrow(names, rows) for rows in found.partitions(_BATCH)]
        finally:
            engine.dispose()
        if not parts:
            return pa.table({name: pa.nulls(0) for name in names})
        return pa.concat_tables(parts, promote_options="permissive")


def _arrow(names: list[str], rows: Any) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    return pa.table([pa.array(each) for each in columns], names=names)


@contextmanager
def _told(query: str) -> Iterator[None]:
    """What drivers raise inside becomes SourceUnreadable; they have trees of errors of their own."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        shortened = " ".join(query.split())[:80]
        raise SourceUnreadable(f"The query '{shortened}' failed: {reason}.", remedy=_REMEDY) from error
