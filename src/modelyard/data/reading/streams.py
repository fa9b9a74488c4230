"""From stored bytes to plain ones: decompressed, and text as UTF-8 without a byte-order mark."""

import codecs
import gzip
import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

from .complaints import unreadable
from .sources import File

Compression = Literal["gzip", "zstd", "zip"]

_CHUNK = 1 << 20
_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)


def compression_of(head: bytes) -> Compression | None:
    """How a file that begins so is compressed."""
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


@contextmanager
def plain(file: File, compression: Compression | None) -> Iterator[BinaryIO]:
    """The file's bytes without their compression; of a zip archive those of the one file inside."""
    with ExitStack() as stack:
        stored = stack.enter_context(file.open())
        if compression is None:
            yield stored
        elif compression == "gzip":
            yield cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=stored)))
        elif compression == "zstd":
            unpacked = pa.CompressedInputStream(pa.PythonFile(stored, "r"), "zstd")
            yield io.BufferedReader(_Filling(unpacked), _CHUNK)
        else:
            archive = stack.enter_context(zipfile.ZipFile(stored))
            yield cast("BinaryIO", stack.enter_context(archive.open(_only_member(file.name, archive))))


@contextmanager
def seekable(file: File, compression: Compression | None) -> Iterator[BinaryIO]:
    """The same for formats that are read from their end: what cannot seek is unpacked into a temporary file."""
    with plain(file, compression) as stream:
        if compression is None and stream.seekable():
            yield stream
            return
        with tempfile.TemporaryFile() as unpacked:
            while chunk := stream.read(_CHUNK):
                unpacked.write(chunk)
            unpacked.seek(0)
            yield unpacked


def _only_member(name: str, archive: zipfile.ZipFile) -> str:
    inside = [each for each in archive.namelist() if not each.endswith("/")]
    if "xl/workbook.xml" in inside:
        raise unreadable("it is an Excel workbook.", name, remedy="Save the sheet as CSV or Parquet.")
    if len(inside) != 1:
        raise unreadable(f"{name} holds {len(inside)} files; one was expected.", name, remedy="Unpack it.")
    return inside[0]


class _Filling(io.RawIOBase):
    """A stream of Arrow as Python's buffers read it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._stream.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte-order mark tells."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


class Utf8(io.RawIOBase):
    """Text of any encoding as UTF-8 without byte-order mark.

    UnreadableData with the line when bytes mean nothing in another encoding than UTF-8, whose bytes pass as they are.
    """

    def __init__(self, stream: BinaryIO, encoding: str, file: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._file = file
        self._same = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._lines = 1
        self._left = b""
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = self._stream.read(max(len(buffer), 4096))
            self._left = self._translate(chunk)
            if not chunk:
                break
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _translate(self, chunk: bytes) -> bytes:
        text = chunk if self._same else self._decoded(chunk)
        if self._begun or not text:
            return text
        self._begun = True
        return text.removeprefix(codecs.BOM_UTF8)

    def _decoded(self, chunk: bytes) -> bytes:
        try:
            text = self._decoder.decode(chunk, final=not chunk)
            found = text.encode()
        except UnicodeError as error:
            raise self._undecodable(error) from error
        self._lines += text.count("\n")
        return found

    def _undecodable(self, error: UnicodeError) -> Exception:
        wrong = error.object[error.start : error.start + 8] if isinstance(error, UnicodeDecodeError) else None
        before = error.object[: error.start] if isinstance(error, UnicodeDecodeError) else b""
        line = self._lines + before.decode(self._encoding, "replace").count("\n")
        return unreadable(
            f"{clip_bytes(wrong)} mean nothing in {self._encoding}.",
            self._file,
            line=line,
            value=wrong,
            remedy="Say the encoding it is written in, for example encoding: cp1252.",
        )


def clip_bytes(wrong: bytes | None) -> str:
    """Bytes as a message shows them."""
    return "bytes" if not wrong else "the bytes " + wrong[:8].hex(" ")


@contextmanager
def text_of(file: File, compression: Compression | None, encoding: str) -> Iterator[BinaryIO]:
    """The file's text as a buffered stream of UTF-8."""
    with plain(file, compression) as stream:
        yield io.BufferedReader(Utf8(stream, encoding, file.name), _CHUNK)
