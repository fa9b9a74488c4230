"""One worker process: started, asked within a deadline, ended."""

import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ..child import child_environment, end_group
from ..errors import IsolatedModelFailed
from .wire import ANSWER, LONGEST_TEXT, MOST_BYTES, MOST_SCORES, NO_MEMORY, RAISED, READY, REQUEST, SCORES, VALUES

_QUIET = {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@dataclass(frozen=True)
class IsolationLimits:
    """What a worker process may use up: address space, time to load the model, and time for one call."""

    memory_mb: int = 4096
    start_seconds: float = 60.0
    call_seconds: float = 10.0


class WorkerProcess:
    """A child process with a model or functions in it, in a session of its own. One thread at a time; `kill` from any.

    It gets none of this process's environment but what an interpreter needs, and of its open files standard error,
    where what the model prints goes. Its working and temporary directory is its own, and goes with it. When this
    process ends, however it does, the kernel ends the child.
    """

    def __init__(
        self, kind: str, folder: Path, limits: IsolationLimits, what: str = "model", hidden: Path | None = None
    ) -> None:
        """Start it and wait until the model is loaded. IsolatedModelFailed says why it is not.

        `what` messages call that which is loaded; from the folder `hidden` it can import nothing.
        """
        self._limits, self._what = limits, what
        self._scratch = TemporaryDirectory(prefix="modelyard-worker-", ignore_cleanup_errors=True)
        lifeline, self._lifeline = os.pipe()
        command = [
            sys.executable, "-P", "-m", "modelyard.inference.isolated", kind, str(folder.absolute()),
            "--memory-mb", str(limits.memory_mb), "--lifeline", str(lifeline),
        ]  # fmt: skip
        place = self._scratch.name
        try:
            self._child = subprocess.Popen(
                command,
                bufsize=0,
                cwd=place,
                env={**child_environment(hidden), **_QUIET, "HOME": place, "TMPDIR": place},
                pass_fds=(lifeline,),
                start_new_session=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        except OSError:
            os.close(self._lifeline)
            self._scratch.cleanup()
            raise
        finally:
            os.close(lifeline)
        assert self._child.stdin is not None  # noqa: S101 - both were asked for
        assert self._child.stdout is not None  # noqa: S101
        self._to, self._from = self._child.stdin.fileno(), self._child.stdout.fileno()
        os.set_blocking(self._to, False)
        self._until(limits.start_seconds)
        try:
            kind_of_answer, rows, _ = self._answer("be loaded", limits.start_seconds)
            if kind_of_answer != READY:
                raise self._fault(kind_of_answer, rows)
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def ask(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores (n_rows, n_scores) of a matrix (n_rows, n_fields); IsolatedModelFailed when there are none.

        After `raised` it can be asked again; after anything else it has ended.
        """
        data = REQUEST.pack(*matrix.shape) + np.ascontiguousarray(matrix, dtype="<f8").tobytes()
        with self._asking(data) as seconds:
            kind, rows, columns = self._answer("answer", seconds)
            if kind != SCORES:
                raise self._fault(kind, rows)
            if rows != len(matrix) or columns > MOST_SCORES:
                raise self._garbled()
            scores = np.frombuffer(self._receive(rows * columns * 8, "answer", seconds), dtype="<f8")
        return scores.astype(np.float64, copy=False).reshape(rows, columns)

    def call(self, asked: bytes, rows: int) -> bytearray:
        """The `FunctionAnswer` to a `FunctionCall` for so many rows, as bytes; IsolatedModelFailed as of `ask`."""
        with self._asking(REQUEST.pack(rows, len(asked)) + asked) as seconds:
            kind, count, size = self._answer("answer", seconds)
            if kind != VALUES:
                raise self._fault(kind, count)
            if count != rows or size > MOST_BYTES:
                raise self._garbled()
            return self._receive(size, "answer", seconds)

    @contextmanager
    def _asking(self, data: bytes) -> Iterator[float]:
        """Send a question, which has so many seconds. The child is ended unless it answers, or says that it raised."""
        seconds = self._limits.call_seconds
        self._until(seconds)
        try:
            self._send(data, seconds)
            yield seconds
        except IsolatedModelFailed as error:
            if error.context["why"] != "raised":
                self.end()
            raise

    def kill(self) -> None:
        """Kill it and what it started; whoever asks it now is told so. `end` is still to be called."""
        end_group(self._child)

    def end(self) -> None:
        """Kill it, and release all that belongs to it. Repeating it is harmless."""
        if self._lifeline < 0:
            return
        end_group(self._child)
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        os.close(self._lifeline)
        self._lifeline = -1
        self._scratch.cleanup()

    def _until(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _wait(self, descriptor: int, event: int, to: str, seconds: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        left = self._deadline - time.monotonic()
        if left <= 0 or not poll.poll(math.ceil(left * 1000)):
            raise IsolatedModelFailed(
                f"The {self._what}'s worker process did not {to} within {seconds:g} s and was ended.",
                context={"why": "deadline", "seconds": seconds},
                remedy=f"Send fewer rows at once, or correct the {self._what}.",
            )

    def _send(self, data: bytes, seconds: float) -> None:
        view = memoryview(data)
        while view:
            self._wait(self._to, select.POLLOUT, "take its rows", seconds)
            try:
                view = view[os.write(self._to, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._gone() from None

    def _receive(self, count: int, to: str, seconds: float) -> bytearray:
        data = bytearray(count)
        view, got = memoryview(data), 0
        while got < count:
            self._wait(self._from, select.POLLIN, to, seconds)
            taken = os.readv(self._from, [view[got:]])
            if taken == 0:
                raise self._gone()
            got += taken
        return data

    def _answer(self, to: str, seconds: float) -> tuple[int, int, int]:
        kind, rows, columns = ANSWER.unpack(self._receive(ANSWER.size, to, seconds))
        return kind, rows, columns

    def _fault(self, kind: int, length: int) -> IsolatedModelFailed:
        if kind not in (RAISED, NO_MEMORY) or length > LONGEST_TEXT * 4:
            return self._garbled()
        text = self._receive(length, "say what is wrong", self._limits.call_seconds).decode(errors="replace")
        if kind == NO_MEMORY:
            return IsolatedModelFailed(
                f"The {self._what} needs more than {self._limits.memory_mb} MB of memory ({text}).",
                context={"why": "memory"},
                remedy="If it is known to be that big, raise the limit.",
            )
        return IsolatedModelFailed(
            f"The {self._what} raised {text.rstrip('.')}.",
            context={"why": "raised"},
            remedy=f"Correct the {self._what}, or what it is given.",
        )

    def _garbled(self) -> IsolatedModelFailed:
        return IsolatedModelFailed(
            f"The {self._what}'s worker process answered with something that is no answer, and was ended.",
            context={"why": "garbled"},
            remedy=f"Correct the {self._what}: it writes where only answers go.",
        )

    def _gone(self) -> IsolatedModelFailed:
        try:
            code = self._child.wait(1.0)
        except subprocess.TimeoutExpired:  # it closed its pipe, and stays
            return self._garbled()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return IsolatedModelFailed(
            f"The {self._what}'s worker process {how} under a limit of {self._limits.memory_mb} MB of memory.",
            context={"why": "ended", "code": code},
            remedy=f"Correct the {self._what}; what it wrote last is in the log.",
        )
