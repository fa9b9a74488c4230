"""The online store on Redis or Valkey, for servers on many machines.

A view is a hash of packed rows by their keys, and a small one of what is known of it. A write of one small batch is one
script. A larger one is gathered in a hash of its own, which another script brings into the view in one step: by giving
it the view's name when there is none yet, else row by row. Scripts are atomic on the server, so readers see old or new.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha1
from typing import TypeVar, cast

from modelyard.core import Micros

from .access import RowAccess
from .batch import RowBatch
from .errors import OnlineUnavailable, ServerError
from .records import ViewState
from .resp import Address, Connection

PREFIX = "modelyard:online:2:"
"""Heads every name on the server; the number is the version of rows and keys, as in the embedded store."""

_VIEWS = PREFIX.encode() + b"views"
_SMALL, _TOGETHER, _IN_FLIGHT = 2_000, 500, 40
_STAGED_SECONDS = b"3600"
"""What a writer that was killed leaves behind goes away by itself."""

_MERGE_SECONDS = 600.0
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Script:
    """A script in Lua, which the server knows by its digest once it has seen it."""

    text: bytes

    @property
    def digest(self) -> bytes:
        return sha1(self.text, usedforsecurity=False).hexdigest().encode()


_RULES = b"""
local function newer(a, b)
  if not b then return true end
  if a == b then return false end
  local al, ah, cl, ch = struct.unpack('<I4i4I4i4', a)
  local bl, bh, dl, dh = struct.unpack('<I4i4I4i4', b)
  if ah ~= bh then return ah > bh end
  if al ~= bl then return al > bl end
  if ch ~= dh then return ch > dh end
  return cl >= dl
end
local function put(keys, rows)
  if #keys == 0 then return 0 end
  local there, chosen = redis.call('HMGET', KEYS[1], unpack(keys)), {}
  for at = 1, #keys do
    if newer(rows[at], there[at]) then
      chosen[#chosen + 1] = keys[at]
      chosen[#chosen + 1] = rows[at]
    end
  end
  if #chosen > 0 then redis.call('HSET', KEYS[1], unpack(chosen)) end
  return #chosen / 2
end
local function put_all(pairs, first)
  local stored = 0
  for start = first, #pairs, 4000 do
    local keys, rows = {}, {}
    for at = start, math.min(start + 3998, #pairs), 2 do
      keys[#keys + 1] = pairs[at]
      rows[#rows + 1] = pairs[at + 1]
    end
    stored = stored + put(keys, rows)
  end
  return stored
end
local function later(name, value)
  local known = redis.call('HGET', KEYS[2], name)
  if value ~= '' and (not known or tonumber(value) > tonumber(known)) then redis.call('HSET', KEYS[2], name, value) end
end
local function mark()
  later('until', ARGV[1])
  later('newest', ARGV[2])
  if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], 'written', ARGV[3]) end
end
"""

_PUT = _Script(
    _RULES
    + b"""
mark()
return put_all(ARGV, 4)
"""
)
"""Puts the rows among its arguments into a hash: KEYS rows, state; ARGV three times, then keys and rows in turn."""

_MERGE = _Script(
    _RULES
    + b"""
mark()
local all = redis.call('HLEN', KEYS[3])
if all == 0 then return 0 end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('RENAME', KEYS[3], KEYS[1])
  redis.call('PERSIST', KEYS[1])
  return all
end
local stored, cursor = 0, '0'
repeat
  local found = redis.call('HSCAN', KEYS[3], cursor, 'COUNT', 1000)
  cursor = found[1]
  stored = stored + put_all(found[2], 1)
until cursor == '0'
redis.call('UNLINK', KEYS[3])
return stored
"""
)
"""Brings the rows of a staged hash into a view: KEYS rows, state, staged; ARGV three times."""


class RedisOnlineStore(RowAccess):
    """See `contract.OnlineStore`. Safe for many threads, and for many writers: each write is a script on the server.

    Connects when it is first used, and again after the server was away. While a large write takes effect, which costs
    the server some microseconds a row, readers wait. Rows are not flushed by us: what the server loses is materialized
    again.
    """

    def __init__(self, url: str, *, timeout_s: float = 2.0) -> None:
        self._address = Address.parse(url)
        self._timeout_s = timeout_s
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def writer(self, view: str) -> Iterator["_Writer"]:
        """See the contract."""
        writer = _Writer(self._once, _Names.of(view))
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.commit()

    def fetch(self, view: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """See the contract."""
        asked = [key for key in keys if key is not None]
        if not asked:
            return [None] * len(keys)
        rows = _Names.of(view).rows
        found = cast("list[bytes | None]", self._twice(lambda connection: connection.call(b"HMGET", rows, *asked)))
        if len(found) == len(keys):
            return found
        left = iter(found)
        return [None if key is None else next(left) for key in keys]

    def state(self, view: str) -> ViewState:
        """See the contract."""
        names = _Names.of(view)
        fields = (b"until", b"newest", b"written")
        rows = self._twice(lambda connection: connection.call(b"HLEN", names.rows))
        known = self._twice(lambda connection: connection.call(b"HMGET", names.state, *fields))
        times = [None if each is None else int(each) for each in cast("list[bytes | None]", known)]
        return ViewState(cast("int", rows), *times)

    def views(self) -> list[str]:
        """See the contract."""
        found = self._twice(lambda connection: connection.call(b"SMEMBERS", _VIEWS))
        return sorted(name.decode() for name in cast("list[bytes]", found))

    def remove(self, view: str, keys: Sequence[bytes]) -> int:
        """See the contract."""
        rows = _Names.of(view).rows
        return cast("int", self._once(lambda connection: connection.call(b"HDEL", rows, *keys)))

    def clear(self, view: str) -> None:
        """See the contract."""
        names = _Names.of(view)
        self._once(lambda connection: connection.call(b"UNLINK", names.rows, names.state))
        self._once(lambda connection: connection.call(b"SREM", _VIEWS, view.encode()))

    def close(self) -> None:
        """See the contract."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _twice(self, ask: Callable[[Connection], _T]) -> _T:
        """Ask what may be asked again: a connection that has lain idle may have been closed by the other side."""
        while self._idle:
            try:
                return self._asked(ask)
            except OSError:
                self.close()
        return self._once(ask)

    def _once(self, ask: Callable[[Connection], _T]) -> _T:
        try:
            return self._asked(ask)
        except (OSError, ServerError) as error:
            raise OnlineUnavailable(
                f"The online store at {self._address} does not answer: {error}."
                if isinstance(error, OSError)
                else f"The online store at {self._address} refuses: {error}.",
                remedy="See that the server runs and that stores.online in modelyard.yaml is its address.",
            ) from error

    def _asked(self, ask: Callable[[Connection], _T]) -> _T:
        connection = self._connection()
        try:
            answer = ask(connection)
        except ServerError:
            self._idle.append(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def _connection(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return Connection(self._address, self._timeout_s)


@dataclass(frozen=True)
class _Names:
    """The names of a view's hashes; what stands in braces puts them on one node of a cluster."""

    view: bytes
    rows: bytes
    state: bytes
    staged: bytes

    @classmethod
    def of(cls, view: str) -> "_Names":
        head = f"{PREFIX}{{{view}}}:".encode()
        return cls(view.encode(), head + b"rows", head + b"state", head + b"staged:")


class _Writer:
    """See `contract.ViewWriter`. One small batch waits for the commit; as soon as there is more, all is staged."""

    def __init__(self, once: Callable[[Callable[[Connection], object]], object], names: _Names) -> None:
        self._once = once
        self._names = names
        self._waiting: RowBatch | None = None
        self._staged: bytes | None = None
        self._times = [b"", b"", b""]
        self.stored = 0

    def add(self, batch: RowBatch) -> None:
        """See the contract."""
        if not len(batch):
            return
        newest = int(batch.events.max())
        self._times[1] = str(max(newest, int(self._times[1] or newest))).encode()
        waiting, self._waiting = self._waiting, None
        if waiting is None and self._staged is None and len(batch) <= _SMALL:
            self._waiting = batch
            return
        for each in (waiting, batch):
            if each is not None:
                self._stage(each)

    def mark(self, *, until: Micros | None, at: Micros) -> None:
        """See the contract."""
        self._times[0] = b"" if until is None else str(until).encode()
        self._times[2] = str(at).encode()

    def commit(self) -> None:
        """Let the write take effect."""
        names = self._names
        self._once(lambda connection: connection.call(b"SADD", _VIEWS, names.view))
        if self._staged is not None:
            self.stored = self._run(_MERGE, (names.rows, names.state, self._staged), self._times)
            return
        pairs = [] if self._waiting is None else _pairs(self._waiting, 0, len(self._waiting))
        self.stored = self._run(_PUT, (names.rows, names.state), [*self._times, *pairs])

    def abandon(self) -> None:
        """Forget what was staged."""
        staged = self._staged
        if staged is not None:
            with suppress(OnlineUnavailable):  # it goes away by itself
                self._once(lambda connection: connection.call(b"UNLINK", staged))

    def _stage(self, batch: RowBatch) -> None:
        """Put rows beside the view; the first batch without comparing, for no key comes twice in it."""
        first = self._staged is None
        staged = self._staged = self._staged or self._names.staged + os.urandom(12).hex().encode()
        if first:
            for at in range(0, len(batch), _TOGETHER * _IN_FLIGHT):
                self._once(lambda connection, at=at: _send(connection, staged, batch, at))  # type: ignore[misc]
            return
        for at in range(0, len(batch), _SMALL):
            pairs = _pairs(batch, at, at + _SMALL)
            self._run(_PUT, (staged, staged + b":none"), [b"", b"", b"", *pairs])
        self._once(lambda connection: connection.call(b"EXPIRE", staged, _STAGED_SECONDS))

    def _run(self, script: _Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        rest = (str(len(keys)).encode(), *keys, *arguments)
        return cast("int", self._once(lambda connection: _ran(connection, script, rest)))


def _ran(connection: Connection, script: _Script, rest: Sequence[bytes]) -> object:
    with connection.patience(_MERGE_SECONDS):
        try:
            return connection.call(b"EVALSHA", script.digest, *rest)
        except ServerError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            return connection.call(b"EVAL", script.text, *rest)


def _send(connection: Connection, staged: bytes, batch: RowBatch, start: int) -> None:
    """Some thousand rows in a few commands, whose answers are awaited together."""
    end = min(start + _TOGETHER * _IN_FLIGHT, len(batch))
    sets = [(b"HSET", staged, *_pairs(batch, at, min(at + _TOGETHER, end))) for at in range(start, end, _TOGETHER)]
    connection.answers(connection.send([*sets, (b"EXPIRE", staged, _STAGED_SECONDS)]))


def _pairs(batch: RowBatch, start: int, stop: int) -> list[bytes]:
    """Keys and rows in turn."""
    keys, rows = batch.keys[start:stop], batch.rows[start:stop]
    pairs = [b""] * (2 * len(keys))
    pairs[::2], pairs[1::2] = keys, rows
    return pairs
