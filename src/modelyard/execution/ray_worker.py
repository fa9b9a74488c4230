"""What runs in a Ray worker: it has a worker process of its own do the job, and so tells as much as the local pool.

Ray's word on a process that ended is that it ended; which signal it was, what it wrote, and what it left running, the
process that started it knows.
"""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from .engine import Engine
from .records import Demand, Ended, Setup, Waiting
from .resources import Capacity

_LONGEST_TEXT = 1 << 20
"""How much of a log comes back from a machine that cannot write it: its last bytes."""

_LOOK = 0.5
"""Seconds between looks at whether the node is still there."""


@dataclass
class _Desk:
    """The engine of this process and what it was opened for."""

    setup: Setup
    devices: str | None
    engine: Engine


_desk: _Desk | None = None


def do(waiting: Waiting, setup: Setup, mark: int | None) -> tuple[Ended, bytes]:
    """Do one job; how it ended, and what it wrote if the log is not to be reached from here.

    `mark` is the inode of the log where the task was submitted: a file system that both share shows the same.
    """
    waiting = replace(waiting, demand=Demand(cpus=0), job=replace(waiting.job, cluster=_cluster()))
    log = waiting.job.log
    if log is None or _inode(log) == mark:
        return _ended(_engine(setup), waiting), b""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "log"
        ended = _ended(_engine(setup), replace(waiting, job=replace(waiting.job, log=str(own))))
        return ended, own.read_bytes()[-_LONGEST_TEXT:] if own.exists() else b""


def _cluster() -> str:
    import ray  # noqa: PLC0415 - here it is loaded

    return str(ray.get_runtime_context().gcs_address)


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None


def _ended(engine: Engine, waiting: Waiting) -> Ended:
    node = os.getppid()
    engine.add(waiting)
    while not (ended := engine.take(_LOOK)):
        if os.getppid() != node:  # Ray's own part of this node died, and would leave this process at work
            os._exit(1)
    return ended[0]


def _engine(setup: Setup) -> Engine:
    """The one of before, unless this is for another setup or other GPUs."""
    global _desk  # noqa: PLW0603 - what a Ray worker keeps between tasks it keeps in its module
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    if _desk is not None and (_desk.setup, _desk.devices) == (setup, devices):
        return _desk.engine
    if _desk is not None:
        _desk.engine.close()
    _desk = _Desk(setup, devices, Engine(1, Capacity(0, 0, 0), setup))
    return _desk.engine
