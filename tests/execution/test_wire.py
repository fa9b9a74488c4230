"""Messages come out of a socket as they were put in, however it cuts them."""

import socket

from modelyard.execution.wire import Frames, frame


def silent(frames: Frames) -> bool:
    """Whether the last `take` found nothing."""
    return frames.is_silent


def test_messages_in_pieces_and_together() -> None:
    """One byte at a time, and several at once; then silence, then the end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    frames, sent = Frames(ours), frame(["a", 1]) + frame("b") + frame(None)
    for byte in sent[:-1]:
        theirs.send(bytes([byte]))
    got = []
    while not silent(frames):
        messages = frames.take()
        assert messages is not None
        got += messages
    assert got == [["a", 1], "b"]
    theirs.send(sent[-1:] + frame("c"))
    assert frames.take() == [None, "c"]
    assert not silent(frames)
    theirs.close()
    assert frames.take() is None
    ours.close()


def test_silence_is_not_half_a_message() -> None:
    """More may be there while no message is whole: who asks for the last words goes on."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    whole = frame(b"x" * 150_000)
    sent = theirs.send(whole)
    assert sent > 1 << 16
    ours.setblocking(False)
    frames = Frames(ours)
    assert frames.take() == []
    assert not silent(frames)
    ours.close()
    theirs.close()
