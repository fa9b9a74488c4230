"""HTTP from upstreams: the same answer, wherever the network cuts its bytes."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import pytest

from modelyard.generation import EventReader
from modelyard.generation.connections import _Link

EVENTS = [b'data: {"text":"%b"}\n\n' % each.encode() for each in ("Grüße", "世界", "🌍")]
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in EVENTS)
    + b"0\r\n\r\n"
)
COUNTED = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(b"".join(EVENTS)), b"".join(EVENTS))
UNTIL_ITS_END = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"".join(EVENTS)


class Wire:
    """A connection on which nothing is sent in earnest."""

    def write(self, _data: bytes) -> None:
        """Into the void."""

    def abort(self) -> None:
        """Nothing is open."""


async def told(parts: Sequence[bytes]) -> list[bytes]:
    """The data of the events of an answer whose bytes come in these parts, each read before the next is there."""
    link, reader = _Link(deque()), EventReader()
    link.connection_made(cast("Any", Wire()))
    answer, found = link.ask(b""), []

    async def read() -> None:
        await answer.head()
        assert answer.status == 200
        while data := await answer.read():
            found.extend(reader.feed(data))

    reading = asyncio.create_task(read())
    for part in parts:
        await asyncio.sleep(0)
        link.data_received(part)
    await asyncio.sleep(0)
    link.connection_lost(None)
    await reading
    return [each.data for each in (*found, *reader.end())]


HINTED = b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 103 X\r\ncontent-length: 5\r\n\r\n" + UNTIL_ITS_END


@pytest.mark.parametrize("answer", [CHUNKED, COUNTED, UNTIL_ITS_END, HINTED])
def test_an_answer_cut_at_any_byte_is_the_same(answer: bytes) -> None:
    """In two at every place, inside headers, sizes of chunks and characters; and byte by byte."""

    async def run() -> None:
        expected = [each[6:-2] for each in EVENTS]
        assert await told([answer]) == expected
        for at in range(1, len(answer)):
            assert await told([answer[:at], answer[at:]]) == expected, at
        assert await told([bytes([each]) for each in answer]) == expected

    asyncio.run(run())
