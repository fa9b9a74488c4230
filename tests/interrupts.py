"""Ctrl-C, as processes that tests start are to heed it."""

import sys
from collections.abc import Sequence

_HEED = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


def heeding(command: Sequence[str]) -> list[str]:
    """A command as a terminal starts it: what a shell starts in the background ignores Ctrl-C, and so do its children.

    A program before it sees to that, and no fork of this process, in which threads of libraries may have been at work.
    """
    return [sys.executable, "-c", _HEED, *command]
