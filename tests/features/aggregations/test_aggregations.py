"""Aggregation views against their definition, value for value, and as views among others."""

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.features import Entity, FeatureView, InvalidDefinition, SourceUnreadable, point_in_time_join
from modelyard.features.aggregations import Aggregation, AggregationView
from modelyard.features.aggregations.aggregation import Function
from modelyard.features.aggregations.exact import running_sums

from .oracle import Event, derived

USER = Entity("user")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
US = timedelta(microseconds=1)
FUNCTIONS: tuple[Function, ...] = get_args(Function)
ALL = [Aggregation(column, function, window)
       for column in ("x", "n", "s") for function in FUNCTIONS for window in (3 * US, 10 * US)
       if column != "s" or function not in ("sum", "mean")]  # fmt: skip


def view_of(table: pa.Table, aggregations: Sequence[Aggregation], slide: timedelta, **more: Any) -> AggregationView:
    """A view of a table of user, at, known and values."""
    return AggregationView(
        "clicks", entities=[USER], source=table, event_time="at", available_at="known", slide=slide,
        aggregations=aggregations, **more,
    )  # fmt: skip


def table_of(events: Sequence[Event]) -> pa.Table:
    """The events as a source."""
    columns = {name: [each.values[name] for each in events] for name in ("x", "n", "s")}
    instant = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "user": pa.array([each.key for each in events], pa.string()),
            "at": pa.array([each.time for each in events], instant),
            "known": pa.array([each.known for each in events], instant),
            "x": pa.array(columns["x"], pa.float64()),
            "n": pa.array(columns["n"], pa.int32()),
            "s": pa.array(columns["s"], pa.string()),
        }
    )


EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(["a", "b", None]),
        st.integers(-20, 40),
        st.integers(-25, 50),
        st.fixed_dictionaries(
            {
                "x": st.none() | st.sampled_from([0.1, 1e16, -1e16, 1.0, -0.5, math.nan]) | st.floats(-1e300, 1e300),
                "n": st.none() | st.integers(-3, 3) | st.integers(-(2**31), 2**31 - 1),
                "s": st.none() | st.sampled_from(["u", "v", "é"]),
            }
        ),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


@given(events=EVENTS, slide=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_value_at_every_boundary_is_that_of_the_definition(events: list[Event], slide: int) -> None:
    """Late events, null keys and values, sums that cancel: the same rows, in the same order of boundaries."""
    _check(events, slide)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@given(events=EVENTS, slide=st.integers(1, 3))
@settings(max_examples=10_000, deadline=None)
def test_ten_thousand_streams_are_aggregated_as_defined(events: list[Event], slide: int) -> None:
    """The same, for long."""
    _check(events, slide)


def _check(events: list[Event], slide: int) -> None:
    found = view_of(table_of(events), ALL, slide * US).table()
    rows = [
        {"key": row["user"], "at": (row["__event"] - datetime(1970, 1, 1, tzinfo=UTC)) // US}
        | {each.feature: row[each.feature] for each in ALL}
        for row in found.to_pylist()
    ]
    assert found.column("__event").equals(found.column("__available"))
    expected = derived(events, ALL, slide)
    assert sorted(rows, key=lambda row: (row["key"], row["at"])) == sorted(
        expected, key=lambda row: (row["key"], row["at"])
    )


def at(minute: int) -> datetime:
    """A minute of a morning."""
    return datetime(2026, 1, 5, 8, tzinfo=UTC) + minute * MINUTE


def test_the_join_takes_aggregations_like_any_view() -> None:
    """A click counts from the next boundary on, leaves an hour later, and late ones count when they are known."""
    clicks = pa.table(
        {
            "user": ["zoë", "zoë", "zoë"],
            "at": [at(1), at(12), at(2)],
            "known": [at(1), at(12), at(33)],
            "paid": [1.5, 2.0, 4.0],
        }
    )
    view = view_of(clicks, [Aggregation("paid", "sum", HOUR), Aggregation("paid", "count", HOUR, name="clicks")],
                   5 * MINUTE)  # fmt: skip
    asked = [0, 4, 5, 14, 15, 34, 35, 64, 65, 75, 200]
    rows = pa.table({"user": ["zoë"] * len(asked), "event_timestamp": [at(each) for each in asked]})
    found = point_in_time_join(rows, [view[["clicks", "paid_sum_1h"]]])
    assert found.column("clicks").to_pylist() == [None, None, 1, 1, 2, 2, 3, 3, 1, 0, 0]
    assert found.column("paid_sum_1h").to_pylist() == [None, None, 1.5, 1.5, 3.5, 3.5, 7.5, 7.5, 2.0, 0.0, 0.0]


def test_what_was_added_and_taken_away_leaves_nothing_behind() -> None:
    """A huge amount that has left the window does not swallow the small ones after it; infinities leave too."""
    amounts = [1e17, 0.1, 0.2, math.inf, 0.3]
    events = pa.table({"user": ["a"] * 5, "at": [at(20 * each) for each in range(5)], "paid": amounts})
    view = AggregationView("v", entities=[USER], source=events, event_time="at", slide=MINUTE,
                           aggregations=[Aggregation("paid", "sum", 20 * MINUTE)])  # fmt: skip
    assert view.table().column("paid_sum_20m").to_pylist() == [*amounts, 0.0]


def test_exact_sums_are_those_of_the_standard_library() -> None:
    """Rounded once: to the bit what `math.fsum` gives, over many magnitudes, with cancellation and subnormals."""
    random = np.random.default_rng(0)
    for trial in range(300):
        count, places = int(random.integers(1, 30)), int(random.integers(1, 12))
        spread = 900 if trial % 3 == 0 else 60
        values = np.ldexp(random.normal(size=count), random.integers(-spread, spread, count))
        values = values * 5e-324 if trial % 7 == 0 else np.append(values, -values[: count // 2])
        starts = random.integers(0, places, len(values))
        ends = np.minimum(starts + 1 + random.integers(0, places, len(values)), places)
        found = running_sums(values, starts, ends, places)
        assert found.tolist() == [math.fsum(values[(starts <= at) & (at < ends)]) for at in range(places)]


def test_whole_numbers_stay_whole_and_one_that_overflows_is_an_error() -> None:
    """The sum of integers is an integer of 64 bits, or an error with a remedy."""
    events = pa.table({"user": ["a", "a"], "at": [at(0), at(1)], "n": [2**62, 2**62 + 1]})
    shape: dict[str, Any] = {"entities": [USER], "source": events, "event_time": "at", "slide": MINUTE}
    found = AggregationView("v", aggregations=[Aggregation("n", "sum", MINUTE)], **shape).table()
    assert found.schema.field("n_sum_1m").type == pa.int64()
    assert found.column("n_sum_1m").to_pylist() == [2**62, 2**62 + 1, 0]
    with pytest.raises(InvalidDefinition, match="beyond whole numbers of 64 bits"):
        AggregationView("v", aggregations=[Aggregation("n", "sum", HOUR)], **shape).table()


def test_the_types_are_known_before_anything_is_computed() -> None:
    """Of every function and type, those of the rows; keys may be counted."""
    events = pa.table(
        {"user": ["a"], "at": [at(0)], "x": pa.array([1.5], pa.float32()), "s": pa.array(["u"]).dictionary_encode(),
         "p": [True]}
    )  # fmt: skip
    some: list[tuple[str, Function]] = [("user", "count"), ("x", "sum"), ("x", "max"), ("s", "last"), ("s", "distinct"),
                                        ("p", "sum"), ("p", "mean"), ("p", "min")]  # fmt: skip
    view = AggregationView("v", entities=[USER], source=events, event_time="at", slide=MINUTE,
                           aggregations=[Aggregation(column, function, HOUR) for column, function in some])  # fmt: skip
    kinds = ["string", "int64", "double", "float", "string", "int64", "int64", "double", "bool"]
    assert [str(each.type) for each in view.schema()] == kinds
    assert view.table().schema.remove(1).remove(1) == view.schema()
    assert view.table(["s_last_1h"]).column_names == ["user", "__event", "__available", "s_last_1h"]


def test_an_empty_source_gives_no_rows() -> None:
    """And has the columns all the same."""
    found = view_of(table_of([]), ALL, US).table()
    assert (len(found), len(found.column_names)) == (0, 3 + len(ALL))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slide": timedelta(0)}, "it needs a slide"),
        ({"slide": 2 * HOUR}, "shorter than the slide of 2:00:00"),
        ({"aggregations": []}, "at least one Aggregation"),
        ({"aggregations": ["x"]}, "'x' is no Aggregation"),
        ({"features": ["x"]}, "leave features out"),
        ({"aggregations": [Aggregation("x", "sum", HOUR)] * 2}, "stand twice among its keys and features: x_sum_1h"),
    ],
)
def test_what_is_wrong_with_a_view_is_said_when_it_is_defined(change: dict[str, Any], message: str) -> None:
    """All at once, with the shape that it should have."""
    shape: dict[str, Any] = {"slide": MINUTE, "aggregations": [Aggregation("x", "sum", HOUR)]}
    with pytest.raises(InvalidDefinition, match=message):
        AggregationView("v", entities=[USER], source=table_of([]), event_time="at", **{**shape, **change})


def test_what_is_wrong_with_an_aggregation_is_said_too() -> None:
    """Unknown functions with the nearest one, windows that are none, sums of texts."""
    with pytest.raises(InvalidDefinition, match="no aggregation 'avg'") as caught:
        Aggregation("x", "avg", HOUR)  # type: ignore[arg-type]
    assert "mean" in caught.value.remedy
    with pytest.raises(InvalidDefinition, match="window of x sum is 0:00:00"):
        Aggregation("x", "sum", timedelta(0))
    with pytest.raises(InvalidDefinition, match="no aggregation"):
        Aggregation("x", "SUM", HOUR)  # type: ignore[arg-type]
    with pytest.raises(InvalidDefinition, match="the sum of 's', which is string"):
        view_of(table_of([]), [Aggregation("s", "sum", HOUR)], MINUTE).schema()
    with pytest.raises(InvalidDefinition, match="wants the column 'y'"):
        view_of(table_of([]), [Aggregation("y", "sum", HOUR)], MINUTE).table()
    far = [Event("a", 2**62, 0, {"x": 1.0, "n": 1, "s": "u"})]
    with pytest.raises(SourceUnreadable, match="36,000 years"):
        view_of(table_of(far), ALL, US).table()


@pytest.mark.parametrize(
    ("count", "seconds"), [(20_000, 5), pytest.param(1_000_000, 40, marks=pytest.mark.long)], ids=["few", "million"]
)
def test_many_events_in_three_windows_take_seconds(count: int, seconds: float) -> None:
    """Of CPU, with sums, extremes, the last value and different ones, and a tenth of them late."""
    random = np.random.default_rng(0)
    times = np.sort(random.integers(0, 30 * 86_400_000_000, count))
    late = times + np.where(random.random(count) < 0.1, random.integers(0, 7_200_000_000, count), 0)
    instant = pa.timestamp("us", tz="UTC")
    events = pa.table(
        {"user": random.integers(0, 10_000, count), "at": pa.array(times, instant), "known": pa.array(late, instant),
         "x": random.gamma(2, 50, count), "s": random.integers(0, 50, count)}
    )  # fmt: skip
    windows = (HOUR, 24 * HOUR, 168 * HOUR)
    made = [Aggregation("x", "sum", each) for each in windows] + [Aggregation("x", "max", each) for each in windows]
    view = view_of(events, [*made, Aggregation("x", "last", HOUR), Aggregation("s", "distinct", 24 * HOUR)], 5 * MINUTE)
    began = time.process_time()
    found = view.table()
    assert time.process_time() - began < seconds
    assert len(found) > 3 * count


def test_a_view_of_events_is_a_feature_view() -> None:
    """Wherever views are taken."""
    view = view_of(table_of([]), ALL, US, ttl=HOUR)
    assert isinstance(view, FeatureView)
    assert view.feature_names[:2] == ("x_count_3us", "x_count_10us")
