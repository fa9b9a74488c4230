"""Ctrl-C, as processes that tests start are to heed it."""

import signal


def heed_interrupts() -> None:
    """As a terminal has it: what a shell starts in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
