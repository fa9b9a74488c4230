"""One file of a source, from a row on."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.data import open_data


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "jsonl"])
@pytest.mark.parametrize("begin", [0, 1, 9, 10, 25, 29, 30, 31])
def test_rows_begin_where_they_are_asked_for(kind: str, begin: int, tmp_path: Path) -> None:
    """Whatever the file is, and wherever its row groups begin."""
    table, path = pa.table({"x": list(range(30))}), tmp_path / f"a.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=10)
    elif kind == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=10)
    elif kind == "csv":
        path.write_text("x\n" + "".join(f"{at}\n" for at in range(30)))
    else:
        path.write_text("".join(json.dumps({"x": at}) + "\n" for at in range(30)))
    found = [value for batch in open_data(path).rows_of(0, begin) for value in batch.column(0).to_pylist()]
    assert found == list(range(begin, 30))


def test_row_groups_before_it_are_not_read(tmp_path: Path) -> None:
    """So that what is damaged there does not matter."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": list(range(30))}), path, row_group_size=10, use_dictionary=False, compression=None)
    reading = open_data(path)
    bytes_ = bytearray(path.read_bytes())
    bytes_[4:24] = b"\xff" * 20
    path.write_bytes(bytes_)
    found = [value for batch in reading.rows_of(0, 12) for value in batch.column(0).to_pylist()]
    assert found == list(range(12, 30))


def test_a_file_says_how_many_rows_it_has_where_it_knows(tmp_path: Path) -> None:
    """Parquet does; text does not."""
    pq.write_table(pa.table({"x": [1, 2, 3]}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert open_data(tmp_path / "a.parquet").facts[0].rows == 3
    assert open_data(tmp_path / "a.csv").facts[0].rows is None
