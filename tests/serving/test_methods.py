"""Methods, paths and probes: what HTTP itself expects of a server."""

import http.client
import json
from collections.abc import Iterator

import pytest

from modelyard.bundling import BuiltBundle

from .harness import Server, live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Iterator[Server]:
    """One running server."""
    server = Server(tmp_path_factory.mktemp("methods"))
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    yield server
    server.stop()


def ask(server: Server, method: str, path: str) -> tuple[http.client.HTTPResponse, bytes]:
    """One request without a body."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.request(method, path)
    response = client.getresponse()
    body = response.read()
    client.close()
    return response, body


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/predict", "POST"),
        ("PUT", "/deployments/fraud/feedback", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/v2/models/fraud/infer", "POST"),
        ("OPTIONS", "/ping", "GET, HEAD"),
        ("TRACE", "/docs", "GET, HEAD"),
    ],
)
def test_a_path_that_is_for_other_methods_says_which(server: Server, method: str, path: str, allow: str) -> None:
    """405 with Allow: ours and each protocol's."""
    response, _ = ask(server, method, path)
    assert (response.status, response.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/health", "/deployments/fraud/ready", "/v2", "/ping", "/openapi.json", "/docs"])
def test_head_is_get_without_its_body(server: Server, path: str) -> None:
    """The same status and length, and nothing behind them."""
    got, body = ask(server, "GET", path)
    head, nothing = ask(server, "HEAD", path)
    assert (head.status, head.headers["content-length"]) == (got.status, got.headers["content-length"])
    assert len(body) == int(got.headers["content-length"])
    assert nothing == b""


@pytest.mark.parametrize("probe", ["health", "livez", "ready", "readyz"])
def test_a_probe_of_one_deployment_is_about_that_one(server: Server, probe: str) -> None:
    """One that does not exist is neither healthy nor ready: 404 with the nearest name."""
    assert server.get(f"/deployments/fraud/{probe}")[0] == 200
    status, text = server.get(f"/deployments/frau/{probe}")
    assert status == 404
    assert "fraud" in json.loads(text)["error"]["remedy"]
