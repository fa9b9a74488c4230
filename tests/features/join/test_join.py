"""The point-in-time join equals a brute-force oracle, value for value, order included."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.features import Entity, FeatureView, InvalidDefinition, point_in_time_join

START = datetime(2013, 1, 1, tzinfo=UTC)
INSTANT = pa.timestamp("us", tz="UTC")

instants = st.integers(0, 6)
keys = st.sampled_from(["a", "b", None])
sources = st.lists(st.tuples(keys, instants, st.one_of(st.none(), instants), st.one_of(st.none(), st.integers(0, 99))))
entities = st.lists(st.tuples(keys, instants))


def at(hours: int | None) -> datetime | None:
    """An instant some hours after the start."""
    return None if hours is None else START + timedelta(hours=hours)


def view(rows: list[tuple[str | None, int, int | None, int | None]], ttl: int | None) -> FeatureView:
    """A view over rows of (key, event time, available at, value)."""
    table = pa.table(
        {
            "key": pa.array([row[0] for row in rows], pa.string()),
            "event": pa.array([at(row[1]) for row in rows], INSTANT),
            "available": pa.array([at(row[2]) for row in rows], INSTANT),
            "value": pa.array([row[3] for row in rows], pa.int64()),
        }
    )
    return FeatureView(
        name="v",
        entities=[Entity("key")],
        source=table,
        event_time="event",
        available_at="available",
        features=["value"],
        ttl=timedelta(hours=ttl) if ttl else None,
    )


def oracle(
    rows: list[tuple[str | None, int, int | None, int | None]],
    asked: list[tuple[str | None, int]],
    ttl: int | None,
    *,
    as_known: bool,
) -> list[int | None]:
    """The definition, spelled out: one row at a time, all candidates looked at."""
    answers: list[int | None] = []
    for key, time in asked:
        best: tuple[int, int, int] | None = None
        value: int | None = None
        for index, (other, event, available, candidate) in enumerate(rows):
            known = -1 if available is None else available
            if key is None or other != key or event > time or (ttl and event < time - ttl):
                continue
            if as_known and known > time:
                continue
            if best is None or (event, known, index) > best:
                best, value = (event, known, index), candidate
        answers.append(value)
    return answers


@settings(max_examples=300, deadline=None)
@given(sources, entities, st.sampled_from([None, 1, 3]), st.booleans())
def test_the_join_equals_the_oracle(
    rows: list[tuple[str | None, int, int | None, int | None]],
    asked: list[tuple[str | None, int]],
    ttl: int | None,
    as_known: bool,
) -> None:
    """Null keys, ties, late and unknown availability, duplicates, nulls in winning rows, any order."""
    table = pa.table(
        {
            "key": pa.array([key for key, _ in asked], pa.string()),
            "event_timestamp": pa.array([at(time) for _, time in asked], INSTANT),
        }
    )
    joined = point_in_time_join(table, [view(rows, ttl)], as_known=as_known)
    assert joined.column("value").to_pylist() == oracle(rows, asked, ttl, as_known=as_known)
    assert joined.select(["key", "event_timestamp"]).equals(table)


def test_both_ends_of_the_ttl_are_inclusive_to_the_microsecond() -> None:
    """Exactly an hour old is fresh; a microsecond more is not."""
    one = view([("a", 0, 0, 7)], ttl=1)
    microsecond = timedelta(microseconds=1)
    times = [START - microsecond, START, START + timedelta(hours=1), START + timedelta(hours=1) + microsecond]
    table = pa.table({"key": ["a"] * 4, "event_timestamp": pa.array(times, INSTANT)})
    assert point_in_time_join(table, [one]).column("value").to_pylist() == [None, 7, 7, None]


def test_naive_times_are_utc() -> None:
    """The same instant, written with and without a zone."""
    naive = pa.table({"key": ["a"], "event_timestamp": pa.array([datetime(2013, 1, 1, 1)], pa.timestamp("ms"))})
    assert point_in_time_join(naive, [view([("a", 1, 1, 7)], None)]).column("value").to_pylist() == [7]


def test_missing_columns_and_taken_names_are_named() -> None:
    """With what there is, and the nearest name."""
    one = view([("a", 0, 0, 7)], None)
    table = pa.table({"kee": ["a"], "event_timestamp": pa.array([START], INSTANT)})
    with pytest.raises(InvalidDefinition, match=r"no column 'key'.*Did you mean 'kee'"):
        point_in_time_join(table, [one])
    taken = pa.table({"key": ["a"], "event_timestamp": pa.array([START], INSTANT), "value": [1]})
    with pytest.raises(InvalidDefinition, match="has the name of a column"):
        point_in_time_join(taken, [one])
