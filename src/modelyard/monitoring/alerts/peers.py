"""Posting to a peer that was checked: the address that was looked at is the one that is connected to.

A name may mean a private address, or mean another one when it is asked again (DNS rebinding); so it is asked once, and
the connection goes to what was found then. Redirects lead elsewhere, and are not followed. See OWASP, *Server-Side
Request Forgery Prevention Cheat Sheet*.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from .errors import NotDelivered

SECONDS = 10.0
"""How long a peer may take in all."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_EMBEDDING = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that a translator turns into the IPv4 address of their last 32 bits (RFC 6052)."""


def post(
    url: str, body: bytes, headers: Mapping[str, str], allowed: Sequence[str] = (), *, seconds: float = SECONDS
) -> None:
    """Post a body; NotDelivered unless the peer answers with 2xx in time.

    The peer is public, or in one of the networks `allowed`; without TLS only the latter. Messages name the host, never
    the rest of the URL.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = checked_address(host, port, allowed, secure=secure)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _Pinned(host, port, str(address), secure=secure, seconds=seconds)
    watchdog = threading.Timer(seconds, connection.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request("POST", target, body, dict(headers))
        status = connection.answered()
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(f"{host} did not answer: {_reason(error)}.") from error
    finally:
        watchdog.cancel()
        connection.close()
    if not 200 <= status < 300:
        moved = ", and redirects are not followed" if 300 <= status < 400 else ""
        raise NotDelivered(f"{host} answered {status}{moved}.")


def checked_address(host: str, port: int, allowed: Sequence[str], *, secure: bool) -> Address:
    """An address of a host that may be connected to; NotDelivered when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"{host} has no address: {_reason(error)}.") from error
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    networks = [ipaddress.ip_network(each) for each in allowed]
    for address in addresses:
        inside = any(_plain(address) in network for network in networks)
        if inside or (secure and is_public(address)):
            return address
    if not secure and any(is_public(each) for each in addresses):
        raise NotDelivered(f"{host} would be told without encryption; use https.")
    shown = ", ".join(map(str, addresses[:3]))
    raise NotDelivered(f"{host} is {shown}, a private address that `allow` does not have.")


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet, also where it stands inside another."""
    plain = _plain(address)
    if isinstance(plain, ipaddress.IPv6Address) and (plain.sixtofour is not None or plain.teredo is not None):
        return False
    return plain.is_global and not plain.is_multicast and not plain.is_reserved


def _plain(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _EMBEDDING:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever its host's name means by now; TLS is about the name."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self._address = address
        self._secure = secure
        self._late = False
        if secure:
            self.default_port = 443

    def connect(self) -> None:
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = raw
        if ipaddress.ip_address(raw.getpeername()[0].partition("%")[0]) != ipaddress.ip_address(self._address):
            raise OSError("somebody else was reached")
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=self.host)
        self._check_time()

    def answered(self) -> int:
        """The status of a whole answer in time; what was cut off is none."""
        status = self.getresponse().status
        self._check_time()
        return status

    def _check_time(self) -> None:
        if self._late:
            raise TimeoutError("timed out")

    def cut(self) -> None:
        """End it, whatever it is at."""
        self._late = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:120]
