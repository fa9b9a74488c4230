"""The ceiling: the same HTTP server without anything behind it. `python -m benchmarks.serving.echo --port N`.

uvicorn with httptools and uvloop around a raw ASGI application that reads the body and answers a constant. Processes
share the port by SO_REUSEPORT: start one for each worker.
"""

import argparse
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

from .processes import Running

Message = MutableMapping[str, Any]


class Echo:
    """Reads a body, answers `size` bytes of JSON."""

    def __init__(self, size: int) -> None:
        self._answer = b'{"echo":"' + b"x" * max(0, size - 11) + b'"}'
        length = str(len(self._answer)).encode()
        self._headers = [(b"content-type", b"application/json"), (b"content-length", length)]

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer any request alike."""
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            """The whole body is read, as a server that uses it must."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._answer})


def start_echo(port: int, size: int, folder: Path) -> Running:
    """Start one worker of the echo on a port that others may share."""
    command = [sys.executable, "-m", "benchmarks.serving.echo", f"--port={port}", f"--size={size}"]
    return Running(command, log=folder / f"echo-{port}.log", cwd=Path.cwd())


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", type=int, default=200)
    options = parser.parse_args()
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", options.port))
    listening.listen(2048)
    config = uvicorn.Config(
        Echo(options.size),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
