"""Frames between the pool and its workers: four bytes of length, then a pickle. Both ends are ours."""

import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("<I")
_PIECE = 1 << 16

READY, BEGUN, ANSWERED = range(3)
"""What a worker says: that it is initialized; that it took up a job; and, with its answer, that it did it."""


def frame(message: Any) -> bytes:
    """A message as bytes."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Cuts what comes from a socket into messages. For one thread at a time.

    `is_silent` after `take`: nothing more was there to be read.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.is_silent = False
        self._connection = connection
        self._data = bytearray()

    def take(self) -> list[Any] | None:
        """The messages that one read completes, maybe none; None at the end. Blocks as the socket does."""
        self.is_silent = False
        try:
            piece = self._connection.recv(_PIECE)
        except BlockingIOError:
            self.is_silent = True
            return []
        except ConnectionError:
            return None
        if not piece:
            return None
        self._data += piece
        return self._whole()

    def _whole(self) -> list[Any]:
        found = []
        while len(self._data) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._data)[0]
            if len(self._data) < end:
                break
            found.append(pickle.loads(self._data[_LENGTH.size : end]))  # noqa: S301 - both ends are ours
            del self._data[:end]
        return found
