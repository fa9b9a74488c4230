"""Posting to checked peers: private addresses, rebinding, redirects and slow answers lead nowhere."""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from modelyard.monitoring import NotDelivered
from modelyard.monitoring.alerts.peers import checked_address, is_public, post

from .taking import Taking, taking

HERE = ("127.0.0.0/8",)


@pytest.fixture
def server() -> Iterator[Taking]:
    """A server on this machine."""
    with taking() as found:
        yield found


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("2002:7f00:1::", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    """Also those that stand inside others."""
    assert is_public(ipaddress.ip_address(address)) is public


def names(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let every name mean these addresses, the first when asked first; returns the names asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, *rest: Any, **more: Any) -> Any:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            found = answers[min(len(asked), len(answers) - 1)]
            asked.append(host)
            return real(found, *rest, **more)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "10.0.0.7"])
def test_a_name_that_means_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Nothing is connected to; the message says what it was."""
    names(monkeypatch, address)
    with pytest.raises(NotDelivered, match=f"ops.example is {address}, a private address"):
        post("https://ops.example/x", b"", {})


def test_a_name_that_changes_its_meaning_is_asked_once(monkeypatch: pytest.MonkeyPatch, server: Taking) -> None:
    """DNS rebinding: public when it is looked at, private a moment later; the connection goes to what was looked at."""
    asked = names(monkeypatch, "93.184.215.14", "127.0.0.1")
    connected: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> socket.socket:
        connected.append(address)
        raise OSError(0, "no network in tests")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(NotDelivered, match="no network in tests"):
        post(f"https://ops.example:{server.port}/x", b"", {})
    assert asked == ["ops.example"]
    assert connected == [("93.184.215.14", server.port)]
    assert server.requests == []


def test_who_else_is_reached_is_not_told(monkeypatch: pytest.MonkeyPatch, server: Taking) -> None:
    """Were a connection to end somewhere else, nothing would be sent there."""
    names(monkeypatch, "127.0.0.2")
    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda _, timeout: real(("127.0.0.1", server.port), timeout))
    with pytest.raises(NotDelivered, match="somebody else"):
        post(f"http://ops.example:{server.port}/x", b"", {}, HERE)
    assert server.requests == []


def test_without_encryption_only_allowed_networks_are_told(monkeypatch: pytest.MonkeyPatch, server: Taking) -> None:
    """A public host over http is refused."""
    post(f"{server.url}/hook?a=b", b"x", {"A": "1"}, HERE)
    ((path, headers, body),) = server.requests
    assert (path, headers["A"], body) == ("/hook?a=b", "1", b"x")
    names(monkeypatch, "93.184.215.14")
    with pytest.raises(NotDelivered, match="use https"):
        post("http://ops.example/x", b"", {}, HERE)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(server: Taking, status: int) -> None:
    """Wherever they lead."""
    with taking() as elsewhere:
        server.status, server.headers = status, {"Location": elsewhere.url}
        with pytest.raises(NotDelivered, match=f"answered {status}, and redirects are not followed"):
            post(server.url, b"x", {}, HERE)
        assert elsewhere.requests == []


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_only_a_good_answer_is_one(server: Taking, status: int) -> None:
    """Anything else is tried again."""
    server.status = status
    with pytest.raises(NotDelivered, match=f"127.0.0.1 answered {status}."):
        post(server.url, b"x", {}, HERE)


def test_a_peer_that_drips_is_cut_off(server: Taking) -> None:
    """A byte now and then keeps no sender for longer than it has."""
    server.dripping = threading.Event()
    began = time.monotonic()
    with pytest.raises(NotDelivered, match="did not answer"):
        post(server.url, b"x", {}, HERE, seconds=0.3)
    assert time.monotonic() - began < 5


def test_nobody_there_and_no_such_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of the network are one kind; no URL is shown, for it may hold a secret."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(NotDelivered, match="did not answer") as caught:
        post(f"http://127.0.0.1:{port}/hooks/T0K3N", b"", {}, HERE)
    assert "T0K3N" not in str(caught.value)

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotDelivered, match="has no address"):
        checked_address("ops.example", 443, (), secure=True)
