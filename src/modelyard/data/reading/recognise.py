"""What a file is: by its first bytes; by its ending only where bytes cannot tell (CSV has no mark of its own)."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from .complaints import mapped, unreadable
from .options import Format, ReadOptions
from .sources import File
from .streams import Compression, compression_of, marked_encoding, plain

HEAD = 1 << 18
"""So many bytes are looked at to tell encoding, delimiter and header."""

_BINARY: tuple[tuple[bytes, Format], ...] = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\xff\xff\xff\xff", "arrow"))
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".psv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
}
_COMPRESSED = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".zip": "zip"}
_FOREIGN = (
    (b"FEA1", "a Feather file of version 1", "Write it again with a current pyarrow: version 2 is read."),
    (b"PARE", "a Parquet file with an encrypted footer", "Decrypt it first."),
    (b"BZh", "compressed with bzip2", "Unpack it, or compress it with gzip or zstd."),
    (b"\xfd7zXZ\0", "compressed with xz", "Unpack it, or compress it with gzip or zstd."),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "Unpack it, or compress it with gzip or zstd."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV or Parquet."),
    (b"SQLite format 3\0", "an SQLite database", "Export the table as CSV or Parquet."),
    (b"%PDF", "a PDF document", "Give the data it was made of."),
    (b"ORC", "an ORC file", "Write it as Parquet."),
    (b"Obj\x01", "an Avro file", "Write it as Parquet."),
    (b"\x89HDF", "an HDF5 file", "Write it as Parquet."),
    (b"\x93NUMPY", "a NumPy array", "Write it as Parquet."),
    (b"\x7fELF", "a program", ""),
)
_JSON_RECORD = re.compile(r'\s*\{\s*("|\}|$)')
_JSON_LIST = re.compile(r"\s*\[\s*(\{|\]|$)")


@dataclass(frozen=True)
class Recognised:
    """A file, what it is and how its text begins (for text formats: decoded, without byte-order mark)."""

    file: File
    format: Format
    compression: Compression | None
    bytes: int | None
    encoding: str
    """Empty for binary formats."""
    head: str
    whole: bool
    """Whether `head` is all there is."""
    notes: tuple[str, ...]


def recognise(file: File, options: ReadOptions) -> Recognised:
    """Say what a file is. UnreadableData for an empty one, a foreign one and one that is not what it is named."""
    with mapped(file.name):
        with file.open() as stream:
            size = file.size(stream)
            compression = compression_of(stream.read(8))
        with plain(file, compression) as stream:
            head = _read(stream, HEAD + 1)
            inside = str(getattr(stream, "name", "")) if compression == "zip" else None
        if not head:
            raise unreadable("it is empty.", file.name, remedy="Give a file with rows.")
        return _told(file, options, compression, size, head, promise(file.name), inside)


def _read(stream: BinaryIO, count: int) -> bytes:
    parts = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _told(
    file: File,
    options: ReadOptions,
    compression: Compression | None,
    size: int | None,
    head: bytes,
    promised_by_name: tuple[Format | None, str | None],
    inside: str | None,
) -> Recognised:
    promised, packed = promised_by_name
    if inside is not None and promised is None:
        promised = promise(inside)[0]
    notes = []
    binary = next((kind for magic, kind in _BINARY if head.startswith(magic)), None)
    if binary is None:
        _refuse_foreign(file.name, head)
    elif options.format not in (None, binary):
        raise unreadable(f"it is {binary}, not {options.format}.", file.name, remedy=f"Say format: {binary}.")
    encoding, text = "", ""
    if binary is None:
        encoding, why = _encoding(file.name, head, options)
        notes += why
        text = head[:HEAD].decode(encoding, "ignore").removeprefix("\ufeff")
        if not text.strip("\r\n") and len(head) <= HEAD:
            raise unreadable(
                "it is empty but for line ends or a byte-order mark.", file.name, remedy="Give a file with rows."
            )
    found = binary or options.format or _textual(file.name, text, promised, packed if compression is None else None)
    if promised is not None and promised != found and {promised, found} != {"csv", "tsv"}:
        notes.append(f"The name says {promised}; it is {found}, and is read so.")
    if packed is not None and packed != compression:
        notes.append(f"The name says {packed}; it is {compression or 'not compressed'}, and is read so.")
    return Recognised(file, found, compression, size, encoding, text, len(head) <= HEAD, tuple(notes))


def promise(name: str) -> tuple[Format | None, str | None]:
    """Format and compression as the ending of a name has them."""
    path = PurePosixPath(name.partition("?")[0].lower() if "://" in name else name.lower())
    packed = _COMPRESSED.get(path.suffix)
    if packed is not None:
        path = path.with_suffix("")
    return _ENDINGS.get(path.suffix), packed


def _refuse_foreign(name: str, head: bytes) -> None:
    for magic, what, remedy in _FOREIGN:
        if head.startswith(magic):
            raise unreadable(f"it is {what}.", name, remedy=remedy)
    if compression_of(head) is not None:
        raise unreadable("it is compressed twice.", name, remedy="Unpack it once.")


def _textual(name: str, text: str, promised: Format | None, packed: str | None) -> Format:
    """What kind of text it is; `packed` is the compression that its name promises and that it does not have."""
    if packed is not None:
        raise unreadable(f"it is named as if compressed with {packed}, and is not.", name, remedy="Say its format.")
    if promised in ("parquet", "arrow"):
        raise unreadable(f"it is named {promised}, and does not begin as such a file.", name, remedy="Say its format.")
    if _JSON_LIST.match(text):
        return "json"
    if _JSON_RECORD.match(text):
        return "jsonl"
    if promised in ("json", "jsonl"):
        what = "it is named as JSON, and begins with neither a record { nor a list [ of records"
        raise unreadable(f"{what}.", name, value=text[:40], remedy="Say its format.")
    if promised is None:
        known = ", ".join(_ENDINGS)
        raise unreadable("its ending is unknown.", name, remedy=f"Say its format. Known endings: {known}.")
    return promised


def _encoding(name: str, head: bytes, options: ReadOptions) -> tuple[str, list[str]]:
    marked = marked_encoding(head)
    if options.encoding is not None:
        return options.encoding, []
    if marked is not None:
        return marked, [f"A byte-order mark says {marked}."]
    evens, odds = head[:1024:2].count(0), head[1:1024:2].count(0)
    if evens + odds > len(head[:1024]) // 8:
        guess = "utf-16-le" if odds > evens else "utf-16-be"
        remedy = f"If it is text of two bytes a character, say encoding: {guess}."
        raise unreadable("it holds NUL bytes: it is binary, or text in another encoding.", name, remedy=remedy)
    return "utf-8", []
