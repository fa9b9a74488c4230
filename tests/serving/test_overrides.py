"""Testers who name the arm: allowed where the deployment says so, marked on record, refused elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest
from modelyard.routing import Arm, ServingPolicy

from .harness import Server, canary, live

ROW: list[Any] = [1.0, "de", 2.0]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle, strict_bundle: BuiltBundle
) -> Iterator[Server]:
    """A server with a canary that the route gives nothing, and a shadow."""
    server = Server(tmp_path_factory.mktemp("overrides"))
    for bundle in (built, strict_bundle):
        server.feed.put_bundle(bundle.path, bundle.digest)
    publish(server, built, strict_bundle, overrides=True)
    server.start()
    yield server
    server.stop()


def publish(server: Server, built: BuiltBundle, strict_bundle: BuiltBundle, *, overrides: bool) -> None:
    """The route, with or without permission to name an arm."""
    watcher = Arm("watcher", "shadow", "3", strict_bundle.digest, 1.0)
    arms = (live(built, 1.0), canary(strict_bundle, 0.0), watcher)
    server.publish(*arms, policy=ServingPolicy(overrides=overrides))


def ask(server: Server, arm: str, row: list[Any] = ROW) -> tuple[int, Any]:
    """One row for an arm."""
    return server.post("/predict", {"features": row}, {"X-Modelyard-Arm": arm})


def told(server: Server, prediction_id: str) -> dict[str, tuple[bool, bool, str | None]]:
    """Of each arm that a prediction was given to, whether it was forced, whether it answered, and its error."""
    columns = ("prediction_id", "arm", "forced", "answered", "error")
    server.until(lambda: len(_of(server, prediction_id, columns)) >= 2)  # the shadow's comes after the answer
    return {row["arm"]: (row["forced"], row["answered"], row["error"]) for row in _of(server, prediction_id, columns)}


def _of(server: Server, prediction_id: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = server.log.predictions("fraud", columns=columns).to_pylist()
    return [row for row in rows if row["prediction_id"] == prediction_id]


def test_a_named_arm_answers_and_its_records_are_marked(server: Server) -> None:
    """The canary's weight is nought; who names live is marked too, and so is what a shadow made of it."""
    before = {arm: overrides(server, arm) for arm in ("canary", "live")}
    trial, named = ask(server, "canary")[1], ask(server, "live")[1]
    free = server.post("/predict", {"features": ROW})[1]
    assert [each["model_version"] for each in (trial, named, free)] == ["2", "1", "1"]
    assert told(server, trial["prediction_id"]) == {"canary": (True, True, None), "watcher": (True, False, None)}
    assert told(server, named["prediction_id"]) == {"live": (True, True, None), "watcher": (True, False, None)}
    assert told(server, free["prediction_id"]) == {"live": (False, True, None), "watcher": (False, False, None)}
    batch = [{"features": ROW}, {"features": ROW}]
    assert server.post("/batch_predict", batch, {"X-Modelyard-Arm": "canary"})[1]["model_version"] == "2"
    assert [overrides(server, arm) - before[arm] for arm in ("canary", "live")] == [2, 1]


def overrides(server: Server, arm: str) -> float:
    """Requests that named an arm."""
    return server.metric("rollout_overrides_total", model_name="fraud-model", arm=arm)


def test_when_the_named_arm_fails_live_answers_and_both_are_marked(server: Server) -> None:
    """A tester's failure is charged to the arm, and left out by whoever compares arms."""
    answer = ask(server, "canary", [1.0, None, 2.0])[1]
    assert answer["model_version"] == "1"
    found = told(server, answer["prediction_id"])
    assert (found["canary"], found["live"]) == ((True, False, "input"), (True, True, None))


def test_other_protocols_take_the_same_header(server: Server) -> None:
    """Open Inference, TensorFlow Serving and MLflow; gRPC takes it as metadata, as it does the others."""
    tensors = [
        {"name": name, "datatype": datatype, "shape": [1], "data": [value]}
        for name, datatype, value in (("amount", "FP64", 1.0), ("country", "BYTES", "de"))
    ]
    row, kind = {"amount": 1.0, "country": "de"}, {"Content-Type": "application/json"}
    before = overrides(server, "live")
    asked: list[tuple[str, Any]] = [
        ("/v2/models/fraud/infer", {"inputs": tensors}),
        ("/v1/models/fraud:predict", {"instances": [row]}),
        ("/invocations", {"dataframe_records": [row]}),
    ]
    for path, body in asked:
        assert server.post(path, body, kind | {"X-Modelyard-Arm": "live"})[0] == 200, path
        assert server.post(path, body, kind | {"X-Modelyard-Arm": "nobody"})[0] == 400, path
    assert overrides(server, "live") - before == 3


def test_without_permission_or_with_an_unknown_arm_the_request_is_refused(
    server: Server, built: BuiltBundle, strict_bundle: BuiltBundle
) -> None:
    """The message says which arms there are, or how to permit it; a shadow answers nobody."""
    publish(server, built, strict_bundle, overrides=False)
    server.until(lambda: ask(server, "canary")[0] == 400)
    status, answer = ask(server, "canary")
    assert (status, answer["error"]) == (
        400,
        {
            "code": "BAD_REQUEST",
            "message": "'fraud' does not let callers name the arm that answers.",
            "path": "X-Modelyard-Arm",
            "remedy": "Leave the header out, or set deployments.fraud.serving.overrides: true.",
        },
    )
    publish(server, built, strict_bundle, overrides=True)
    server.until(lambda: ask(server, "canary")[0] == 200)
    for name in ("canari", "watcher", ""):
        status, answer = ask(server, name)
        assert status == 400
        assert f"no arm '{name}' that answers. Arms: live, canary" in str(answer["error"])
    assert "'canary'" in str(ask(server, "canari")[1]["error"]["remedy"])


def test_a_named_arm_that_is_not_loaded_is_not_answered_by_another(server: Server, built: BuiltBundle) -> None:
    """Whoever asks for the canary wants to know that it is not there."""
    missing = Arm("canary", "canary", "4", Digest("f" * 64), 0.0)
    server.publish(live(built), missing, policy=ServingPolicy(overrides=True))
    server.until(lambda: ask(server, "canary")[0] == 503)
    assert "The arm 'canary' of 'fraud' is not loaded" in str(ask(server, "canary")[1]["error"])
    assert ask(server, "live")[0] == 200
