"""Schema files: everything wrong at once with its line; what is written is read back; what is inferred holds."""

from datetime import date
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from modelyard.core import InvalidInput, Unavailable, Verdict
from modelyard.data import (
    ColumnChecks,
    DatasetSettings,
    Relation,
    SchemaSettings,
    UniqueTogether,
    from_pandera,
    infer_schema,
    promises_of,
    read_schema,
    to_pandera,
    validate_table,
    write_schema,
)
from modelyard.data.schema.round_numbers import widened
from modelyard.data.schema.types import check_type, fits, type_name


def test_everything_wrong_is_reported_at_once_with_line_and_nearest_name(tmp_path: Path) -> None:
    """Keys, types, ranges, patterns, relations, shares."""
    file = tmp_path / "schema.yaml"
    file.write_text(
        "min_row: 1\n"
        "relations:\n  - a >> b\n"
        "columns:\n"
        "  a: {type: int46}\n"
        "  b: {minimum: .inf, maximum: true}\n"
        "  c: {pattern: '('}\n"
        "  d: {tolerance: {minimun: 0.1}}\n"
        "  e: {severity: error, tolerance: 2}\n"
        "  f: {minimum: 2, maximum: 1}\n"
    )
    with pytest.raises(InvalidInput) as caught:
        read_schema(file)
    said = caught.value.message
    assert caught.value.code == "INVALID_SCHEMA"
    for line, words in [
        (1, "did you mean 'min_rows'"), (3, "'a >> b' is no relation"), (5, "did you mean 'int64'"),
        (6, "finite number"), (7, "not a regular expression"), (8, "did you mean 'minimum'"), (9, "warn or fail"),
        (9, "a share of rows"), (10, "minimum 2 is above maximum 1"),
    ]:  # fmt: skip
        assert any(f"schema.yaml:{line}:" in each and words in each for each in said.splitlines()), (line, words, said)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Names that need quotes, instants, durations, every section."""
    promised = SchemaSettings(
        min_rows=2, max_rows=9, extra_columns="warn",
        relations=(Relation(that="`a b` > 1"), Relation(that="x != y", tolerance=0.5, severity="warn")),
        unique_together=(UniqueTogether(columns=("a b", "NO")),),
        columns={
            "a b": ColumnChecks(type="int64", minimum=-(2**60), maximum=0.5, unique=True, tolerance={"unique": 0.1}),
            "NO": ColumnChecks(allowed=("no", "1", "ü: #"), pattern=r"\w+: '\"", severity={"pattern": "warn"}),
            "at": ColumnChecks(max_age="1h30m", minimum=date(2026, 1, 1), order="descending", required=False),
            "plain": ColumnChecks(),
        },
    )  # fmt: skip
    file = tmp_path / "schema.yaml"
    file.write_text(write_schema(promised, heading=["Two\nlines"], notes={"at": "seen"}))
    assert file.read_text().startswith("# Two\n# lines\nmin_rows: 2\n")
    assert read_schema(file) == promised


@pytest.mark.parametrize("written", ["a", "a = b", "a > b > c", "1 > a", "a > 'x'", "a > 1e999", "a and b", ""])
def test_a_relation_is_one_comparison(written: str) -> None:
    """Nothing else is evaluated."""
    with pytest.raises(ValidationError):
        Relation(that=written)


@pytest.mark.parametrize(
    ("declared", "kind", "fit"),
    [
        ("string", pa.dictionary(pa.int8(), pa.large_string()), True), ("text", pa.string_view(), True),
        ("integer", pa.uint8(), True), ("number", pa.decimal128(5, 2), True), ("int64", pa.int32(), False),
        ("timestamp[us, tz=UTC]", pa.timestamp("us", "UTC"), True), ("timestamp", pa.timestamp("s"), True),
        ("timestamp[us]", pa.timestamp("us", "UTC"), False), ("date", pa.date64(), True),
        ("list", pa.list_(pa.int8()), True),
        ("decimal128(5, 2)", pa.decimal128(5, 2), True), ("float16", pa.float16(), True),
    ],
)  # fmt: skip
def test_a_type_is_what_values_are_not_how_they_are_stored(declared: str, kind: pa.DataType, fit: bool) -> None:
    """Families take several."""
    assert check_type(declared) == declared
    assert fits(declared, kind) is fit


def test_a_dataset_adds_to_the_schema_file_it_names(tmp_path: Path) -> None:
    """Its own columns stand in place of the file's."""
    (tmp_path / "s.yaml").write_text("min_rows: 5\nmax_rows: 9\ncolumns: {a: {minimum: 1}, b: {unique: true}}\n")
    section = {"source": "x", "event_time": "t", "known_at": "k", "label": "y", "schema": "s.yaml"}
    settings_ = DatasetSettings.model_validate({**section, "checks": {"a": {"maximum": 3}}, "relations": ["a > b"]})
    promised = promises_of(settings_, tmp_path)
    assert (promised.min_rows, promised.max_rows) == (5, 9)
    assert promised.columns == {"a": ColumnChecks(maximum=3), "b": ColumnChecks(unique=True)}
    assert [each.that for each in promised.relations] == ["a > b"]


VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float64": (pa.float64(), st.floats()),
    "text": (pa.string(), st.text(max_size=4) | st.sampled_from(["a", "b"])),
    "levels": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b"])),
    "decimal": (pa.decimal128(9, 3), st.decimals(-999, 999, places=3)),
    "at": (pa.timestamp("ns"), st.integers(-(2**62), 2**62)),
    "parts": (pa.list_(pa.int8()), st.lists(st.integers(0, 3), max_size=2)),
    "flag": (pa.bool_(), st.booleans()),
}


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=6, deadline=None)
@given(st.data())
def test_the_rows_keep_what_was_inferred_from_them(name: str, data: st.DataObject) -> None:
    """Also after the schema was written and read."""
    kind, drawn = VALUES[name]
    times = data.draw(st.sampled_from([1, 12]))
    values = data.draw(st.lists(st.none() | drawn, min_size=1, max_size=30)) * times
    array = pa.array(values, pa.string()).dictionary_encode() if name == "levels" else pa.array(values, kind)
    table = pa.table({name: array})
    found = infer_schema(table.schema, table.to_batches(max_chunksize=7))
    assert validate_table(table, found.promised).judgement.verdict is Verdict.PASS
    assert found.promised.columns[name].type == type_name(array.type)


def test_what_is_inferred_is_what_a_person_would_write() -> None:
    """Ids, levels, amounts, times; nothing of what is missing."""
    table = pa.table(
        {
            "id": pa.array(range(1000, 1100)),
            "country": pa.array(["de", "fr"] * 50),
            "amount": pa.array([each + 0.5 for each in range(99)] + [None]),
            "at": pa.array([date(2026, 1, 1)] * 100),
            "none": pa.nulls(100),
            "endless": pa.array([inf, nan] * 50),
        }
    )
    found = infer_schema(table.schema, table.to_batches())
    assert found.promised.columns == {
        "id": ColumnChecks(type="int64", not_null=True, unique=True, minimum=990),
        "country": ColumnChecks(type="string", not_null=True, allowed=("de", "fr")),
        "amount": ColumnChecks(type="float64", minimum=0, maximum=109),
        "at": ColumnChecks(type="date32", not_null=True),
        "none": ColumnChecks(),
        "endless": ColumnChecks(type="float64"),
    }
    assert found.notes["amount"] == "1 of 100 missing; seen from 0.5 to 98.5"


@pytest.mark.parametrize(
    ("low", "high", "wide"),
    [("0", "100", ("0", "110")), ("-5", "-1", ("-5.4", "-0.6")), ("3", "3", ("0", "6")), ("0", "0", ("0", "1.0"))],
)
def test_ranges_are_widened_to_round_numbers(low: str, high: str, wide: tuple[str, str]) -> None:
    """By a tenth of the span, never across zero."""
    below, above = widened(Decimal(low), Decimal(high))
    assert below <= Decimal(low)
    assert above >= Decimal(high)
    if low != high:
        assert (below, above) == (Decimal(wide[0]), Decimal(wide[1]))


def test_two_columns_of_one_name_promise_nothing() -> None:
    """Nobody could say which was meant."""
    with pytest.raises(InvalidInput, match="same name: a"):
        infer_schema(pa.schema([("a", pa.int8()), ("a", pa.int8())]), [])


def compiled(text: str) -> Any:
    """The schema that pandera's source makes."""
    names: dict[str, Any] = {}
    exec(text, names)
    return names["schema"]


PANDERA = SchemaSettings(
    columns={
        "n": ColumnChecks(type="int64", not_null=True, minimum=-1, maximum=2, unique=True),
        "f": ColumnChecks(type="float64", minimum=-0.5, severity={"minimum": "fail"}),
        "t": ColumnChecks(type="string", pattern="[a-c]+", min_length=2, max_length=3),
        "l": ColumnChecks(type="string", not_null=True, allowed=("a", "b")),
        "b": ColumnChecks(type="bool", not_null=True, required=False),
    },
    extra_columns="fail",
)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "n": st.integers(-2, 3),
                "f": st.none() | st.sampled_from([-0.5, -0.6, nan, inf, 1.0]),
                "t": st.none() | st.sampled_from(["ab", "abc", "a", "abcd", "äb", "ab\n", "abd"]),
                "l": st.none() | st.sampled_from(["a", "a", "b", "b", "c"]),
                "b": st.booleans(),
            }
        ),
        min_size=1, max_size=3,
    )
)  # fmt: skip
@example([{"n": 0, "f": None, "t": "ab\n", "l": "a", "b": False}])
def test_the_same_rows_pass_ours_and_panderas(rows: list[dict[str, Any]]) -> None:
    """What we wrote for pandera, and what we read back from that, judge as we do; to pandera no values are fine."""
    pandera = pytest.importorskip("pandera.pandas")
    kinds = {"n": pa.int64(), "f": pa.float64(), "t": pa.string(), "l": pa.string(), "b": pa.bool_()}
    table = pa.Table.from_pylist(rows, pa.schema(kinds))
    made = to_pandera(PANDERA)
    assert made.losses == ()
    theirs = compiled(made.text)
    again = from_pandera(theirs)
    assert (again.promised, again.losses) == (PANDERA.model_copy(update={"columns": again.promised.columns}), ())
    try:
        theirs.validate(table.to_pandas(), lazy=True)
        passed = True
    except pandera.errors.SchemaErrors:
        passed = False
    for promised in (PANDERA, again.promised):
        assert (validate_table(table, promised).judgement.verdict is Verdict.FAIL) is not passed


def test_what_pandera_cannot_say_is_listed() -> None:
    """Never left out in silence."""
    promised = SchemaSettings(
        min_rows=3, relations=(Relation(that="a > b"),), unique_together=(UniqueTogether(columns=("a", "b")),),
        columns={
            "a": ColumnChecks(type="number", order="ascending", unique=True, tolerance=0.1, severity="warn"),
            "b": ColumnChecks(allowed=("x",), minimum=date(2026, 1, 1), max_age="1d"),
        },
    )  # fmt: skip
    losses = "\n".join(to_pandera(promised).losses)
    for word in ("min_rows 3", "relation a > b", "unique_together", "type number", "order", "unique: to pandera",
                 "tolerance", "severity warn of present", "allowed", "minimum: an instant", "max_age"):  # fmt: skip
        assert word in losses, word


@pytest.mark.filterwarnings("ignore")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("declared", ["timestamp[s]", "timestamp[us]", "timestamp[ns]", "timestamp[us, tz=UTC]"])
def test_an_instant_keeps_its_unit_on_the_way_through_pandera_or_it_is_said(declared: str) -> None:
    """pandera takes any unit of instants without a zone, and calls each of them nanoseconds."""
    pytest.importorskip("pandera.pandas")
    made = to_pandera(SchemaSettings(columns={"at": ColumnChecks(type=declared)}))
    again = from_pandera(compiled(made.text))
    if "tz=" in declared:
        assert (made.losses, again.losses) == ((), ())
        assert again.promised.columns["at"].type == declared
        return
    assert made.losses == (f"column 'at': the unit of {declared}: pandera takes any, and calls it ns",)
    assert again.losses == ("column 'at': that pandera takes any unit where we read timestamp[ns]",)


def test_what_we_cannot_say_of_panderas_is_listed() -> None:
    """Functions, coercion, the index, groups; strict comparisons become relations."""
    pandera = pytest.importorskip("pandera.pandas")

    class Orders(pandera.DataFrameModel):  # type: ignore[misc, name-defined]
        amount: float = pandera.Field(gt=0, coerce=True)
        name: str = pandera.Field(str_startswith="a", str_matches="b", unique=True, nullable=True)

        class Config:
            strict = "filter"

    read = from_pandera(Orders)
    assert [each.that for each in read.promised.relations] == ["amount > 0"]
    assert read.promised.columns["name"].pattern == "(?:b)(?s:.*)"
    losses = "\n".join(read.losses)
    for word in ("strict='filter'", "column 'amount': coerce", "str_startswith", "unique with missing values"):
        assert word in losses, word
    with pytest.raises(InvalidInput, match="int is no schema"):
        from_pandera(3)


def test_without_pandera_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(__import__("sys").modules, "pandera.pandas", None)
    with pytest.raises(Unavailable, match="pip install 'modelyard\\[pandera\\]'"):
        from_pandera(object())
