"""Places at which tests end a process by `kill -9`."""

import os
import signal
from pathlib import Path

VARIABLE = "MODELYARD_TEST_KILL_AT"
"""`point=file`: the process that first passes the point, and makes the file, ends there. Unset outside tests."""


def fault_point(name: str) -> None:
    """End this process here, if a test asked for it and none ended here before."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    point, _, marker = wanted.partition("=")
    if point != name or Path(marker).exists():
        return
    Path(marker).touch()
    os.kill(os.getpid(), signal.SIGKILL)
