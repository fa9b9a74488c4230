"""What a reader is told beforehand: everything left out is detected, and said in the facts."""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import pyarrow as pa

from modelyard.core import InvalidInput, did_you_mean

Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "arrow"]

NULLS = ("", "NA")
"""What stands for a missing value in CSV: nothing between two delimiters, or NA."""

_SIMPLE: dict[str, pa.DataType] = {
    **{str(each): each for each in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{str(each): each for each in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    "float32": pa.float32(),
    "float64": pa.float64(),
    "float": pa.float64(),
    "int": pa.int64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date32": pa.date32(),
    "date": pa.date32(),
    "time64[us]": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}
_PARAMETERS: tuple[tuple[str, Callable[..., pa.DataType]], ...] = (
    (r"timestamp\[(s|ms|us|ns)(?:, *(?:tz=)?([\w/+:\-]+))?\]", pa.timestamp),
    (r"decimal128\((\d+), *(-?\d+)\)", lambda digits, scale: pa.decimal128(int(digits), int(scale))),
)


@dataclass(frozen=True)
class ReadOptions:
    """How to read; None is detected. InvalidInput when an option has no meaning.

    `quote` is the character around CSV fields, "" when there is none; `nulls` the spellings of a missing value in CSV;
    `types` the types of columns by name, which need no looking at all values first; `batch_rows` the most rows of a
    batch; `block_bytes` what is parsed at once, and the longest CSV record. `coded`: text of few levels in Parquet
    comes as dictionaries, as it is stored. `damaged`: whether a line of JSONL that is no object, or a record of CSV
    with too many or too few fields, ends the reading (stop), or is left out (skip) and told in the facts; rows are then
    counted without it.
    """

    format: Format | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    quote: str | None = None
    nulls: tuple[str, ...] = NULLS
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    batch_rows: int = 65_536
    block_bytes: int = 4 << 20
    coded: bool = False
    damaged: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in get_args(Format):
            raise _wrong(f"There is no format '{self.format}'.", did_you_mean(self.format, get_args(Format)))
        if self.delimiter is not None and (not _ascii(self.delimiter) or self.delimiter in '"\r\n\0'):
            raise _wrong(f"{self.delimiter!r} cannot delimit fields.", "Give one ASCII character: , ; | or a tab.")
        if self.quote and (not _ascii(self.quote) or self.quote in "\r\n\0" or self.quote == self.delimiter):
            raise _wrong(f"{self.quote!r} cannot quote fields.", "Give one ASCII character, or '' for none.")
        if self.encoding is not None and not is_encoding(self.encoding):
            raise _wrong(f"There is no text encoding '{self.encoding}'.", "Known: utf-8, utf-16, cp1252, latin-1, …")
        if self.batch_rows < 1 or self.block_bytes < 256:
            raise _wrong("batch_rows must be at least 1, and block_bytes 256.", "Leave them out.")


def is_encoding(name: str) -> bool:
    """Whether text can be written in it."""
    try:
        return isinstance("x".encode(codecs.lookup(name).name), bytes)
    except (LookupError, ValueError):
        return False


def parse_type(text: str) -> pa.DataType:
    """The Arrow type of a name: int64, float64, string, bool, date32, timestamp[us, UTC], decimal128(10,2), …

    InvalidInput names what there is.
    """
    if text in _SIMPLE:
        return _SIMPLE[text]
    for pattern, build in _PARAMETERS:
        if match := re.fullmatch(pattern, text):
            return _built(text, build, [each for each in match.groups() if each is not None])
    known = [*_SIMPLE, "timestamp[us]", "timestamp[us, UTC]", "decimal128(10,2)"]
    raise InvalidInput(f"There is no type '{text}'.", remedy=did_you_mean(text, known, shown=30))


def _built(text: str, build: Callable[..., pa.DataType], parameters: list[str]) -> pa.DataType:
    try:
        found = build(*parameters)
        if pa.types.is_timestamp(found):
            pa.array([0]).cast(found).to_pylist()  # the zone is looked up only now
    except (ValueError, KeyError) as error:  # Arrow's own errors are ValueErrors
        raise InvalidInput(f"There is no type '{text}': {error}.") from error
    return found


def _ascii(text: str) -> bool:
    return len(text) == 1 and text.isascii()


def _wrong(message: str, remedy: str) -> InvalidInput:
    return InvalidInput(message, code="BAD_READ_OPTION", remedy=remedy)
