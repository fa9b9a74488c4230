"""An MLflow database whose artifacts lie in another folder than when they were logged."""

import sqlite3
from contextlib import closing
from pathlib import Path


def relocate(database: Path, before: str, now: str) -> int:
    """Let every URI in a SQLite database of MLflow's that lies below `before` lie below `now`.

    MLflow keeps where artifacts are as full URIs, of experiments, runs, logged models and versions. Nobody else may
    use the database meanwhile. Returns how many values are other now.
    """
    if before == now:
        return 0
    changed = 0
    with closing(sqlite3.connect(database)) as connection, connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall():
                if not kind.upper().startswith(("VARCHAR", "TEXT", "CHAR")):
                    continue
                value, of = _quoted(column), _quoted(table)
                changed += connection.execute(
                    f"UPDATE {of} SET {value} = ? || substr({value}, ?) WHERE {value} = ? OR substr({value}, 1, ?) = ?",
                    (now, len(before) + 1, before, len(before) + 1, before + "/"),
                ).rowcount
    return changed


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
