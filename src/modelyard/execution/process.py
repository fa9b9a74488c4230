"""One worker process, as the pool sees it: started, spoken to without blocking, ended."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .records import Setup
from .wire import Frames, frame

_PROGRAM = (
    "import sys; connection, lifeline = int(sys.argv[1]), int(sys.argv[2]); "
    "sys.path[:] = sys.argv[3:]; sys.argv[1:] = []; "
    "from modelyard.execution.worker import main; main(connection, lifeline)"
)
"""Modules are found where the owner finds them."""


class WorkerProcess:
    """A fresh interpreter in a session of its own, so that Ctrl-C does not reach it and ending it ends its children.

    Owned by the pool's thread. When this process ends, however it does, the kernel ends the worker and its group.
    """

    def __init__(self, setup: Setup, shown: Mapping[str, str]) -> None:
        """Start it as `setup` says, with the variables `shown` as well; OSError when it cannot be."""
        self.connection, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        descriptors = theirs.fileno(), lifeline
        warnings = [f"-W{each}" for each in sys.warnoptions]
        try:
            self._child = subprocess.Popen(
                [sys.executable, *warnings, "-c", _PROGRAM, *map(str, descriptors), *setup.path],
                cwd=setup.folder if os.path.isdir(setup.folder) else None,  # noqa: PTH112 - it came as text
                env={**os.environ, **setup.environment, **shown},
                pass_fds=descriptors,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__.fileno() if sys.__stderr__ is not None else subprocess.DEVNULL,
            )
        except OSError:
            self._release()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self.connection.setblocking(False)  # noqa: FBT003 - its only parameter
        self._frames = Frames(self.connection)
        self._unsent = memoryview(b"")
        self.send(setup.initialize)

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self._child.pid

    @property
    def has_unsent(self) -> bool:
        """Whether something waits until the connection takes more."""
        return bool(self._unsent)

    def send(self, message: Any) -> None:
        """Send as much as goes now; the rest waits for `push`."""
        self._unsent = memoryview(bytes(self._unsent) + frame(message))
        self.push()

    def push(self) -> None:
        """Send more of what waits. A worker that ended is noticed when it is read from."""
        with suppress(BlockingIOError, ConnectionError):
            while self._unsent:
                self._unsent = self._unsent[self.connection.send(self._unsent) :]

    def receive(self) -> list[Any] | None:
        """What it said since; None when it will say no more."""
        return self._frames.take()

    def has_ended(self) -> bool:
        """Whether the process ended; it stays a zombie, so that its group keeps its number."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def dismiss(self) -> None:
        """Ask it to end by itself; idle ones do."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """Kill it and its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def collect(self) -> int | None:
        """Once it ended: end what is left of its group, release everything, and say how; None while it lives."""
        if not self.has_ended():
            return None
        self.kill()
        self._release()
        return self._child.wait()

    def _release(self) -> None:
        self.connection.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
