"""Definitions say all that is wrong with them at once, and what to write instead."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from modelyard.features import (
    AVAILABLE,
    EVENT,
    Entity,
    Feature,
    FeatureView,
    InvalidDefinition,
    SourceUnreadable,
    UnknownFeature,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def view(table: pa.Table | None = None, **options: Any) -> FeatureView:
    """A view of a table with the columns `key`, `at` and `value`."""
    rows = {"key": ["a"], "at": pa.array([NOON], pa.timestamp("us")), "value": [1]}
    given: dict[str, Any] = {
        "name": "v",
        "entities": [Entity("key")],
        "source": pa.table(rows) if table is None else table,
        "event_time": "at",
        "features": ["value"],
    }
    return FeatureView(**(given | options))


def events(*times: Any, kind: pa.DataType | None = None) -> list[datetime | None]:
    """How a column of times is read."""
    table = pa.table({"key": ["a"] * len(times), "at": pa.array(times, kind), "value": [1] * len(times)})
    found: list[datetime | None] = view(table).table().column(EVENT).to_pylist()
    return found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event_time": ""}, "needs an event_time"),
        ({"event_time": None}, "needs an event_time"),
        ({"entities": []}, "at least one entity"),
        ({"entities": ["key"]}, r'list of entities, such as \[Entity\("origin"\)\]'),
        ({"entities": Entity("key")}, "list of entities"),
        ({"features": "value"}, "list of at least one column"),
        ({"features": ["value", 7]}, "is no feature"),
        ({"features": ["value", "value"]}, "stand twice among its keys and features: value"),
        ({"features": ["key"]}, "stand twice among its keys and features: key"),
        ({"features": ["__event"]}, "cannot name a feature"),
        ({"ttl": 3}, "ttl is 3: give a timedelta"),
        ({"ttl": timedelta(-1)}, "not negative"),
        ({"stale": "nul"}, "Did you mean 'null'"),
        ({"defaults": {"valu": 1}}, "default for 'valu', which is no feature of it.*Did you mean 'value'"),
        ({"defaults": [1]}, "defaults maps"),
        ({"source": 7}, "its source is int"),
        ({"source": ""}, "needs a source"),
        ({"available_at": 7}, "available_at is the column"),
        ({"tags": {"a": 1}}, "tags map texts"),
        ({"owner": 1}, "owner are texts"),
        ({"name": "no name"}, "cannot name a feature view"),
    ],
)
def test_a_view_that_cannot_be_used_says_why(options: dict[str, Any], message: str) -> None:
    """When it is written, not when it is read."""
    with pytest.raises(InvalidDefinition, match=message):
        view(**options)


def test_everything_wrong_is_said_at_once() -> None:
    """With what a view looks like."""
    with pytest.raises(InvalidDefinition) as caught:
        FeatureView(name="v", ttl=3)  # type: ignore[arg-type]  # what users try
    for part in ("at least one entity", "event_time", "at least one column", "needs a source", "ttl"):
        assert part in caught.value.message
    assert "FeatureView(name=" in caught.value.remedy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Entity("a b"), "cannot name an entity"),
        (lambda: Entity("a", join_keys=["x", "x"]), "different names"),
        (lambda: Entity("a", join_keys=[7]), "different names"),  # type: ignore[list-item]  # what users try
        (lambda: Feature("a", "float65"), "Feature 'a': There is no type 'float65'.*float64"),
        (lambda: Feature("", None), "cannot name a feature"),
    ],
)
def test_entities_and_features_do_so_too(make: Any, message: str) -> None:
    """Each by its own rules."""
    with pytest.raises(InvalidDefinition, match=message):
        make()


def test_keys_are_the_entities_join_keys() -> None:
    """By default an entity's name; one text is one key."""
    one = view(entities=[Entity("key"), Entity("pair", join_keys=["a", "b"]), Entity("x", join_keys="c")])
    assert one.keys == ("key", "a", "b", "c")


def test_a_part_of_a_view_has_some_of_its_features() -> None:
    """Those that it has."""
    assert view()[["value"]].names == ("value",)
    with pytest.raises(UnknownFeature, match=r"View 'v' has no feature 'valu'.*Did you mean 'value'"):
        view()[["valu"]]


def test_rows_come_with_keys_instants_and_features() -> None:
    """Availability is the event time where no column says it, and null where the column does not."""
    assert view().table().column_names == ["key", EVENT, AVAILABLE, "value"]
    assert view().table().column(AVAILABLE).to_pylist() == [NOON]
    noted = pa.table({"key": ["a", "a"], "at": [NOON, NOON], "known": [NOON, None], "value": [1, 2]})
    assert view(noted, available_at="known").table().column(AVAILABLE).to_pylist() == [NOON, None]
    assert view().schema() == pa.schema([("key", pa.string()), ("value", pa.int64())])
    assert view().table([]).column_names == ["key", EVENT, AVAILABLE]


def test_missing_columns_are_named_with_the_nearest() -> None:
    """Keys, times and features."""
    with pytest.raises(InvalidDefinition, match=r"View 'v' wants the column 'valeu'.*Did you mean 'value'"):
        view(features=["valeu"]).table()
    with pytest.raises(InvalidDefinition, match=r"wants the column 'known'.*There are: at, key, value"):
        view(available_at="known").table()


def test_a_declared_type_is_kept_or_is_an_error() -> None:
    """Nothing is lost by it."""
    assert view(features=[Feature("value", "float64")]).table().column("value").to_pylist() == [1.0]
    wide = pa.table({"key": ["a"], "at": [NOON], "value": [300]})
    with pytest.raises(SourceUnreadable, match="declared int8, and its source has int64"):
        view(wide, features=[Feature("value", "int8")]).table()
    with pytest.raises(SourceUnreadable, match="declared string, and its source has int64"):
        view(features=[Feature("value", pa.string())]).table()


def test_times_are_read_in_every_spelling() -> None:
    """Dates are midnights, naive times UTC, offsets are applied, text may mix them."""
    texts = ["2026-01-31T12:00:00Z", "2026-01-31 14:00:00+02:00", "2026-01-31T12:00:00.000000999", "2026-01-31", None,
             " 2026-01-31T12:00 ", "2026-01-31T07:00:00-0500"]  # fmt: skip
    midnight = datetime(2026, 1, 31, tzinfo=UTC)
    assert events(*texts) == [NOON, NOON, NOON, midnight, NOON, NOON]
    assert events(date(2026, 1, 31)) == [midnight]
    assert events(NOON, kind=pa.timestamp("s", tz="Asia/Tokyo")) == [NOON]
    assert events(-1, kind=pa.timestamp("ns")) == [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)]
    assert events("2026-01-31", None) == [midnight]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["noon"], None, "column 'at' of view 'v' holds text that is no time.*noon"),
        ([7], None, "is of type int64, which is no time"),
        ([0], pa.timestamp("us", tz="Mars/Olympus"), "time zone 'Mars/Olympus', which does not exist"),
        ([0], pa.timestamp("us", tz="../etc"), "which does not exist"),
        ([2**62], pa.timestamp("s"), "beyond what microseconds can count"),
    ],
)
def test_what_is_no_time_is_said(values: list[Any], kind: pa.DataType | None, message: str) -> None:
    """With the column, the value, and how times are written."""
    with pytest.raises(InvalidDefinition, match=message):
        events(*values, kind=kind)
