"""Webhooks whose address leads inside, however it is spelled: nothing is connected to, nothing is sent.

Names that are asked twice and mean something else, redirects, peers that drip: `tests/monitoring/alerts/test_peers.py`.
"""

import socket
from typing import Any

import pytest

from modelyard.core import ModelyardError
from modelyard.monitoring.alerts import peers
from modelyard.monitoring.alerts.peers import post

INSIDE = [
    "127.0.0.1",
    "127.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "user:password@127.0.0.1",
    "ops.example@127.0.0.1",
    "127.0.0.1#@ops.example",
    "127.0.0.1\\@ops.example",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "10.0.0.1",
    "100.64.0.1",
    "192.168.0.1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fd00:ec2::254]",
]


class Connected(Exception):
    """Somebody was connected to."""


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is an error of its own, and nothing leaves the machine: no name server is asked."""

    def connect(address: Any, *_: Any, **__: Any) -> socket.socket:
        raise Connected(address)

    real = socket.getaddrinfo

    def known(host: str, *rest: Any, **named: Any) -> Any:
        if not any(each.isdigit() for each in host) and "localhost" not in host.lower() and ":" not in host:
            raise socket.gaierror(-2, "Name or service not known")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(socket, "getaddrinfo", known)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", INSIDE)
def test_nothing_is_sent_inside(host: str, scheme: str) -> None:
    """Whatever the spelling; with a port, too."""
    for port in ("", ":80"):
        with pytest.raises(ModelyardError):
            post(f"{scheme}://{host}{port}/hook", b"x", {})


@pytest.mark.usefixtures("nobody")
def test_without_its_guard_it_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every spelling that the system takes for an address is one that would be connected to."""
    monkeypatch.setattr(peers, "is_public", lambda _: True)
    reached = 0
    for host in INSIDE:
        try:
            post(f"https://{host}/hook", b"x", {})
        except Connected:
            reached += 1
        except ModelyardError:
            continue
    assert reached > len(INSIDE) * 0.8
