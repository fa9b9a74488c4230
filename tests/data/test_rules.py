"""Every check counts the rows that a naive loop over Python values counts, whatever is in the column."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, ManualClock, Verdict
from modelyard.data import CheckResult, ColumnChecks, Relation, SchemaSettings, UniqueTogether, check_batches
from modelyard.data import validate_table as validate
from modelyard.data.checks.keys import Keys
from modelyard.data.checks.seen import Seen

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
UTC_MICROS = pa.timestamp("us", tz="UTC")
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
FLOATS = st.floats(width=64) | st.sampled_from([0.0, -0.0, nan, inf, -inf, 0.1, 2.0**53])
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.sampled_from([2**53 + 1, -(2**53) - 1])
TEXTS = st.text(max_size=6) | st.sampled_from(["de", "Köln", "a\n", "日本", "e\u0301", ""])
NUMBERS = st.decimals(-99, 99, places=2, allow_nan=False, allow_infinity=False)

COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int64": (pa.int64(), WHOLE),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "float64": (pa.float64(), FLOATS),
    "float32": (pa.float32(), st.floats(width=32)),
    "decimal": (pa.decimal128(10, 2), NUMBERS),
    "text": (pa.string(), TEXTS),
    "levels": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["de", "fr", "Köln"])),
    "view": (pa.string_view(), TEXTS),
    "instant": (UTC_MICROS, INSTANTS),
    "date": (pa.date32(), st.dates(date(1900, 1, 1), date(2200, 1, 1))),
    "flag": (pa.bool_(), st.booleans()),
    "parts": (pa.list_(pa.int64()), st.lists(st.integers(0, 3), max_size=3)),
}
ORDERED = ("int64", "uint64", "int8", "float64", "float32", "decimal", "instant", "date")
Cells = list[Any]


def cells(name: str) -> st.SearchStrategy[Cells]:
    """The values of a column, some missing."""
    return st.lists(st.none() | COLUMNS[name][1], max_size=12)


def there(values: Cells) -> Cells:
    """Those that are no null and no NaN."""
    return [each for each in values if each is not None and each == each]  # noqa: PLR0124


def batches(values: Cells, kind: pa.DataType) -> list[pa.RecordBatch]:
    """The column in batches of up to five rows, so that each check has to remember."""
    parts = [values[at : at + 5] for at in range(0, len(values), 5)]
    if pa.types.is_dictionary(kind):
        arrays = [pa.array(part, pa.string()).dictionary_encode().cast(kind) for part in parts]
    else:
        arrays = [pa.array(part, kind) for part in parts]
    return [pa.record_batch({"x": array}) for array in arrays]


def result(name: str, values: Cells, check: str, **promises: Any) -> CheckResult:
    """What a check of one column found."""
    kind = COLUMNS[name][0]
    promised = SchemaSettings(columns={"x": ColumnChecks(**promises)})
    found = check_batches(pa.schema({"x": kind}), batches(values, kind), promised)
    assert found.rows == len(values)
    (one,) = (each for each in found.checks if each.check == check)
    return one


def agrees(found: CheckResult, values: Cells, breaks: Callable[[Any], bool]) -> None:
    """The count is the naive one, and the rows shown are the first that break it."""
    wrong = [at for at, each in enumerate(values, 1) if there([each]) and breaks(each)]
    assert found.broken == len(wrong)
    assert [each.row for each in found.sample] == wrong[:5]
    assert found.outcome == ("fail" if wrong else "pass" if there(values) else "inconclusive")


@pytest.mark.parametrize("name", COLUMNS)
@settings(max_examples=6, deadline=None)
@given(st.data())
def test_missing_values_are_nulls_and_nan(name: str, data: st.DataObject) -> None:
    """Of every type, encoded however it is."""
    values = data.draw(cells(name))
    found = result(name, values, "not_null", not_null=True)
    assert found.broken == len(values) - len(there(values))
    assert all(value is None or value != value for row in found.sample for value in row.values.values())  # noqa: PLR0124


def exact(value: Any) -> Any:
    """A number as a fraction, so that Python rounds nothing; infinities stay."""
    if isinstance(value, float) and value in (inf, -inf):
        return value
    return Fraction(value) if isinstance(value, int | float | Decimal) else value


def bound_for(name: str) -> st.SearchStrategy[Any]:
    """A bound that the column can be compared with."""
    if name == "instant":
        return INSTANTS
    if name == "date":
        return st.dates(date(1900, 1, 1), date(2200, 1, 1))
    return WHOLE | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("name", ORDERED)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_ranges_are_exact(name: str, data: st.DataObject) -> None:
    """Also where a double would round a bound, or a type cannot hold it."""
    values, bound = data.draw(cells(name)), data.draw(bound_for(name))
    if name == "float32":
        values = [None if each is None else float(np.float32(each)) for each in values]
    agrees(result(name, values, "minimum", minimum=bound), values, lambda each: exact(each) < exact(bound))
    agrees(result(name, values, "maximum", maximum=bound), values, lambda each: exact(each) > exact(bound))


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("int64", (0, 1, -1)), ("float64", (0.0, 0.1, 3.0)), ("text", ("de", "Köln", "")), ("levels", ("de",)),
        ("flag", (True,)), ("decimal", ("1.10", "0")), ("view", ("de",)), ("date", (date(2000, 1, 1),)),
        ("instant", ("2000-01-01T00:00:00Z",)), ("text", ()),
    ],
)  # fmt: skip
@settings(max_examples=6, deadline=None)
@given(st.data())
def test_levels_are_values(name: str, levels: Sequence[Any], data: st.DataObject) -> None:
    """-0.0 is 0.0, and 1.1 is 1.10."""
    kind, drawn = COLUMNS[name]
    real: list[Any] = [*levels]
    if name == "decimal":
        real = [Decimal(each) for each in levels]
    if name == "instant":
        real = [datetime.fromisoformat(each) for each in levels]
    values = data.draw(st.lists(st.none() | drawn | (st.sampled_from(real) if real else st.none()), max_size=12))
    assert pa.array(real, None if real else kind) is not None
    agrees(result(name, values, "allowed", allowed=tuple(levels)), values, lambda each: each not in real)


@pytest.mark.parametrize("name", ["text", "view", "levels"])
@pytest.mark.parametrize("pattern", ["[a-z]+", "de|K.*", "", ".", "a\n?", "[^a]*"])
@settings(max_examples=6, deadline=None)
@given(st.data())
def test_a_pattern_matches_all_of_a_text(name: str, pattern: str, data: st.DataObject) -> None:
    """As Python's `fullmatch` does."""
    values = data.draw(cells(name))
    agrees(result(name, values, "pattern", pattern=pattern), values, lambda each: re.fullmatch(pattern, each) is None)


@pytest.mark.parametrize("name", ["text", "view", "levels", "parts"])
@settings(max_examples=6, deadline=None)
@given(st.data(), st.integers(0, 4))
def test_lengths_are_characters_or_elements(name: str, data: st.DataObject, length: int) -> None:
    """Characters, not bytes."""
    values = data.draw(cells(name))
    agrees(result(name, values, "min_length", min_length=length), values, lambda each: len(each) < length)
    agrees(result(name, values, "max_length", max_length=length), values, lambda each: len(each) > length)


@pytest.mark.parametrize("name", [each for each in COLUMNS if each != "parts"])
@settings(max_examples=4, deadline=None)
@given(st.data())
def test_a_repetition_is_a_value_that_was_there(name: str, data: st.DataObject) -> None:
    """However many batches lie between; 0.0 and -0.0 are one value, missing ones are none."""
    few = data.draw(st.lists(COLUMNS[name][1], min_size=1, max_size=3))
    values = data.draw(st.lists(st.none() | st.sampled_from(few) | COLUMNS[name][1], max_size=14))
    found = result(name, values, "unique", unique=True)
    assert found.broken == len(there(values)) - len(set(there(values)))
    repeats = {at for at, each in enumerate(values, 1) if there([each]) and each in there(values[: at - 1])}
    assert {each.row for each in found.sample} <= repeats
    assert bool(found.sample) is bool(repeats)


@pytest.mark.parametrize("name", [each for each in COLUMNS if each != "parts"])
@pytest.mark.parametrize("order", ["ascending", "descending"])
@settings(max_examples=4, deadline=None)
@given(st.data())
def test_order_is_judged_by_the_value_before(name: str, order: str, data: st.DataObject) -> None:
    """The last that was there, in this batch or an earlier one."""
    values, before, wrong = data.draw(cells(name)), None, []
    for at, each in enumerate(values, 1):
        if not there([each]):
            continue
        if before is not None and (each < before if order == "ascending" else each > before):
            wrong.append(at)
        before = each
    found = result(name, values, "order", order=order)
    assert (found.broken, [each.row for each in found.sample]) == (len(wrong), wrong[:5])


RELATED = [("int64", "float64"), ("int64", "uint64"), ("int8", "int64"), ("float64", "decimal"), ("text", "view"),
           ("instant", "date"), ("int64", "int64"), ("instant", "instant"), ("levels", "text")]  # fmt: skip
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


@pytest.mark.parametrize(("left", "right"), RELATED)
@settings(max_examples=15, deadline=None)
@given(st.data(), st.sampled_from(list(COMPARE)))
def test_relations_compare_values_not_types(left: str, right: str, data: st.DataObject, operator: str) -> None:
    """2**53 + 1 is above the double 2**53; a date is its midnight in UTC."""
    rows = data.draw(st.lists(st.tuples(st.none() | COLUMNS[left][1], st.none() | COLUMNS[right][1]), max_size=8))
    table = pa.table(
        {
            "a b": pa.array([row[0] for row in rows], COLUMNS[left][0]),
            "c": pa.array([row[1] for row in rows], COLUMNS[right][0]),
        }
    )
    promised = SchemaSettings(relations=(Relation(that=f"`a b` {operator} c"),))
    (found,) = validate(table, promised).checks
    wrong = [at for at, (a, b) in enumerate(rows, 1)
             if there([a]) and there([b]) and not COMPARE[operator](instant(exact(a)), instant(exact(b)))]  # fmt: skip
    assert (found.broken, [each.row for each in found.sample]) == (len(wrong), wrong[:5])


def instant(value: Any) -> Any:
    """A date as its midnight."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


@settings(max_examples=15, deadline=None)
@given(cells("int64"), st.integers(-(10**25), 10**25) | st.floats(-1e30, 1e30), st.sampled_from(list(COMPARE)))
def test_a_column_is_compared_with_a_number(values: Cells, number: float, operator: str) -> None:
    """Exactly."""
    promised = SchemaSettings(relations=(Relation(that=f"x {operator} {number!r}"),))
    (found,) = validate(pa.table({"x": pa.array(values, pa.int64())}), promised).checks
    assert found.broken == sum(not COMPARE[operator](exact(each), exact(number)) for each in there(values))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1.0, -0.0, 0.0, nan, None]), st.sampled_from(["a", "b", None])), max_size=12)
)
def test_columns_are_unique_together(rows: list[tuple[float | None, str | None]]) -> None:
    """A row with a missing part is no key."""
    table = pa.table(
        {"a": pa.array([a for a, _ in rows], pa.float64()), "b": pa.array([b for _, b in rows], pa.string())}
    )
    (found,) = validate(table, SchemaSettings(unique_together=(UniqueTogether(columns=("a", "b")),))).checks
    keys = [row for row in rows if len(there(list(row))) == 2]
    assert found.broken == len(keys) - len(set(keys))


def test_keys_beyond_the_budget_are_counted_all_the_same(tmp_path: Path) -> None:
    """They go to a file, in many parts; values are shown as they were."""
    keys = Keys(2, tmp_path / "keys", budget=1000)
    for at in range(20):
        numbers = pa.array([(at * 500 + each) % 9_000 for each in range(500)])
        texts = pa.array([f"ü{(at * 500 + each) % 9_000}" for each in range(500)])
        keys.gather(at * 500, [Seen(numbers), Seen(texts)])
    assert (tmp_path / "keys").exists()
    count, repeats = keys.repeated(2)
    assert count == 1_000
    assert [(row, [each.as_py() for each in key]) for row, key in repeats] == [(9000, [0, "ü0"]), (9001, [1, "ü1"])]


@pytest.mark.parametrize(
    ("newest", "outcome"),
    [(NOON - timedelta(days=2), "pass"), (NOON - timedelta(days=2, microseconds=1), "fail"), (None, "inconclusive")],
)
def test_the_newest_value_is_no_older_than_promised(newest: datetime | None, outcome: str) -> None:
    """By the clock that was given; without any value nobody knows."""
    table = pa.table({"at": pa.array([NOON - timedelta(days=9), None, newest], UTC_MICROS)})
    table = table if newest else table.slice(1)
    promised = SchemaSettings(columns={"at": ColumnChecks(max_age=timedelta(days=2))})
    found = validate(table, promised, clock=ManualClock(NOON))
    assert found.checks[-1].outcome == outcome
    assert found.judgement.verdict.value == outcome


EMPTY = ColumnChecks(minimum=0, unique=True, order="ascending", severity={"order": "warn"})


@pytest.mark.parametrize("kind", [pa.float64(), pa.int64(), pa.null(), pa.dictionary(pa.int8(), pa.int64())])
def test_promises_about_values_are_not_kept_by_having_none(kind: pa.DataType) -> None:
    """Neither kept nor broken; what was to be told only is told, and a missing value still breaks `not_null`."""
    table = pa.table({"x": pa.nulls(2, kind)})
    found = validate(table, SchemaSettings(columns={"x": EMPTY}))
    assert {each.check: each.outcome for each in found.checks} == {
        "present": "pass",
        "minimum": "inconclusive",
        "order": "warn",
        "unique": "inconclusive",
    }
    assert "Column 'x' has no value: nothing tells whether this holds: at least 0." in found.judgement.reasons
    assert found.judgement.verdict is Verdict.INCONCLUSIVE
    broken = validate(table, SchemaSettings(columns={"x": EMPTY.model_copy(update={"not_null": True})}))
    assert broken.judgement.verdict is Verdict.FAIL


def test_columns_together_need_a_row_that_has_all_of_them() -> None:
    """Values in different rows are not compared; in another batch there may be such a row."""
    table = pa.table({"a": [1, None], "b": [None, 2]})
    promised = SchemaSettings(
        columns={"a": ColumnChecks()},
        relations=(Relation(that="a < b"),),
        unique_together=(UniqueTogether(columns=("a", "b")),),
    )
    assert [each.outcome for each in validate(table, promised).checks] == ["pass", "inconclusive", "inconclusive"]
    more = pa.concat_tables([table, pa.table({"a": [1], "b": [2]})])
    assert [each.outcome for each in validate(more, promised).checks] == ["pass"] * 3


def test_of_a_table_without_rows_nothing_is_a_pass_and_it_is_said_once() -> None:
    """Not once for each promise."""
    table = pa.table({"x": pa.array([], pa.float64())})
    found = validate(table, SchemaSettings(columns={"x": ColumnChecks(not_null=True, minimum=0)}))
    assert [each.outcome for each in found.checks][1:] == ["inconclusive", "inconclusive"]
    assert found.judgement.reasons == ("There are no rows to judge.",)


def test_warnings_are_told_and_pass() -> None:
    """Each check has its severity, and its tolerance."""
    table = pa.table({"x": [1, 2, None, -1]})
    warned = ColumnChecks(not_null=True, minimum=0, severity={"minimum": "warn"}, tolerance={"not_null": 0.25})
    found = validate(table, SchemaSettings(columns={"x": warned}))
    assert {each.check: each.outcome for each in found.checks} == {
        "present": "pass",
        "not_null": "pass",
        "minimum": "warn",
    }
    assert found.judgement.verdict is Verdict.PASS
    assert found.judgement.evidence["warnings"] == ("Column 'x': 1 of 4 rows (25.00%) are below 0.",)


def test_types_columns_and_rows_are_judged_without_looking_at_values() -> None:
    """Optional columns may be absent; extra ones are named."""
    table = pa.table({"x": [1], "late": [True]})
    promised = SchemaSettings(
        columns={"x": ColumnChecks(type="string"), "y": ColumnChecks(required=False, unique=True)},
        extra_columns="fail", max_rows=0, relations=(Relation(that="x > z"), Relation(that="late > 1")),
    )  # fmt: skip
    assert [each.message for each in validate(table, promised).checks if each.outcome == "fail"] == [
        "The table has 1 rows; at most 0 were promised.",
        "1 columns are not in the schema: late.",
        "Column 'x' is of type int64, not string.",
        "x > z: Column 'z' is not there. There are: late, x.",
        "Column 'late' of type bool cannot be compared so: late > 1.",
    ]


@pytest.mark.parametrize(
    ("kind", "promise", "said"),
    [
        (pa.int64(), {"pattern": "a"}, "is of type int64, which cannot have a pattern."),
        (pa.int64(), {"max_length": 3}, "is of type int64, which cannot have a length."),
        (pa.int64(), {"minimum": "2026-01-01"}, "cannot have a minimum of 2026-01-01T00:00:00."),
        (pa.int8(), {"allowed": ("x",)}, "cannot have the level 'x'."),
        (pa.list_(pa.int8()), {"order": "ascending"}, "cannot have an order."),
        (pa.string(), {"max_age": "1d"}, "cannot have an age."),
        (pa.bool_(), {"maximum": 1}, "cannot have a maximum of 1."),
    ],
)
def test_what_a_type_cannot_keep_is_broken(kind: pa.DataType, promise: dict[str, Any], said: str) -> None:
    """Whatever the rows are."""
    found = validate(pa.table({"x": pa.array([None], kind)}), SchemaSettings(columns={"x": ColumnChecks(**promise)}))
    assert said in found.checks[-1].message
    assert found.judgement.verdict is Verdict.FAIL


def test_an_error_of_a_stream_comes_through() -> None:
    """A batch that cannot be read is no pass of the batches before it."""

    def stream() -> Any:
        yield pa.record_batch({"x": [1]})
        raise InvalidInput("Row 2 is cut short.")

    with pytest.raises(InvalidInput, match="cut short"):
        check_batches(pa.schema({"x": pa.int64()}), stream(), SchemaSettings(columns={"x": ColumnChecks(unique=True)}))
