"""Messages come out of a socket as they were put in, however it cuts them."""

import socket

from modelyard.execution.wire import Frames, frame


def test_messages_in_pieces_and_together() -> None:
    """One byte at a time, and several at once; then silence, then the end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    frames, sent = Frames(ours), frame(["a", 1]) + frame("b") + frame(None)
    for byte in sent[:-1]:
        theirs.send(bytes([byte]))
    got = []
    while not frames.is_silent:
        messages = frames.take()
        assert messages is not None
        got += messages
    assert got == [["a", 1], "b"]
    theirs.send(sent[-1:] + frame("c"))
    assert frames.take() == [None, "c"]
    assert not bool(frames.is_silent)  # it may have changed since the loop
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
    assert not bool(frames.is_silent)  # it may have changed since the loop
    ours.close()
    theirs.close()
