"""Training-serving skew of what a real server answered and put on record."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock, to_micros
from modelyard.features import (
    Definitions,
    Entity,
    FeatureStore,
    FeatureView,
    ServedDeployments,
    SkewReport,
    VersionPlan,
)
from modelyard.inference import load_bundle
from modelyard.online import FeaturePlan, LocalOnlineStore, StoredRow, table_of
from modelyard.routing import ServingPolicy
from modelyard.storage import open_record_store

from ...conftest import NOON
from ...serving.harness import AT, Server, live

MINUTE = timedelta(minutes=1)
VISITS = pa.table(
    {
        "customer": ["anna", "ben", "anna", "carl"],
        "at": [NOON - 30 * MINUTE, NOON - 20 * MINUTE, NOON - 10 * MINUTE, NOON - 90 * MINUTE],
        "visits": [1.0, None, 3.0, 4.0],
    }
)


def stats(**changes: object) -> FeatureView:
    """The view of the bundle's plan."""
    options = {"ttl": timedelta(hours=1), "features": ["visits"]} | changes
    return FeatureView("stats", entities=[Entity("customer")], source=VISITS, event_time="at", **options)  # type: ignore[arg-type]


class Fraud:
    """The deployment `fraud` of a real server, its features, and its log."""

    def __init__(self, folder: Path, built: BuiltBundle) -> None:
        self.server = Server(folder)
        self.server.feed.put_bundle(built.path, built.digest)
        self.built = built
        self.clock = ManualClock(NOON - 25 * MINUTE)
        self.online = LocalOnlineStore(folder / "online")
        self.records = open_record_store(f"sqlite:///{folder / 'records.db'}")
        self.records.migrate()
        self.features = self.defined(stats())

    def defined(self, view: FeatureView) -> FeatureStore:
        """The features under other definitions."""
        info = load_bundle(self.built.path).info
        plan = VersionPlan(tuple(info.signature.names), msgspec.convert(info.plan, FeaturePlan))
        served = ServedDeployments(self.server.log, ("fraud",), lambda _deployment, _version: plan)
        return FeatureStore(Definitions([view]), self.online, self.records, self.clock, served)

    def ask(self, *customers: str) -> None:
        """Ask about customers, one by one and all at once."""
        rows = [{"amount": 120.0, "country": "de", "customer": each} for each in customers]
        for row in rows:
            assert self.server.predict(**row)[0] == 200
        assert self.server.post("/predict", {"inputs": rows})[0] == 200

    def materialize(self) -> None:
        """Bring everything up at noon."""
        self.clock.set(NOON)
        self.features.materializer.materialize(NOON)

    def skew(self, view: FeatureView | None = None) -> SkewReport:
        """The skew of the hour around noon."""
        store = self.features if view is None else self.defined(view)
        return store.skew(since=NOON - timedelta(hours=1), until=NOON + timedelta(hours=1))


@pytest.fixture
def fraud(tmp_path: Path, built: BuiltBundle) -> Iterator[Fraud]:
    """A server that answers at noon."""
    assert NOON.isoformat() == AT
    fraud = Fraud(tmp_path, built)
    fraud.server.publish(live(built))
    fraud.server.start()
    yield fraud
    fraud.server.stop(signal.SIGKILL)
    fraud.records.close()
    fraud.online.close()


def test_what_a_server_read_in_time_has_no_skew_and_each_planted_cause_is_found(fraud: Fraud) -> None:
    """Keys that are no inputs of the model are on record too; late, foreign, and of another definition."""
    fraud.features.materializer.materialize(NOON - 25 * MINUTE)
    fraud.ask("anna", "carl")
    late = fraud.skew()
    assert (late.predictions, late.differing, late.causes) == (4, 2, {"late": 2})
    assert late.examples[0].key == {"customer": "anna"}
    assert (late.examples[0].served, late.examples[0].recomputed) == (1.0, 3.0)

    fraud.materialize()
    fraud.ask("anna", "ben", "carl", "nobody")
    assert (fraud.skew().compared, fraud.skew().differing) == (12, 2)

    table = table_of("stats", ["customer"], ["visits"])
    row = StoredRow(to_micros(NOON - MINUTE), to_micros(NOON - MINUTE), (99.0,))
    fraud.online.write(table, [(("ben",), row)])
    fraud.ask("ben")
    assert fraud.skew().causes == {"late": 2, "unknown": 2}

    longer = fraud.skew(stats(ttl=timedelta(hours=2)))
    assert longer.causes["definition"] == longer.columns[0].differing == 8  # of carl too, who was expired
    assert longer.columns[0].reason == "its definition changed: ttl was 1h, and is 2h"


def test_what_a_deployment_does_not_log_is_not_judged(fraud: Fraud) -> None:
    """A redacted key hides the features of its views; without any sample there is nothing."""
    fraud.materialize()
    fraud.server.publish(live(fraud.built), policy=ServingPolicy(redact=("customer",)))
    fraud.server.until_generation()
    fraud.ask("anna")
    hidden = fraud.skew()
    assert (hidden.predictions, hidden.compared, hidden.verdict) == (2, 0, "inconclusive")
    journal = b"".join(each.read_bytes() for each in (fraud.server.folder / "journal").rglob("*.seg"))
    assert b"anna" not in journal
    fraud.server.publish(live(fraud.built), policy=ServingPolicy(log_features=0.0))
    fraud.server.until_generation()
    fraud.ask("anna")
    assert fraud.skew().reasons == ("Of 2 predictions the features were not logged.",)


def test_values_that_the_caller_sent_in_order_are_not_judged_without_their_key(fraud: Fraud) -> None:
    """Nobody knows whose they are."""
    fraud.materialize()
    assert fraud.server.post("/predict", {"features": [120.0, "de", 7.0]})[0] == 200
    assert (fraud.skew().compared, fraud.skew().verdict) == (0, "inconclusive")
