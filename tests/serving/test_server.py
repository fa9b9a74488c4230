"""The real server, as its own process: answers, falls back, follows routes, and loses nothing."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.access import Role, mint_key
from modelyard.bundling import BuiltBundle
from modelyard.control import free_port
from modelyard.core import Micros
from modelyard.inference import compiled_walker
from modelyard.online import LocalOnlineStore, StoredRow, table_of
from modelyard.routing import Arm, KeyEntry

from .harness import AT, AT_US, Server, canary, live
from .paced import NOISE, Paced


@pytest.fixture
def server(tmp_path: Path, built: BuiltBundle, strict_bundle: BuiltBundle) -> Iterator[Server]:
    """A server that has not been started, with two bundles beside its feed and one customer in its online store."""
    server = Server(tmp_path)
    for bundle in (built, strict_bundle):
        server.feed.put_bundle(bundle.path, bundle.digest)
    online = LocalOnlineStore(tmp_path / "online")
    online.write(
        table_of("stats", ["customer"], ["visits"]),
        [(("anna",), StoredRow(AT_US - 60_000_000, AT_US - 60_000_000, (7.0,)))],
    )
    online.close()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop(signal.SIGKILL)


def test_a_row_is_answered_recorded_and_met_by_its_truth(server: Server, built: BuiltBundle) -> None:
    """Features come from the request and the online store; a later truth joins the record. Segments end when asked."""
    server.publish(live(built))
    server.start()
    status, answer = server.predict(amount=120.0, country="de", customer="anna")
    assert status == 200
    assert set(answer) == {"prediction", "probability", "model_version", "prediction_id", "latency_ms"}
    by_order = server.post("/predict", {"features": [120.0, "de", 7.0]})[1]
    assert by_order["probability"] == answer["probability"]
    truth = {"prediction_id": answer["prediction_id"], "label": 1, "at": "2026-01-05T15:00:00Z"}
    assert server.post("/feedback", [truth]) == (200, {"accepted": 1})
    assert server.log.seal().records == 0
    server.feed.ask_for_new_segments()
    server.until(lambda: server.log.seal().records > 0)
    assert server.stop() == 0
    (row,) = server.log.labelled("fraud").to_pylist()
    assert (row["prediction_id"], row["label"], row["answered"]) == (answer["prediction_id"], "1", True)
    assert row["event_us"].isoformat() == AT
    assert server.log.stats("fraud").predictions == 2


def test_the_server_imports_nothing_heavy(server: Server, built: BuiltBundle) -> None:
    """Asked of the process itself, after it has predicted. Of compiled trees it needs what loads them, and no more."""
    assert compiled_walker() is not None
    heavy = ["mlflow", "pandas", "pyarrow", "duckdb", "sklearn", "sqlalchemy", "feast", "ray", "numba", "onnxruntime"]
    wrapper = (
        "import runpy, sys, atexit; sys.argv[0] = 'server';"
        f"atexit.register(lambda: open({str(server.folder / 'modules')!r}, 'w').write("
        f"repr([m for m in {heavy!r} if m in sys.modules]) + str('llvmlite' in sys.modules)));"
        "runpy.run_module('modelyard.serving', run_name='__main__')"
    )
    light = Server(server.folder, wrapper=wrapper)
    light.publish(live(built))
    light.start()
    assert light.predict(amount=1.0, country="de", customer="anna")[0] == 200
    light.stop()
    assert (server.folder / "modules").read_text() == "[]True"


def test_when_a_canary_fails_live_answers_and_the_canary_is_charged(
    server: Server, built: BuiltBundle, strict_bundle: BuiltBundle
) -> None:
    """The strict model refuses a row with a missing value; the caller never notices."""
    server.publish(live(built, 0.5), canary(strict_bundle, 0.5))
    server.start()
    for number in range(40):
        status, answer = server.predict(amount=50.0, country=None, customer=f"c{number}")
        assert status == 200
        assert answer["model_version"] == "1"
    server.stop()
    records = server.log.predictions("fraud").to_pylist()
    failed = [each for each in records if each["arm"] == "canary"]
    assert 8 <= len(failed) <= 32
    assert {(each["error"], each["answered"]) for each in failed} == {("input", False)}
    assert sum(each["answered"] for each in records) == 40
    answered_twice = [each["prediction_id"] for each in records if each["answered"]]
    assert len(set(answered_twice)) == 40


def test_a_shadow_scores_every_request_and_answers_none(
    server: Server, built: BuiltBundle, strict_bundle: BuiltBundle
) -> None:
    """Its records stand beside the answers, under the same prediction ids."""
    server.publish(live(built), Arm("watcher", "shadow", "2", strict_bundle.digest, 1.0))
    server.start()
    answers = [server.predict(amount=float(n), country="de", customer="anna")[1] for n in range(30)]
    server.stop()
    shadows = server.log.predictions("fraud", arm="watcher").to_pylist()
    assert sorted(each["prediction_id"] for each in shadows) == sorted(each["prediction_id"] for each in answers)
    assert {each["answered"] for each in shadows} == {False}
    assert {each["model_version"] for each in answers} == {"1"}


@pytest.mark.parametrize(
    ("swaps", "rollbacks"),
    [
        pytest.param(10, 3, marks=[pytest.mark.long, pytest.mark.alone]),
        pytest.param(100, 20, marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
def test_routes_change_under_load_without_a_failed_request(
    server: Server, built: BuiltBundle, strict_bundle: BuiltBundle, swaps: int, rollbacks: int
) -> None:
    """New versions, then back to the one before, while 200 requests a second come: none fails, p99 at most doubles."""
    server.publish(live(built))
    server.start()
    clients = Paced(server.port, 200)
    clients.start()
    begin = time.monotonic() + 1
    server.until(lambda: time.monotonic() > begin + 3)
    changed_from = time.monotonic()
    versions = [*range(2, swaps + 2), *(swaps + number % 2 for number in range(rollbacks))]
    for version in versions:
        server.publish(live((built, strict_bundle)[version % 2], version=str(version)))
        server.until_generation()
    changed_until = time.monotonic()
    clients.stop()
    before, during = clients.p99(begin, changed_from), clients.p99(changed_from, changed_until)
    print(  # noqa: T201 - the numbers, with `pytest -s`
        f"p99 {before * 1000:.2f} ms before, {during * 1000:.2f} ms during {len(versions)} changes; "
        f"{len(clients.asked)} requests"
    )
    assert clients.failed() == []
    assert during <= 2 * max(before, NOISE)
    health = json.loads(server.get("/health")[1])
    assert health == {"status": "healthy", "model_loaded": True, "live": {"fraud": str(versions[-1])}}


def test_a_damaged_bundle_or_feed_leaves_the_last_good_route(
    server: Server, built: BuiltBundle, strict_bundle: BuiltBundle
) -> None:
    """Serving goes on unchanged, and the status says why the other arm is not loaded."""
    server.publish(live(built))
    server.start()
    (server.feed.bundle_path(strict_bundle.digest) / "model.treelite").write_bytes(b"damaged")
    server.publish(live(strict_bundle, version="2"))
    now = Micros(time.time_ns() // 1000)
    server.until(lambda: any(arm.why_not for each in server.feed.statuses(now) for arm in each.arms))
    assert server.predict(amount=1.0, country="de", customer="anna")[1]["model_version"] == "1"
    (server.folder / "feed" / "feed.json").write_text("{")
    time_of_damage = time.monotonic()
    server.until(lambda: time.monotonic() - time_of_damage > 0.5)
    assert server.predict(amount=1.0, country="de", customer="anna")[0] == 200


def test_every_answered_prediction_survives_kill_9_exactly_once(server: Server, built: BuiltBundle) -> None:
    """Killed under load three times: what a client was told is on record, once."""
    server.publish(live(built))
    told: list[str] = []
    for _ in range(3):
        server.start()

        def ask() -> None:
            try:
                while True:
                    told.append(server.predict(amount=5.0, country="de", customer="anna")[1]["prediction_id"])
            except (OSError, http.client.HTTPException):
                return

        clients = [threading.Thread(target=ask) for _ in range(3)]
        for client in clients:
            client.start()
        wanted = len(told) + 60
        server.until(lambda wanted=wanted: len(told) > wanted)  # type: ignore[misc]  # bound here on purpose
        server.stop(signal.SIGKILL)
        for client in clients:
            client.join()
    log = server.log
    log.seal()
    logged = log.predictions("fraud", answered=True).column("prediction_id").to_pylist()
    assert len(logged) == len(set(logged))
    assert set(told) <= set(logged)
    assert len(set(told)) == len(told)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "truncated"),
        (b'{"features": [1]}', "Row 0 has 1 values; the model takes 3"),
        (b'{"features": [1, "de", NaN]}', "malformed"),
        (b'{"features": []}', "'features' is empty"),
        (b'{"features": [1, [2]]}', "mixes values and rows"),
        (b'{"featurez": [1]}', "unknown field"),
        (b"{}", "neither or both"),
        (b'{"inputs": [{"amount": "1", "country": "de"}]}', "The field 'amount' is '1'; expected a number"),
        (b'{"inputs": [{"country": "de"}]}', "lacks the field 'amount'"),
        (b'{"inputs": [{"amount": 1, "contry": "de"}]}', "'contry' that the model does not take"),
        (b'{"inputs": [{"amount": true}]}', "expected a number"),
    ],
)
def test_a_bad_body_is_a_400_that_says_what_was_expected(
    in_process: Callable[[bytes], tuple[int, Any]], body: bytes, message: str
) -> None:
    """The caller's fault, in a sentence, with a remedy."""
    status, answer = in_process(body)
    assert status == 400
    assert message in answer["error"]["message"]
    assert answer["error"]["remedy"]


@pytest.fixture(scope="module")
def in_process(
    tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle
) -> Iterator[Callable[[bytes], tuple[int, Any]]]:
    """One running server for all bad bodies."""
    server = Server(tmp_path_factory.mktemp("bad"))
    server.feed.put_bundle(built.path, built.digest)
    LocalOnlineStore(server.folder / "online").close()
    server.publish(live(built))
    server.start()
    yield lambda body: server.post("/predict", body)
    server.stop()


def test_metrics_have_the_names_that_dashboards_know(server: Server, built: BuiltBundle) -> None:
    """Scraped from their own port."""
    server.publish(live(built))
    server.start()
    server.predict(amount=1.0, country="de", customer="anna")
    _, text = server.get("/metrics", port=server.metrics_port)
    assert 'model_predictions_total{arm="live",model_name="fraud-model",model_version="1"} 1.0' in text
    for name in ("model_prediction_latency_seconds_bucket", "model_infer_request_success_total", "rollout_arm_weight"):
        assert name in text
    used = dict(line.split() for line in text.splitlines() if line.startswith("process_"))
    assert float(used["process_cpu_seconds_total"]) > 0
    assert float(used["process_resident_memory_bytes"]) > 10 * 2**20
    (status,) = server.statuses()
    assert status.memory_bytes > 10 * 2**20
    assert status.cpu_seconds > 0


def test_with_authentication_only_a_right_key_gets_an_answer(server: Server, built: BuiltBundle) -> None:
    """No key, a wrong one, one of another role or another deployment: refused, each with its status.

    A right key that asks too often is, too; when it was last used is noted beside the feed.
    """
    pepper = b"p" * 32
    (server.folder / "pepper").write_bytes(pepper)
    tokens, entries = {}, []
    for name, role, deployments in (
        ("good", Role.SERVICE, ()),
        ("viewer", Role.VIEWER, ()),
        ("elsewhere", Role.SERVICE, ("other",)),
    ):
        tokens[name], key = mint_key(
            name, role, pepper, now=Micros(0), created_by="test", deployments=tuple(deployments)
        )
        entries.append(KeyEntry(key.key_id, key.digest, key.role.value, key.deployments))
    options = (f"--pepper={server.folder / 'pepper'}", "--per-key=2", "--per-source=20")
    guarded = Server(server.folder, options=options)
    guarded.publish(live(built), keys=tuple(entries), authentication=True)
    guarded.start()
    row = {"inputs": [{"amount": 1.0}]}
    statuses = {
        name: guarded.post("/predict", row, {"Authorization": f"Bearer {token}"})[0] for name, token in tokens.items()
    }
    assert statuses == {"good": 200, "viewer": 403, "elsewhere": 403}
    assert guarded.post("/predict", row)[0] == 401
    assert guarded.post("/predict", row, {"Authorization": "Bearer my_x_y"})[0] == 401
    often = {guarded.post("/predict", row, {"Authorization": f"Bearer {tokens['good']}"})[0] for _ in range(50)}
    assert often == {200, 429}
    client = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=5)
    seen: set[tuple[int, str | None]] = set()
    for _ in range(200):
        client.request("POST", "/predict", b"{}")
        response = client.getresponse()
        response.read()
        seen.add((response.status, response.headers["retry-after"]))
    client.close()
    assert seen - {(401, None)} == {(429, "1")}
    assert guarded.get("/health")[0] == 200
    guarded.stop()
    assert guarded.feed.uses().keys() == {token.split("_")[1] for token in tokens.values()}


def test_a_busy_port_and_an_open_door_stop_the_start(server: Server, built: BuiltBundle) -> None:
    """Exit code 2 and one sentence: which port, or why not this address."""
    server.publish(live(built))
    server.start()
    folders = [f"--{name}={server.folder / name}" for name in ("feed", "journal", "online")]
    for options, message in (
        ((f"--port={server.port}", f"--metrics-port={free_port()}"), f"Port {server.port}"),
        (("--host=0.0.0.0", f"--port={free_port()}", f"--metrics-port={free_port()}"), "without authentication"),
    ):
        command = [sys.executable, "-m", "modelyard.serving", "--server=other", *folders, *options]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert result.returncode == 2, result.stderr
        assert message in result.stderr
        assert "Traceback" not in result.stderr


def test_the_server_ends_when_its_supervisor_does(server: Server, built: BuiltBundle) -> None:
    """Closing standard input is enough."""
    server.publish(live(built))
    server.start()
    assert server.process is not None
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.wait(5) == 0


def test_what_was_begun_before_the_end_is_answered(server: Server, built: BuiltBundle) -> None:
    """A request that is half sent when the server is told to stop gets its answer, and is on record."""
    server.publish(live(built))
    server.start()
    assert server.process is not None
    body = json.dumps({"features": [120.0, "de", 7.0]}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:10])
        assert server.get("/ready")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: server.get("/ready")[0] == 0)  # it listens no more
        client.sendall(body[10:])
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.stop() == 0
    assert server.log.stats("fraud").predictions == 1
