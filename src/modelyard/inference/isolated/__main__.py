"""A worker process: limit itself, load a model or functions, and answer until nobody asks any more."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from modelyard.core.processes import end_when_closed

from ..child import limit_process, out_of_memory
from .functions import load_functions
from .models import LOADERS, Ask
from .wire import ANSWER, FUNCTIONS, LONGEST_TEXT, NO_MEMORY, RAISED, READY, REQUEST, SCORES, VALUES

Reply = Callable[[bytes, BinaryIO, "_Whole"], None]
"""Reads what follows a header, and writes the answer."""


def main(arguments: Sequence[str]) -> int:
    """0 when nobody asks any more; 1 when the model could not be loaded or used up its memory."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.inference.isolated")
    parser.add_argument("kind", choices=sorted([*LOADERS, FUNCTIONS]))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    given = parser.parse_args(arguments)
    end_when_closed(given.lifeline)
    taken, told = _own_pipes()
    limit_process(given.memory_mb)
    try:
        reply = _calls(given.folder) if given.kind == FUNCTIONS else _scores(LOADERS[given.kind](given.folder))
    except Exception as error:  # the edge of this process: whatever loading raises is the answer
        _tell(told, error)
        return 1
    told.write(ANSWER.pack(READY, 0, 0))
    while len(header := taken.read(REQUEST.size)) == REQUEST.size:
        try:
            reply(header, taken, told)
        except Exception as error:  # the same
            if _tell(told, error) == NO_MEMORY:
                return 1
    return 0


def _scores(model: Ask) -> Reply:
    """Answers matrices with a model's scores."""

    def reply(header: bytes, taken: BinaryIO, told: "_Whole") -> None:
        rows, columns = REQUEST.unpack(header)
        matrix = np.frombuffer(taken.read(rows * columns * 8), dtype="<f8").reshape(rows, columns)
        scores = np.asarray(model(matrix), dtype="<f8")
        if scores.ndim > 2 or len(scores) != rows:
            raise ValueError(f"it gave scores of shape {scores.shape} for {rows} rows")
        scores = np.ascontiguousarray(scores.reshape(rows, -1))
        told.write(ANSWER.pack(SCORES, *scores.shape) + scores.tobytes())

    return reply


def _calls(folder: Path) -> Reply:
    """Answers calls with what functions give."""
    call = load_functions(folder)

    def reply(header: bytes, taken: BinaryIO, told: "_Whole") -> None:
        rows, size = REQUEST.unpack(header)
        answer = call(taken.read(size))
        told.write(ANSWER.pack(VALUES, rows, len(answer)) + answer)

    return reply


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
