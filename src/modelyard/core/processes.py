"""Processes that must not outlive the one that started them."""

import os
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
