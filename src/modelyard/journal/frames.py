"""The bytes of a segment: a header, then frames of sync marker, length, CRC-32 and a MessagePack record.

Bytes that are no whole frame are damage, never an exception: reading goes on at the next whole frame, and what was
skipped is counted.
"""

import secrets
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec

from modelyard.core import to_micros

from .errors import NotASegment, Unrecordable
from .records import Family, OutcomeRecord, PredictionRecord, Record, SketchRecord, TruthRecord

HEADER = b"MYSEG\x00\x00\x02"
"""Seven bytes of magic and one of format version; the segment's sync marker follows.

To change the format, raise the version and teach `_start` to read the one before, as it does with version 1: segments
of the old version lie unsealed on disk when a server is upgraded. Version 1 had no sync marker, neither in the header
nor before the frames, and so nothing after damage can be found; all else is equal.
"""

HEADER_SIZE = 16
MAX_RECORD = 64 << 20
"""Bytes. A greater length is damage; a greater record is refused."""

_HEADER_1 = b"MYSEG\x00\x00\x01"
_MARK = b"\xff\xfeMY"
"""How every sync marker begins: 0xFF is in no UTF-8, so no text that a caller sends looks like one."""

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
_INSTANTS: dict[type[Record], Callable[[Any], tuple[int, ...]]] = {
    PredictionRecord: attrgetter("event_us", "logged_us"),
    TruthRecord: attrgetter("event_us", "available_us", "received_us"),
    OutcomeRecord: attrgetter("event_us", "received_us"),
    SketchRecord: attrgetter("from_us", "to_us"),
}
_FIRST = to_micros(datetime.min.replace(tzinfo=UTC))
_LAST = to_micros(datetime.max.replace(tzinfo=UTC))

FAMILIES: tuple[Family, ...] = tuple(_TYPES)
"""Every family, in the order in which they are sealed."""


@dataclass(frozen=True)
class Damage:
    """Bytes of a segment that are no record: `size` of them, from byte `at` on."""

    at: int
    size: int
    why: str

    def __str__(self) -> str:
        return f"{self.why} at byte {self.at}, {self.size} bytes skipped"


@dataclass(frozen=True)
class SegmentRead:
    """The records of a segment from some offset on, where the last whole frame ends, and what is no record.

    `torn_bytes` counts a last frame that was cut short: normal in a segment still being written, and where a killed
    writer stopped. Damage that ends at or before `valid_bytes` is final; after it, a living writer may still heal it.
    """

    records: tuple[Record, ...]
    valid_bytes: int
    torn_bytes: int = 0
    damage: tuple[Damage, ...] = ()

    @property
    def lost_bytes(self) -> int:
        """How many bytes the damage covers."""
        return sum(each.size for each in self.damage)


def family_of(record: Record) -> Family:
    """Which family of segments a record belongs to."""
    return _FAMILIES[type(record)]


def new_sync() -> bytes:
    """A sync marker (8 bytes) for one segment, different from every other's.

    Random, so that neither a caller's data nor old disk blocks of another segment pass for frames of this one.
    """
    return _MARK + secrets.token_bytes(4)


def encode_frame(record: Record) -> bytes:
    """A record as a frame, without the sync marker that goes before it; Unrecordable when it would not come back."""
    if (instant := _no_instant(record)) is not None:
        raise _unrecordable(record, f"{instant} µs since 1970 is no instant of the years 1 to 9999")
    try:
        payload = _ENCODER.encode(record)
    except (OverflowError, TypeError, ValueError) as error:
        raise _unrecordable(record, str(error)) from error
    if len(payload) > MAX_RECORD:
        raise _unrecordable(record, f"it has {len(payload)} bytes, of at most {MAX_RECORD}")
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def decode_segment(data: bytes, family: Family, *, after: int = 0) -> SegmentRead:
    """Decode every whole frame of a segment's bytes, except those before `after` (an earlier `valid_bytes`).

    Raises NotASegment when there is neither a header of this format nor a whole frame; an empty file or a header cut
    short is a torn segment without records.
    """
    known = _start(data)
    if known is None and len(data) < HEADER_SIZE and HEADER.startswith(data[: len(HEADER)]):
        return SegmentRead((), 0, torn_bytes=len(data))
    if known is not None:
        sync, start = known
        found = decode_frames(data[max(after, start) :], family, sync, at=max(after, start))
        if found.records or not found.damage:
            return found
    spare = _find_sync(data, family)  # the header is damaged: go by the frames' own marker
    if spare is not None and (known is None or spare != known[0]):
        return decode_frames(data[after:], family, spare, at=after)
    if known is None:
        raise NotASegment(f"A segment begins with {HEADER!r}, this file with {data[: len(HEADER)]!r}.")
    return found


def decode_frames(data: bytes, family: Family, sync: bytes, *, at: int) -> SegmentRead:
    """Decode frames that begin at byte `at` of their segment."""
    decoder: msgspec.msgpack.Decoder[Record] = _DECODERS[family]
    records: list[Record] = []
    damage: list[Damage] = []
    position = 0
    while position < len(data):
        try:
            record, position = _frame(data, position, sync, decoder)
            records.append(record)
        except _Broken as broken:
            found = broken.resume or _next_frame(data, position + 1, sync, decoder)
            end = len(data) if found is None else found
            if found is None and broken.cut:
                return SegmentRead(tuple(records), at + position, end - position, tuple(damage))
            damage.append(Damage(at + position, end - position, broken.why))
            if found is None:
                break
            position = found
    return SegmentRead(tuple(records), at + position, damage=tuple(damage))


def sync_of(header: bytes) -> bytes | None:
    """The sync marker in the first HEADER_SIZE bytes of a segment; None when they are damaged or of another format."""
    return header[len(HEADER) :] if len(header) == HEADER_SIZE and header.startswith(HEADER + _MARK) else None


class _Broken(Exception):
    """No record here. `cut` when it may just be unfinished; `resume` where a frame ends that is whole but no record."""

    def __init__(self, why: str, *, cut: bool = False, resume: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.cut = cut
        self.resume = resume


def _start(data: bytes) -> tuple[bytes, int] | None:
    """The sync marker of a segment's frames and where they begin; None when the header is not ours."""
    if data.startswith(_HEADER_1):
        return b"", len(_HEADER_1)
    sync = sync_of(data[:HEADER_SIZE])
    return None if sync is None else (sync, HEADER_SIZE)


def _frame(data: bytes, at: int, sync: bytes, decoder: "msgspec.msgpack.Decoder[Record]") -> tuple[Record, int]:
    """The record of the frame at a byte, and where it ends."""
    if not data.startswith(sync, at):
        raise _Broken("no frame", cut=sync.startswith(data[at:]))
    head = at + len(sync)
    start = head + _FRAME.size
    if start > len(data):
        raise _Broken("half a frame", cut=True)
    length, checksum = _FRAME.unpack_from(data, head)
    end = start + length
    if end > len(data):
        raise _Broken(f"a length of {length} bytes", cut=length <= MAX_RECORD)
    payload = data[start:end]
    if zlib.crc32(payload) != checksum:
        raise _Broken("checksum mismatch")
    if length == 0:  # zeros: the file was made longer, and then the power failed
        raise _Broken("an empty frame")
    try:
        record = decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _Broken(f"no record ({error})", resume=end) from error
    if _no_instant(record) is not None:  # format version 1 let them pass
        raise _Broken("an instant out of range", resume=end)
    return record, end


def _next_frame(data: bytes, after: int, sync: bytes, decoder: "msgspec.msgpack.Decoder[Record]") -> int | None:
    """Where the next whole frame begins; None without one, and in a segment without sync marker."""
    at = data.find(sync, after) if sync else -1
    while at >= 0:
        try:
            _frame(data, at, sync, decoder)
        except _Broken:
            at = data.find(sync, at + 1)
        else:
            return at
    return None


def _find_sync(data: bytes, family: Family) -> bytes | None:
    """The sync marker of the first whole frame, whichever it is."""
    at = data.find(_MARK)
    while at >= 0:
        sync = data[at : at + HEADER_SIZE - len(HEADER)]
        try:
            _frame(data, at, sync, _DECODERS[family])
        except _Broken:
            at = data.find(_MARK, at + 1)
        else:
            return sync
    return None


def _no_instant(record: Record) -> int | None:
    """The first of a record's instants that no calendar, and so no table, can hold."""
    for instant in _INSTANTS[type(record)](record):
        if not _FIRST <= instant <= _LAST:
            return instant
    return None


def _unrecordable(record: Record, why: str) -> Unrecordable:
    return Unrecordable(
        f"A {type(record).__name__} cannot be recorded: {why}.",
        context={"kind": type(record).__name__},
        remedy="Nothing of this call was recorded; correct the value and send it again.",
    )
