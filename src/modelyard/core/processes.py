"""Processes that must not outlive the one that started them."""

import os
import platform
import signal
import threading
from collections.abc import Callable


def when_parent_ends(then: Callable[[], None]) -> None:
    """Call `then` from a thread of its own once standard input closes, as it does even when the parent is killed.

    For processes started with a pipe as standard input that nobody writes to. Reads the descriptor itself: a thread
    inside Python's buffered reader would abort the interpreter on its way out.
    """

    def watch() -> None:
        while os.read(0, 4096):
            """Nothing is expected here but the end."""
        then()

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def end_when_closed(lifeline: int, *, group: bool = False) -> None:
    """End this process by SIGKILL once the other end of a pipe closes, as it does however its holder ends.

    With `group`, all processes of its group end with it. The kernel sends the signal, so that native code that holds
    the interpreter's lock ends too; elsewhere than on Linux a thread watches, which such code holds up.
    """
    if platform.system() == "Linux":
        import fcntl  # noqa: PLC0415 - Windows has none

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp() if group else os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        try:
            os.read(lifeline, 1)
        except BlockingIOError:
            return  # the holder lives
        os._exit(1)

    def watch() -> None:
        os.read(lifeline, 1)
        if group:
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()
