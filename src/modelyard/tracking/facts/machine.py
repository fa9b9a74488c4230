"""The machine and the interpreter."""

import os
import platform
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import psutil

_SECONDS = 10


def machine_facts() -> dict[str, Any]:
    """Python, operating system, processors, memory in bytes and graphics cards; `cpus` are those one may use."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": list(_gpus()),
    }


@cache
def _cpu() -> str:
    """The processor as Linux calls it; elsewhere its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


@cache
def _gpus() -> tuple[str, ...]:
    """Names and memory of NVIDIA's cards, as their driver's own tool tells them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    asked = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in told.stdout.splitlines()[:64] if line.strip()) if told.returncode == 0 else ()
