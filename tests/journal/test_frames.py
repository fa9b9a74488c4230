"""Whatever happened to a segment's bytes: whole frames are found, none is invented, what is skipped is counted."""

import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.journal import MAX_RECORD, Family, NotASegment, SegmentRead, Unrecordable, decode_segment
from modelyard.journal.frames import encode_frame

from .samples import identities, prediction, segment_bytes, truth

RECORDS = tuple(prediction(each) for each in "abcde")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """A segment with five records, and where its header and each of its frames end."""
    return segment_bytes(tmp_path_factory.mktemp("whole"), RECORDS)


def decoded(data: bytes) -> SegmentRead:
    """What is read of a segment's bytes: all of them are accounted for, and a second reading goes on where it ended."""
    found = decode_segment(data, "predictions")
    assert set(found.records) <= set(RECORDS)
    assert len(set(found.records)) == len(found.records)
    again = decode_segment(data, "predictions", after=found.valid_bytes)
    assert (again.records, again.torn_bytes) == ((), found.torn_bytes)
    frames = sum(len(encode_frame(each)) + 8 for each in found.records)
    assert len(data) - frames - found.lost_bytes - found.torn_bytes in (0, 16)  # 0: the header is among what is lost
    return found


def test_truncated_anywhere_the_whole_records_are_kept(whole: tuple[bytes, list[int]]) -> None:
    """Cut at every byte: never an error, never half a record, never fewer than fit, and no damage: it is only torn."""
    data, ends = whole
    for cut in range(len(data) + 1):
        found = decode_segment(data[:cut], "predictions")
        fit = sum(end <= cut for end in ends[1:])
        assert found.records == RECORDS[:fit]
        assert found.damage == ()
        assert found.torn_bytes == (cut - ends[fit] if cut >= ends[0] else cut)


def test_a_flipped_byte_anywhere_costs_one_record_at_most(whole: tuple[bytes, list[int]]) -> None:
    """Every byte in turn: all other records are found, before and after; in the header, all of them."""
    data, ends = whole
    for position in range(len(data)):
        spoiled = bytearray(data)
        spoiled[position] ^= 0xFF
        found = decoded(bytes(spoiled))
        hit = sum(end <= position for end in ends) - 1
        assert found.records == tuple(each for index, each in enumerate(RECORDS) if index != hit)
        assert found.lost_bytes + found.torn_bytes > 0


@pytest.mark.parametrize("zeros", [1, 7, 8, 9, 16, 64, 4096])
def test_a_tail_of_zeros_is_damage_and_hides_nothing(whole: tuple[bytes, list[int]], zeros: int) -> None:
    """As a power cut leaves it, when the file was made longer and the data not written."""
    data, ends = whole
    found = decoded(data + bytes(zeros))
    assert found.records == RECORDS
    assert found.valid_bytes == ends[-1]
    assert found.lost_bytes == zeros
    assert f"at byte {ends[-1]}, {zeros} bytes skipped" in str(found.damage[0])


def test_zeros_in_the_middle_cost_only_what_they_cover(whole: tuple[bytes, list[int]]) -> None:
    """Two records and a half are gone; the ones behind are there."""
    data, ends = whole
    spoiled = data[: ends[1]] + bytes(ends[3] + 10 - ends[1]) + data[ends[3] + 10 :]
    found = decoded(spoiled)
    assert identities(found) == ["a", "e"]
    assert [(each.at, each.size) for each in found.damage] == [(ends[1], ends[4] - ends[1])]


def test_a_first_page_of_zeros_costs_the_records_on_it(whole: tuple[bytes, list[int]]) -> None:
    """The header is gone: the frames' own marker says what the header said."""
    data, ends = whole
    found = decoded(bytes(ends[2]) + data[ends[2] :])
    assert identities(found) == ["c", "d", "e"]
    assert found.lost_bytes == ends[2]


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xc1", b"\x93\x01\x02", b"[" * 100, b"\x91" * 5000])
def test_a_sound_frame_that_holds_no_record_is_damage(whole: tuple[bytes, list[int]], payload: bytes) -> None:
    """Length and checksum are right, and still it is nothing: it is skipped, and the next record is found."""
    data, ends = whole
    frame = data[8:16] + struct.pack("<II", len(payload), zlib.crc32(payload)) + payload
    found = decoded(data[: ends[2]] + frame + data[ends[2] :])
    assert found.records == RECORDS
    assert [(each.at, each.size) for each in found.damage] == [(ends[2], len(frame))]


@pytest.mark.parametrize("length", [MAX_RECORD + 1, 0xFFFFFFFF])
def test_an_absurd_length_is_damage_even_at_the_end(whole: tuple[bytes, list[int]], length: int) -> None:
    """No writer wrote it, so it is not taken for a record still being written."""
    data, ends = whole
    found = decoded(data + data[8:16] + struct.pack("<II", length, 0) + b"xy")
    assert found.records == RECORDS
    assert found.torn_bytes == 0
    assert f"a length of {length} bytes at byte {ends[-1]}" in str(found.damage[0])


def test_frames_of_another_segment_are_no_records_of_this_one(whole: tuple[bytes, list[int]], tmp_path: Path) -> None:
    """Old disk blocks that a power cut brings back: each segment has its own marker."""
    data, ends = whole
    other, _ = segment_bytes(tmp_path, RECORDS)
    found = decoded(data[: ends[1]] + other[ends[1] : ends[2]] + data[ends[2] :])
    assert identities(found) == ["a", "c", "d", "e"]


def test_what_a_caller_sends_is_never_taken_for_a_frame(tmp_path: Path) -> None:
    """A text that holds a whole forged frame, but for the marker, which no text can hold."""
    forged = encode_frame(prediction("forged")).decode("latin-1")
    data, ends = segment_bytes(tmp_path, [prediction("a"), prediction("b", arm="MY" + forged), prediction("c")])
    spoiled = bytearray(data)
    spoiled[ends[1] + 9] ^= 1
    assert identities(decode_segment(bytes(spoiled), "predictions")) == ["a", "c"]


@pytest.mark.parametrize("data", [b"x", bytes(3), b"PAR1" * 100, bytes(5000), b"MYSEG\x00\x00\x03" + b"x" * 50])
def test_what_is_no_segment_is_refused(data: bytes) -> None:
    """Neither a header nor a frame: the documented error, whatever it is."""
    with pytest.raises(NotASegment, match="A segment begins with"):
        decode_segment(data, "predictions")


def test_a_segment_of_format_version_1_is_read(whole: tuple[bytes, list[int]]) -> None:
    """It had no markers: nothing is found behind damage, but for a sound frame, and what is skipped is counted."""
    bad = msgspec.msgpack.encode(prediction("bad", at=2**63))
    sound = struct.pack("<II", len(bad), zlib.crc32(bad)) + bad
    old = b"MYSEG\x00\x00\x01" + encode_frame(RECORDS[0]) + sound + encode_frame(RECORDS[1])
    found = decode_segment(old + bytes(24), "predictions")
    assert found.records == RECORDS[:2]
    assert [each.size for each in found.damage] == [len(sound), 24]
    assert decode_segment(old[:-3], "predictions").torn_bytes == len(encode_frame(RECORDS[1])) - 3


def test_a_segment_in_another_family_s_folder_gives_no_records(whole: tuple[bytes, list[int]]) -> None:
    """Someone moved it: damage, and no error."""
    family: Family = "truths"
    found = decode_segment(whole[0], family)
    assert found.records == ()
    assert found.lost_bytes == len(whole[0]) - 16


@pytest.mark.parametrize(
    "record",
    [
        prediction("far", at=2**63),
        prediction("no year", at=300_000_000_000_000_000),
        truth("early", at=-(2**62)),
        prediction("\ud800"),
        msgspec.structs.replace(prediction("big"), features=(2**64,)),
        msgspec.structs.replace(prediction("long"), entity="x" * (MAX_RECORD + 1)),
    ],
    ids=lambda each: str(each.prediction_id.encode("ascii", "replace")),
)
def test_what_would_not_come_back_is_not_written(record: "msgspec.Struct") -> None:
    """The caller is told why; the log never holds what a table cannot."""
    with pytest.raises(Unrecordable, match="cannot be recorded"):
        encode_frame(record)  # type: ignore[arg-type]  # any of the families


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_after_any_damage_all_that_was_left_whole_is_found(whole: tuple[bytes, list[int]], data: st.DataObject) -> None:
    """Cut, bytes flipped, garbage put in between, in any mix: only the documented error, and no record is made up."""
    original, ends = whole
    spoiled, hit = bytearray(original), set[int]()
    for position in sorted(data.draw(st.sets(st.integers(16, len(original) - 1), max_size=4)), reverse=True):
        frame = sum(end <= position for end in ends) - 1
        kind = data.draw(st.sampled_from(["flip", "insert", "zero"]))
        if kind == "flip":
            spoiled[position] ^= data.draw(st.integers(1, 255))
        elif kind == "zero":
            end = ends[frame + 1]
            spoiled[position:end] = bytes(end - position)
        else:
            spoiled[position:position] = data.draw(st.binary(min_size=1, max_size=40))
            if position in ends:
                continue  # between two frames: it costs neither
        hit.add(frame)
    found = decode_segment(bytes(spoiled), "predictions")
    kept = [each for index, each in enumerate(RECORDS) if index not in hit]
    assert [each for each in found.records if each in kept] == kept
    assert set(found.records) <= set(RECORDS)
    cut = data.draw(st.integers(0, len(spoiled)))
    shorter = decode_segment(bytes(spoiled[:cut]), "predictions")
    assert [each for each in RECORDS if each in shorter.records] == list(shorter.records)
    still = [each for each in found.records if each in shorter.records]
    assert still == list(found.records[: len(still)])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"MYSEG\x00\x00\x01", b"MYSEG\x00\x00\x02\xff\xfeMYabcd"]))
def test_garbage_gives_no_records_and_no_surprise(garbage: bytes, header: bytes) -> None:
    """With or without a header: at most the documented error."""
    try:
        assert decode_segment(header + garbage, "predictions").records == ()
    except NotASegment:
        assert not header
