"""Streams on Redis or Valkey, from version 7 on.

A stream is Redis's own, an entry with the fields `key`, `value` and `headers` (JSON); so are groups, what is pending in
them, and the count of deliveries. Source: the documentation of the commands XADD, XREADGROUP, XAUTOCLAIM, XCLAIM,
XPENDING, XACK, XINFO GROUPS and WAITAOF.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar, cast
from urllib.parse import urlsplit

from modelyard.core import Micros
from modelyard.online import RedisAddress, RedisConnection, Reply, ServerError

from ..address import StreamAddress
from ..errors import StreamNotFound, StreamUnavailable
from ..records import ConsumerOptions, Delivery, Lag, Message

_LIMIT = 16 << 20
_TOGETHER = 500
_TIMEOUT_S = 10.0
_CONNECT_S = 5.0
_PAGE = 10_000
_LONG_AGO_MS = 30 * 24 * 3600 * 1000
"""What is given back has lain idle for so long, and is claimed by the next who asks."""

_T = TypeVar("_T")


class RedisBroker:
    """See `contract.Broker`.

    What was published is as safe as the server keeps it: with `durability=power` it is on the server's disk
    (appendonly must be on); without, the server has taken it. Replicas are not waited for.
    """

    def __init__(self, address: StreamAddress) -> None:
        server = urlsplit(f"//{address.hosts}")
        self._address = RedisAddress(
            server.hostname or "",
            server.port or 6379,
            address.database,
            address.username,
            address.password,
            address.secure,
        )
        self._limit = int(address.options.get("max_bytes", _LIMIT))
        self._keep = address.options.get("keep")
        self._power = address.options.get("durability") == "power"
        self._connection: RedisConnection | None = None

    def limit(self) -> int:
        return self._limit

    def exists(self, name: str) -> bool:
        return self.call(b"TYPE", name.encode()) == b"stream"

    def names(self) -> list[str]:
        found = cast("list[list[bytes]]", self.call(b"SCAN", b"0", b"COUNT", b"1000", b"TYPE", b"stream"))
        return sorted(each.decode("utf-8", "replace") for each in found[1])

    def create(self, name: str) -> None:
        group = f"made-{os.urandom(6).hex()}".encode()
        self.call(b"XGROUP", b"CREATE", name.encode(), group, b"$", b"MKSTREAM")
        self.call(b"XGROUP", b"DESTROY", name.encode(), group)

    def send(self, name: str, messages: Sequence[Message]) -> None:
        trim = [b"MAXLEN", b"~", str(self._keep).encode()] if self._keep is not None else []
        for at in range(0, len(messages), _TOGETHER):
            part = messages[at : at + _TOGETHER]
            commands = [[b"XADD", name.encode(), b"NOMKSTREAM", *trim, b"*", *_fields(each)] for each in part]
            self.using(lambda connection, commands=commands: connection.answers(connection.send(commands)))  # type: ignore[misc]
        if self._power:
            flushed = self.call(b"WAITAOF", b"1", b"0", str(round(_TIMEOUT_S * 500)).encode())
            if cast("list[int]", flushed)[0] < 1:
                raise self._unavailable("it did not bring the messages to its disk in time")

    def feed(self, name: str, group: str, options: ConsumerOptions) -> "RedisFeed":
        self._join(name, group, b"0")
        return RedisFeed(self, name, group, options)

    def lag(self, name: str, group: str) -> Lag:
        found = self._group(name, group)
        if found is None:
            return Lag(cast("int", self.call(b"XLEN", name.encode())), 0)
        waiting = found[b"lag"]
        if not isinstance(waiting, int):  # entries were deleted or the group was set back: the server does not know
            waiting = self._count(name, cast("bytes", found[b"last-delivered-id"]))
        return Lag(waiting, cast("int", found[b"pending"]))

    def rewind(self, name: str, group: str, since: Micros | None) -> None:
        before = b"0" if since is None else f"{-(-since // 1000) - 1}-{2**64 - 1}".encode()
        self.call(b"XGROUP", b"DESTROY", name.encode(), group.encode())
        self._join(name, group, before)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, *command: bytes, patience_s: float = 0.0) -> Reply:
        """One command; StreamUnavailable, StreamNotFound."""

        def ask(connection: RedisConnection) -> Reply:
            with connection.patience(_TIMEOUT_S + patience_s):
                return connection.call(*command)

        return self.using(ask)

    def using(self, ask: Callable[[RedisConnection], _T]) -> _T:
        """Ask over the connection, and once more over a new one when it breaks: what is asked may be asked again."""
        for again in (True, False):
            try:
                return self._asked(ask)
            except ServerError as error:
                raise self._refused(error) from error
            except OSError as error:
                if not again or isinstance(error, TimeoutError):
                    raise self._unavailable(str(error)) from error
        raise AssertionError("the last try returns or raises")

    def _asked(self, ask: Callable[[RedisConnection], _T]) -> _T:
        if self._connection is None:
            self._connection = RedisConnection(self._address, _CONNECT_S)
        try:
            return ask(self._connection)
        except ServerError:
            raise
        except BaseException:
            self.close()
            raise

    def _join(self, name: str, group: str, after: bytes) -> None:
        try:
            self.call(b"XGROUP", b"CREATE", name.encode(), group.encode(), after)
        except StreamUnavailable as error:
            if "BUSYGROUP" not in error.message:
                raise

    def _group(self, name: str, group: str) -> dict[bytes, Reply] | None:
        groups = cast("list[list[Reply]]", self.call(b"XINFO", b"GROUPS", name.encode()))
        told = (dict(zip(cast("list[bytes]", each[::2]), each[1::2], strict=True)) for each in groups)
        return next((each for each in told if each[b"name"] == group.encode()), None)

    def _count(self, name: str, after: bytes) -> int:
        """How many entries come after one, counted page by page."""
        count = 0
        while True:
            page = cast(
                "list[list[bytes]]",
                self.call(b"XRANGE", name.encode(), b"(" + after, b"+", b"COUNT", str(_PAGE).encode()),
            )
            count += len(page)
            if len(page) < _PAGE:
                return count
            after = page[-1][0]

    def _refused(self, error: ServerError) -> StreamUnavailable | StreamNotFound:
        told = str(error).strip()
        if told.startswith("NOGROUP") or "requires the key to exist" in told or "no such key" in told:
            return StreamNotFound(
                f"The stream or its group is gone from {self._address}: {told[:200]}.",
                remedy="Make the stream anew (create=true in its address), and open it again.",
            )
        return self._unavailable(f"it refuses: {told[:200]}")

    def _unavailable(self, why: str) -> StreamUnavailable:
        return StreamUnavailable(
            f"Redis at {self._address} cannot be used: {why}.",
            remedy="See that the server runs, is version 7 or newer, and that the address and password are right.",
        )


class RedisFeed:
    """See `contract.Feed`."""

    def __init__(self, broker: RedisBroker, name: str, group: str, options: ConsumerOptions) -> None:
        self._broker, self._stream, self._group = broker, name.encode(), group.encode()
        self._idle_ms = max(1, round(options.redeliver_s * 1000))
        self._me = f"{socket.gethostname()[:60]}-{os.getpid()}-{os.urandom(4).hex()}".encode()
        self._cursor = b"0-0"

    def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        if limit <= 0:
            return []
        end = time.monotonic() + wait_s
        while True:
            found = self._claim(limit)
            left = 0.0 if found else min(end - time.monotonic(), self._idle_ms / 2000)
            found += self._read(limit - len(found), left)
            if found or time.monotonic() >= end:
                return found

    def confirm(self, deliveries: Sequence[Delivery]) -> None:
        for at in range(0, len(deliveries), _TOGETHER):
            ids = [each.position.encode() for each in deliveries[at : at + _TOGETHER]]
            self._broker.call(b"XACK", self._stream, self._group, *ids)

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        ids = [each.position.encode() for each in deliveries]
        if ids:
            idle = str(max(_LONG_AGO_MS, self._idle_ms)).encode()
            claim = (b"XCLAIM", self._stream, self._group, self._me, b"0", *ids, b"IDLE", idle, b"JUSTID")
            self._broker.call(*claim)

    def close(self) -> None:
        """A consumer that has nothing pending is forgotten; the pending entries of one would go with it."""
        with suppress(StreamUnavailable, StreamNotFound):
            pending = self._broker.call(b"XPENDING", self._stream, self._group, b"-", b"+", b"1", self._me)
            if not pending:
                self._broker.call(b"XGROUP", b"DELCONSUMER", self._stream, self._group, self._me)

    def _claim(self, limit: int) -> list[Delivery]:
        """What lay too long with a consumer, whichever. Each call looks at some of it, from where the last ended."""
        idle, count = str(self._idle_ms).encode(), str(limit).encode()
        answer = self._broker.call(
            b"XAUTOCLAIM", self._stream, self._group, self._me, idle, self._cursor, b"COUNT", count
        )
        self._cursor, entries = cast("tuple[bytes, list[list[Reply]]]", tuple(cast("list[Reply]", answer)[:2]))
        return [_delivery(each, self._attempt(cast("bytes", each[0]))) for each in entries]

    def _attempt(self, entry: bytes) -> int:
        found = self._broker.call(b"XPENDING", self._stream, self._group, entry, entry, b"1")
        rows = cast("list[list[int]]", found)
        return rows[0][3] if rows else 1

    def _read(self, limit: int, wait_s: float) -> list[Delivery]:
        if limit <= 0:
            return []
        block = [b"BLOCK", str(max(1, round(wait_s * 1000))).encode()] if wait_s > 0 else []
        command = (b"XREADGROUP", b"GROUP", self._group, self._me, b"COUNT", str(limit).encode(), *block)
        answer = self._broker.call(*command, b"STREAMS", self._stream, b">", patience_s=wait_s)
        if answer is None:
            return []
        ((_, entries),) = cast("list[tuple[bytes, list[list[Reply]]]]", answer)
        return [_delivery(each, 1) for each in entries]


def _fields(message: Message) -> list[bytes]:
    headers = json.dumps(dict(message.headers)).encode()
    return [b"key", message.key, b"value", message.value, b"headers", headers]


def _delivery(entry: list[Reply], attempt: int) -> Delivery:
    """An entry; one that others than we have written may have neither key nor headers."""
    identity, pairs = cast("bytes", entry[0]), cast("list[bytes]", entry[1])
    told = dict(zip(pairs[::2], pairs[1::2], strict=True))
    try:
        headers = {str(name): str(text) for name, text in json.loads(told.get(b"headers", b"{}")).items()}
    except (ValueError, AttributeError):
        headers = {}
    message = Message(told.get(b"value", b""), told.get(b"key", b""), headers)
    at = Micros(int(identity.partition(b"-")[0]) * 1000)
    return Delivery(message, identity.decode(), attempt, at)
