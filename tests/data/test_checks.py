"""What was promised of a table is judged column by column; nothing that cannot be told is a pass."""

from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from modelyard.core import Verdict
from modelyard.data import ColumnChecks, check_table

TABLE = pa.table(
    {
        "id": [1, 2, 2, None, None],
        "temp": [20.5, nan, -3.0, 99.0, None],
        "stadt": ["Köln", "köln", None, "München", "Köln"],
        "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 5),
        "parts": [[1], [1], [2], None, []],
    }
)


def reasons(**promises: Any) -> tuple[str, ...]:
    """Why the table breaks promises of one column."""
    name = promises.pop("column")
    judgement = check_table(TABLE, {name: ColumnChecks(**promises)})
    assert judgement.verdict is (Verdict.FAIL if judgement.reasons else Verdict.PASS)
    return judgement.reasons


def test_a_broken_promise_says_column_count_and_share() -> None:
    """Every promise of every column is told, not only the first."""
    checks = {"temp": ColumnChecks(minimum=0, maximum=50), "stadt": ColumnChecks(allowed=("Köln", "München"))}
    judgement = check_table(TABLE, checks)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons == (
        "Column 'temp': 1 of 5 rows (20.00%) are below 0.",
        "Column 'temp': 1 of 5 rows (20.00%) are above 50.",
        "Column 'stadt': 1 of 5 rows (20.00%) are none of the allowed levels.",
    )
    assert judgement.evidence == {"rows": 5}


def test_nan_is_missing_like_null() -> None:
    """It has no place in a column that is never to be without a value, and is neither small nor large."""
    assert reasons(column="temp", not_null=True) == ("Column 'temp': 2 of 5 rows (40.00%) are missing.",)
    assert reasons(column="temp", minimum=-5, maximum=100) == ()


def test_missing_values_repeat_nothing() -> None:
    """Only a value can be there twice."""
    assert reasons(column="id", unique=True) == ("Column 'id': 1 of 5 rows (20.00%) are repeated.",)


def test_a_share_up_to_the_tolerance_may_break_a_promise() -> None:
    """Exactly the tolerance still passes."""
    assert reasons(column="id", unique=True, tolerance=0.2) == ()
    assert reasons(column="id", unique=True, tolerance=0.19) != ()


@pytest.mark.parametrize(
    ("column", "promise"),
    [("stadt", {"minimum": 1}), ("at", {"maximum": 1}), ("parts", {"unique": True}), ("parts", {"allowed": ("1",)})],
)
def test_a_promise_that_a_type_cannot_keep_fails(column: str, promise: dict[str, Any]) -> None:
    """A minimum of text is no pass and no crash; the type is named."""
    (reason,) = reasons(column=column, **promise)
    assert f"Column '{column}' is of type {TABLE.schema.field(column).type}" in reason


def test_levels_of_numbers_are_compared_as_they_are_written() -> None:
    """`allowed` holds text; the number 1 is the level '1'."""
    table = pa.table({"gate": pa.array([1, 2], pa.int8()), "kind": pa.array(["a", "b"]).dictionary_encode()})
    checks = {"gate": ColumnChecks(allowed=("1", "2")), "kind": ColumnChecks(allowed=("a", "b"))}
    assert check_table(table, checks).verdict is Verdict.PASS


def test_a_column_that_is_absent_or_there_twice_fails() -> None:
    """With the nearest name; of two columns of one name nobody knows which was meant."""
    absent = check_table(TABLE, {"tmep": ColumnChecks()})
    assert absent.verdict is Verdict.FAIL
    assert "Did you mean 'temp'?" in absent.reasons[0]
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    assert check_table(twice, {"a": ColumnChecks()}).reasons[0].startswith("Column 'a' is there 2 times.")


def test_too_few_rows_fail_and_no_rows_are_never_a_pass() -> None:
    """Even where no row was promised."""
    empty = TABLE.slice(0, 0)
    assert check_table(TABLE, {}, min_rows=6).reasons == ("The table has 5 rows; 6 were promised.",)
    assert check_table(empty, {"id": ColumnChecks(not_null=True)}).verdict is Verdict.FAIL
    assert check_table(empty, {"id": ColumnChecks(not_null=True)}, min_rows=0).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("bound", [nan, inf])
def test_a_bound_is_a_number(bound: float) -> None:
    """No value is below NaN: such a promise would hold for everything."""
    with pytest.raises(ValidationError, match="finite number"):
        ColumnChecks(minimum=bound)
