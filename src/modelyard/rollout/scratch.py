"""A database on disk for the length of one analysis, so that its memory does not grow with what it reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,  # sums come out the same each time
    "memory_limit": "512MB",
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@contextmanager
def scratch_database(purpose: str) -> Iterator["DuckDBPyConnection"]:
    """An empty database in the temporary folder; what was written is gone when the block ends."""
    import duckdb  # noqa: PLC0415 - only an analysis pays for it

    with TemporaryDirectory(prefix=f"modelyard-{purpose}-") as folder:
        session = duckdb.connect(str(Path(folder) / "scratch.duckdb"), config=_SETTINGS | {"temp_directory": folder})
        try:
            yield session
        finally:
            session.close()


def quoted(name: str) -> str:
    """A column's name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
