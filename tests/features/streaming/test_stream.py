"""Rows that come through a stream: online, in the log, once each."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from modelyard.core import ManualClock
from modelyard.features import (
    Aggregation,
    AggregationView,
    Definitions,
    Entity,
    FeatureStore,
    FeatureView,
    InvalidDefinition,
    PushSource,
    StreamPushed,
    StreamSource,
    described,
    point_in_time_join,
)
from modelyard.online import LocalOnlineStore, OnlineUnavailable
from modelyard.storage import open_record_store
from modelyard.streams import Consumer, Message, Stream, open_stream

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SCHEMA = {"user": "string", "at": "timestamp[us, UTC]", "pages": "int64"}
USER = Entity("user")


class Clicks:
    """A stream of clicks with two views: each user's newest visit, and how many there were in a day."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.address = f"local:{folder / 'streams'}/clicks?create=true&deliveries=3"
        self.source = StreamSource("clicks", url=self.address, **({"schema": SCHEMA} | given))
        self.source.anchor(folder, folder / "pushed")
        self.newest = FeatureView("newest", [USER], self.source, "at", ["pages"])
        self.counted = AggregationView(
            "counted", [USER], self.source, "at", slide=timedelta(hours=1),
            aggregations=[Aggregation("pages", "count", window=timedelta(days=1))],
        )  # fmt: skip
        records = open_record_store(f"sqlite:///{folder / 'records.db'}")
        records.migrate()
        self.online = LocalOnlineStore(folder / "online")
        definitions = Definitions([USER, self.newest, self.counted, self.source])
        self.store = FeatureStore(definitions, self.online, records, ManualClock(NOON))
        self.stream: Stream = open_stream(self.address)

    def publish(self, *values: Any) -> None:
        """Publish messages: bytes as they are, others as JSON."""
        self.stream.publish(
            [Message(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in values]
        )

    def run(self) -> StreamPushed:
        """What a new consumer does with all there is."""
        with self.stream.consumer("g") as consumer:
            return self.store.stream_pusher("newest", self.address).run(consumer, seconds=0.0)

    def dead(self) -> list[str]:
        """Why messages were put aside."""
        with self.stream.dead_letters().consumer("looking") as consumer:
            found = consumer.gather(100, 0.0)
            consumer.acknowledge(found)
        return [each.message.headers["modelyard-dead-reason"] for each in found]

    def joined(self, user: str, view: FeatureView) -> Any:
        """What training sees at noon."""
        asked = pa.table({"user": [user], "event_timestamp": [NOON]})
        return point_in_time_join(asked, [view]).column(view.feature_names[0]).to_pylist()[0]

    def served(self, user: str) -> Any:
        """What is served now."""
        return self.store.get_online_features(["newest:pages"], [{"user": user}]).to_dict()["pages"][0]


def click(user: str, minute: int, pages: Any) -> dict[str, Any]:
    """A click some minutes before noon."""
    return {"user": user, "at": (NOON - timedelta(minutes=minute)).isoformat(), "pages": pages}


@pytest.fixture
def clicks(tmp_path: Path) -> Iterator[Clicks]:
    """The stream, empty."""
    made = Clicks(tmp_path)
    yield made
    made.stream.close()
    made.online.close()


def test_messages_are_served_at_once_and_joined(clicks: Clicks) -> None:
    """By every view of the source; what is left is told."""
    clicks.publish(click("ann", 90, 3), click("ann", 80, 5), click("bob", 70, 1))
    assert clicks.run() == StreamPushed(rows=3)
    assert (clicks.served("ann"), clicks.served("bob")) == (5, 1)
    assert (clicks.joined("ann", clicks.newest), clicks.joined("ann", clicks.counted)) == (5, 2)
    clicks.store.materializer.materialize(NOON)
    found = clicks.store.get_online_features(clicks.counted, [{"user": "ann"}])
    assert found.to_dict()[clicks.counted.feature_names[0]] == [2]
    assert clicks.run() == StreamPushed()


def test_the_same_message_twice_changes_nothing(clicks: Clicks) -> None:
    """Neither counts nor the newest row: after a rewind, all come again."""
    clicks.publish(click("ann", 90, 3), click("ann", 80, 5))
    clicks.run()
    clicks.stream.rewind("g")
    assert clicks.run() == StreamPushed(rows=0, again=2)
    assert clicks.joined("ann", clicks.counted) == 2
    assert clicks.served("ann") == 5


def test_an_event_that_was_published_twice_counts_once_where_it_has_a_name(tmp_path: Path) -> None:
    """Two messages, one event; without a name they are two."""
    clicks = Clicks(tmp_path, id="event")
    clicks.publish(*[click("ann", 90, 3) | {"event": 1}] * 2, click("ann", 90, 3) | {"event": 2}, click("bob", 90, 3))
    assert clicks.run() == StreamPushed(rows=2, again=1, refused=1)
    assert clicks.joined("ann", clicks.counted) == 2
    assert "lacks the column 'event'" in clicks.dead()[0]
    clicks.stream.close()
    clicks.online.close()


def test_what_is_no_row_becomes_a_dead_letter_with_its_reason(clicks: Clicks) -> None:
    """At once, and the others are taken: also where only a view knows that a value is none."""
    clicks.publish(
        click("ann", 90, 3),
        b"no json",
        click("ann", 80, "5"),
        {"user": "ann", "pages": 1},
        click("bob", 70, 2**70),
        b'{"user": "ann", "at": "9999-12-31T23:59:59Z", "pages": 1, "more": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        click("ann", 60, None),
    )
    assert clicks.run() == StreamPushed(rows=2, refused=5)
    assert clicks.served("ann") is None
    reasons = clicks.dead()
    for reason, said in zip(
        reasons, ["malformed", "got `str`", "lacks the column 'at'", "pages", "recursion"], strict=True
    ):
        assert said in reason
    assert clicks.run() == StreamPushed()


def test_a_value_that_only_the_view_refuses_is_found_among_the_others(tmp_path: Path) -> None:
    """A text that should be a time: it would make the whole source unreadable."""
    batch = pa.table({"user": ["cleo"], "at": ["2026-01-01"], "pages": [9]})
    clicks = Clicks(tmp_path, batch=batch, schema=None)
    clicks.publish(click("ann", 90, 3), click("ann", 80, 5) | {"at": "noon"}, click("bob", 70, 1))
    assert clicks.run() == StreamPushed(rows=2, refused=1)
    assert "'noon'" in clicks.dead()[0]
    assert [clicks.joined(each, clicks.newest) for each in ("ann", "bob", "cleo")] == [3, 1, 9]
    clicks.stream.close()
    clicks.online.close()


def test_a_store_that_is_away_loses_nothing_and_spends_no_delivery(
    clicks: Clicks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are in the log already are held until they are online; only then are they acknowledged."""
    clicks.publish(click("ann", 90, 3))
    pusher = clicks.store.stream_pusher("newest", clicks.address)
    with clicks.stream.consumer("g") as consumer:
        with monkeypatch.context() as patched:
            patched.setattr(LocalOnlineStore, "writer", _away)
            for _ in range(5):
                with pytest.raises(OnlineUnavailable):
                    pusher.run(consumer, seconds=0.0)
            assert clicks.stream.lag("g").unacknowledged == 1
        assert clicks.served("ann") is None
        assert pusher.run(consumer, seconds=0.0) == StreamPushed(rows=0, again=1)
    assert (clicks.served("ann"), clicks.joined("ann", clicks.counted)) == (3, 1)
    assert clicks.stream.lag("g").unacknowledged == 0


def _away(*_: object) -> None:
    raise OnlineUnavailable("The store is away.")


def test_nothing_is_acknowledged_before_it_is_kept(clicks: Clicks, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the log and online."""
    seen = []
    acknowledge = Consumer.acknowledge

    def looking(self: Consumer, deliveries: Any) -> None:
        seen.append((clicks.served("ann"), clicks.joined("ann", clicks.newest), len(deliveries)))
        acknowledge(self, deliveries)

    monkeypatch.setattr(Consumer, "acknowledge", looking)
    clicks.publish(click("ann", 90, 3))
    clicks.run()
    assert seen[0] == (3, 3, 1)


def test_a_stream_that_was_made_anew_begins_anew(tmp_path: Path, clicks: Clicks) -> None:
    """Its first message has the place that another had; it is another message all the same."""
    clicks.publish(click("ann", 90, 3))
    clicks.run()
    clicks.stream.close()
    for each in (tmp_path / "streams").iterdir():
        each.unlink()
    clicks.stream = open_stream(clicks.address)
    clicks.publish(click("ann", 80, 4))
    assert clicks.run() == StreamPushed(rows=1)
    assert clicks.joined("ann", clicks.counted) == 2


def test_rows_are_pushed_to_it_by_hand_too(clicks: Clicks) -> None:
    """It is a push source."""
    assert clicks.store.push("clicks", [click("ann", 5, 7) | {"at": NOON - timedelta(minutes=5)}]) == 1
    assert clicks.served("ann") == 7
    clicks.publish(click("ann", 90, 3))
    clicks.run()
    assert clicks.served("ann") == 7
    assert clicks.joined("ann", clicks.newest) == 7


def test_definitions_that_cannot_be_are_refused() -> None:
    """With all that is wrong; an address keeps its secret."""
    with pytest.raises(InvalidDefinition, match=r"no address of a stream.*\n?.*give one of the two"):
        StreamSource("clicks", url="natz://host/clicks")
    with pytest.raises(InvalidDefinition, match="its url is int, which is no text"):
        StreamSource("clicks", url=7, schema=SCHEMA)  # type: ignore[arg-type]  # what is wrong
    with pytest.raises(InvalidDefinition, match="There is no type 'strin'"):
        StreamSource("clicks", schema={"user": "strin"})
    with pytest.raises(InvalidDefinition, match="give one of the two"):
        StreamSource("clicks", batch="rows.parquet", schema=SCHEMA)
    source = StreamSource("clicks", url=SecretStr("nats://joe:s3cret@host:4222"), schema=SCHEMA)
    told = described(source, Definitions([source]))
    assert (told["stream"], told["id"]) == ("nats://host:4222/clicks", None)
    assert "s3cret" not in f"{told}{source!r}"
    nowhere = StreamSource("elsewhere", schema=SCHEMA)
    assert nowhere.address() is None


def test_views_that_nothing_streams_into_say_so(clicks: Clicks, tmp_path: Path) -> None:
    """And columns that the source does not have."""
    plain = FeatureView("plain", [USER], pa.table({"user": ["a"]}), "at", ["pages"])
    store = FeatureStore(Definitions([plain]), clicks.online, clicks.store._records, ManualClock(NOON))
    with pytest.raises(InvalidDefinition, match="neither a StreamSource nor a PushSource"):
        store.stream_pusher("plain", "x")
    source = StreamSource("typo", schema=SCHEMA)
    source.anchor(tmp_path, tmp_path / "pushed")
    typo = FeatureView("typo", [USER], source, "at", ["page"])
    store = FeatureStore(Definitions([typo, source]), clicks.online, clicks.store._records, ManualClock(NOON))
    with pytest.raises(InvalidDefinition, match=r"wants the column 'page'"):
        store.stream_pusher("typo", "x")
    bare = PushSource("bare", batch=pa.table({"user": ["a"], "at": [NOON], "pages": [1]}))
    bare.anchor(tmp_path, tmp_path / "pushed")
    view = FeatureView("bare", [USER], bare, "at", ["pages"])
    store = FeatureStore(Definitions([view, bare]), clicks.online, clicks.store._records, ManualClock(NOON))
    clicks.publish(click("ann", 90, 3))
    with clicks.stream.consumer("g") as consumer:
        assert store.stream_pusher("bare", clicks.address).run(consumer, seconds=0.0).rows == 1
    assert store.get_online_features(["bare:pages"], [{"user": "ann"}]).to_dict()["pages"] == [3]
