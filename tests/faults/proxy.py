"""A link to a server that can be slow, stand still, or be gone, and come back."""

import contextlib
import selectors
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Literal

State = Literal["whole", "slow", "still", "gone"]


class Link:
    """Takes connections on `port` and carries their bytes to a server, as long as nothing is wrong.

    `slow`: each piece waits for `delay` seconds. `still`: connections are taken and nothing is carried. `gone`: what is
    open is cut off, and who comes is turned away.
    """

    def __init__(self, target: Path, *, delay: float = 0.2) -> None:
        """`target` is the socket that the server listens on."""
        self._target = target
        self._delay = delay
        self._state: State = "whole"
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> "Link":
        self._threads[0].start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._over.set()
        self.become("gone")
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def become(self, state: State) -> None:
        """From now on."""
        with self._changed:
            self._state = state
            self._changed.notify_all()
            if state == "gone":
                for each in self._open:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._state == "gone":
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._target))
            except OSError:
                server.close()
                client.close()
                continue
            with self._changed:
                self._open |= {client, server}
            self._threads.append(threading.Thread(target=self._carry, args=(client, server), daemon=True))
            self._threads[-1].start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with client, server, selectors.DefaultSelector() as selector:
            for each in other:
                selector.register(each, selectors.EVENT_READ)
            with contextlib.suppress(OSError):
                while self._passable() and (ready := selector.select()):
                    pieces = [(other[key.fileobj], key.fileobj.recv(1 << 16)) for key, _ in ready]  # type: ignore[index, union-attr]
                    if not all(piece for _, piece in pieces) or not self._passable():
                        break
                    for to, piece in pieces:
                        to.sendall(piece)
        with self._changed:
            self._open -= set(other)

    def _passable(self) -> bool:
        """Wait as long as the link says; False once it is gone."""
        with self._changed:
            if self._state == "slow":
                self._changed.wait(self._delay)
            while self._state == "still":
                self._changed.wait()
            return self._state != "gone"
