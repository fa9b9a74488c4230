"""The bytes of a segment: a header, then frames of length, CRC-32 and a MessagePack record."""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from .errors import NotASegment
from .records import Family, OutcomeRecord, PredictionRecord, Record, SketchRecord, TruthRecord

HEADER = b"MYSEG\x00\x00\x01"
"""Seven bytes of magic and one of format version."""

_FRAME = struct.Struct("<II")
_TYPES: dict[Family, type[Record]] = {
    "predictions": PredictionRecord,
    "truths": TruthRecord,
    "outcomes": OutcomeRecord,
    "sketches": SketchRecord,
}
_FAMILIES: dict[type[Record], Family] = {kind: family for family, kind in _TYPES.items()}
_DECODERS = {family: msgspec.msgpack.Decoder(kind) for family, kind in _TYPES.items()}
_ENCODER = msgspec.msgpack.Encoder()

FAMILIES: tuple[Family, ...] = tuple(_TYPES)


@dataclass(frozen=True)
class SegmentRead:
    """The records of a segment from some offset on, where the valid bytes end, and what is wrong there, if anything.

    A tail that is merely incomplete (a frame cut short) has `torn` True: normal in a segment still being written.
    """

    records: tuple[Record, ...]
    valid_bytes: int
    torn: bool = False
    damage: str | None = None


def family_of(record: Record) -> Family:
    """Which family of segments a record belongs to."""
    return _FAMILIES[type(record)]


def encode_frames(records: Iterable[Record]) -> bytes:
    """Records as consecutive frames."""
    parts: list[bytes] = []
    for record in records:
        payload = _ENCODER.encode(record)
        parts += (_FRAME.pack(len(payload), zlib.crc32(payload)), payload)
    return b"".join(parts)


def decode_segment(data: bytes, family: Family, *, after: int = 0) -> SegmentRead:
    """Decode the longest valid prefix of a segment, skipping what ends at or before `after` (an earlier `valid_bytes`).

    Raises NotASegment when the header is another format's; an empty or cut header is a torn segment without records.
    """
    if len(data) < len(HEADER):
        return SegmentRead((), 0, torn=True)
    if not data.startswith(HEADER):
        raise NotASegment(f"A segment begins with {HEADER!r}, this file with {data[: len(HEADER)]!r}.")
    decoder = _DECODERS[family]
    records: list[Record] = []
    position = max(after, len(HEADER))
    while position < len(data):
        start = position + _FRAME.size
        if start > len(data):
            return SegmentRead(tuple(records), position, torn=True)
        length, checksum = _FRAME.unpack_from(data, position)
        payload = data[start : start + length]
        if len(payload) < length:
            return SegmentRead(tuple(records), position, torn=True)
        if zlib.crc32(payload) != checksum:
            return SegmentRead(tuple(records), position, damage=f"checksum mismatch at byte {position}")
        records.append(decoder.decode(payload))
        position = start + length
    return SegmentRead(tuple(records), position)
