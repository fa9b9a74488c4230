"""Functions of on-demand features: code that runs in a worker process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from modelyard.core import ModelyardError, Scalar

from .errors import IsolatedModelFailed, TransformFailed
from .isolated import FUNCTIONS, Columns, FunctionAnswer, FunctionCall, IsolationLimits, KeptWorker, WorkerProcess

ROWS_A_CALL = 1024
"""A deadline is for so many rows at most; more are asked in several calls."""

_ALL_ALIKE = ("raised", "waiting", "closed")
"""Failures of a call as a whole that each of its rows would meet."""

_AT_ONCE = 4
"""Failures in a row that a new process follows at once: two rows that end it, each of which is asked twice."""

_TYPES: dict[str, frozenset[type]] = {
    "number": frozenset({float, type(None)}),
    "whole": frozenset({int, type(None)}),
    "text": frozenset({str, type(None)}),
    "truth": frozenset({bool, type(None)}),
    "instant": frozenset({int, type(None)}),
}
"""What answers may be made of, by the declared kind: the worker is not to be taken at its word."""


class Transform(Protocol):
    """A function: its file in the folder of code, its name there, how it is called, and what it takes and gives.

    `takes` and `gives` are pairs of a name and its kind: `number`, `whole`, `text`, `truth` or `instant`.
    """

    @property
    def file(self) -> str: ...

    @property
    def function(self) -> str: ...

    @property
    def mode(self) -> Literal["row", "columns", "pandas"]: ...

    @property
    def takes(self) -> tuple[tuple[str, str], ...]: ...

    @property
    def gives(self) -> tuple[tuple[str, str], ...]: ...


@dataclass(frozen=True)
class Transformed:
    """Values by the column of `gives`, as long as there are rows, and by row why there is nothing for it."""

    columns: Columns
    errors: dict[int, ModelyardError] = field(default_factory=dict)


class Transforms:
    """The functions in a folder of code, in a worker process. Safe for several threads, which wait for each other.

    A row that raises, or gives what was not declared, fails alone. So does one that ends the worker or takes longer
    than the deadline: the others are asked again, each by itself. A single row whose worker ended, which somebody else
    may have killed, is asked once more. No code is run in this process, and nothing is unpickled.
    """

    def __init__(self, folder: Path, limits: IsolationLimits | None = None, hidden: Path | None = None) -> None:
        """Start the worker, which imports nothing from the folder `hidden`. IsolatedModelFailed: code cannot be run."""
        self._limits = limits or IsolationLimits()
        start = partial(WorkerProcess, FUNCTIONS, folder, self._limits, "function", hidden)
        self._kept = KeptWorker(start, FUNCTIONS, "function", _AT_ONCE)
        self._decoder = msgspec.msgpack.Decoder(FunctionAnswer)
        self._encoder = msgspec.msgpack.Encoder()

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        return self._kept.pid

    def run(self, transform: Transform, columns: Sequence[Sequence[Scalar]], rows: int) -> Transformed:
        """What a function gives for rows, whose values are `columns` in the order of `takes`. Never raises."""
        found = Transformed([[] for _ in transform.gives])
        with self._kept.lock:
            for start in range(0, rows, ROWS_A_CALL):
                count = min(ROWS_A_CALL, rows - start)
                part = columns if count == rows else [each[start : start + count] for each in columns]
                _add(found, self._part(transform, part, count), start)
        return found

    def close(self) -> None:
        """End the worker; who waits for it is told. Repeating it is harmless."""
        self._kept.close()

    def _part(self, transform: Transform, columns: Sequence[Sequence[Scalar]], rows: int) -> Transformed:
        try:
            return self._asked(transform, columns, rows)
        except IsolatedModelFailed as error:
            if error.context["why"] in _ALL_ALIKE or (rows == 1 and error.context["why"] != "ended"):
                return _nothing(transform, error, rows)
        found = Transformed([[] for _ in transform.gives])
        for at in range(rows):
            try:
                one = self._asked(transform, [[each[at]] for each in columns], 1)
            except IsolatedModelFailed as error:
                one = _nothing(transform, error)
            _add(found, one, at)
        return found

    def _asked(self, transform: Transform, columns: Sequence[Sequence[Scalar]], rows: int) -> Transformed:
        call = FunctionCall(
            transform.file, transform.function, transform.mode, transform.takes, transform.gives,
            [list(each) for each in columns], rows,
        )  # fmt: skip
        asked = self._encoder.encode(call)
        answer = self._kept.ask(lambda worker: self._read(worker.call(asked, rows), transform, rows))
        errors: dict[int, ModelyardError] = {at: _failure(transform, why) for at, why in answer.errors.items()}
        return Transformed(answer.columns, errors)

    def _read(self, data: bytes | bytearray, transform: Transform, rows: int) -> FunctionAnswer:
        """An answer that is one. IsolatedModelFailed for anything else."""
        try:
            answer = self._decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise _garbled(str(error)) from error
        if len(answer.columns) != len(transform.gives) or any(not 0 <= at < rows for at in answer.errors):
            raise _garbled(f"{len(answer.columns)} columns")
        for column, (name, kind) in zip(answer.columns, transform.gives, strict=True):
            if len(column) != rows or not _TYPES[kind].issuperset(map(type, column)):
                raise _garbled(f"'{name}'")
        return answer


def _add(found: Transformed, more: Transformed, start: int) -> None:
    for column, new in zip(found.columns, more.columns, strict=True):
        column.extend(new)
    found.errors.update({start + at: error for at, error in more.errors.items()})


def _nothing(transform: Transform, error: IsolatedModelFailed, rows: int = 1) -> Transformed:
    failed = _failure(transform, error.message, error.context["why"], error.remedy)
    return Transformed([[None] * rows for _ in transform.gives], dict.fromkeys(range(rows), failed))


def _failure(transform: Transform, why: str, kind: object = "raised", remedy: str = "") -> TransformFailed:
    return TransformFailed(
        f"The function '{transform.function}' gave no features: {why.rstrip('.')}.",
        context={"function": transform.function, "why": kind},
        remedy=remedy or "Correct the function, or what it is given.",
    )


def _garbled(what: str) -> IsolatedModelFailed:
    return IsolatedModelFailed(
        f"The function's worker process answered with something that is no answer ({what[:80]}).",
        context={"why": "garbled"},
        remedy="Correct the function: it writes where only answers go.",
    )
