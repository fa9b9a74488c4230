"""What the point-in-time join promises, one promise at a time. The oracle beside has them all at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelyard.core import InvalidInput
from modelyard.features import Entity, FeatureView, InvalidDefinition, point_in_time_join

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANT = pa.timestamp("us", tz="UTC")
MICROSECOND = timedelta(microseconds=1)


def at(hours: float | None) -> datetime | None:
    """An instant some hours after the start."""
    return None if hours is None else START + timedelta(hours=hours)


def view(*rows: tuple[Any, float, float | None, Any], **options: Any) -> FeatureView:
    """A view over rows of (key, event time, available at, value)."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    table = {
        "key": pa.array(columns[0]),
        "event": pa.array(map(at, columns[1]), INSTANT),
        "available": pa.array(map(at, columns[2]), INSTANT),
        "value": pa.array(columns[3]),
    }
    given = {"entities": [Entity("key")], "event_time": "event", "available_at": "available", "features": ["value"]}
    return FeatureView(**{"name": "v", "source": pa.table(table), **given, **options})


def asked(*rows: tuple[Any, float | datetime]) -> pa.Table:
    """Entity rows of (key, time)."""
    times = [time if isinstance(time, datetime) else at(time) for _, time in rows]
    return pa.table({"key": pa.array([key for key, _ in rows]), "event_timestamp": pa.array(times, INSTANT)})


def values(entities: pa.Table, one: FeatureView, **options: Any) -> list[Any]:
    """The joined values."""
    found: list[Any] = point_in_time_join(entities, [one], **options).column("value").to_pylist()
    return found


def test_both_ends_of_the_ttl_are_inclusive_to_the_microsecond() -> None:
    """Exactly an hour old is fresh; a microsecond more is not; a microsecond too early is not yet true."""
    one = view(("a", 0, 0, 7), ttl=timedelta(hours=1))
    times = [START - MICROSECOND, START, START + timedelta(hours=1), START + timedelta(hours=1) + MICROSECOND]
    assert values(asked(*(("a", time) for time in times)), one) == [None, 7, 7, None]


def test_a_ttl_of_zero_is_none() -> None:
    """As in Feast."""
    assert values(asked(("a", 9999)), view(("a", 0, 0, 7), ttl=timedelta(0))) == [7]


def test_what_became_available_later_is_not_used_unless_asked_for() -> None:
    """The newer row was published at 3; before that the older one is what was known."""
    one = view(("a", 0, 0, "old"), ("a", 1, 3, "new"))
    rows = asked(("a", 2), ("a", 3))
    assert values(rows, one) == ["old", "new"]
    assert values(rows, one, as_known=False) == ["new", "new"]


def test_a_late_correction_of_the_past_never_hides_what_is_newer() -> None:
    """A row of hour 1 that comes at 5 is no news to those who know hour 2."""
    one = view(("a", 1, 5, "late"), ("a", 2, 2, "newer"))
    assert values(asked(("a", 1), ("a", 3), ("a", 6)), one) == [None, "newer", "newer"]


def test_ties_go_to_the_latest_available_and_null_loses() -> None:
    """Then to the last row."""
    one = view(("a", 0, None, "nobody noted"), ("a", 0, -5, "first"), ("a", 0, 0, "corrected"), ("a", 0, 0, "again"))
    assert values(asked(("a", 0)), one) == ["again"]
    assert values(asked(("a", 0)), view(("a", 0, -5, "noted"), ("a", 0, None, "not"))) == ["noted"]
    assert values(asked(("a", 0)), view(("a", 0, None, "known at once"))) == ["known at once"]


def test_a_null_in_the_winning_row_stays_null() -> None:
    """It is the value."""
    assert values(asked(("a", 5)), view(("a", 0, 0, 7), ("a", 1, 1, None))) == [None]


def test_null_keys_and_null_times_match_nothing() -> None:
    """Not even each other; NaN neither."""
    assert values(asked((None, 5)), view((None, 0, 0, 7), ("a", 0, 0, 8))) == [None]
    untimed = pa.table({"key": ["a"], "event_timestamp": pa.array([None], INSTANT)})
    assert values(untimed, view(("a", 0, 0, 7))) == [None]
    assert values(asked((float("nan"), 5), (1.0, 5)), view((float("nan"), 0, 0, 7), (1.0, 0, 0, 8))) == [None, 8]


def test_rows_order_and_duplicates_are_kept() -> None:
    """And all columns that were there."""
    rows = asked(("b", 1), ("a", 9), ("b", 1), ("nobody", 1), ("a", 0)).append_column("mine", [[5, 4, 3, 2, 1]])
    joined = point_in_time_join(rows, [view(("a", 1, 1, 7), ("b", 0, 0, 8))])
    assert joined.select(rows.column_names).equals(rows)
    assert joined.column("value").to_pylist() == [8, 7, 8, None, None]


def test_nanoseconds_are_cut_off_toward_the_past() -> None:
    """On both sides, before 1970 too."""
    for base in (10**18, -(10**18)):
        source = pa.table({"key": ["a"], "event": pa.array([base + 999], pa.timestamp("ns")), "value": [7]})
        one = FeatureView(name="v", entities=[Entity("key")], source=source, event_time="event", features=["value"])
        times = pa.array([base - 1, base, base + 1], pa.timestamp("ns"))
        rows = pa.table({"key": ["a"] * 3, "event_timestamp": times})
        assert values(rows, one) == [None, 7, 7]


@pytest.mark.parametrize("kind", ["int8", "uint64", "float32", "float64", "decimal128(20,0)"])
def test_numbers_are_one_key_whatever_their_width(kind: str) -> None:
    """7 is 7.0, as in the online store."""
    from modelyard.data import parse_type

    rows = asked((7, 5)).set_column(0, "key", pa.array([7]).cast(parse_type(kind)))
    assert values(rows, view((7, 0, 0, "seven"), (8, 0, 0, "eight"))) == ["seven"]
    assert values(rows, view((7.0, 0, 0, "seven"), (7.5, 0, 0, "more"))) == ["seven"]


def test_large_integers_are_not_rounded_into_each_other() -> None:
    """2^53 + 1 is no float, and 2^63 fits in unsigned integers alone."""
    one = view((2**53 + 1, 0, 0, "odd"), (2**53, 0, 0, "even"))
    assert values(asked((float(2**53), 5)), one) == ["even"]
    table = view((1, 0, 0, "big"), (1, 0, 0, "small")).open().table()
    big = view(source=table.set_column(0, "key", pa.array([2**63, 1], pa.uint64())))
    assert values(asked((float(2**63), 5), (1.0, 5), (2.5, 5)), big) == ["big", "small", None]
    assert values(asked((-(2**63), 5)), big) == [None]


def test_keys_that_can_never_be_equal_are_an_error() -> None:
    """A text is no number; the remedy says what to do."""
    with pytest.raises(InvalidDefinition, match=r"'key' is string in the entity rows and int64 in view 'v'.*Cast one"):
        point_in_time_join(asked(("7", 5)), [view((7, 0, 0, 1))])
    with pytest.raises(InvalidDefinition, match="cannot be a key"):
        point_in_time_join(asked(([7], 5)), [view(([7], 0, 0, 1))])


def test_many_views_and_keys_of_many_columns() -> None:
    """Each view by its own keys."""
    source = pa.table({"a": [1, 1, 2], "b": ["x", "y", "x"], "t": pa.array([0, 0, 0], INSTANT), "pair": [10, 20, 30]})
    pairs = FeatureView(
        name="pairs", entities=[Entity("p", join_keys=["a", "b"])], source=source, event_time="t", features=["pair"]
    )
    single = FeatureView(name="single", entities=[Entity("a")], source=source.drop_columns(["b"]).rename_columns(
        ["a", "t", "one"]), event_time="t", features=["one"])  # fmt: skip
    times = pa.array([1] * 4, INSTANT)
    rows = pa.table({"b": ["y", "x", "z", "x"], "a": [1, 2, 1, None], "event_timestamp": times})
    joined = point_in_time_join(rows, [pairs, single])
    assert joined.column("pair").to_pylist() == [20, 30, None, None]
    assert joined.column("one").to_pylist() == [20, 30, 20, None]


def test_pandas_and_whatever_speaks_the_arrow_stream_protocol_come_in() -> None:
    """polars is such; a pandas index is left out, and its times may be naive."""

    class Frame:
        """Speaks the protocol, and nothing else."""

        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return asked(("a", 5)).__arrow_c_stream__(requested_schema)

    frame = pd.DataFrame({"key": ["a"], "event_timestamp": [pd.Timestamp("2026-01-01 05:00")]}, index=["row"])
    one = view(("a", 0, 0, 7))
    for entities in (frame, Frame()):
        joined = point_in_time_join(entities, [one])
        assert joined.column("value").to_pylist() == [7]
        assert joined.column_names == ["key", "event_timestamp", "value"]
    with pytest.raises(InvalidInput, match=r"entity rows is int, which is no table.*pandas or polars"):
        point_in_time_join(7, [one])


def test_rows_of_nothing_give_rows_of_nothing() -> None:
    """Empty sides, a source without a single event time."""
    empty = pa.table({"key": pa.array([], pa.string()), "event_timestamp": pa.array([], INSTANT)})
    assert point_in_time_join(empty, [view(("a", 0, 0, 7))]).num_rows == 0
    nothing = view(("a", 0, 0, 7))
    hollow = FeatureView(
        name="v",
        entities=[Entity("key")],
        source=nothing.open().table().slice(0, 0),
        event_time="event",
        features=["value"],
    )
    assert values(asked(("a", 1)), hollow) == [None]
    untimed = pa.table({"key": ["a"], "event": pa.array([None], INSTANT), "value": [7]})
    lost = FeatureView(name="v", entities=[Entity("key")], source=untimed, event_time="event", features=["value"])
    assert values(asked(("a", 1)), lost) == [None]


def test_missing_columns_and_taken_names_are_named() -> None:
    """With what there is, and the nearest name; the whole name of a feature is a way out."""
    one, rows = view(("a", 0, 0, 7)), asked(("a", 1))
    with pytest.raises(InvalidDefinition, match=r"no column 'key'.*Did you mean 'kee'"):
        point_in_time_join(rows.rename_columns(["kee", "event_timestamp"]), [one])
    with pytest.raises(InvalidDefinition, match=r"no column 'event_timestamp'.*Did you mean 'event_time'"):
        point_in_time_join(rows.rename_columns(["key", "event_time"]), [one])
    taken = rows.append_column("value", [[1]])
    with pytest.raises(InvalidDefinition, match="has the name of a column that is there already, in the entity rows"):
        point_in_time_join(taken, [one])
    other = view(("a", 0, 0, 8), name="w")
    with pytest.raises(InvalidDefinition, match=r"already, in view 'v'.*full_feature_names"):
        point_in_time_join(rows, [one, other])
    whole = point_in_time_join(taken, [one, other], full_feature_names=True)
    assert whole.column_names[-2:] == ["v__value", "w__value"]
    with pytest.raises(InvalidDefinition, match=r"names no features of view 'v'"):
        one[[]]
    assert point_in_time_join(rows, one).equals(point_in_time_join(rows, [one]))
    with pytest.raises(InvalidDefinition, match="'v' is no feature view"):
        point_in_time_join(rows, ["v"])  # type: ignore[list-item]  # what users try


def test_cost_does_not_depend_on_how_late_rows_arrive() -> None:
    """All rows of one key become available at the end: a walk back over them would be 10^10 steps."""
    count = 100_000
    events = np.arange(count)
    source = pa.table(
        {
            "key": np.zeros(count, np.int64),
            "event": pa.array(events, INSTANT),
            "available": pa.array(np.full(count, 10 * count), INSTANT),
            "value": events,
        }
    )
    one = view(source=source)
    rows = pa.table({"key": np.zeros(count, np.int64), "event_timestamp": pa.array(events + count, INSTANT)})
    assert point_in_time_join(rows, [one]).column("value").null_count == count
    assert point_in_time_join(rows, [one], as_known=False).column("value").to_pylist() == [count - 1] * count
