"""An upstream that plays faults: it speaks OpenAI's API, and the `model` that is asked for says how it goes wrong.

It repeats what the user said last, word by word: a proof of how a client treats what comes, never of good answers.
Run it by itself with `python -m modelyard.testing.upstream --port 9000`.
"""

import argparse
import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httptools

FAULTS = {
    "answer": "no fault",
    "instant": "no fault, and always the same answer, made beforehand",
    "bytes": "each byte of the stream by itself",
    "letters": "each character in an event of its own",
    "trickle": "begins, and goes on a byte at a time, with a pause behind each",
    "tool": "calls a tool, with what was said as its arguments, each character in an event of its own",
    "no-usage": "does not say how many tokens there were",
    "repeated-usage": "says with every piece how many tokens there were so far",
    "endless": "a stream that never ends",
    "hang": "takes the request and says nothing",
    "stall": "a piece of the stream, and then nothing",
    "cut": "hangs up in the middle of the answer",
    "half-json": "half a JSON, properly ended",
    "half-event": "a stream whose second event is half a JSON",
    "other-shape": "JSON that is no answer",
    "no-choice": "an answer without a choice",
    "error-event": "an error in the middle of the stream",
    "not-http": "bytes that are no HTTP",
    "refuse": "400, with the parameter that is wrong",
    "too-long": "400, as upstreams say that a context is too long",
    "forbidden": "401",
    "busy-once": "503 to the first request, then an answer",
    "busy": "503 always",
    "busy-absurd": "503 and a Retry-After of three hundred years",
    "busy-nonsense": "503 and a Retry-After that means nothing",
    "busy-past": "503 and a Retry-After of a date in 1970",
    "hang-up": "hangs up at once",
}
"""What each model does."""

_RETRY = {
    "busy": "0",
    "busy-absurd": "9999999999",
    "busy-nonsense": "soon",
    "busy-past": "Thu, 01 Jan 1970 00:00:00 GMT",
}


class FaultyUpstream:
    """The server. `url` is what a client is given; `bodies` were asked, `streams` are open, `left` were hung up on.

    `abandoned` are the bodies of these, each with the moment on the loop's clock. `says` are answers as bytes, head and
    all, for models of any other name: whole, and streamed.
    """

    def __init__(self, *, keep: bool = True, every_seconds: float = 0.005) -> None:
        """`keep` False: bodies are not remembered. `every_seconds`: between the pieces of a stream that is slow."""
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.asked: Counter[str] = Counter()
        self.streams = 0
        self.left = 0
        self.abandoned: list[tuple[dict[str, Any], float]] = []
        self.says: dict[str, tuple[bytes, bytes]] = {}
        self.connections = 0
        self.callers: set[_Caller] = set()
        self.keep = keep
        self.every_seconds = every_seconds
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on loopback, on a free port by default."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Caller(self), "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def hang_up(self) -> None:
        """End every connection there is."""
        for caller in list(self.callers):
            caller.hang_up()

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()


@contextmanager
def faulty_upstream() -> Iterator[FaultyUpstream]:
    """The server in a thread of its own, for tests that have no event loop."""
    upstream, ready, loop = FaultyUpstream(), threading.Event(), asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(upstream.start())
        ready.set()
        loop.run_forever()
        upstream.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, name="upstream", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


class _Caller(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, upstream: FaultyUpstream) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._transport: Any = None
        self._asked: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._upstream.connections += 1
        self._upstream.callers.add(self)

    def hang_up(self) -> None:
        """End this connection."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._upstream.callers.discard(self)
        if self._task is not None and not self._task.done():
            self._upstream.left += 1
            if self._upstream.keep:
                self._upstream.abandoned.append((self._asked, asyncio.get_running_loop().time()))
            self._task.cancel()

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools's."""
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        """httptools's."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """httptools's."""
        body = b"".join(self._body)
        headers, self._body, self._headers = self._headers, [], {}
        if b'"model":"instant"' in body:
            self._transport.write(_INSTANT_STREAM if b'"stream":true' in body else _INSTANT)
            return
        asked = self._asked = json.loads(body)
        if self._upstream.keep:
            self._upstream.bodies.append(asked)
            self._upstream.headers.append(headers)
        self._upstream.asked[asked["model"]] += 1
        self._task = asyncio.get_running_loop().create_task(self._answer(asked))

    async def _answer(self, asked: dict[str, Any]) -> None:
        fault = asked["model"]
        if (status := self._status(fault)) is not None:
            self._transport.write(status)
        elif fault in self._upstream.says:
            self._transport.write(self._upstream.says[fault][bool(asked.get("stream"))])
        elif fault == "hang-up":
            self._transport.abort()
        elif fault == "not-http":
            self._transport.write(b"SSH-2.0-none\r\n")
        elif fault == "hang":
            await asyncio.Event().wait()
        elif asked.get("stream"):
            await self._stream(fault, _said(asked))
        else:
            await self._whole(fault, _said(asked))

    def _status(self, fault: str) -> bytes | None:
        """An answer that is no 200, if it is to be one."""
        if fault == "busy-once":
            return _response(503, _error("busy"), ("retry-after", "0")) if self._upstream.asked[fault] == 1 else None
        if fault in _RETRY:
            return _response(503, _error("busy"), ("retry-after", _RETRY[fault]))
        refusals: dict[str, Callable[[], bytes]] = {
            "refuse": lambda: _response(400, _error("temperature is too high", "temperature")),
            "too-long": lambda: _response(
                400, _error("the context is too long", "messages", "context_length_exceeded")
            ),
            "forbidden": lambda: _response(401, _error("no such key")),
        }
        return refusals[fault]() if fault in refusals else None

    async def _whole(self, fault: str, text: str) -> None:
        body = _whole(text, usage=fault != "no-usage", called=fault == "tool")
        if fault == "half-json":
            self._transport.write(_response(200, body[: len(body) // 2]))
        elif fault in ("cut", "stall", "endless"):
            self._transport.write(_response(200, body)[:-20])
            if fault == "cut":
                self._transport.close()
            else:
                await asyncio.Event().wait()
        elif fault == "other-shape":
            self._transport.write(_response(200, b'{"choices":"none"}'))
        elif fault == "no-choice":
            self._transport.write(_response(200, b'{"choices":[]}'))
        elif fault == "trickle":
            self._transport.write(_response(200, body)[: -len(body)])
            await self._trickle(body, self._transport.write)
        else:
            self._transport.write(_response(200, body))

    async def _trickle(self, data: bytes, send: Callable[[bytes], object]) -> None:
        for byte in data:
            send(bytes([byte]))
            await asyncio.sleep(self._upstream.every_seconds)

    async def _stream(self, fault: str, text: str) -> None:
        self._transport.write(_STREAM_HEAD)
        self._upstream.streams += 1
        try:
            await self._pieces(fault, text)
        finally:
            self._upstream.streams -= 1

    async def _pieces(self, fault: str, text: str) -> None:
        events = _events(text, fault)
        if fault == "endless":
            while True:
                self._chunk(events[1])
                await asyncio.sleep(self._upstream.every_seconds)
        if fault == "trickle":
            self._chunk(b"".join(events[:2]))
            await self._trickle(b"".join(events[2:]), self._chunk)
        elif fault == "bytes":
            for byte in b"".join(events):
                self._chunk(bytes([byte]))
                await asyncio.sleep(0)
        elif fault in ("cut", "stall"):
            self._chunk(b"".join(events[:2]))
            if fault == "stall":
                await asyncio.Event().wait()
            self._transport.close()
            return
        elif fault in _BROKEN_EVENTS:
            self._chunk(b"".join(events[:2]) + _BROKEN_EVENTS[fault])
        else:
            self._chunk(b"".join(events))
        self._transport.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_BROKEN_EVENTS = {
    "half-event": b'data: {"choices":[{"index":0,"del\n\n',
    "error-event": b'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n',
    "other-shape": b'data: {"choices":7}\n\n',
}


def _said(asked: dict[str, Any]) -> str:
    """What the user said last."""
    said = [each.get("content") for each in asked["messages"] if each["role"] == "user"]
    return str(said[-1]) if said else "nothing"


def _usage(text: str, pieces: int) -> dict[str, Any]:
    return {
        "prompt_tokens": len(text.split()) + 4,
        "completion_tokens": pieces,
        "total_tokens": len(text.split()) + 4 + pieces,
        "prompt_tokens_details": {"cached_tokens": 2},
    }


def _call(arguments: str, **more: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}, **more}


def _whole(text: str, *, usage: bool = True, called: bool = False) -> bytes:
    told = {"usage": _usage(text, len(text.split()))} if usage else {}
    message: dict[str, Any] = {"role": "assistant", "content": None if called else text}
    if called:
        message["tool_calls"] = [_call(text)]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if called else "stop"}
    return json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], **told}).encode()


def _events(text: str, fault: str) -> list[bytes]:
    words = [f"{' ' if at else ''}{word}" for at, word in enumerate(text.split(" "))]
    if fault in ("letters", "tool"):
        words = list(text)
    events = [_event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}], None)]
    for at, word in enumerate(words, 1):
        usage = _usage(text, at) if fault == "repeated-usage" else None
        delta = {"tool_calls": [_call(word, index=0)]} if fault == "tool" else {"content": word}
        events.append(_event([{"index": 0, "delta": delta, "finish_reason": None}], usage))
    ending = "tool_calls" if fault == "tool" else "stop"
    events.append(_event([{"index": 0, "delta": {}, "finish_reason": ending}], None))
    if fault != "no-usage":
        events.append(_event([], _usage(text, len(words))))
    return [*events, b"data: [DONE]\n\n"]


def _event(choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> bytes:
    body = {"id": "x", "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    return f"data: {json.dumps(body)}\n\n".encode()


def _error(message: str, param: str | None = None, kind: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": "server_error", "param": param, "code": kind}}).encode()


def _response(status: int, body: bytes, *headers: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_TEXT = "one two three four five six seven eight"
_INSTANT = _response(200, _whole(_TEXT))
_JOINED = b"".join(_events(_TEXT, "answer"))
_INSTANT_STREAM = _STREAM_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_JOINED), _JOINED)


def main() -> None:
    """Serve until ended, and say where."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.testing.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()

    async def serve() -> None:
        upstream = FaultyUpstream(keep=False)
        await upstream.start(given.port)
        print(upstream.url, flush=True)  # noqa: T201 - whoever started it reads where it is
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
