"""What is read back equals what was written, or an error says why: over random tables, dialects and damage."""

import csv
import gzip
import io
import json
import math
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.data import ReadOptions, UnreadableData, open_data, read_table
from modelyard.data.reading.options import NULLS

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SOAK = settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TRAPS = st.sampled_from(
    [
        *["", "NA", "007", "-0", "1e5", "1E5", "1e400", "nan", "inf", "9007199254740993", "0.1", "1.50", ".5", "5."],
        *["9223372036854775808", "18446744073709551616", "-9223372036854775809", "true", "False", "0x1F", "1_000"],
        *["2020-01-01", "2020-02-30", "0000-01-01", "2020-01-01T10:00:00Z", "2020-01-01 10:00", "2020-01-01T24:00:00"],
        *["2020-01-01T10:00:00+02:00", "2020-01-01T10:00:00.123456789", "01/02/2020", "0.12345678901234567890", '"'],
        *["a\nb", "-nan", "1,5", "1;5", "-Infinity", "12345678901234567.5", "5e-324", "1.2345e-320", "1e-400", "0e5"],
        *[
            "00",
            "-",
            "+1",
            " 1",
            "1.0e5",
            "2020-01-01T10:00:00.123456789Z",
            "9999-12-31",
            "2400-01-01T00:00:00.1234567",
        ],
    ]
)
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.integers(-5, 5)).map(str) | st.floats().map(repr)
CELLS = st.one_of(TEXTS, TRAPS, NUMBERS)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)


@st.composite
def columns_of_cells(draw: st.DrawFn) -> dict[str, list[str | None]]:
    """A table of texts; each column draws from one kind of cells or from all of them. None is missing."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(0, 6))
    kinds: st.SearchStrategy[st.SearchStrategy[str]] = st.sampled_from(
        [CELLS, TEXTS, TRAPS, NUMBERS, st.integers(-99, 99).map(str), st.floats().map(repr)]
    )
    return {name: draw(st.lists(st.none() | draw(kinds), min_size=rows, max_size=rows)) for name in names}


def as_csv(table: dict[str, list[str | None]], delimiter: str, ending: str, *, all_quoted: bool) -> str:
    """RFC 4180; what is missing is an empty field, and a text that could be taken for missing is quoted."""

    def cell(text: str | None) -> str:
        if text is None:
            return ""
        needs = all_quoted or text in NULLS or any(each in text for each in f'"\r\n{delimiter}')
        return '"' + text.replace('"', '""') + '"' if needs else text

    columns = [[name, *texts] for name, texts in table.items()]
    records = [[column[at] for column in columns] for at in range(len(columns[0]))]
    return "".join(delimiter.join(cell(each) for each in record) + ending for record in records)


def is_same(value: Any, text: str | None, kind: pa.DataType) -> bool:  # noqa: PLR0911 - a line a type
    """Whether a value says what its text said, no digit less."""
    if text is None or value is None:
        return value is None and (text is None or (text in NULLS and not pa.types.is_string(kind)))
    if pa.types.is_string(kind):
        return bool(value == text)
    if pa.types.is_boolean(kind):
        return str(value).lower() == text.lower()
    if pa.types.is_integer(kind):
        return str(value) == text
    if pa.types.is_floating(kind):
        again = float(text)
        return (math.isnan(value) and math.isnan(again)) or (
            value == again and math.copysign(1, value) == math.copysign(1, again)
        )
    if pa.types.is_date(kind):
        return bool(value == date.fromisoformat(text))
    return bool(value == datetime.fromisoformat(text))


def check_csv(table: dict[str, list[str | None]], delimiter: str, ending: str, encoding: str, all_quoted: bool) -> None:
    """Write, read, compare."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(as_csv(table, delimiter, ending, all_quoted=all_quoted).encode(encoding))
        told = delimiter if len(table) == 1 else None  # one column has no delimiter to detect
        try:
            found = open_data(path, ReadOptions(delimiter=told, block_bytes=256, batch_rows=2)).table()
        except UnreadableData as error:
            check_refusal(error, path)
            return
    assert found.column_names == list(table)
    for name, written in table.items():
        column, texts = found.column(name), written
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
            texts = [None if each is None else cut_to_micros(each) for each in texts]
        values = column.to_pylist()
        assert len(values) == len(texts)
        wrong = [(v, t) for v, t in zip(values, texts, strict=True) if not is_same(v, t, column.type)]
        assert not wrong, (name, column.type, wrong)


def cut_to_micros(text: str) -> str:
    """An instant as Python can say it."""
    head, dot, tail = text.partition(".")
    digits = tail[:6] if dot else ""
    rest = tail.lstrip("0123456789")
    return f"{head}{dot}{digits}{rest}"


def check_refusal(error: UnreadableData, path: Path) -> None:
    """It names the file, and is short."""
    assert error.message.startswith(f"Cannot read {path}")
    assert len(str(error)) < 1500


CSV_CASES = st.tuples(
    columns_of_cells(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.booleans(),
)
CsvCase = tuple[dict[str, list[str | None]], str, str, str, bool]


@QUICK
@given(CSV_CASES)
def test_csv_is_read_back_as_it_was_written(case: CsvCase) -> None:
    """Every value says what its text said, or the file is refused with its name."""
    check_csv(*case)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@SOAK
@given(CSV_CASES)
def test_csv_is_read_back_as_it_was_written_ten_thousand_times(case: CsvCase) -> None:
    """The same, longer."""
    check_csv(*case)


INTEGERS = st.integers(-(2**70), 2**70) | st.integers(-5, 5)
LEAVES = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(), st.text(max_size=8), TRAPS)
VALUES = st.recursive(LEAVES, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(NAMES, inside, max_size=3))


@st.composite
def records_of_fields(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records whose fields mostly keep to one kind."""
    kinds = [INTEGERS, st.floats(), st.text(max_size=8), st.booleans(), VALUES, st.lists(INTEGERS, max_size=3), TRAPS]
    kinds.append(st.one_of(st.integers(-9, 9), st.floats()))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    fields = {name: st.none() | draw(st.sampled_from(kinds)) for name in names}
    return draw(st.lists(st.fixed_dictionaries({}, optional=fields), min_size=1, max_size=6))


def agrees(value: Any, written: Any, kind: pa.DataType) -> bool:  # noqa: PLR0911 - a line a type
    """Whether what was read says what was written; a missing field is null, integers may have become texts."""
    if written is None:
        return value is None
    if isinstance(written, dict):
        names = [each.name for each in kind]
        return set(written) <= set(names) and all(
            agrees(value[each.name], written.get(each.name), each.type) for each in kind
        )
    if isinstance(written, list):
        return len(value) == len(written) and all(
            agrees(one, other, kind.value_type) for one, other in zip(value, written, strict=True)
        )
    if pa.types.is_temporal(kind):
        return is_same(value, written, kind)
    if isinstance(written, bool) or isinstance(value, bool):
        return value is written
    if isinstance(written, float) and math.isnan(written):
        return bool(value != value)  # noqa: PLR0124
    if isinstance(written, (int, float)) and isinstance(value, str):
        return value == json.dumps(written)
    return (
        bool(value == written and math.copysign(1, value) == math.copysign(1, written))
        if isinstance(written, float)
        else bool(value == written)
    )


def check_json(records: list[dict[str, Any]], lines: bool, ascii_only: bool) -> None:
    """Write, read, compare."""
    texts = [json.dumps(each, ensure_ascii=ascii_only) for each in records]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("table.jsonl" if lines else "table.json")
        path.write_text(
            "\n".join(texts) if lines else f"[{', '.join(texts)}]", encoding="utf-8", errors="surrogatepass"
        )
        try:
            found = open_data(path, ReadOptions(batch_rows=2)).table()
        except UnreadableData as error:
            check_refusal(error, path)
            return
    assert found.num_rows == len(records)
    for field in found.schema:
        column = found.column(field.name)
        written = [each.get(field.name) for each in records]
        kind = column.type
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            column = column.cast(pa.timestamp("us", kind.tz), safe=False)
            written = [None if each is None else cut_to_micros(each) for each in written]
        wrong = [(v, w) for v, w in zip(column.to_pylist(), written, strict=True) if not agrees(v, w, column.type)]
        assert not wrong, (field, wrong)


@QUICK
@given(st.tuples(records_of_fields(), st.booleans(), st.booleans()))
def test_json_is_read_back_as_it_was_written(case: tuple[list[dict[str, Any]], bool, bool]) -> None:
    """Numbers keep their digits, strings their characters; what a field mixes is refused."""
    check_json(*case)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@SOAK
@given(st.tuples(records_of_fields(), st.booleans(), st.booleans()))
def test_json_is_read_back_as_it_was_written_ten_thousand_times(case: tuple[list[dict[str, Any]], bool, bool]) -> None:
    """The same, longer."""
    check_json(*case)


def samples() -> dict[str, bytes]:
    """One small file of every format."""
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "when": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
            "name": pa.array(["a", "é", None]),
            "level": pa.array(["x", "y", "x"]).dictionary_encode(),
            "list": pa.array([[1.5], [], None]),
        }
    )
    parquet, arrow, stream, text = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.StringIO()
    pq.write_table(table, parquet)
    with pa.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    csv.writer(text).writerows([["id", "name"], [1, "a"], [2, "é,"], [3, '"']])
    lines = b'{"id": 1, "name": "a"}\n{"id": 2, "name": [1, {"x": null}]}\n'
    plain = text.getvalue().encode()
    return {
        "rows.parquet": parquet.getvalue(),
        "rows.arrow": arrow.getvalue(),
        "rows.arrows": stream.getvalue(),
        "rows.csv": plain,
        "rows.json": b'[{"id": 1, "name": "a"},\n {"id": 2.5, "name": "\\u00e9"}]',
        "rows.jsonl": lines,
        "rows.csv.gz": gzip.compress(plain),
        "rows.csv.zst": pa.compress(plain, codec="zstd", asbytes=True),
        "rows.utf16.csv": text.getvalue().encode("utf-16"),
    }


SAMPLES = samples()


def check_bytes(name: str, data: bytes) -> None:
    """A table or UnreadableData, and nothing else; what is read can be looked at."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            table = read_table(path)
        except UnreadableData as error:
            check_refusal(error, path)
        else:
            table.validate(full=True)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file with bytes changed, cut, put in or doubled; or its name on random bytes."""
    name = draw(st.sampled_from(sorted(SAMPLES)))
    data = bytearray(SAMPLES[name])
    if draw(st.integers(0, 9)) == 0:
        return name, draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["change", "cut", "insert", "double"]))
        if how == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=6) | st.sampled_from([b'"', b"\n", b",", b"{", b"\0", b"1e999"]))
        else:
            data[at:at] = data[max(0, at - 20) : at]
    return name, bytes(data)


@settings(QUICK, max_examples=150)
@given(damaged())
def test_damaged_files_give_a_table_or_a_reason(case: tuple[str, bytes]) -> None:
    """Whatever the bytes: no traceback of a lower library."""
    check_bytes(*case)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@SOAK
@given(damaged())
def test_damaged_files_give_a_table_or_a_reason_ten_thousand_times(case: tuple[str, bytes]) -> None:
    """The same, longer."""
    check_bytes(*case)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_file_cut_anywhere_gives_a_table_or_a_reason(name: str) -> None:
    """Of binary and compressed files only the whole one is read."""
    whole = SAMPLES[name]
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        check_bytes(name, whole[:end])
        if name.endswith((".parquet", ".arrow", ".arrows", ".gz", ".zst")):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / name).write_bytes(whole[:end])
                with pytest.raises(UnreadableData):
                    read_table(Path(folder) / name)
