"""One stream of batches of any format, with what was detected; or one error that names file, row, column and value."""

import gzip
import os
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import InvalidInput
from modelyard.data import ReadOptions, UnreadableData, open_data, parse_type, read_table

from .files import EXPECTED, FILES, PACKED, PARQUET, ROWS, ipc, refusal, why, wrote, zipped


@pytest.mark.parametrize("packing", sorted(PACKED))
@pytest.mark.parametrize("ending", sorted(FILES))
def test_every_format_plain_or_compressed_gives_the_same_rows(ending: str, packing: str, tmp_path: Path) -> None:
    """An empty field and NA are missing; names of files and people in any script survive."""
    path = wrote(tmp_path / f"größe of it.{ending}{packing}", PACKED[packing](FILES[ending]))
    reading = open_data(path)
    assert reading.table().to_pydict() == EXPECTED
    facts = reading.facts[0]
    assert facts.path == str(path)
    assert facts.compression == {"": None, ".gz": "gzip", ".zst": "zstd"}[packing]
    assert facts.bytes == path.stat().st_size
    assert facts.format == {"arrows": "arrow", "feather": "arrow"}.get(ending, ending)


@pytest.mark.parametrize("url", ["memory://reading/rows.csv", "memory://reading/rows.parquet.gz"])
def test_any_filesystem_is_read_by_its_url(url: str) -> None:
    """One file, a glob and a folder of a store that is not the disk."""
    data = FILES["csv"] if url.endswith("csv") else gzip.compress(PARQUET)
    with fsspec.open(url, "wb") as stream:
        stream.write(data)
    try:
        for source in (url, url.replace("rows", "r*"), "memory://reading"):
            assert read_table(source).to_pydict() == EXPECTED
        assert "no such file" in refusal("memory://reading/none.csv").message
        assert "no file matches" in refusal("memory://reading/*.json").message
    finally:
        fsspec.filesystem("memory").rm("/reading", recursive=True)


def test_batches_are_read_anew_each_time_and_are_never_larger_than_asked(tmp_path: Path) -> None:
    """In every format."""
    for ending, data in FILES.items():
        reading = open_data(wrote(tmp_path / f"rows.{ending}", data), ReadOptions(batch_rows=2))
        for _ in range(2):
            assert [len(each) for each in reading.batches()] == [2, 1]


@pytest.mark.parametrize("ending", sorted(FILES))
def test_only_some_columns_are_read(ending: str, tmp_path: Path) -> None:
    """In the order in which they are named, of any format; one that is not there is named with the nearest."""
    reading = open_data(wrote(tmp_path / f"rows.{ending}", FILES[ending]))
    wanted = list(reversed(reading.schema.names))[:2]
    narrowed = reading.only(wanted)
    assert narrowed.table().equals(reading.table().select(wanted))
    assert [each.name for each in narrowed.columns] == wanted
    with pytest.raises(UnreadableData, match="there is no such column"):
        reading.only(["nobody"])


def test_a_zip_archive_holds_one_file(tmp_path: Path) -> None:
    """Which of several was meant is not guessed."""
    assert read_table(wrote(tmp_path / "one.zip", zipped(rows=ROWS))).to_pydict() == EXPECTED
    assert "holds 2 files; one was expected" in refusal(wrote(tmp_path / "two.zip", zipped(a=ROWS, b=ROWS))).message
    assert "holds 0 files" in refusal(wrote(tmp_path / "none.zip", zipped())).message


@pytest.mark.parametrize("ending", ["parquet", "arrow", "arrows"])
def test_types_of_parquet_and_arrow_pass_through(ending: str, tmp_path: Path) -> None:
    """Decimals, dictionaries, nanoseconds, zones, nested lists and many levels."""
    table = pa.table(
        {
            "decimal": pa.array([Decimal("1.10"), None], pa.decimal128(20, 2)),
            "level": pa.array(["a", "b"]).dictionary_encode(),
            "nanos": pa.array([1, 2], pa.timestamp("ns")),
            "zone": pa.array([1, 2], pa.timestamp("us", "Europe/Berlin")),
            "nested": pa.array([[[1], []], None], pa.list_(pa.list_(pa.int32()))),
            "zero": pa.array([-0.0, float("nan")]),
        }
    )
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        pq.write_table(table, path)
    else:
        wrote(path, ipc(table, pa.ipc.new_file if ending == "arrow" else pa.ipc.new_stream))
    found = read_table(path)
    assert found.schema == table.schema
    assert repr(found.to_pylist()) == repr(table.to_pylist())


def test_a_stream_of_arrow_cut_between_two_batches_is_not_whole(tmp_path: Path) -> None:
    """Arrow's own reader takes the end of the file for the end of the stream."""
    whole = FILES["arrows"]
    assert "no end mark" in refusal(wrote(tmp_path / "a.arrows", whole[:-8])).message
    assert "more follows" in refusal(wrote(tmp_path / "a.arrows", whole + b"x")).message


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", PARQUET, "parquet"),
        ("a.parquet", FILES["arrow"], "arrow"),
        ("a.csv", b'[{"id": 1}]', "json"),
        ("a.json", b'{"id": 1}\n', "jsonl"),
        ("a.csv", gzip.compress(b"id\n1\n", mtime=0), "csv"),
        ("a.csv.gz", PARQUET, "parquet"),
    ],
)
def test_a_wrong_ending_is_said_where_the_bytes_tell(name: str, content: bytes, found: str, tmp_path: Path) -> None:
    """What can be recognised by its bytes is read as what it is."""
    facts = open_data(wrote(tmp_path / name, content)).facts[0]
    assert facts.format == found
    if name != "a.csv" or found != "csv":
        assert any("The name says" in each for each in facts.notes)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"id\n1\n", "named parquet, and does not begin as such a file"),
        ("a.csv.gz", b"id\n1\n", "named as if compressed with gzip"),
        ("a.xlsx", b"PK", "its ending is unknown"),
        ("a.md", b"# Title", "its ending is unknown"),
        ("a.csv", b"BZh9", "compressed with bzip2"),
        ("a.csv", gzip.compress(gzip.compress(b"id\n1\n", mtime=0), mtime=0), "compressed twice"),
        ("a.csv", b"SQLite format 3\0", "an SQLite database"),
        ("a.feather", b"FEA1....", "Feather file of version 1"),
        ("a.parquet", PARQUET[:-10], "Parquet magic bytes not found"),
        ("a.parquet", b"PAR1", "a.parquet"),
        ("a.csv.gz", gzip.compress(b"a\n" + b"1\n" * 1000, mtime=0)[:-12], "end-of-stream"),
        ("a.csv.zst", PACKED[".zst"](b"a\n" + b"1\n" * 1000)[:-3], "Truncated"),
        ("a.zip", b"PK\x03\x04", "a.zip"),
    ],
)
def test_what_is_not_what_it_is_named_or_not_whole_is_refused(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    """Foreign formats by their names, damaged ones by what is missing."""
    assert said in str(refusal(wrote(tmp_path / name, content)))


def test_an_option_that_means_nothing_for_a_file_is_not_ignored(tmp_path: Path) -> None:
    """A delimiter for Parquet, an encoding for Arrow, another format than the bytes have."""
    path = wrote(tmp_path / "a.parquet", PARQUET)
    assert "delimiter is for CSV" in str(refusal(path, ReadOptions(delimiter=";")))
    assert "encoding is for text" in str(refusal(path, ReadOptions(encoding="utf-8")))
    assert "it is parquet, not csv" in str(refusal(path, ReadOptions(format="csv")))


def test_a_format_that_is_said_needs_no_ending(tmp_path: Path) -> None:
    """As files without one need it."""
    assert read_table(wrote(tmp_path / "rows", ROWS), ReadOptions(format="csv")).to_pydict() == EXPECTED


def test_many_files_are_one_table_with_columns_by_name(tmp_path: Path) -> None:
    """A folder, a glob and a list; the types are those of all files together."""
    one = wrote(tmp_path / "1.csv", "a,b\n1,x\n")
    two = wrote(tmp_path / "2.tsv", "b\ta\ny\t2.5\n")
    wrote(tmp_path / "_SUCCESS", "")
    expected = {"a": [1.0, 2.5], "b": ["x", "y"]}
    sources: tuple[str | Path | list[str | Path], ...] = (tmp_path, f"{tmp_path}/*.[ct]sv", [one, str(two)])
    for source in sources:
        reading = open_data(source)
        assert reading.table().to_pydict() == expected
        assert [each.path for each in reading.facts] == [str(one), str(two)]
    assert "row 1 of" in why(reading)["a"]


def test_files_with_other_columns_or_types_are_named(tmp_path: Path) -> None:
    """Nothing is filled up or widened silently."""
    wrote(tmp_path / "1.csv", "a,b\n1,x\n")
    other = wrote(tmp_path / "2.csv", "a,c\n1,x\n")
    error = refusal(tmp_path)
    assert error.context["file"] == str(other)
    assert "It lacks 'b'. It has 'c' beside." in error.message
    other.unlink()
    pq.write_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "2.parquet")
    error = refusal(tmp_path)
    assert "it is string there, and int64 in" in error.message
    assert error.context["column"] == "a"
    assert read_table(tmp_path, ReadOptions(types={"a": pa.string()})).column("a").to_pylist() == ["1", "x"]


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Missing with the nearest name, dangling, looping, no regular file, an empty folder or list."""
    wrote(tmp_path / "sales.csv", ROWS)
    (tmp_path / "gone.csv").symlink_to("nowhere")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    assert "Did you mean 'sales.csv'" in str(refusal(tmp_path / "slaes.csv"))
    assert "there is no folder" in str(refusal(tmp_path / "no" / "a.csv"))
    assert "a link to nowhere" in str(refusal(tmp_path / "gone.csv"))
    assert "links lead in a circle" in str(refusal(tmp_path / "loop.csv"))
    assert "no regular file" in str(refusal(tmp_path / "pipe.csv"))
    assert "holds no files" in str(refusal(tmp_path / "empty"))
    assert "folders inside" in str(refusal(tmp_path))
    assert "no file matches" in str(refusal(tmp_path / "*.json"))
    assert "empty" in str(refusal([]))
    assert len(str(refusal(tmp_path / ("x" * 5000)))) < 800


@pytest.mark.parametrize("source", ["foo://bucket/x.csv", "gs://bucket/x.csv", "http://127.0.0.1:9/x.csv"])
def test_a_store_that_cannot_be_reached_is_named(source: str) -> None:
    """An unknown scheme, a driver that is not installed, a server that does not answer."""
    assert source in refusal(source).message


def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    """Read by a user who has no right to it: another one where this one has all rights."""
    path = wrote(tmp_path / "a.csv", ROWS)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        assert "no permission" in str(refusal(path))
    finally:
        os.seteuid(user)


def test_messages_stay_short_whatever_the_data(tmp_path: Path) -> None:
    """A value, a name or a header of a megabyte is cut."""
    long = "x" * 1_000_000
    for content in (f"a,b\n{long}\n", f"{long},{long}\n1,2\n", f'a,b\n{long}"{long},1\n', f"a,b\n1,{long}\n"):
        error = refusal(wrote(tmp_path / "a.csv", content), ReadOptions(types={"b": pa.int64()}))
        assert len(str(error)) < 1000
        assert all(len(str(each)) < 300 for each in error.context.values())


def test_a_file_that_changes_between_two_readings_is_refused(tmp_path: Path) -> None:
    """Its types were told from what it held before."""
    path = wrote(tmp_path / "a.csv", "a\n1\n")
    reading = open_data(path)
    wrote(path, "a\nx\n")
    with pytest.raises(UnreadableData, match="'x' is no int64"):
        reading.table()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("int64", pa.int64()),
        ("timestamp[us, UTC]", pa.timestamp("us", "UTC")),
        ("timestamp[ns]", pa.timestamp("ns")),
        ("decimal128(10,2)", pa.decimal128(10, 2)),
        ("string", pa.string()),
    ],
)
def test_types_have_names(name: str, kind: pa.DataType) -> None:
    """As a project file writes them."""
    assert parse_type(name) == kind


def test_options_without_a_meaning_are_refused() -> None:
    """Each says what there is."""
    for name in ("int46", "timestamp[us, Mars/Base]", "decimal128(99,2)"):
        with pytest.raises(InvalidInput, match="There is no type"):
            parse_type(name)
    for wrong in ({"delimiter": "ab"}, {"encoding": "base64"}, {"format": "cvs"}, {"quote": ","}, {"batch_rows": 0}):
        with pytest.raises(InvalidInput):
            ReadOptions(**({"delimiter": ","} | wrong))
