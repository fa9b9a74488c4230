"""On-demand features: one set of expressions, the same bits offline and online."""

import itertools
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core import ManualClock, ModelyardError, to_micros
from modelyard.features import (
    Definitions,
    Entity,
    FeatureStore,
    FeatureView,
    OnDemandView,
    RequestSource,
)
from modelyard.online import (
    FeatureReader,
    LocalOnlineStore,
    RequestField,
)
from modelyard.storage import open_record_store

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
USER = Entity("user")
NUMBERED = itertools.count()
KEY = RequestField("user", "number")
Make = Callable[..., FeatureStore]

EXPRESSIONS = {
    "ratio": "x / coalesce(n, 1)",
    "waves": "sin(x) * exp(-abs(n / 1000)) + log1p(abs(x))",
    "square": "x ** 2 + abs(x) ** 0.5 + pages ** -1",
    "power": "abs(x) ** pages",
    "again": "ratio * 3 - square % 7",
    "rest": "n // pages",
    "kind": "upper(s) + '-' + channel",
    "odd": "s == 'a' or flag",
    "chosen": "x if flag else pages",
    "weekend": "weekday(seen) >= 5",
    "age": "sent - seen",
    "hour": "hour(seen + 3600)",
    "least": "min(x, n, pages, 100)",
}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Feature stores over definitions, which share an online store."""
    folder = tmp_path_factory.mktemp("features")
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    online = LocalOnlineStore(folder / "online", map_bytes=1 << 24)
    yield lambda *definitions: FeatureStore(Definitions(definitions), online, records, ManualClock(NOON))
    online.close()
    records.close()


REQUEST = RequestSource("visit", {"pages": "float64", "channel": "string", "sent": "timestamp[us, UTC]"})


def view_of(table: pa.Table, name: str = "stats", **more: Any) -> FeatureView:
    """A view of all columns of a table but user and at."""
    features = [each for each in table.column_names if each not in ("user", "at")]
    return FeatureView(name, entities=[USER], source=table, event_time="at", features=features, **more)


def stored(**columns: Any) -> pa.Table:
    """Rows of users 0, 1, … with these features, an hour old."""
    arrays = {name: each if isinstance(each, pa.Array) else pa.array(each) for name, each in columns.items()}
    rows = len(next(iter(arrays.values())))
    return pa.table({"user": list(range(rows)), "at": [NOON - timedelta(hours=1)] * rows, **arrays})


def bits(value: object) -> object:
    """A value such that equal ones are equal bit for bit."""
    return struct.pack("<d", value) if isinstance(value, float) else value


NUMBERS = (
    st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-100, 100)
    | st.sampled_from([0.0, -0.0, 2.0])
)
TEXTS = st.none() | st.sampled_from(["a", "é", "", "Zürich"])
TIMES = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
ROWS = st.lists(
    st.tuples(NUMBERS, st.none() | st.integers(-(2**53), 2**53), TEXTS, st.none() | st.booleans(), TIMES, NUMBERS, TEXTS, TIMES),
    min_size=1, max_size=12,
)  # fmt: skip


@given(rows=ROWS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_offline_and_online_give_the_same_bits(make: Make, rows: list[tuple[Any, ...]]) -> None:
    """Whole columns in training, one row in the server, and many rows together: every value to the last bit."""
    x, n, s, flag, seen, pages, channel, sent = (list(each) for each in zip(*rows, strict=True))
    table = stored(
        x=pa.array(x, pa.float64()), n=pa.array(n, pa.int64()), s=pa.array(s, pa.string()).dictionary_encode(),
        flag=pa.array(flag, pa.bool_()), seen=pa.array(seen, pa.timestamp("us")),
    )  # fmt: skip
    view = OnDemandView("made", sources=[view_of(table, f"stats{next(NUMBERED)}"), REQUEST], features=EXPRESSIONS)
    store = make(view, *(each for each in view.sources if isinstance(each, FeatureView)))
    store.materializer.materialize(NOON)
    users = list(range(len(rows)))
    entities = pa.table(
        {"user": users, "event_timestamp": [NOON] * len(rows), "pages": pa.array(pages, pa.float64()),
         "channel": pa.array(channel, pa.string()), "sent": pa.array(sent, pa.timestamp("us"))}
    )  # fmt: skip
    asked = [f"made:{name}" for name in EXPRESSIONS if name != "kind"] + ["made:kind"]
    offline = store.training_rows(entities, asked, event_time="event_timestamp").select(list(EXPRESSIONS)).to_pylist()
    optional = [RequestField(name, "number" if name == "pages" else "category", required=False)
                for name in ("pages", "channel", "sent")]  # fmt: skip
    reader = FeatureReader(store._online, store.plan(asked, [KEY, *optional]))
    requests = [
        {"user": user, "pages": p, "channel": c, "sent": None if t is None else t.isoformat()}
        for user, p, c, t in zip(users, pages, channel, sent, strict=True)
    ]
    at = to_micros(NOON)
    together = reader.rows(requests, [at] * len(rows))
    for expected, request, among in zip(offline, requests, together, strict=True):
        alone = reader.row(request, at)
        assert not isinstance(among, ModelyardError)
        assert {name: bits(alone.values[name]) for name in EXPRESSIONS} == {
            name: bits(value) for name, value in expected.items()
        }
        assert {name: bits(among.values[name]) for name in EXPRESSIONS} == {
            name: bits(value) for name, value in expected.items()
        }
        assert among.presence == alone.presence
