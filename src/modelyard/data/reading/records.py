"""JSON records one by one: a list of objects, or an object a line."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from modelyard.data.errors import UnreadableData

from .complaints import unreadable
from .kinds import is_exact

LONGEST = 64 << 20
"""A record may have so many characters."""

_CHUNK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")

Record = dict[str, Any]


class Written(str):
    """A number as it is written in the file, where a float64 would change it or text is asked for."""

    __slots__ = ()


class _TwiceNamed(ValueError):
    """A JSON object with two values of one name."""


def decoder(*, written: bool) -> json.JSONDecoder:
    """A strict decoder. Numbers that are no integers are floats, or `Written` where these lose digits, or always."""
    parse: Callable[[str], float | Written] = Written if written else _number
    return json.JSONDecoder(parse_float=parse, object_pairs_hook=_once)


def _number(text: str) -> float | Written:
    if len(text) <= 15 and "e" not in text and "E" not in text:
        return float(text)
    return float(text) if is_exact(text) else Written(text)


def _once(pairs: list[tuple[str, Any]]) -> Record:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceNamed(next(name for name in names if names.count(name) > 1))
    return found


OnDamage = Callable[[int, UnreadableData, bytes], None]
"""Told what a line is and why it is no record, with its bytes; raises, or has it left out."""


def line_records(
    stream: BinaryIO, decode: json.JSONDecoder, file: str, damaged: OnDamage
) -> Iterator[tuple[int, Record]]:
    """The objects of JSONL with the line (from 1) of each; empty lines are left out."""
    row = 1
    for line in _count_up():
        text = stream.readline(LONGEST + 1)
        if not text:
            return
        if len(text) > LONGEST:
            raise unreadable(f"it is longer than {LONGEST} bytes.", file, line=line)
        if text.isspace():
            continue
        try:
            record = _line(text, decode, file, row, line)
        except UnreadableData as error:
            damaged(line, error, text)
            continue
        yield line, record
        row += 1


def _count_up() -> Iterator[int]:
    line = 0
    while True:
        line += 1
        yield line


def _line(text: bytes, decode: json.JSONDecoder, file: str, row: int, line: int) -> Record:
    try:
        return _record(decode.decode(text.decode()), file, row, line)
    except UnicodeDecodeError as error:
        wrong = text[error.start : error.start + 8]
        remedy = "Say its encoding, for example encoding: cp1252."
        raise unreadable(
            f"{wrong.hex(' ')} are no UTF-8.", file, row=row, line=line, value=wrong, remedy=remedy
        ) from error
    except (ValueError, RecursionError) as error:
        raise _no_json(error, file, row, line, text.decode("utf-8", "replace").strip()) from error


def _record(value: Any, file: str, row: int, line: int) -> Record:
    if isinstance(value, dict):
        return value
    what = f"a record is an object {{…}}, and this is a {type(value).__name__}."
    raise unreadable(what, file, row=row, line=line, value=value, remedy="Write each row as an object with names.")


def _no_json(error: Exception, file: str, row: int, line: int, text: str) -> Exception:
    if isinstance(error, _TwiceNamed):
        return unreadable("two values have this name.", file, row=row, line=line, column=str(error), remedy="Keep one.")
    if isinstance(error, RecursionError):
        return unreadable("it is nested too deeply.", file, row=row, line=line)
    place = f" at character {error.colno}" if isinstance(error, json.JSONDecodeError) and error.lineno == 1 else ""
    said = error.msg if isinstance(error, json.JSONDecodeError) else "a number too long to read"
    return unreadable(f"it is no whole JSON object{place}: {said}.", file, row=row, line=line, value=text)


def list_records(stream: BinaryIO, decode: json.JSONDecoder, file: str) -> Iterator[tuple[int, Record]]:
    """The objects of a JSON list with the line on which each begins."""
    text, row = _Text(stream, file), 1
    text.expect("[")
    if text.peek() == "]":
        text.expect("]")
    else:
        while True:
            text.peek()
            line = text.line
            yield line, _record(text.value(decode, row), file, row, line)
            row += 1
            if text.peek() != ",":
                break
            text.expect(",")
        text.expect("]")
    if text.peek():
        raise unreadable("more follows behind the list.", file, line=text.line, value=text.peek())


class _Text:
    """Decoded text of which little is held at once."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self._stream = stream
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._held = ""
        self._at = 0
        self._ended = False
        self.line = 1

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            end = _SPACE.match(self._held, self._at).end()  # type: ignore[union-attr]
            self._go(end)
            if end < len(self._held) or not self._more(_CHUNK):
                return self._held[end : end + 1]

    def expect(self, character: str) -> None:
        """Go on behind a character; UnreadableData when it does not come."""
        found = self.peek()
        if found == character:
            self._go(self._at + 1)
            return
        what = f"'{character}' was expected, and {'the file ends' if not found else repr(found) + ' stands'} there."
        raise unreadable(what, self._file, line=self.line, value=self._held[self._at : self._at + 40] or None)

    def value(self, decode: json.JSONDecoder, row: int) -> Any:
        """The next value."""
        wanted = _CHUNK
        while True:
            try:
                found, end = decode.raw_decode(self._held, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if len(self._held) - self._at > LONGEST or not self._more(wanted):
                    raise self._wrong(error, row) from error
                wanted *= 2
            except ValueError as error:
                raise self._wrong(error, row) from error
            else:
                self._go(end)
                return found

    def _wrong(self, error: Exception, row: int) -> Exception:
        line = self.line
        if isinstance(error, json.JSONDecodeError):
            line += self._held.count("\n", self._at, error.pos)
            value = self._held[error.pos :][:40] or None
            return unreadable(f"it is no JSON: {error.msg}.", self._file, row=row, line=line, value=value)
        return _no_json(error, self._file, row, line, self._held[self._at :][:40])

    def _go(self, end: int) -> None:
        self.line += self._held.count("\n", self._at, end)
        self._at = end

    def _more(self, count: int) -> bool:
        if self._ended:
            return False
        chunk = self._stream.read(count)
        self._ended = not chunk
        try:
            text = self._decoder.decode(chunk, final=self._ended)
        except UnicodeDecodeError as error:
            wrong = error.object[error.start : error.start + 8]
            line = self.line + self._held.count("\n", self._at) + error.object.count(b"\n", 0, error.start)
            raise unreadable(f"{wrong.hex(' ')} are no UTF-8.", self._file, line=line, value=wrong) from error
        self._held, self._at = self._held[self._at :] + text, 0
        return not self._ended
