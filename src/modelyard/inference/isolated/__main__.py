"""A worker process: limit itself, load one model, answer matrices with scores until nobody asks any more."""

import argparse
import os
import platform
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..child import limit_process, out_of_memory
from .models import LOADERS, Ask
from .wire import ANSWER, LONGEST_TEXT, NO_MEMORY, RAISED, READY, REQUEST, SCORES


def main(arguments: Sequence[str]) -> int:
    """0 when nobody asks any more; 1 when the model could not be loaded or used up its memory."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.inference.isolated")
    parser.add_argument("kind", choices=sorted(LOADERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    given = parser.parse_args(arguments)
    _end_with(given.lifeline)
    taken, told = _own_pipes()
    limit_process(given.memory_mb)
    try:
        model = LOADERS[given.kind](given.folder)
    except Exception as error:  # the edge of this process: whatever loading raises is the answer
        _tell(told, error)
        return 1
    told.write(ANSWER.pack(READY, 0, 0))
    while len(header := taken.read(REQUEST.size)) == REQUEST.size:
        try:
            _reply(model, header, taken, told)
        except Exception as error:  # the same
            if _tell(told, error) == NO_MEMORY:
                return 1
    return 0


def _reply(model: Ask, header: bytes, taken: BinaryIO, told: "_Whole") -> None:
    rows, columns = REQUEST.unpack(header)
    matrix = np.frombuffer(taken.read(rows * columns * 8), dtype="<f8").reshape(rows, columns)
    scores = np.asarray(model(matrix), dtype="<f8")
    if scores.ndim > 2 or len(scores) != rows:
        raise ValueError(f"it gave scores of shape {scores.shape} for {rows} rows")
    scores = np.ascontiguousarray(scores.reshape(rows, -1))
    told.write(ANSWER.pack(SCORES, *scores.shape) + scores.tobytes())


def _tell(told: "_Whole", error: Exception) -> int:
    kind = NO_MEMORY if out_of_memory(error) else RAISED
    text = f"{type(error).__name__}: {error}"[:LONGEST_TEXT].encode(errors="replace")
    told.write(ANSWER.pack(kind, len(text), 0) + text)
    return kind


def _own_pipes() -> tuple[BinaryIO, "_Whole"]:
    """The two pipes, kept from the model: what it prints goes to standard error, and it reads nothing."""
    taken, told = os.fdopen(os.dup(0), "rb"), _Whole(os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return taken, told


class _Whole:
    """Writes all of what it is given: a pipe may take it in pieces."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._pipe, view) :]


def _end_with(lifeline: int) -> None:
    """End when the other end of this pipe closes, as it does however the parent ends.

    The kernel sends the signal, so that a model that hangs in native code ends too; elsewhere than on Linux a thread
    watches, which such a model would hold up.
    """
    if platform.system() == "Linux":
        import fcntl  # noqa: PLC0415 - Windows has none

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        try:
            os.read(lifeline, 1)
        except BlockingIOError:
            return  # the parent lives
        os._exit(1)

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
