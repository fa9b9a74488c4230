"""Server-sent events, read and written: whatever pieces the bytes come in, the events are the same.

After the WHATWG's HTML standard, section 9.2.6. Only the fields `event` and `data` mean anything here.
"""

from typing import Final, NamedTuple

from .errors import UpstreamBroken

LARGEST_EVENT = 4 << 20
"""Bytes of one event. More is no event of a model's."""

DONE: Final = b"data: [DONE]\n\n"
"""How OpenAI's streams end."""

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its kind, and its data, lines joined by a line feed."""

    kind: str
    data: bytes


class EventReader:
    """Takes bytes as they come, gives the events that are whole. One stream's; not for several threads."""

    __slots__ = ("_begun", "_data", "_held", "_kind", "_size", "_waiting")

    def __init__(self) -> None:
        self._held = b""
        self._waiting = bytearray()
        self._begun = False
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that end in these bytes. UpstreamBroken when one is larger than any event is."""
        if self._begun and b"\n" not in data and b"\r" not in data and not self._held:
            self._waiting += data  # in the middle of a line: looking at all of it each time would take its square
            self._bound()
            return []
        held = bytes(self._waiting) + self._held + data
        self._waiting = bytearray()
        if not self._begun:
            if len(held) < len(_BOM) and _BOM.startswith(held):
                self._held = held
                return []
            self._begun, held = True, held.removeprefix(_BOM)
        # A carriage return at the very end may be the first half of a line's end: what follows decides.
        whole = held[:-1] if held.endswith(b"\r") else held
        lines = (
            whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n") if b"\r" in whole else whole.split(b"\n")
        )
        self._waiting += lines.pop()
        self._held = held[len(whole) :]
        found = [event for line in lines if (event := self._line(line)) is not None]
        self._bound()
        return found

    def end(self) -> list[Event]:
        """No more bytes will come: the event that a lone carriage return at the very end completes."""
        if not self._held:
            return []
        line, self._held, self._waiting = bytes(self._waiting), b"", bytearray()
        event = self._line(line)
        return [] if event is None else [event]

    @property
    def unfinished(self) -> bool:
        """Whether the stream stopped inside an event."""
        return bool(self._waiting) or bool(self._data)

    def _bound(self) -> None:
        if self._size + len(self._waiting) > LARGEST_EVENT:
            raise UpstreamBroken(
                f"An event of the stream has more than {LARGEST_EVENT} bytes.", context={"why": "size"}
            )

    def _line(self, line: bytes) -> Event | None:
        if not line:
            kind, data, self._kind, self._data, self._size = self._kind, self._data, "", [], 0
            return Event(kind or "message", b"\n".join(data)) if data else None
        self._size += len(line)
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._kind = value.decode("utf-8", "replace")
        return None


def write_event(data: bytes) -> bytes:
    """One event of data that is JSON on one line."""
    return b"data: %b\n\n" % data
