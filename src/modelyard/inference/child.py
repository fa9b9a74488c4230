"""What every child process of this room gets: an environment without secrets, and limits that it sets itself."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "TMPDIR", "SYSTEMROOT")
"""What the interpreter needs to start, and no secret."""


def child_environment(hidden: Path | None = None) -> dict[str, str]:
    """The environment of a child: few names of this process's, and the places where it finds modules but for one."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    there = [Path(each).absolute() for each in sys.path if each]
    places = os.pathsep.join(str(each) for each in there if hidden is None or each.resolve() != hidden.resolve())
    return environment | {"PYTHONPATH": places, "OPENBLAS_NUM_THREADS": "1"}


def limit_process(memory_mb: int, seconds: float | None = None) -> None:
    """Ask the operating system to hold this process to `memory_mb` of address space and `seconds` of processor time.

    Where it cannot, the parent's clock remains. No core is ever dumped.
    """
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    size = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def end_group(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that leads a session of its own, and what it may have started there."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        child.kill()


def out_of_memory(error: Exception) -> bool:
    """Whether an error is, by its kind or its words, one of memory that could not be had."""
    return isinstance(error, MemoryError) or "bad_alloc" in str(error) or "llocat" in str(error)
