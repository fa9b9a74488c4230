"""A server that its environment tells everything: one bundle, keys from a file, or a gateway in front."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.access import KeyRing, NotAuthenticated, load_pepper
from modelyard.bundling import BuiltBundle
from modelyard.core import InvalidInput, Micros
from modelyard.inference import Fetched
from modelyard.serving.container import container_command, publish

TOKEN = "modelyard_0123456789ab_" + "c" * 64


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file with a comment and a key."""
    file = tmp_path / "api-keys"
    file.write_text(f"# whoever asks\nservice {TOKEN}\n")
    return file


def test_the_route_is_of_the_bundle_and_the_deployment(built: BuiltBundle, keys: Path, tmp_path: Path) -> None:
    """As the project file declares it; a key is known by its digest alone."""
    declared = tmp_path / "deployment.json"
    declared.write_text('{"deployment": "shop", "assign_by": "customer", "policy": {"rows_limit": 7}}')
    environment = {"MODEL_URI": str(built.path), "DEPLOYMENT_FILE": str(declared), "API_KEYS_FILE": str(keys)}
    feed = publish(environment, tmp_path / "state", open_door=False)
    (route,) = feed.routes
    assert (route.deployment, route.model, route.assign_by, route.live.bundle) == (
        "shop",
        "fraud",
        "customer",
        built.digest,
    )
    assert feed.policy("shop").rows_limit == 7
    assert feed.authentication
    assert TOKEN not in (tmp_path / "state" / "feed" / "feed.json").read_text()
    ring = KeyRing(feed.keys, load_pepper(tmp_path / "state" / "pepper"))
    assert ring.authenticate(TOKEN, Micros(0)).name == "0123456789ab"
    with pytest.raises(NotAuthenticated):
        ring.authenticate(TOKEN[:-1] + "d", Micros(0))


def test_a_fetched_bundle_knows_its_version(built: BuiltBundle, tmp_path: Path) -> None:
    """Metrics and records then say the registry's number."""
    (tmp_path / "now").mkdir()
    (tmp_path / "now" / Fetched.FOLDER).symlink_to(built.path)
    fetched = Fetched("fraud", "42", built.digest)
    (tmp_path / "now" / Fetched.FILE).write_bytes(msgspec.json.encode(fetched))
    feed = publish({"MODEL_URI": f"file://{tmp_path / 'now'}"}, tmp_path / "state", open_door=True)
    assert feed.routes[0].live.version == "42"
    assert not feed.authentication


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "no API key"),
        ({"API_KEYS_FILE": "/nowhere"}, "/nowhere cannot be read"),
        ({"MODEL_URI": "models:/fraud@production"}, "does not fetch"),
        ({"MODEL_URI": "s3://bucket/model"}, "does not fetch"),
        ({"BEHIND_GATEWAY": "yes"}, "BEHIND_GATEWAY is 'yes'"),
        ({"BEHIND_GATEWAY": "true", "WORKERS": "two"}, "WORKERS is 'two'"),
        ({"BEHIND_GATEWAY": "true", "DEPLOYMENT_FILE": "/nowhere"}, "DEPLOYMENT_FILE /nowhere cannot be read"),
        ({"BEHIND_GATEWAY": "true", "CERTIFICATE_FILE": "/nowhere"}, "go together"),
        (
            {"BEHIND_GATEWAY": "true", "CERTIFICATE_FILE": "/nowhere", "PRIVATE_KEY_FILE": "/nowhere"},
            "CERTIFICATE_FILE /nowhere is no file",
        ),
        ({"BEHIND_GATEWAY": "true", "PER_KEY": "0"}, "PER_KEY is '0'"),
        ({"BEHIND_GATEWAY": "true", "BEHIND_PROXY": "1"}, "BEHIND_PROXY is '1'"),
    ],
)
def test_what_the_environment_says_wrong_is_told(
    built: BuiltBundle, tmp_path: Path, environment: dict[str, str], told: str
) -> None:
    """Before anything listens; a door without a key is not opened by an oversight."""
    whole = {"MODEL_URI": str(built.path), "STATE_FOLDER": str(tmp_path), **environment}
    with pytest.raises(InvalidInput, match=told):
        container_command(whole)


def test_tls_and_limits_are_the_servers_own(built: BuiltBundle, keys: Path, tmp_path: Path) -> None:
    """As they are given; without them the server is started without."""
    pair = {name: tmp_path / name for name in ("CERTIFICATE_FILE", "PRIVATE_KEY_FILE")}
    for file in pair.values():
        file.touch()
    whole = {"MODEL_URI": str(built.path), "STATE_FOLDER": str(tmp_path / "state"), "API_KEYS_FILE": str(keys)}
    plain = container_command(whole)
    guarded = container_command(
        {**whole, **{name: str(file) for name, file in pair.items()},
         "BEHIND_PROXY": "true", "PER_KEY": "50", "PER_SOURCE": "20"}
    )  # fmt: skip
    assert guarded[: len(plain)] == plain
    assert guarded[len(plain) :] == [
        "--per-key", "50", "--per-source", "20", "--certificate", str(pair["CERTIFICATE_FILE"]),
        "--private-key", str(pair["PRIVATE_KEY_FILE"]), "--behind-proxy",
    ]  # fmt: skip


def test_a_line_that_is_no_key_is_refused_without_showing_it(built: BuiltBundle, keys: Path, tmp_path: Path) -> None:
    """Its number is enough."""
    keys.write_text("hunter2\n")
    with pytest.raises(InvalidInput, match="Line 1") as raised:
        publish({"MODEL_URI": str(built.path), "API_KEYS_FILE": str(keys)}, tmp_path / "state", open_door=False)
    assert "hunter2" not in str(raised.value)


@contextmanager
def served(environment: dict[str, str], python: str | Path = sys.executable) -> Iterator[int]:
    """A container's process, on loopback, until the block ends; the port of HTTP."""
    port, grpc, metrics = free_ports(3)
    ports = {"HOST": "127.0.0.1", "PORT": str(port), "GRPC_PORT": str(grpc), "METRICS_PORT": str(metrics)}
    command = [str(python), "-m", "modelyard.serving.container", "serve"]
    process = subprocess.Popen(command, env={**os.environ, **ports, **environment}, stderr=subprocess.PIPE)
    try:
        while ask(port, "/ready")[0] != 200:
            assert process.poll() is None, process.communicate()[1].decode()[-2000:]
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=30)


def ask(port: int, path: str, body: object = None, token: str | None = None) -> tuple[int, Any]:
    """Status and JSON of an answer; status 0 where nobody listens yet."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.loads(response.read().strip() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read().strip() or b"null")
    except OSError:
        return 0, None


def test_a_container_answers_those_who_have_a_key(built: BuiltBundle, keys: Path, tmp_path: Path) -> None:
    """Probes need none."""
    environment = {"MODEL_URI": str(built.path), "STATE_FOLDER": str(tmp_path / "state"), "API_KEYS_FILE": str(keys)}
    row = {"inputs": [{"amount": 120.0, "country": "de"}]}
    with served(environment) as port:
        assert ask(port, "/predict", row)[0] == 401
        status, answer = ask(port, "/predict", row, TOKEN)
        assert (status, answer.get("model_version")) == (200, "0"), answer
        assert ask(port, "/health")[1]["model_loaded"]


def test_behind_a_gateway_sagemaker_is_answered(built: BuiltBundle, tmp_path: Path) -> None:
    """`serve`, /ping and /invocations, by two workers, without a key."""
    environment = {"MODEL_URI": str(built.path), "STATE_FOLDER": str(tmp_path / "state"), "BEHIND_GATEWAY": "true"}
    with served({**environment, "WORKERS": "2"}) as port:
        assert ask(port, "/ping")[0] == 200
        status, answer = ask(port, "/invocations", {"dataframe_records": [{"amount": 120.0, "country": "de"}]})
        assert status == 200
        assert len(answer["predictions"]) == 1
