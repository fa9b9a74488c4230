"""What this process uses of the machine, in the units that Prometheus' clients export it in."""

import os
import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")


def cpu_seconds() -> float:
    """Processor time of this process since it started, in seconds, its threads included and its children left out."""
    used = os.times()
    return used.user + used.system


def memory_bytes() -> int:
    """Resident memory of this process, in bytes; where the system does not tell, the largest it ever was."""
    try:
        return int(_STATM.read_bytes().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024
