"""A connection that speaks RESP2, the protocol of Redis and Valkey, and no more of it than the online store needs.

Source: the Redis serialization protocol specification (RESP2): arrays of bulk strings out; simple strings, errors,
integers, bulk strings and arrays in.
"""

import os
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from modelyard.core import InvalidInput

from .errors import ServerError

Reply: TypeAlias = "bytes | int | ServerError | list[Reply] | None"
"""What a server answers."""

_CHUNK = 1 << 16
_DOLLAR = ord("$")
_AWAKE_NS = 200_000
"""A server nearby answers within this time; being woken up after less would take as long again."""
_HARMLESS = re.compile(r"[A-Za-z0-9._-]{0,100}(:[0-9]{1,9})?(/[0-9]{0,9})?")


@dataclass(frozen=True)
class Address:
    """Where a server is: `redis://[user:password@]host[:port][/database]`, or `rediss://` through TLS."""

    host: str
    port: int = 6379
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    secure: bool = False

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The address of a URL; InvalidInput for one that is none."""
        try:
            parts = urlsplit(url)
            port, database = parts.port or 6379, int(parts.path.strip("/") or 0)
        except ValueError:
            raise no_address(url) from None  # the cause may quote the password
        known = parts.scheme in ("redis", "rediss", "valkey", "valkeys")
        if not known or not parts.hostname or database < 0 or parts.query or parts.fragment:
            raise no_address(url)
        username, password = (unquote(each) if each else None for each in (parts.username, parts.password))
        return cls(parts.hostname, port, database, username, password, parts.scheme in ("rediss", "valkeys"))

    def __str__(self) -> str:
        """Without the password."""
        return f"{'rediss' if self.secure else 'redis'}://{self.host}:{self.port}/{self.database}"


class Connection:
    """One connection. Raises OSError when it breaks; then it is of no more use. Not safe for many threads."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._socket: socket.socket = socket.create_connection((address.host, address.port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.secure:
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=address.host)
        self._sleepless = None if address.secure else self._socket.fileno()
        self._left = b""
        self._at = 0
        if address.password is not None:
            user = [address.username.encode()] if address.username else []
            self._sure(b"AUTH", *user, address.password.encode())
        if address.database:
            self._sure(b"SELECT", str(address.database).encode())

    def call(self, *command: bytes) -> Reply:
        """Send one command and wait for its answer; raises ServerError when that is an error."""
        self._send(encoded(command))
        answer = self._reply()
        if isinstance(answer, ServerError):
            raise answer
        return answer

    def send(self, commands: Iterable[Sequence[bytes]]) -> int:
        """Send commands without waiting; how many. Their answers are taken by `answers`."""
        parts = [encoded(command) for command in commands]
        self._socket.sendall(b"".join(parts))
        return len(parts)

    def answers(self, count: int) -> None:
        """Take so many answers; raises the first ServerError among them, after all of them."""
        errors = [each for each in [self._reply() for _ in range(count)] if isinstance(each, ServerError)]
        if errors:
            raise errors[0]

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Wait so long for answers inside the block."""
        usual = self._socket.gettimeout()
        self._socket.settimeout(seconds)
        try:
            yield
        finally:
            self._socket.settimeout(usual)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _sure(self, *command: bytes) -> None:
        try:
            self.call(*command)
        except (ServerError, OSError):
            self.close()
            raise

    def _reply(self) -> Reply:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else self._array(int(rest))
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if kind == b"-":
            return ServerError(rest.decode("utf-8", "replace"))
        raise OSError(f"the server does not speak RESP: {line[:40]!r}")

    def _array(self, count: int) -> list[Reply]:
        """Bulk strings, which rows come as, are cut from what has arrived without a call each."""
        found: list[Reply] = []
        while len(found) < count:
            found += self._arrived_strings(count - len(found)) or [self._reply()]
        return found

    def _arrived_strings(self, most: int) -> list[bytes | None]:
        """The bulk strings, at most so many, that stand whole at the place where we are; takes them."""
        data, at, found = self._left, self._at, list[bytes | None]()
        find, length = data.find, len(data)
        while len(found) < most:
            end = find(b"\r\n", at)
            if end < 0 or data[at] != _DOLLAR:
                break
            size = int(data[at + 1 : end])
            start = end + 2
            if size < 0:
                found.append(None)
                at = start
                continue
            if start + size + 2 > length:
                break
            found.append(data[start : start + size])
            at = start + size + 2
        self._at = at
        return found

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        self._have(size + 2)
        data = self._left[self._at : self._at + size]
        self._at += size + 2
        return data

    def _line(self) -> bytes:
        while (end := self._left.find(b"\r\n", self._at)) < 0:
            self._have(len(self._left) - self._at + 1)
        line = self._left[self._at : end]
        self._at = end + 2
        return line

    def _have(self, size: int) -> None:
        """Receive until so many bytes are there that were not taken yet."""
        parts, length = [self._left[self._at :]], len(self._left) - self._at
        while length < size:
            part = self._arrived() or self._socket.recv(max(_CHUNK, min(size - length, 1 << 20)))
            if not part:
                raise ConnectionResetError("the server closed the connection")
            parts.append(part)
            length += len(part)
        self._left, self._at = b"".join(parts), 0

    def _send(self, data: bytes) -> None:
        """In one system call where that does it."""
        sent = 0
        if self._sleepless is not None:
            with suppress(BlockingIOError):
                sent = os.write(self._sleepless, data)
        if sent < len(data):
            self._socket.sendall(data[sent:])

    def _arrived(self) -> bytes:
        """What comes within the time in which waking up would cost more than waiting awake; nothing through TLS."""
        if self._sleepless is None:
            return b""
        until = time.perf_counter_ns() + _AWAKE_NS
        while time.perf_counter_ns() < until:
            try:
                return os.read(self._sleepless, _CHUNK)
            except BlockingIOError:
                continue
        return b""


def encoded(command: Sequence[bytes]) -> bytes:
    """A command as it is sent."""
    parts = [b"*%d\r\n" % len(command)]
    for each in command:
        parts += (b"$%d\r\n" % len(each), each, b"\r\n")
    return b"".join(parts)


def no_address(url: str) -> InvalidInput:
    """The error for what is no address of an online store; nothing of a password is in it."""
    return InvalidInput(
        f"{_without_password(url)!r:.200} is no address of an online store.",
        remedy="Write local, redis://HOST:6379/0 or postgresql://HOST:5432/DATABASE, with user:password@ before the "
        "host where it asks for one; what is no letter or digit in these as %40 and the like.",
    )


def _without_password(url: str) -> str:
    """What of an address can be told although it is none: where its password ends nobody knows."""
    scheme, told, rest = url.partition("://")
    if not told:
        return url if _HARMLESS.fullmatch(url) else "…"
    rest = rest.rpartition("@")[2]
    hidden = "…@" if "@" in url else ""
    return f"{scheme}://{hidden}{rest if _HARMLESS.fullmatch(rest) else '…'}"
