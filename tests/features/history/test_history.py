"""Features as they were: for rows in memory, and for files of any size."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import Conflict, InvalidInput, Unavailable
from modelyard.features import (
    Definitions,
    Entity,
    FeatureService,
    FeatureView,
    HistoryWritten,
    InvalidDefinition,
    UnknownFeature,
    point_in_time_join,
    select,
    write_history,
)
from modelyard.features.history import historical_features
from modelyard.features.join.columns import FeatureColumns

INSTANT = pa.timestamp("us", tz="UTC")
ROWS, KEYS = 2_500, 40


def source(seed: int) -> pa.Table:
    """Rows of some keys at random times."""
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "key": random.integers(0, KEYS, 900),
            "at": pa.array(random.integers(0, 10**6, 900), INSTANT),
            "amount": random.normal(size=900),
            "word": pa.array([None if each % 7 == 0 else f"w{each}" for each in range(900)]),
        }
    )


def view(name: str, folder: Path, seed: int = 0) -> FeatureView:
    """A view of a Parquet file in the folder, made when it is not there."""
    if not (file := folder / f"{name}.parquet").exists():
        pq.write_table(source(seed), file)
    return FeatureView(
        name=name, entities=[Entity("key")], source=file, event_time="at", features=["amount", "word"],
        ttl=timedelta(seconds=1),
    )  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Entity rows in a file."""
    random = np.random.default_rng(1)
    times = pa.array(random.integers(0, 10**6, ROWS), INSTANT)
    file = tmp_path / "asked.parquet"
    pq.write_table(pa.table({"key": random.integers(0, KEYS + 3, ROWS), "event_timestamp": times}), file)
    return file


def written(asked: Path, view: FeatureView, output: Path, **options: Any) -> HistoryWritten:
    """A history of parts of 400 rows."""
    return write_history(asked, select(Definitions(), [view]), output, part_rows=400, **options)


def test_a_file_has_what_the_join_in_memory_gives(asked: Path, tmp_path: Path) -> None:
    """Whatever the parts; a folder of parts holds the same."""
    one = view("v", tmp_path)
    done: list[int] = []
    found = written(asked, one, tmp_path / "out.parquet", watch=done.append)
    expected = point_in_time_join(pq.read_table(asked), [one])
    assert (found.rows, found.parts, found.resumed) == (ROWS, 7, 0)
    assert done == [400, 800, 1200, 1600, 2000, 2400, 2500]
    assert pq.read_table(tmp_path / "out.parquet").equals(expected)
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 7
    written(asked, one, tmp_path / "parts")
    assert len(list((tmp_path / "parts").iterdir())) == 7
    assert pq.read_table(tmp_path / "parts").equals(expected)
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_file_without_rows_gives_one_without_rows(asked: Path, tmp_path: Path) -> None:
    """With all columns."""
    pq.write_table(pq.read_table(asked).slice(0, 0), tmp_path / "none.parquet")
    written(tmp_path / "none.parquet", view("v", tmp_path), tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").names == ["key", "event_timestamp", "amount", "word"]


SCRIPT = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from modelyard.features import Definitions, Entity, FeatureView, select, write_history

asked, folder, parts = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def watch(rows):
    if rows >= 400 * parts:
        os.kill(os.getpid(), signal.SIGKILL)

view = FeatureView(name="v", entities=[Entity("key")], source=folder / "v.parquet", event_time="at",
                   features=["amount", "word"], ttl=timedelta(seconds=1))
write_history(asked, select(Definitions(), [view]), folder / "out.parquet", part_rows=400, watch=watch)
"""
"""A history that is killed behind some parts."""


def kill_behind(parts: int, asked: Path, folder: Path) -> None:
    """Run that in a process of its own."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT, asked, folder, str(parts)], check=False, timeout=100)
    assert ended.returncode == -signal.SIGKILL


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(asked: Path, tmp_path: Path) -> None:
    """What is not asked to go on is refused; what has changed meanwhile too."""
    one, output = view("v", tmp_path), tmp_path / "out.parquet"
    written(asked, one, tmp_path / "whole.parquet")
    kill_behind(3, asked, tmp_path)
    assert not output.exists()
    with pytest.raises(Conflict, match=r"cut off left its parts in .*out.parquet.parts.*--resume"):
        written(asked, one, output)
    with pytest.raises(Conflict, match="this has changed: what is asked for"):
        written(asked, one, output, resume=True, as_known=False)
    other = view("other", tmp_path, seed=5)
    changed = FeatureView(name="v", entities=[Entity("key")], source=other.source, event_time="at",
                          features=["amount", "word"], ttl=timedelta(seconds=1))  # fmt: skip
    with pytest.raises(Conflict, match="this has changed: view 'v'"):
        written(asked, changed, output, resume=True)
    found = written(asked, one, output, resume=True)
    assert (found.parts, found.resumed) == (7, 3)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_runs_killed_behind_any_part_go_on_to_the_same_bytes(asked: Path, tmp_path: Path) -> None:
    """Eighteen kills."""
    one, output = view("v", tmp_path), tmp_path / "out.parquet"
    written(asked, one, tmp_path / "whole.parquet")
    for parts in [*range(1, 7)] * 3:
        kill_behind(parts, asked, tmp_path)
        assert written(asked, one, output, resume=True).resumed == parts
        assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
        output.unlink()


def test_one_process_writes_at_a_time(asked: Path, tmp_path: Path) -> None:
    """The second is told so."""
    one, output = view("v", tmp_path), tmp_path / "out.parquet"

    def watch(_: int) -> None:
        with pytest.raises(Conflict, match="being written by another process"):
            written(asked, one, output)

    written(asked, one, output, watch=watch)


def test_what_cannot_be_written_is_said_before_anything_is_read(asked: Path, tmp_path: Path) -> None:
    """Other formats, files that exist, columns that are not there."""
    one, output = view("v", tmp_path), tmp_path / "out.parquet"
    with pytest.raises(InvalidInput, match=r"written as .csv.*ends with .parquet"):
        written(asked, one, tmp_path / "out.csv")
    output.write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        written(asked, one, output)
    with pytest.raises(InvalidDefinition, match=r"no column 'event_time'.*Did you mean 'event_timestamp'"):
        written(asked, one, output, event_time="event_time", force=True)
    assert output.read_text() == "mine"
    assert written(asked, one, output, force=True).rows == ROWS


def test_large_features_are_mapped_from_files(tmp_path: Path) -> None:
    """And come back as they were, by number; the files go with what reads them."""
    parts = [source(seed).slice(0, 300) for seed in range(3)]
    coded = [each.append_column("code", each["word"].dictionary_encode()) for each in parts]
    columns = FeatureColumns(["amount", "word", "code"], tmp_path / "spill", budget=1000)
    for each in coded:
        for batch in each.to_batches():
            columns.add(batch)
    columns.close(coded[0].schema)
    table = pa.concat_tables(parts)
    assert list((tmp_path / "spill").glob("*/*.arrow"))
    rows = np.array([899, -1, 0, 7, 450])
    amounts, words, codes = columns.take(rows)
    assert amounts.to_pylist() == [table["amount"][int(at)].as_py() if at >= 0 else None for at in rows]
    assert words.to_pylist() == [table["word"][int(at)].as_py() if at >= 0 else None for at in rows]
    assert codes.to_pylist() == words.to_pylist()
    assert pa.types.is_dictionary(codes.type)
    del columns, amounts, words, codes
    assert list((tmp_path / "spill").iterdir()) == []


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    """Two views and a service."""
    first, second = view("first", tmp_path), view("second", tmp_path, seed=2)
    return Definitions([first, second, FeatureService("both", [second[["word"]], "first:amount"])])


def test_features_are_asked_for_by_name_view_part_or_service(definitions: Definitions, asked: Path) -> None:
    """Columns come in the order in which they were asked for; whole names keep equal ones apart."""
    rows = pq.read_table(asked)

    def names(*features: Any, **options: Any) -> list[str]:
        selection = select(definitions, *features, **options)
        found: list[str] = historical_features(rows, selection, event_time="event_timestamp").table.column_names
        return found[2:]

    assert names(["second:word", "first:amount"]) == ["word", "amount"]
    assert names("both") == names(definitions.all()[2]) == ["word", "amount"]
    assert names(definitions.views["first"]) == names("first") == ["amount", "word"]
    assert names(["first:amount", "second:amount", "first:word"], full_feature_names=True) == [
        "first__amount", "second__amount", "first__word",
    ]  # fmt: skip
    with pytest.raises(InvalidDefinition, match="in view 'first'"):
        names(["first:amount", "second:amount"])


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (["first:amout"], UnknownFeature, "no feature 'first:amout'.*Did you mean 'first:amount'"),
        (["third:amount"], UnknownFeature, "no feature 'third:amount'"),
        ("bth", UnknownFeature, "no feature service or view 'bth'.*Did you mean 'both'"),
        ([], InvalidDefinition, "No features are asked for"),
        ([7], InvalidDefinition, "'7' is no feature"),
    ],
)
def test_what_nothing_defines_is_named(
    definitions: Definitions, features: Any, error: type[Exception], message: str
) -> None:
    """With the nearest."""
    with pytest.raises(error, match=message):
        select(definitions, features)


def test_history_comes_as_arrow_pandas_and_polars(
    definitions: Definitions, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """polars when it is there."""
    found = historical_features(pq.read_table(asked), select(definitions, "both"), event_time="event_timestamp")
    assert found.to_arrow().num_rows == len(found.to_df()) == ROWS
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(Unavailable, match="pip install polars"):
        found.to_polars()
