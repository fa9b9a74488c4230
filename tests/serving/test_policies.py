"""What a deployment declares of its requests, kept by a real server."""

import signal
import socket
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.inference import Bundle, load_bundle
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, FeedFolder, Route, ServingPolicy
from modelyard.serving import deployments as deployments_module
from modelyard.serving.deployments import Deployments

from .harness import Server, live

ROW = {"amount": 120.0, "country": "de", "customer": "anna"}


@pytest.fixture
def server(tmp_path: Path, built: BuiltBundle, strict_bundle: BuiltBundle) -> Iterator[Server]:
    """A server that has not been started, with two bundles beside its feed."""
    server = Server(tmp_path)
    for bundle in (built, strict_bundle):
        server.feed.put_bundle(bundle.path, bundle.digest)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop(signal.SIGKILL)


def logged(server: Server) -> list[dict[str, Any]]:
    """What is on record, oldest first, after the server has ended."""
    server.stop()
    found: list[dict[str, Any]] = server.log.predictions("fraud").to_pylist()
    return found


def test_a_row_that_comes_again_is_answered_from_the_cache_and_logged(server: Server, built: BuiltBundle) -> None:
    """With the same scores, a prediction id of its own, and a hit that is counted."""
    server.publish(live(built), policy=ServingPolicy(cache_answers=100))
    server.start()
    answers = [server.predict(**ROW)[1] for _ in range(5)]
    assert len({each["probability"] for each in answers}) == 1
    assert len({each["prediction_id"] for each in answers}) == 5
    server.until(lambda: server.metric("model_cached_rows_total", model_name="fraud-model") == 4)
    assert server.metric("model_predictions_total", model_version="1") == 5
    assert len(logged(server)) == 5


def test_another_bundle_does_not_answer_from_the_cache_of_the_first(
    server: Server, built: BuiltBundle, strict_bundle: BuiltBundle
) -> None:
    """Answers are remembered by bundle."""
    policy = ServingPolicy(cache_answers=100)
    whole = {"features": [120.0, "de", 7.0]}
    server.publish(live(built), policy=policy)
    server.start()
    first = server.post("/predict", whole)[1]["probability"]
    server.publish(live(strict_bundle, version="2"), policy=policy)
    server.until_generation()
    second = server.post("/predict", whole)[1]["probability"]
    assert second == load_bundle(strict_bundle.path).predict([[120.0, "de", 7.0]]).scores[0, 0] != first


def test_features_are_redacted_and_the_entity_with_them(server: Server, built: BuiltBundle) -> None:
    """The answer is the same; the record tells one customer from another and names neither, redacted, hashed or cut."""
    server.publish(live(built), policy=ServingPolicy(truncate=("amount",), hash=("customer",)))
    server.start()
    assert [server.predict(**{**ROW, "customer": name})[0] for name in ("anna", "anna", "ben")] == [200] * 3
    records = logged(server)
    assert {(each["feature_0"], *each["redacted"]) for each in records} == {(None, 0)}
    assert {each["feature_1"] for each in records} == {"de"}
    names = [each["entity"] for each in records]
    assert len(set(names)) == 2
    assert not set(names) & {"anna", "ben"}
    assert b"anna" not in b"".join(each.read_bytes() for each in (server.folder / "journal").rglob("*.seg"))


def test_only_a_share_of_predictions_is_logged_with_features(server: Server, built: BuiltBundle) -> None:
    """Every prediction is on record; about a third of them with its features."""
    server.publish(live(built), policy=ServingPolicy(log_features=0.3))
    server.start()
    for _ in range(3):
        assert server.post("/predict", {"features": [[120.0, "de", 7.0]] * 200})[0] == 200
    records = logged(server)
    assert len(records) == 600
    assert 120 <= sum(each["has_features"] for each in records) <= 240


def test_limits_are_those_of_the_deployment(server: Server, built: BuiltBundle) -> None:
    """More rows, or a larger body, than it declares."""
    server.publish(live(built), policy=ServingPolicy(rows_limit=2, body_limit=300))
    server.start()
    row = [120.0, "de", 7.0]
    assert server.post("/predict", {"features": [row] * 2})[0] == 200
    status, answer = server.post("/predict", {"features": [row] * 3})
    assert (status, answer["error"]["message"]) == (413, "3 rows are more than 2.")
    status, answer = server.post("/v2/models/fraud/infer", {"inputs": [], "x": "y" * 300})
    assert (status, "larger than 300 bytes" in str(answer)) == (413, True)
    assert "deployments.NAME.serving.body_limit" in str(answer)


def test_who_leaves_while_he_sends_rows_is_counted_as_one_who_left(server: Server, built: BuiltBundle) -> None:
    """By the short way, by the long one and by another protocol's: he made no mistake."""
    server.publish(live(built))
    server.start()

    def left() -> float:
        return server.metric("model_requests_total", code="499")

    ways = [("/predict", 900), ("/predict", 90_000), ("/v2/models/fraud/infer", 900)]
    for path, size in ways:
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n"
            caller.sendall(head.encode() + b"{" + b" " * (size // 2))
    server.until(lambda: left() == len(ways))
    assert server.metric("model_requests_total", code="400") == 0


def test_without_a_log_answers_are_refused(server: Server, built: BuiltBundle) -> None:
    """Unless the deployment would rather answer."""
    blocked(server)
    server.publish(live(built))
    server.start()
    status, answer = server.predict(**ROW)
    assert (status, answer["error"]["code"]) == (503, "JOURNAL_UNAVAILABLE")
    assert server.metric("prediction_log_records_total", outcome="refused") >= 1


def test_a_degraded_deployment_answers_and_its_records_follow(server: Server, built: BuiltBundle) -> None:
    """It says that it is degraded while records are held, and writes them when the disk takes them again."""
    blocked(server)
    server.publish(live(built), policy=ServingPolicy(when_log_fails="degrade"))
    server.start()
    told = [server.predict(**ROW)[1]["prediction_id"] for _ in range(3)]
    assert '"degraded"' in server.get("/health")[1]
    assert server.metric("prediction_log_records_total", outcome="spilled") == 3
    (server.folder / "journal" / "predictions").unlink()
    server.until(lambda: '"healthy"' in server.get("/health")[1])
    assert [each["prediction_id"] for each in logged(server)] == told


def blocked(server: Server) -> None:
    """Put a file where the journal wants a folder."""
    (server.folder / "journal").mkdir()
    (server.folder / "journal" / "predictions").touch()


def test_entity_rows_are_the_same_as_named_rows(server: Server, built: BuiltBundle) -> None:
    """Keys apart from the other fields, one entity a row."""
    server.publish(live(built))
    server.start()
    named = server.predict(**ROW)[1]
    apart = {"entities": [{"customer": "anna"}], "inputs": [{"amount": 120.0, "country": "de"}]}
    assert server.post("/predict", apart)[1]["probability"] == named["probability"]
    status, answer = server.post("/predict", {"entities": [{"customer": "anna"}], "inputs": []})
    assert (status, answer["error"]["path"]) == (400, "inputs")
    status, answer = server.post("/predict", {"entities": [{"customer": "anna"}], "inputs": [ROW]})
    assert (status, answer["error"]["path"]) == (400, "inputs[0].customer")


def test_a_new_model_waits_until_the_old_one_has_left(
    tmp_path: Path, built: BuiltBundle, strict_bundle: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `swap: drain` no two models of a deployment are in memory at once; nothing is ready in between."""
    feed, online = FeedFolder(tmp_path / "feed"), LocalOnlineStore(tmp_path / "online")
    for bundle in (built, strict_bundle):
        feed.put_bundle(bundle.path, bundle.digest)
    served = Deployments(feed, online)
    loaded: list[weakref.ref[Bundle]] = []
    others: list[int] = []

    def load(folder: Path, *, expect: Any, **given: Any) -> Bundle:
        others.append(sum(each() is not None for each in loaded))
        assert not served.ready()
        bundle = load_bundle(folder, expect=expect, **given)
        loaded.append(weakref.ref(bundle))
        return bundle

    monkeypatch.setattr(deployments_module, "load_bundle", load)
    with ThreadPoolExecutor(1) as beside:
        for revision, bundle in enumerate((built, strict_bundle, built), 1):
            publish(feed, revision, live(bundle, version=str(revision)))
            swap = beside.submit(served.load)
            while not swap.done():
                served.take_retired()  # as the server does once a second
            assert swap.result()
            assert served.find(None).live.arm.version == str(revision)
    assert others == [0, 0, 0]
    online.close()


def publish(feed: FeedFolder, revision: int, arm: Arm) -> None:
    """A route of one arm whose model leaves before another comes."""
    route = Route("fraud", "fraud-model", revision, (arm,), "salt")
    feed.publish(Feed(revision, (route,), policies={"fraud": ServingPolicy(swap="drain")}))


def test_a_drained_deployment_goes_back_to_the_old_model_when_the_new_one_is_refused(
    server: Server, built: BuiltBundle, strict_bundle: BuiltBundle
) -> None:
    """And later changes of the feed do not try the bad one again in its place."""
    drain = ServingPolicy(swap="drain")
    server.publish(live(built), policy=drain)
    server.start()
    (server.feed.bundle_path(strict_bundle.digest) / "profile.json").write_text("{}")
    server.publish(live(strict_bundle, version="2"), policy=drain)
    server.until(lambda: any("damaged" in arm.why_not for each in server.statuses() for arm in each.arms))
    server.until(lambda: server.get("/ready")[0] == 200)
    assert server.predict(**ROW)[1]["model_version"] == "1"
