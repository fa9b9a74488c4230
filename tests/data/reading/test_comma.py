"""Text with separators: each column's type from all its values, how the file is written, and where it is wrong."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from modelyard.data import ReadOptions, open_data, read_table

from .files import refusal, why, wrote


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
