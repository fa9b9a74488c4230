"""Clients that send a byte a second: `python slow_clients.py PORT COUNT SECONDS` prints how they ended, as JSON.

COUNT of them are there all the time: one that is hung up on is followed by another. A third each dawdle over nothing at
all, over their headers, and over a body. A process of its own, so that whoever measures beside it is not slowed down.
"""

import json
import selectors
import socket
import sys
import time

_HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
_BEGINNINGS = (b"", _HEAD[:9], _HEAD + b"{")


class _Slow:
    def __init__(self, port: int, number: int, *, born: float) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setblocking(False)
        self.born = born
        beginning = _BEGINNINGS[number % len(_BEGINNINGS)]
        self.drip = b"x" if beginning else b""
        self.next = born + 1
        self.socket.send(beginning)


def main() -> None:
    """Run, and print the lifetimes of those that were hung up on, and the ages of those that were still there."""
    port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    selector, lifetimes, until = selectors.DefaultSelector(), list[float](), time.monotonic() + seconds
    slow = [_Slow(port, number, born=time.monotonic()) for number in range(count)]
    for each in slow:
        selector.register(each.socket, selectors.EVENT_READ, each)
    while (now := time.monotonic()) < until:
        for key, _ in selector.select(0.1):
            lifetimes += _heard(selector, key.data, slow, port)
        for each in slow:
            if now >= each.next:
                each.next += 1
                _send(each)
    ages = [time.monotonic() - each.born for each in slow]
    print(json.dumps({"lifetimes": lifetimes, "ages": ages}))  # noqa: T201 - what it is for


def _heard(selector: selectors.BaseSelector, each: _Slow, slow: list[_Slow], port: int) -> list[float]:
    """What a client heard: its lifetime when it is the end, after which another takes its place."""
    try:
        if each.socket.recv(4096):
            return []
    except ConnectionError:
        pass
    selector.unregister(each.socket)
    each.socket.close()
    ended = time.monotonic()
    successor = slow[slow.index(each)] = _Slow(port, slow.index(each), born=ended)
    selector.register(successor.socket, selectors.EVENT_READ, successor)
    return [ended - each.born]


def _send(each: _Slow) -> None:
    try:
        each.socket.send(each.drip)
    except OSError:
        each.drip = b""  # hung up on: the selector says so


if __name__ == "__main__":
    main()
