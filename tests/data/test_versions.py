"""Equal rows have equal digests, and a split by time never lets the future into the past."""

from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from math import nan

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import InvalidInput
from modelyard.data import known_by, split_by_time, version_of

TABLE = pa.table({"id": list(range(10)), "gröẞe": [None if at == 4 else f"{at}" * at for at in range(10)]})


def test_a_version_says_what_it_is_of() -> None:
    """Name, rows and columns beside the digest."""
    version = version_of("flights", TABLE)
    assert (version.name, version.rows, version.columns) == ("flights", 10, ("id", "gröẞe"))
    assert len(version.digest) == 64


def through_parquet(table: pa.Table) -> pa.Table:
    """The table written and read again."""
    stream = BytesIO()
    pq.write_table(table, stream)
    return pq.read_table(BytesIO(stream.getvalue()))


@pytest.mark.parametrize(
    "same",
    [
        pa.concat_tables([TABLE.slice(0, 3), TABLE.slice(3)]),
        pa.concat_tables([TABLE, TABLE]).slice(10, 10),
        TABLE.replace_schema_metadata({"made": "today"}),
        pa.table(TABLE.columns, pa.schema([field.with_metadata({"k": "v"}) for field in TABLE.schema])),
        through_parquet(TABLE),
        TABLE.set_column(1, "gröẞe", TABLE.column(1).dictionary_encode()),
    ],
    ids=["chunks", "slice", "metadata", "field metadata", "parquet", "dictionary"],
)
def test_only_the_content_counts(same: pa.Table) -> None:
    """However the rows lie in memory."""
    assert version_of("x", same).digest == version_of("x", TABLE).digest


def test_what_lies_under_a_missing_value_does_not_count() -> None:
    """Two columns that are equal have one digest, whatever the bytes of their gaps."""
    for values, gap in (([1, 7], True), ([1.0, nan], True)):
        masked = pa.array(np.array(values), mask=np.array([False, gap]))
        plain = pa.array([values[0], None], masked.type)
        assert masked.equals(plain)
        assert version_of("x", pa.table({"a": masked})).digest == version_of("x", pa.table({"a": plain})).digest


@pytest.mark.parametrize(
    "other",
    [
        TABLE.slice(1),
        TABLE.take(list(reversed(range(10)))),
        TABLE.rename_columns(["id", "größe"]),
        TABLE.set_column(0, "id", TABLE.column(0).cast(pa.int32())),
        TABLE.set_column(1, "gröẞe", TABLE.column(1).fill_null("")),
        TABLE.set_column(1, "gröẞe", TABLE.column(1).fill_null("0")),
        TABLE.slice(0, 0),
    ],
    ids=["a row less", "order", "a name", "a type", "a gap filled", "a gap filled otherwise", "no rows"],
)
def test_every_change_of_the_content_counts(other: pa.Table) -> None:
    """Rows, order, names, types, and whether a value is there."""
    assert version_of("x", other).digest != version_of("x", TABLE).digest


def test_columns_of_nothing_and_of_lists_have_versions_too() -> None:
    """Nulls only, nested values, no columns at all."""
    tables = [
        pa.table({"a": pa.nulls(3)}),
        pa.table({"a": pa.array([None, None, None], pa.string())}),
        pa.table({"a": [[1], None, []]}),
        pa.table({}),
    ]
    assert len({version_of("x", table).digest for table in tables}) == 4


HOURS = [datetime(2026, 1, day, hour) for day in (1, 2, 3) for hour in (0, 12)]
UNTIL = datetime(2026, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ms", tz="Asia/Tokyo")]
)
def test_the_past_ends_where_the_present_begins(kind: pa.DataType) -> None:
    """Whatever the column's unit and zone: the border belongs to the present, the end to neither."""
    column = pa.array(HOURS, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us", tz=kind.tz))
    table = pa.table({"at": column.cast(kind), "n": range(6)})
    past, present = split_by_time(table, "at", timedelta(days=1), UNTIL)
    assert (past["n"].to_pylist(), present["n"].to_pylist()) == ([0, 1], [2, 3])


def test_instants_are_compared_not_their_spellings() -> None:
    """Another zone is the same instant; naive is UTC; a border between two units is no border at either."""
    table = pa.table({"at": pa.array(HOURS, pa.timestamp("s")), "n": range(6)})
    for until in (UNTIL.replace(tzinfo=None), UNTIL.astimezone(timezone(timedelta(hours=9)))):
        assert split_by_time(table, "at", timedelta(days=1), until)[1]["n"].to_pylist() == [2, 3]
    past, present = split_by_time(table, "at", timedelta(days=1), UNTIL + timedelta(microseconds=1))
    assert (past["n"].to_pylist(), present["n"].to_pylist()) == ([0, 1, 2], [3, 4])


def test_dates_are_midnights_and_rows_without_a_time_are_in_no_part() -> None:
    """A day belongs to the part that its midnight does."""
    days = pa.array([*(each.date() for each in HOURS[::2]), None], pa.date32())
    past, present = split_by_time(pa.table({"day": days}), "day", timedelta(days=1), UNTIL + timedelta(hours=1))
    assert [each.as_py().day for each in past["day"]] == [1, 2]
    assert [each.as_py().day for each in present["day"]] == [3]


def test_a_column_that_is_no_time_is_refused() -> None:
    """By name and type."""
    with pytest.raises(InvalidInput, match=r"no column 'att'.*Did you mean 'at'"):
        split_by_time(pa.table({"at": HOURS}), "att", timedelta(days=1), UNTIL)
    with pytest.raises(InvalidInput, match="'at' is of type string, which is no time"):
        split_by_time(pa.table({"at": ["2026-01-01"]}), "at", timedelta(days=1), UNTIL)


def test_rows_are_known_once_their_label_is() -> None:
    """Up to the very instant; a label that never came is never known."""
    known = [datetime(2026, 1, 1), datetime(2026, 1, 2), None]
    table = pa.table({"row": [1, 2, 3], "known_at": pa.array(known, pa.timestamp("us"))})
    assert known_by(table, "known_at", datetime(2026, 1, 1, tzinfo=UTC)).column("row").to_pylist() == [1]
    assert known_by(table, "known_at", datetime(2026, 1, 3, tzinfo=UTC)).column("row").to_pylist() == [1, 2]
    with pytest.raises(InvalidInput, match="no column 'known'"):
        known_by(table, "known", datetime(2026, 1, 1, tzinfo=UTC))
