"""What Arrow's CSV parser lets pass and should not: stray quotes, quotes never closed, NUL bytes.

It also turns a place in the file into a row and a line, by reading the file once more: only errors pay for that.
"""

import io
from collections.abc import Collection, Iterator
from typing import BinaryIO

import numpy as np

from modelyard.data.errors import UnreadableData

_NEWLINE, _RETURN = 10, 13


def stray(what: str, line: int, value: str | None = None, remedy: str = "") -> UnreadableData:
    """What stands where it must not, by its line (from 1) alone: whoever knows the file adds its name and the row."""
    return UnreadableData(what, context={"line": line, "value": value}, remedy=remedy)


class Guard:
    """A stream of CSV text that is checked while Arrow reads it.

    Line ends before the first record are left out, and one is added behind the last where it is missing. A quote may
    open a field only behind a delimiter or a line end, and close it only before one (RFC 4180); any other is an error.
    """

    def __init__(self, stream: BinaryIO, delimiter: str, quote: str) -> None:
        self._stream = stream
        self._quote = ord(quote) if quote else None
        beside = [_NEWLINE, _RETURN, ord(delimiter), *([self._quote] if self._quote is not None else [])]
        self._beside = np.zeros(256, dtype=bool)
        self._beside[beside] = True
        self._inside = False
        self._opened = 1
        self._last = _NEWLINE
        self._begun = False
        self._next = b""
        self._lines = 1
        self.closed = False

    def close(self) -> None:
        """The stream belongs to whoever opened it."""
        self.closed = True

    def readable(self) -> bool:
        """Arrow asks."""
        return True

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; b"" at the end."""
        count = max(1, count - 1)  # the line end that may be missing must go with the last bytes
        if not self._begun:
            self._next = self._without_blank_lines(self._stream.read(count), count)
        chunk = self._next
        if not chunk:
            return b""
        self._next = self._stream.read(count)
        self._check(chunk)
        return chunk if self._next else chunk + self._end()

    def _without_blank_lines(self, chunk: bytes, count: int) -> bytes:
        while chunk:
            kept = chunk.lstrip(b"\r\n")
            blank = chunk[: len(chunk) - len(kept)]
            self._go_on(blank)
            if kept:
                self._begun = True
                return kept
            chunk = self._stream.read(count)
        return chunk

    def _end(self) -> bytes:
        if self._inside:
            remedy = "Close it, or say quote: '' when quotes mean nothing."
            raise stray("a quoted field is never closed", self._opened, remedy=remedy)
        return b"" if self._last in (_NEWLINE, _RETURN) else b"\n"

    def _check(self, chunk: bytes) -> None:
        if (at := chunk.find(0)) >= 0:
            raise stray("a NUL byte", self._line_at(chunk, at), _around(chunk, at), "Take it out.")
        if self._quote is not None:
            self._check_quotes(chunk, self._quote)
        self._go_on(chunk)

    def _go_on(self, chunk: bytes) -> None:
        """Behind a chunk."""
        if chunk:
            self._lines = self._line_at(chunk, len(chunk))
            self._last = chunk[-1]

    def _line_at(self, chunk: bytes, at: int) -> int:
        """The line of a byte of the chunk that is read."""
        split = self._last == _RETURN and chunk[:1] == b"\n" and at > 0  # one line end, counted already
        return self._lines + _line_ends(chunk, at) - split

    def _check_quotes(self, chunk: bytes, quote: int) -> None:
        before = np.frombuffer(bytes([self._last]) + chunk, dtype=np.uint8)
        if self._last == quote and not self._inside and not self._beside[before[1]]:
            self._refuse(chunk, 0, "a quoted field goes on behind its closing quote")
        quotes = np.flatnonzero(before[1:] == quote)
        if not len(quotes):
            return
        opening, closing = (quotes[1::2], quotes[0::2]) if self._inside else (quotes[0::2], quotes[1::2])
        closing = closing[closing < len(chunk) - 1]
        if not (fine := self._beside[before[opening]]).all():
            self._refuse(chunk, int(opening[~fine][0]), "a quote inside a field that is not quoted")
        if not (fine := self._beside[before[closing + 2]]).all():
            self._refuse(chunk, int(closing[~fine][0]), "a quoted field goes on behind its closing quote")
        self._inside ^= bool(len(quotes) % 2)
        if self._inside:
            self._opened = self._line_at(chunk, int(quotes[-1]))

    def _refuse(self, chunk: bytes, at: int, what: str) -> None:
        remedy = "Double quotes inside quoted fields, or say quote: '' when quotes mean nothing."
        raise stray(what, self._line_at(chunk, at), _around(chunk, at), remedy)


def _line_ends(chunk: bytes, end: int) -> int:
    """How many lines end before a place: by a line feed, a carriage return, or both."""
    returns = chunk.count(b"\r", 0, end)
    both = chunk.count(b"\r\n", 0, end) if returns else 0
    return chunk.count(b"\n", 0, end) + returns - both


def _around(chunk: bytes, at: int) -> str:
    begin = max(chunk.rfind(b"\n", 0, at) + 1, chunk.rfind(b"\r", 0, at) + 1, at - 20)
    text = chunk[begin : at + 20].replace(b"\r", b"\n").split(b"\n")[0]
    return text.decode("utf-8", "replace")


def _lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """The lines with their ends, which may be line feeds, carriage returns or both."""
    text = io.TextIOWrapper(stream, "latin-1", newline="")  # a character for each byte, and back
    try:
        for line in text:
            yield line.encode("latin-1")
    finally:
        text.detach()


def line_of(stream: BinaryIO, quote: str, record: int, *, blanks_count: bool) -> int | None:
    """The line (from 1) on which a record (from 0, the header too) begins; None when there are not so many.

    `blanks_count`: whether an empty line is a record, as in files of one column.
    """
    return lines_of(stream, quote, {record}, blanks_count=blanks_count).get(record)


def lines_of(stream: BinaryIO, quote: str, records: Collection[int], *, blanks_count: bool) -> dict[int, int]:
    """The same of several records at once; those that there are not are not in the answer."""
    seen, last, found = -1, max(records, default=-1), dict[int, int]()
    for line, blank in _record_lines(stream, quote):
        if blank and (seen < 0 or not blanks_count):
            continue
        seen += 1
        if seen in records:
            found[seen] = line
        if seen >= last:
            break
    return found


def row_at(stream: BinaryIO, quote: str, line: int, *, blanks_count: bool) -> int:
    """The record (from 0, the header too) to which a line belongs."""
    seen = -1
    for begin, blank in _record_lines(stream, quote):
        if begin > line:
            break
        if not blank or (seen >= 0 and blanks_count):
            seen += 1
    return max(seen, 0)


def _record_lines(stream: BinaryIO, quote: str) -> Iterator[tuple[int, bool]]:
    """The line on which each record begins, and whether it is empty."""
    mark, inside, begin, empty = quote.encode(), False, 1, True
    for line, text in enumerate(_lines_of(stream), 1):
        inside ^= bool(mark and text.count(mark) % 2)
        empty = empty and not text.strip(b"\r\n")
        if not inside:
            yield begin, empty
            begin, empty = line + 1, True
        else:
            empty = False
    if inside:
        yield begin, False


def not_utf8(stream: BinaryIO) -> tuple[int, bytes] | None:
    """The line and the first bytes that are no UTF-8."""
    for line, text in enumerate(_lines_of(stream), 1):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            return line, text[error.start : error.start + 8]
    return None
