"""What is missing or too old is the same in training and in serving, whatever a view's policy says."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core import ManualClock
from modelyard.features import Definitions, Entity, FeatureStore, FeatureView, InvalidDefinition, point_in_time_join
from modelyard.online import LocalOnlineStore, Presence, StaleFeatures, StalePolicy
from modelyard.storage import open_record_store

START = datetime(2026, 1, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NUMBERED = itertools.count()
Make = Callable[[FeatureView], FeatureStore]
DEFAULTS: dict[str, Any] = {"x": -1.0, "n": 7, "s": "none", "d": "none", "t": True}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Feature stores over one view each, which share an online store."""
    folder = tmp_path_factory.mktemp("features")
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    online = LocalOnlineStore(folder / "online", map_bytes=1 << 26)
    yield lambda view: FeatureStore(Definitions([view]), online, records, ManualClock(START))
    online.close()
    records.close()


def view_of(rows: list[tuple[Any, ...]], stale: StalePolicy, ttl: int, defaults: dict[str, Any]) -> FeatureView:
    """Rows of key, event time, lateness and a value, in columns of five types, under a name of its own."""
    keys, events, late, values = (list(each) for each in zip(*rows, strict=True)) if rows else ([], [], [], [])
    at = pa.timestamp("us", "UTC")
    texts = pa.array([None if each is None else f"v{each}" for each in values], pa.string())
    table = pa.table(
        {
            "key": pa.array(keys, pa.int64()),
            "at": pa.array([START + each * SECOND for each in events], at),
            "known": pa.array(
                [
                    None if more is None else START + (each + more) * SECOND
                    for each, more in zip(events, late, strict=True)
                ],
                at,
            ),
            "x": pa.array(values, pa.float64()),
            "n": pa.array(values, pa.int64()),
            "s": texts,
            "d": texts.dictionary_encode(),
            "t": pa.array([None if each is None else each > 1 for each in values], pa.bool_()),
        }
    )
    return FeatureView(
        f"v{next(NUMBERED)}", entities=[Entity("key")], source=table, event_time="at", available_at="known",
        features=["x", "n", "s", "d", "t"], ttl=timedelta(seconds=ttl), stale=stale, defaults=defaults,
    )  # fmt: skip


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(-12, 12), st.none() | st.integers(-2, 8), st.none() | st.integers(0, 3)
    ),
    max_size=12,
)  # fmt: skip
KEYS = [0, 1, 2, 9, None]


@pytest.mark.parametrize("stale", ["null", "default", "serve", "error"])
@given(rows=ROWS, ttl=st.integers(0, 6), at=st.integers(-14, 24), named=st.sets(st.sampled_from(sorted(DEFAULTS))))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_history_at_an_instant_is_what_serving_gives_then(
    make: Make, stale: StalePolicy, rows: list[tuple[Any, ...]], ttl: int, at: int, named: set[str]
) -> None:
    """For each key, fresh, late, expired, unknown or null: the same value; an error online is a null in training."""
    view = view_of(rows, stale, ttl, {name: DEFAULTS[name] for name in named})
    store, now = make(view), START + at * SECOND
    store.materializer.materialize(now)
    asked = pa.table({"key": pa.array(KEYS, pa.int64()), "event_timestamp": [now] * len(KEYS)})
    offline = point_in_time_join(asked, [view]).select(list(DEFAULTS)).to_pylist()
    references = [f"{view.name}:{name}" for name in DEFAULTS]
    for key, row in zip(KEYS, offline, strict=True):
        try:
            found = store.get_online_features(references, [{"key": key}], now)
        except StaleFeatures:
            assert stale == "error"
            assert set(row.values()) == {None}
            continue
        assert {name: each[0] for name, each in found.to_dict().items() if name in DEFAULTS} == row
        if stale in ("default", "serve") and found.presence["x"] == [Presence.MISSING]:
            assert {name: row[name] for name in named} == {name: DEFAULTS[name] for name in named}


def test_policies_differ_where_a_value_is_old(make: Make) -> None:
    """Null, its default, itself; a null that was known stays null."""
    found = {}
    for stale in ("null", "default", "serve", "error"):
        view = view_of([(0, 0, 0, 1), (1, 9, 0, None)], stale, 2, {"x": -1.0})
        asked = pa.table({"key": [0, 1, 2], "event_timestamp": [START + 10 * SECOND] * 3})
        found[stale] = point_in_time_join(asked, [view[["x"]]]).column("x").to_pylist()
    assert found == {
        "null": [None, None, None],
        "default": [-1.0, None, -1.0],
        "serve": [1.0, None, -1.0],
        "error": [None, None, None],
    }


def test_a_default_of_another_type_is_refused() -> None:
    """Training could not hold what serving gives."""
    asked = pa.table({"key": [0], "event_timestamp": [START]})
    for wrong in ({"n": 0.5}, {"n": "none"}, {"x": "none"}, {"s": 1}):
        with pytest.raises(InvalidDefinition, match=r"The default of feature .* which is no"):
            point_in_time_join(asked, [view_of([(0, 0, 0, 1)], "default", 2, wrong)])
