"""Materializing brings online what was true and known, once and for all, in one step a view."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, ManualClock
from modelyard.features import (
    Definitions,
    Entity,
    FeatureStore,
    FeatureView,
    InvalidDefinition,
    Materializer,
    PushSource,
    UnknownFeature,
    point_in_time_join,
)
from modelyard.online import LocalOnlineStore, OnlineUnavailable, Presence
from modelyard.storage import RecordStore, open_record_store

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
INSTANT = pa.timestamp("us", tz="UTC")


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    """A migrated record store."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    return store


@pytest.fixture
def online(tmp_path: Path) -> Iterator[LocalOnlineStore]:
    """An empty online store."""
    store = LocalOnlineStore(tmp_path / "online")
    yield store
    store.close()


def at(hours: float | None) -> datetime | None:
    """An instant some hours after noon."""
    return None if hours is None else NOON + timedelta(hours=hours)


def table(rows: list[tuple[str | None, float | None, float | None, float | None]]) -> pa.Table:
    """Rows of key, event time, available at (both in hours after noon), value."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return pa.table(
        {
            "key": pa.array(columns[0], pa.string()),
            "event": pa.array(map(at, columns[1]), INSTANT),
            "known": pa.array(map(at, columns[2]), INSTANT),
            "value": pa.array(columns[3], pa.float64()),
        }
    )


def view(source: object, **given: object) -> FeatureView:
    """A view of the rows that `table` makes."""
    options = {"entities": [Entity("key")], "event_time": "event", "available_at": "known", "features": ["value"]}
    return FeatureView("v", source=source, **{**options, **given})  # type: ignore[arg-type]  # as given


def store_of(online: LocalOnlineStore, records: RecordStore, *views: FeatureView) -> FeatureStore:
    """A feature store of these views, at noon."""
    sources = [each.source for each in views if isinstance(each.source, PushSource)]
    return FeatureStore(Definitions([*views, *sources]), online, records, ManualClock(NOON))


keys = st.sampled_from(["a", "b", None])
hours = st.integers(-3, 3).map(float)
maybe = st.one_of(st.none(), hours)
rows_of_views = st.lists(st.tuples(keys, maybe, maybe, st.integers(0, 9).map(float)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_views, st.booleans())
def test_online_is_what_the_join_says_of_now(
    online: LocalOnlineStore,
    records: RecordStore,
    rows: list[tuple[str | None, float | None, float | None, float | None]],
    by_steps: bool,
) -> None:
    """Whatever comes in whichever order, at once or hour by hour: what is read is what the join finds."""
    one = view(table(rows))
    for table_name in online.views():
        online.clear(table_name)
    store = store_of(online, records, one)
    for hour in range(-3, 1) if by_steps else [0]:
        store.materializer.materialize(NOON + timedelta(hours=hour), incremental=by_steps)
    entities = pa.table({"key": ["a", "b"], "event_timestamp": pa.array([NOON, NOON], INSTANT)})
    joined = point_in_time_join(entities, [one]).column("value").to_pylist()
    found = store.get_online_features(["v:value"], [{"key": "a"}, {"key": "b"}])
    assert found.to_dict() == {"key": ["a", "b"], "value": joined}


def test_a_source_larger_than_what_is_held_at_once_comes_whole(
    online: LocalOnlineStore, records: RecordStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several parts, whose keys overlap: the newest of each is there, with how long it took and how many."""
    monkeypatch.setattr("modelyard.features.materialize._CELLS", 1)
    monkeypatch.setattr("modelyard.features.materialize._FEWEST_ROWS", 1000)
    random = np.random.default_rng(0)
    entities, times = random.integers(0, 3000, 10_000), random.permutation(10_000)
    event = pa.array(times.astype(np.int64) * 1_000_000, INSTANT)
    pq.write_table(
        pa.table({"key": entities, "event": event, "value": times * 1.0}), tmp_path / "rows.parquet", row_group_size=777
    )
    store = store_of(online, records, view(str(tmp_path / "rows.parquet"), available_at=None))
    told: list[int] = []
    (done,) = store.materializer.materialize(NOON, progress=lambda _, rows: told.append(rows))
    assert (done.rows, told[-1]) == (10_000, 10_000)
    assert told == sorted(told)
    assert len(told) >= 10
    newest = {int(key): float(times[entities == key].max()) for key in np.unique(entities)}
    found = store.get_online_features(["v:value"], [{"key": key} for key in newest])
    assert found.to_dict()["value"] == list(newest.values())
    (again,) = store.materializer.materialize(NOON)
    assert again.stored == 0
    assert store.materializer.state("v").rows == len(newest)


def test_a_materialization_that_fails_has_changed_nothing(online: LocalOnlineStore, records: RecordStore) -> None:
    """A source that breaks off leaves the view as it was; the next one brings all of it."""
    rows = table([("a", -1, -1, 1.0)])

    def broken() -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from rows.to_batches()
            raise OSError("the disk is gone")

        return pa.RecordBatchReader.from_batches(rows.schema, batches())

    store = store_of(online, records, view(broken))
    with pytest.raises(OSError, match="the disk is gone"):
        store.materializer.materialize(NOON)
    assert store.materializer.state("v").rows == 0
    assert store.materializer.freshness() == {"v": None}


def test_spans_choose_rows_by_time(online: LocalOnlineStore, records: RecordStore) -> None:
    """A backfill never takes the place of newer rows, nor says up to when the view is known."""
    store = store_of(online, records, view(table([("a", -3, -3, 1.0), ("a", -1, -1, 2.0), ("b", -3, -3, 3.0)])))
    (done,) = store.materializer.materialize(NOON, start=NOON - timedelta(hours=2))
    assert (done.rows, done.stored, store.materializer.freshness()["v"]) == (1, 1, None)
    (done,) = store.materializer.materialize(NOON - timedelta(hours=2), start=NOON - timedelta(days=1))
    assert (done.rows, done.stored) == (2, 1)
    assert store.get_online_features(["v:value"], [{"key": "a"}, {"key": "b"}]).to_dict()["value"] == [2.0, 3.0]
    (done,) = store.materializer.materialize(NOON)
    assert (done.rows, done.stored, store.materializer.freshness()["v"]) == (3, 0, NOON)
    (done,) = store.materializer.materialize(NOON, incremental=True)
    assert done.rows == 0
    with pytest.raises(InvalidInput, match="is after"):
        store.materializer.materialize(NOON, start=NOON + timedelta(hours=1))
    with pytest.raises(InvalidInput, match="does not go together"):
        store.materializer.materialize(NOON, start=NOON, incremental=True)


def test_a_store_that_was_lost_is_filled_anew(records: RecordStore, tmp_path: Path) -> None:
    """Up to when a view is known stands with its rows, nowhere else."""
    for name in ("first", "second"):
        online = LocalOnlineStore(tmp_path / name)
        materializer = Materializer(
            Definitions([view(table([("a", -1, -1, 1.0)]))]), online, records, ManualClock(NOON)
        )
        assert [each.stored for each in materializer.materialize(NOON, incremental=True)] == [1]
        online.close()


def test_types_that_do_not_go_online_are_refused(online: LocalOnlineStore, records: RecordStore) -> None:
    """With the column and what to do; nothing is written."""
    rows = table([("a", -1, -1, 1.0)]).append_column("pair", pa.array([[1, 2]]))
    feature, key = view(rows, features=["pair", "value"]), view(rows, features=["value"], entities=[Entity("known")])
    for one, said in ((feature, "list<.*does not go online"), (key, r"timestamp\[us, tz=UTC\].*can carry")):
        with pytest.raises(InvalidDefinition, match=said):
            store_of(online, records, one).materializer.materialize(NOON)
    assert online.views() == []


def test_pushed_rows_are_read_at_once_and_by_the_join(
    online: LocalOnlineStore, records: RecordStore, tmp_path: Path
) -> None:
    """Those that are true and known by now; the next materialization finds the others in the log."""
    source = PushSource("clicks", batch=table([("a", -3, -3, 1.0)]))
    one = view(source)
    source.anchor(tmp_path, tmp_path / "pushed")
    store = store_of(online, records, one)
    assert store.push("clicks", table([("a", -1, -1, 2.0), ("b", 1, 1, 3.0)])) == 2
    asked = [{"key": "a"}, {"key": "b"}]
    found = store.get_online_features(["v:value"], asked)
    assert found.to_dict()["value"] == [2.0, None]
    assert found.presence["value"] == [Presence.PRESENT, Presence.MISSING]
    store.materializer.materialize(NOON + timedelta(hours=1))
    later = store.get_online_features(["v:value"], asked, NOON + timedelta(hours=1))
    assert later.to_df()["value"].tolist() == [2.0, 3.0]
    with pytest.raises(UnknownFeature, match=r"no push source 'click'.*Did you mean 'clicks'"):
        store.push("click", table([]))


def test_features_asked_for_are_checked(online: LocalOnlineStore, records: RecordStore) -> None:
    """Unknown ones with the nearest name, those of one name in two views."""
    other = FeatureView("w", [Entity("key")], table([]), "event", ["value"])
    store = store_of(online, records, view(table([])), other)
    with pytest.raises(UnknownFeature, match=r"no feature 'v:vlue'.*Did you mean 'v:value'"):
        store.get_online_features(["v:vlue"], [])
    with pytest.raises(InvalidDefinition, match="share names: value"):
        store.get_online_features(["v:value", "w:value"], [])


def test_a_store_that_is_full_says_so(records: RecordStore, tmp_path: Path) -> None:
    """And keeps what it had."""
    online = LocalOnlineStore(tmp_path / "small", map_bytes=1 << 17)
    rows = pa.table({"key": np.arange(20_000), "event": pa.array([NOON] * 20_000, INSTANT), "value": np.zeros(20_000)})
    store = store_of(online, records, view(rows, available_at=None))
    with pytest.raises(OnlineUnavailable, match="took none of the rows"):
        store.materializer.materialize(NOON)
    assert store.materializer.state("v").until_us is None
    online.close()
