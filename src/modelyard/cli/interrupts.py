"""Ctrl-C that falls where Python can raise nothing: in a finaliser, or in the callback of an import's lock."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_AGAIN_S = 0.05


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """Send a KeyboardInterrupt that Python had to ignore again, a moment later, when the main thread is elsewhere."""
    shown = sys.unraisablehook

    def hook(ignored: "sys.UnraisableHookArgs") -> None:
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            shown(ignored)
            return
        again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = shown
