"""`POST /features` of a real server: what the live model reads, looked up by the caller."""

import signal
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Micros, to_micros
from modelyard.online import LocalOnlineStore, StoredRow, table_of

from .harness import AT, Server, live

TABLE = table_of("stats", ["customer"], ["visits"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Iterator[Server]:
    """A server whose model reads the visits of a customer; Anna's are known, Bert's are old."""
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder)
    server.feed.put_bundle(built.path, built.digest)
    asked_at, now = to_micros(datetime.fromisoformat(AT)), Micros(time.time_ns() // 1000)
    online = LocalOnlineStore(folder / "online")
    online.write(TABLE, [(("anna",), StoredRow(asked_at, asked_at, (7.0,))), (("bert",), StoredRow(0, 0, (1.0,)))])
    with online.writer(TABLE) as writer:
        writer.mark(until=now, at=now)
    online.close()
    server.publish(live(built))
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop(signal.SIGKILL)


def test_features_of_entities_come_by_the_column(server: Server) -> None:
    """In their order, each with its presence; all features of the model, or those that are named."""
    entities = [{"customer": each} for each in ("anna", "bert", "nobody", None)]
    for body in ({"entities": entities}, {"entities": entities, "features": ["stats:visits"]}):
        for path in ("/features", "/deployments/fraud/features"):
            status, found = server.post(path, body)
            assert status == 200
            assert found["values"] == {"visits": [7.0, None, None, None]}
            assert found["presence"] == {"visits": ["present", "expired", "missing", "missing"]}
    assert server.post("/features", {"entities": []})[1]["values"] == {"visits": []}
    assert server.post("/features", {"entities": [{"customer": "anna"}], "features": []})[1]["values"] == {}


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({}, "", "entities"),
        ({"entities": [{"custmer": "anna"}]}, "entities[0].customer", "lacks the key 'customer'"),
        ({"entities": [{"customer": "anna", "x": 1}]}, "entities[0].x", "no key of the features"),
        ({"entities": [{"customer": ["anna"]}]}, "entities[0]", "body is not what this path takes"),
        ({"entities": [], "features": ["stats:visit"]}, "features[0]", "reads no feature 'stats:visit'"),
        ({"entities": [], "feature": ["visits"]}, "", "unknown field"),
    ],
)
def test_wrong_questions_say_where(server: Server, body: Any, path: str, message: str) -> None:
    """With 400, the path of the field and what to send."""
    status, told = server.post("/features", body)
    assert status == 400
    assert message in told["error"]["message"]
    assert path in told["error"].get("path", "")
    assert told["error"]["remedy"]


def test_names_written_twice_are_refused(server: Server) -> None:
    """Nobody can tell which is meant."""
    status, told = server.post("/features", b'{"entities": [{"customer": "anna", "customer": "bert"}]}')
    assert status == 400
    assert "written twice" in told["error"]["message"]


def test_batches_of_rows_read_the_store_together(server: Server) -> None:
    """And answer as rows alone do."""
    rows = [{"amount": 120.0, "country": "de", "customer": each} for each in ("anna", "bert", "nobody", "anna")]
    status, together = server.post("/predict", {"inputs": rows})
    assert status == 200
    alone = [server.post("/predict", {"inputs": [row]})[1]["probability"] for row in rows]
    assert together["probabilities"] == alone


def test_the_freshness_of_views_is_a_metric(server: Server) -> None:
    """Seconds since the view was known to be complete."""
    server.until(lambda: 0 < server.metric("feature_freshness_seconds", feature_view="stats") < 600)
