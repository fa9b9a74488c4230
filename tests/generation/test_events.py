"""Server-sent events: the same, whatever pieces the bytes come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.generation import LARGEST_EVENT, Event, EventReader, UpstreamBroken, write_event

STREAM = (
    '\ufeffdata: {"text": "Grüße, 世界 🌍"}\n\n: a comment\r\ndata: one\r\ndata: two\r\n\r\n'
    "event: error\ndata:no space\n\nid: 7\nretry: 3\n\ndata\n\ndata: [DONE]\r\r"
).encode()
EVENTS = [
    Event("message", '{"text": "Grüße, 世界 🌍"}'.encode()),
    Event("message", b"one\ntwo"),
    Event("error", b"no space"),
    Event("message", b""),
    Event("message", b"[DONE]"),
]


def read(*pieces: bytes) -> list[Event]:
    """All events of a stream that comes in these pieces."""
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


def test_a_stream_split_at_any_byte_gives_the_same_events() -> None:
    """In two pieces, at every place; and byte by byte."""
    assert read(STREAM) == EVENTS
    for at in range(len(STREAM) + 1):
        assert read(STREAM[:at], STREAM[at:]) == EVENTS
    assert read(*(bytes([each]) for each in STREAM)) == EVENTS


@given(
    st.lists(st.binary(max_size=40).filter(lambda data: b"\n" not in data and b"\r" not in data), max_size=8), st.data()
)
def test_what_is_written_is_read_again(bodies: list[bytes], data: st.DataObject) -> None:
    """Whatever the cuts."""
    stream = b"".join(map(write_event, bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [event.data for event in read(*pieces)] == bodies


def test_a_stream_that_stops_inside_an_event_says_so() -> None:
    """Also when only the blank line is missing."""
    for stream, unfinished in ((b"data: x\n\n", False), (b"data: x\n", True), (b"data: x", True), (b"", False)):
        reader = EventReader()
        reader.feed(stream)
        assert reader.unfinished is unfinished


def test_an_event_without_end_is_refused() -> None:
    """Memory is bounded, on one line and on many."""
    for piece in (b"x" * 65536, b"data: " + b"x" * 65536 + b"\n"):
        reader = EventReader()
        for _ in range(LARGEST_EVENT // 65536 - 1):
            reader.feed(piece)
        with pytest.raises(UpstreamBroken) as told:
            reader.feed(piece * 2)
        assert told.value.context["why"] == "size"
