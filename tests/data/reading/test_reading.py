"""One stream of batches of any format, with what was detected; or one error that names file, row, column and value."""

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import InvalidInput
from modelyard.data import Reading, ReadOptions, UnreadableData, open_data, parse_type, read_table

ROWS = "id,name\n1,Zoë\n2,NA\n3,\n"
EXPECTED = {"id": [1, 2, 3], "name": ["Zoë", None, None]}
TABLE = pa.table(EXPECTED)


def bytes_of(write: Callable[[Any], object]) -> bytes:
    """What a writer writes."""
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()


def ipc(table: pa.Table, new: Callable[..., Any], compression: str | None = None) -> bytes:
    """A table as an Arrow file or stream."""

    def write(sink: io.BytesIO) -> None:
        with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table)

    return bytes_of(write)


def zipped(**files: str) -> bytes:
    """A zip archive with a folder entry and CSV files."""

    def write(sink: io.BytesIO) -> None:
        with zipfile.ZipFile(sink, "w") as archive:
            archive.writestr("data/", "")
            for name, text in files.items():
                archive.writestr(f"data/{name}.csv", text)

    return bytes_of(write)


PARQUET = bytes_of(lambda sink: pq.write_table(TABLE, sink))
LINES = '{"id":1,"name":"Zoë"}\n\n{"id":2,"name":null}\n{"id":3}\n'
FILES = {
    "csv": ROWS.encode(),
    "tsv": ROWS.replace(",", "\t").encode(),
    "json": json.dumps(TABLE.to_pylist()).encode(),
    "jsonl": LINES.encode(),
    "parquet": PARQUET,
    "arrow": ipc(TABLE, pa.ipc.new_file),
    "arrows": ipc(TABLE, pa.ipc.new_stream),
    "feather": ipc(TABLE, pa.ipc.new_file, "zstd"),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": partial(gzip.compress, mtime=0),
    ".zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
}


def wrote(path: Path, data: str | bytes) -> Path:
    """A file with that content."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def why(reading: Reading) -> dict[str, str]:
    """The reasons of the types by column."""
    return {each.name: each.why for each in reading.columns}


def refusal(source: Any, options: ReadOptions | None = None) -> UnreadableData:
    """The error of reading a source."""
    with pytest.raises(UnreadableData) as caught:
        read_table(source, options)
    return caught.value


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


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (["1", "-2", "", "NA"], "int64", [1, -2, None, None]),
        (["1", "18446744073709551615"], "uint64", [1, 2**64 - 1]),
        (["1", "2.5", "-0", "1e+20"], "double", [1.0, 2.5, -0.0, 1e20]),
        (["1e3", "1012.5", "980"], "double", [1000.0, 1012.5, 980.0]),
        (["inf", "-Infinity", "1"], "double", [float("inf"), float("-inf"), 1.0]),
        (["true", "False"], "bool", [True, False]),
        (["2026-01-31", ""], "date32[day]", [date(2026, 1, 31), None]),
        (["2026-01-31 10:00", "2026-01-31T10:00:01.5"], "timestamp[us]", None),
        (["2026-01-31T10:00:00.123456789", "2026-01-31T10:00"], "timestamp[ns]", None),
        (["2026-01-31T10:00Z"], "timestamp[us, tz=UTC]", [datetime(2026, 1, 31, 10, tzinfo=UTC)]),
        (
            ["2026-01-31T10:00+02:00"],
            "timestamp[us, tz=+02:00]",
            [datetime(2026, 1, 31, 10, tzinfo=timezone(timedelta(hours=2)))],
        ),
        (["", "NA"], "null", [None, None]),
    ],
)
def test_a_column_has_the_type_that_all_its_values_have(
    texts: list[str], kind: str, values: list[Any] | None, tmp_path: Path
) -> None:
    """Told from every value, whatever comes first."""
    rows = "".join(f"x,{each}\n" for each in texts)
    table = read_table(wrote(tmp_path / "a.csv", f"n,a\n{rows}"))
    assert str(table.schema.field("a").type) == kind
    if values is not None:
        assert [str(each) for each in table.column("a").to_pylist()] == [str(each) for each in values]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["00501", "10001"], "'00501' in row 1 is a number with leading zeros"),
        (["1", "9223372036854775808", "-1"], "integers|int64"),
        (["1", "99999999999999999999"], "row 2 is an integer beyond 64 bits"),
        (["9007199254740993", "0.5"], "integers that a float64 would change"),
        (["0.5", "0.12345678901234567890"], "more digits than a float64 keeps"),
        (["0.5", "1.0e400"], "more digits than a float64 keeps"),
        (["12", "3E5"], "'3E5' in row 2 is either a number or a code with an E in it"),
        (["1e3", "nan"], "a code with an E in it"),
        (["1", "x"], "'x' in row 2 is no number"),
        (["1", "2.5", "3", "x"], "'x' in row 4 is no number"),
        (["1", " 2"], "surrounded by spaces"),
        (["0x1F", "1"], "'0x1F' in row 1 is no number"),
        (["2026-01-31", "01/02/2026"], "'01/02/2026' in row 2 is perhaps a date"),
        (["2026-01-31", "2026-01-31T10:00"], "dates in several formats"),
        (["2026-01-31T10:00Z", "2026-01-31T10:00+01:00"], "several offsets from UTC"),
        (["2026-02-30"], "'2026-02-30' in row 1"),
        (["true", "1"], "'1' in row 2 is int64, the values before are bool"),
    ],
)
def test_a_column_that_a_type_would_change_stays_text(texts: list[str], reason: str, tmp_path: Path) -> None:
    """And the facts say which value kept it from being a number or a date."""
    rows = "".join(f"x,{each}\n" for each in texts)
    reading = open_data(wrote(tmp_path / "a.csv", f"n,a\n{rows}"))
    assert reading.table().column("a").to_pylist() == texts
    assert any(each in why(reading)["a"] for each in reason.split("|"))


def test_a_value_late_in_a_large_file_still_decides_the_type(tmp_path: Path) -> None:
    """The first block is not the file: here the last row of many blocks is a word."""
    reading = open_data(wrote(tmp_path / "a.csv", "a\n" + "1\n" * 5000 + "late\n"), ReadOptions(block_bytes=512))
    assert reading.schema.field("a").type == pa.string()
    assert why(reading)["a"] == "'late' in row 5001 is no number, date or truth value"


def test_what_is_quoted_is_text_and_what_is_not_may_be_missing(tmp_path: Path) -> None:
    """A quoted empty field is an empty text; in a column of numbers it is missing."""
    table = read_table(wrote(tmp_path / "a.csv", 'a,b\n"","1"\nNA,""\n"NA",2\nx,NA\n'))
    assert table.to_pydict() == {"a": ["", None, "NA", "x"], "b": [1, None, 2, None]}


@pytest.mark.parametrize(
    ("content", "delimiter", "encoding", "header"),
    [
        ("a;b\n1,5;2\n", ";", "utf-8", True),
        ("a\tb\n1\t2\n", "\t", "utf-8", True),
        ("a|b\n1|2\n", "|", "utf-8", True),
        ("a,b\r\n1,2\r\n", ",", "utf-8", True),
        ("\ufeffa,b\n1,2\n", ",", "utf-8", True),
        ("\n\na,b\n1,2", ",", "utf-8", True),
        ('"a\nx","b,"\n1,2\n', ",", "utf-8", True),
        ("a,b\n1,é\n", ",", "utf-16", True),
    ],
)
def test_how_a_file_is_written_is_detected_and_said(
    content: str, delimiter: str, encoding: str, header: bool, tmp_path: Path
) -> None:
    """Delimiter, byte-order mark, line ends, blank lines before the header, line ends inside it."""
    reading = open_data(wrote(tmp_path / "a.csv", content.encode(encoding)))
    facts = reading.facts[0]
    assert (facts.delimiter, facts.header) == (delimiter, header)
    assert (facts.encoding or "").startswith(encoding)
    assert reading.table().num_rows == 1
    assert reading.table().num_columns == 2


def test_what_is_said_beforehand_is_believed(tmp_path: Path) -> None:
    """Encoding, header, quotes, nulls and types; a type that is declared needs no first reading."""
    path = wrote(tmp_path / "a.csv", 'é;5" pipe;007;-\n'.encode("cp1252"))
    options = ReadOptions(
        delimiter=";", encoding="cp1252", header=False, quote="", nulls=("-",), types={"column_3": pa.int64()}
    )
    reading = open_data(path, options)
    assert reading.table().to_pylist() == [{"column_1": "é", "column_2": '5" pipe', "column_3": 7, "column_4": None}]
    assert why(reading)["column_3"] == "it is declared"
    assert any("no header" in each for each in reading.facts[0].notes)


@pytest.mark.parametrize(
    ("content", "options", "said", "context"),
    [
        ("a,b\n1,2\n\n3\n", {}, "a record of 1 fields; the first has 2", {"row": 2, "line": 4}),
        ("a,b\n1,2\n1,2,3\n", {}, "a record of 3 fields", {"row": 2, "line": 3}),
        ('a,b\n1,"x\ny"\n2,"p"q\n', {}, "goes on behind its closing quote", {"row": 2, "line": 4}),
        ('a,b\n2,5" pipe\n', {}, "a quote inside a field that is not quoted", {"row": 1, "line": 2}),
        ('a,b\n1,2\n2,"never\nclosed\n', {}, "never closed", {"row": 2, "line": 3}),
        ("a,b\n1,x\0\n", {}, "a NUL byte", {"row": 1, "line": 2}),
        (b"a,b\n1,x\n2,\xe9\n", {}, "the bytes e9 0a are no UTF-8", {"row": 2, "line": 3}),
        (b"a,b\n1,\x81\n", {"encoding": "cp1252"}, "mean nothing in cp1252", {"line": 2}),
        ("a,b\n1,é\n".encode("utf-16-le"), {}, "encoding: utf-16-le", {}),
        ("a,b,a\n1,2,3\n", {}, "a name that another has: 'a'", {"column": "a"}),
        ("a,b\n1,2\na,b\n", {}, "the header stands there again", {"row": 2, "line": 3}),
        ("1,2\n3,4\n", {}, "may be a header or data", {"line": 1}),
        ("a,b;c\n1,5;2\n", {}, "comma and semicolon fit", {}),
        ("a,b\n1,2\nx,3\n", {"types": {"a": pa.int64()}}, "'x' is no int64", {"row": 2, "line": 3, "column": "a"}),
        ("a\n1.255\n", {"types": {"a": pa.decimal128(10, 2)}}, "'1.255' is no decimal128(10, 2)", {"row": 1}),
        ("a\n0x1F\n", {"types": {"a": pa.int64()}}, "'0x1F' is no int64", {"value": "'0x1F'"}),
        ("a\n1\n", {"types": {"b": pa.int64()}}, "not there. There are: a", {"column": "b"}),
        ("a,b\n1," + "x" * 5000 + "\n", {"block_bytes": 512}, "longer than 512 bytes", {}),
        ("", {}, "it is empty", {}),
        ("\ufeff\n", {}, "empty but for", {}),
    ],
)
def test_a_csv_file_that_cannot_be_read_says_where_and_why(
    content: str | bytes, options: dict[str, Any], said: str, context: dict[str, object], tmp_path: Path
) -> None:
    """Row of the data, line of the file, column and value, as far as there are any."""
    path = wrote(tmp_path / "a.csv", content)
    error = refusal(path, ReadOptions(**options))
    assert said in str(error)
    assert context.items() <= error.context.items()
    assert error.context["file"] == str(path)


@pytest.mark.parametrize(
    ("content", "said", "context"),
    [
        ('{"a":1}\n{"a":"x"}\n', "integer (row 1) and one that is text: 'x'", {"row": 2, "column": "a"}),
        ('{"a":[1]}\n{"a":[{"b":1}]}\n', "integer (row 1) and one that is object", {"row": 2, "column": "a[]"}),
        ('{"a":true}\n{"a":1}\n', "truth (row 1) and one that is integer", {"row": 2}),
        ('{"a":1}\n{"a":1,"a":2}\n', "two values have this name", {"row": 2, "line": 2, "column": "a"}),
        ('{"a":1}\n\n{"a":\n', "no whole JSON object", {"row": 2, "line": 3}),
        ('{"a":1}\n[1]\n', "a record is an object", {"row": 2, "line": 2}),
        ('{"a":1}\n{"a":' + "9" * 5000 + "}\n", "a number too long to read", {"row": 2}),
        (b'{"a":1}\n{"a":"\xff"}\n', "are no UTF-8", {"row": 2, "line": 2}),
        ('{"a":"\\ud800"}\n', "", {}),
        ('{"a":' * 3000 + "1" + "}" * 3000, "nested too deeply", {"row": 1}),
        ('[{"a":1},\n{"a":2},\n{"a":}]', "it is no JSON", {"row": 3, "line": 3}),
        ('[{"a":1},\n2]', "a record is an object", {"row": 2, "line": 2}),
        ('[{"a":1} {"a":1}]', "']' was expected", {}),
        ('[{"a":1}] x', "more follows behind the list", {}),
        ('[{"a":1}', "the file ends there", {}),
        ("[]", "it holds no records", {}),
        ("[{}]", "its records have no fields", {}),
        ("a,b\n", "begins with neither", {}),
    ],
)
def test_json_that_cannot_be_read_says_where_and_why(
    content: str | bytes, said: str, context: dict[str, object], tmp_path: Path
) -> None:
    """Syntax, names that stand twice, and fields that mix what no type holds."""
    error = refusal(wrote(tmp_path / "a.json", content))
    assert said in str(error)
    assert context.items() <= error.context.items()


def test_json_keeps_every_digit_and_every_level(tmp_path: Path) -> None:
    """Integers beyond 64 bits and numbers beyond a float stay text; lists and objects keep their shape."""
    lines = [
        '{"big":99999999999999999999,"long":0.12345678901234567890,"mix":1,"nan":NaN,"at":"2026-01-31T10:00:00Z"}',
        '{"big":1,"long":1.50,"mix":2.5,"nan":-0.0,"deep":{"x":[1,null],"y":[]}}',
    ]
    reading = open_data(wrote(tmp_path / "a.jsonl", "\n".join(lines)))
    first, second = reading.table().to_pylist()
    assert (first["big"], second["big"]) == ("99999999999999999999", "1")
    assert (first["long"], second["long"]) == ("0.12345678901234567890", "1.50")
    assert (first["mix"], second["mix"]) == (1.0, 2.5)
    assert (str(first["nan"]), str(second["nan"])) == ("nan", "-0.0")
    assert first["at"] == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert second["deep"] == {"x": [1, None], "y": []}
    assert why(reading)["big"] == "integers beyond 64 bits"


def test_json_is_read_as_declared(tmp_path: Path) -> None:
    """Strings give numbers, dates and decimals; string gives numbers as they are written."""
    path = wrote(
        tmp_path / "a.jsonl", '{"t":1.50,"n":"7","m":12.340,"d":"2026-01-31"}\n{"t":"x","n":null,"m":"1","d":null}\n'
    )
    types = {"t": pa.string(), "n": pa.int64(), "m": pa.decimal128(10, 3), "d": pa.date32()}
    options = ReadOptions(types=types)
    assert read_table(path, options).to_pydict() == {
        "t": ["1.50", "x"],
        "n": [7, None],
        "m": [Decimal("12.340"), Decimal(1)],
        "d": [date(2026, 1, 31), None],
    }


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


def test_rows_of_json_files_are_counted_by_file(tmp_path: Path) -> None:
    """The complaint is about the second file's first row."""
    wrote(tmp_path / "1.jsonl", '{"a":1}\n{"a":2}\n')
    wrote(tmp_path / "2.jsonl", '{"a":"x"}\n')
    error = refusal(tmp_path)
    assert error.context["file"] == str(tmp_path / "2.jsonl")
    assert error.context["row"] == 1


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


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'\r\ra,b\r1,2\r3,x"y\r5,6\r', "row 2 (line 5)"),
        (b"a,b\r1,2\r3\r", "row 2 (line 3)"),
        (b"a,b\r1,2\r\xff,3\r", "row 2 (line 3)"),
        (b'a,b\r1,2\r3,"x\r', "row 2 (line 3)"),
        (b"a,b\r1,2\r3,\x00\r", "row 2 (line 3)"),
        (b'\r\n\r\na,b\r\n1,2\r\n3,x"\r\n', "row 2 (line 5)"),
    ],
)
def test_lines_may_end_with_a_carriage_return_alone(text: bytes, place: str, tmp_path: Path) -> None:
    """As old Macs wrote them: they are read, and counted in messages."""
    (tmp_path / "fine.csv").write_bytes(b"a,b\r1,2\r3,4\r")
    assert read_table(tmp_path / "fine.csv").to_pydict() == {"a": [1, 3], "b": [2, 4]}
    (tmp_path / "a.csv").write_bytes(text)
    assert place in refusal(tmp_path / "a.csv").message


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


SCRIPT = """
import resource, sys
from modelyard.data import ReadOptions, open_data
for path in sys.argv[1:]:
    rows = sum(len(batch) for batch in open_data(path, ReadOptions(block_bytes=1 << 20)).batches())
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def repeated(path: Path, head: str, body: str, times: int) -> Path:
    """A gzip file of one member after another: of any size, and quickly written."""
    path.write_bytes(gzip.compress(head.encode()) + gzip.compress(body.encode()) * times)
    return path


BODIES = {
    "csv": ("id,amount,name,at\n", "12345,0.125,somebody's name,2026-01-31T10:00:00Z\n" * 10_000),
    "jsonl": ("", '{"id": 12345, "amount": 0.125, "name": "somebody"}\n' * 10_000),
}


def grows(kind: str, small: int, large: int, folder: Path) -> int:
    """By how much the most memory of a process grows from reading a small file to reading a large one (MiB)."""
    head, body = BODIES[kind]
    paths = [repeated(folder / f"{times}.{kind}.gz", head, body, times) for times in (small, large)]
    ran = subprocess.run([sys.executable, "-c", SCRIPT, *paths], capture_output=True, text=True, check=True)
    rows, peaks = zip(*([int(each) for each in line.split()] for line in ran.stdout.splitlines()), strict=True)
    assert rows == (small * 10_000, large * 10_000)
    return int(peaks[1] - peaks[0])


@pytest.mark.long
@pytest.mark.parametrize(("kind", "small", "large"), [("csv", 20, 80), ("jsonl", 3, 7)])
def test_memory_does_not_grow_with_the_file(kind: str, small: int, large: int, tmp_path: Path) -> None:
    """Here 10 and 40 MB of CSV, 1.5 and 3.5 MB of JSONL, which would take several times that in memory."""
    assert grows(kind, small, large, tmp_path) < 25


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "large"), [("csv", 3000), ("jsonl", 600)])
def test_memory_does_not_grow_with_a_large_file(kind: str, large: int, tmp_path: Path) -> None:
    """1.5 GB of CSV; 0.3 GB of JSONL, which is read record by record."""
    assert grows(kind, 40, large, tmp_path) < 60
