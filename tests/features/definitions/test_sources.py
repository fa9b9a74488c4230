"""What a view can read: files, queries, tables, functions, pushed rows."""

import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from modelyard.core import Micros, ModelyardError
from modelyard.features import (
    Definitions,
    Entity,
    Feature,
    FeatureView,
    InvalidDefinition,
    PushLog,
    PushSource,
    SourceUnreadable,
    SqlSource,
    load_definitions,
    point_in_time_join,
)

ROWS = pa.table({"key": ["a", "b"], "at": ["2026-01-01T00:00:00"] * 2, "value": [1, 2], "more": [0, 0]})


def view(source: Any, *features: Any) -> FeatureView:
    """A view over a source of the rows above."""
    return FeatureView(
        name="v", entities=[Entity("key")], source=source, event_time="at", features=features or ["value"]
    )


def values(source: Any) -> list[Any]:
    """The values of a view over a source."""
    found: list[Any] = view(source).table().column("value").to_pylist()
    return found


def test_files_are_read_as_streams_of_the_columns_that_are_wanted(tmp_path: Path) -> None:
    """Parquet, CSV, a glob, a URL."""
    pq.write_table(ROWS, tmp_path / "one.parquet")
    pyarrow.csv.write_csv(ROWS, tmp_path / "one.csv")
    for source in (
        tmp_path / "one.parquet",
        tmp_path / "one.csv",
        str(tmp_path / "*.parquet"),
        f"file://{tmp_path}/one.csv",
    ):
        assert values(source) == [1, 2]
    narrowed = view(tmp_path / "one.parquet").open().only(["value"])
    assert [each.schema.names for each in narrowed.batches()] == [["value"]]


def test_a_declared_type_decides_how_text_files_are_read(tmp_path: Path) -> None:
    """Leading zeros are no number's."""
    (tmp_path / "zip.csv").write_text("key,at,value\na,2026-01-01,00501\n")
    assert view(tmp_path / "zip.csv", Feature("value", "string")).table().column("value").to_pylist() == ["00501"]


def test_queries_of_duckdb_and_sqlalchemy_are_sources(tmp_path: Path) -> None:
    """A DuckDB file, DuckDB over files, SQLite by its URL, which may be a secret."""
    pq.write_table(ROWS, tmp_path / "one.parquet")
    query = 'SELECT key, "at", value FROM facts ORDER BY key;'
    with duckdb.connect(str(tmp_path / "one.duckdb")) as connection:
        connection.execute(f"CREATE TABLE facts AS FROM '{tmp_path}/one.parquet'")
    with sqlite3.connect(tmp_path / "one.db") as database:
        database.execute('CREATE TABLE facts (key, "at", value)')
        database.executemany("INSERT INTO facts VALUES (?, '2026-01-01 00:00:00', ?)", [("a", 1), ("b", 2)])
    database.close()
    assert values(SqlSource(query, database=tmp_path / "one.duckdb")) == [1, 2]
    assert values(SqlSource(query, database=SecretStr(f"sqlite:///{tmp_path}/one.db"))) == [1, 2]
    assert values(SqlSource(f"FROM '{tmp_path}/one.parquet'")) == [1, 2]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SqlSource("SELEC 1"), "The query 'SELEC 1' failed"),
        (SqlSource("SELECT 1", database="gone.duckdb"), "no DuckDB file gone.duckdb"),
        (SqlSource("SELECT * FROM lost", database="sqlite://"), "failed.*no such table"),
        (lambda: 7, "source of view 'v' is int, which cannot be read"),
        (lambda: lambda: ROWS, "a function that gives a function"),
        ("gone.parquet", "there is no such file"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(source: Any, message: str, tmp_path: Path, monkeypatch: Any) -> None:
    """And never shows an address with a password."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelyardError, match=message):
        view(source).table()


def test_a_query_is_one() -> None:
    """Not nothing."""
    with pytest.raises(InvalidDefinition, match="has no query"):
        SqlSource(" ")
    assert "secret" not in repr(SqlSource("SELECT 1", database="postgresql://me:secret@host/db"))


def test_tables_and_functions_are_sources(tmp_path: Path) -> None:
    """Arrow, pandas, a function of no arguments that gives any of these."""
    assert values(ROWS) == values(ROWS.to_pandas()) == values(lambda: ROWS) == values(ROWS.to_batches()[0]) == [1, 2]
    assert values(lambda: pd.DataFrame(ROWS.to_pydict())) == [1, 2]


def project(folder: Path, text: str) -> Definitions:
    """The definitions of a file in a folder."""
    (folder / "features.py").write_text("from modelyard.features import *\n" + text)
    return load_definitions(folder / "features.py", folder / "pushed")


PUSHED = """
rows = PushSource("rows", batch="one.parquet")
view = FeatureView(name="v", entities=[Entity("key")], source=rows, event_time="at", features=["value"])
"""


def test_pushed_rows_are_read_after_those_of_the_batch_source(tmp_path: Path) -> None:
    """On full ties the pushed row wins. What is pushed is there for everybody at once."""
    pq.write_table(ROWS, tmp_path / "one.parquet")
    found = project(tmp_path, PUSHED).views["v"]
    source = found.source
    assert isinstance(source, PushSource)
    assert source.log is not None
    pushed = pa.table({"key": ["a"], "at": ["2026-01-01T00:00:00"], "value": pa.array([7], pa.int8())})
    assert source.log.append(pushed, Micros(5)) == 1
    assert source.log.append(pushed.slice(0, 0), Micros(6)) == 0
    assert found.table().column("value").to_pylist() == [1, 2, 7]
    asked = pa.table({"key": ["a", "b"], "event_timestamp": ["2026-01-02"] * 2})
    assert point_in_time_join(asked, [found]).column("value").to_pylist() == [7, 2]


def test_pushes_that_do_not_fit_or_are_damaged_are_named(tmp_path: Path) -> None:
    """With the file, and what to do."""
    found = project(tmp_path, PUSHED.replace(', batch="one.parquet"', "")).views["v"]
    with pytest.raises(SourceUnreadable, match="Nothing was pushed to 'rows' yet"):
        found.table()
    log = PushLog(tmp_path / "pushed" / "rows")
    log.append(ROWS, Micros(1))
    assert found.table().column("value").to_pylist() == [1, 2]
    log.append(ROWS.set_column(2, "value", [["x", "y"]]), Micros(2))
    with pytest.raises(
        InvalidDefinition, match="Rows pushed to 'rows' have string in 'value', which does not fit its int64"
    ):
        found.table()
    (log.files()[0]).write_bytes(b"ARROW1 no more")
    with pytest.raises(SourceUnreadable, match="log of pushed rows is damaged"):
        found.table()


def test_what_a_project_defines_is_found_by_what_it_is(tmp_path: Path) -> None:
    """Also in lists; relative paths begin beside the file; two of a name are refused."""
    pq.write_table(ROWS, tmp_path / "one.parquet")
    text = """
views = [
    FeatureView(name=name, entities=[Entity("key")], source="one.parquet", event_time="at", features=["value"])
    for name in ("v", "w")
]
"""
    found = project(tmp_path, text)
    assert list(found.views) == ["v", "w"]
    assert list(found.of(Entity)) == ["key"]
    assert found.names() == ["v:value", "w:value"]
    assert found.view("w").table().column("value").to_pylist() == [1, 2]
    with pytest.raises(ModelyardError, match=r"There is no feature view 'x'. There are: v, w"):
        found.view("x")
    twice = tmp_path / "twice"
    twice.mkdir()
    with pytest.raises(InvalidDefinition, match=r"features.py defines two of kind 'feature view' named 'v'"):
        project(twice, text.replace('("v", "w")', '("v", "v")'))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InvalidDefinition, match="two of kind 'entity' named 'key'"):
        project(other, 'a, b = Entity("key"), Entity("key", join_keys=["b"])')
