"""Who works on a run: one process at a time, and a dead one is told from a live one."""

import os
import socket
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psutil

from ..errors import RunActive
from .records import Lease, PipelineRun

BEAT_SECONDS = 10.0
_SILENT = timedelta(seconds=60)
"""A process on another machine that gave no sign for so long counts as dead."""

_HELD: set[str] = set()
"""Tokens of the leases that this very process holds."""


def new_lease() -> Lease:
    """A lease of this process."""
    lease = Lease(socket.gethostname(), os.getpid(), psutil.Process().create_time(), uuid4().hex, _now().isoformat())
    _HELD.add(lease.token)
    return lease


def release(lease: Lease) -> None:
    """This process no longer works on the run."""
    _HELD.discard(lease.token)


def is_live(lease: Lease) -> bool:
    """Whether the process that holds a lease is at work."""
    if lease.host != socket.gethostname():
        return _now() - datetime.fromisoformat(lease.beat_at) < _SILENT
    if lease.pid == os.getpid() and abs(psutil.Process().create_time() - lease.process_started) < 1:
        return lease.token in _HELD
    try:
        process = psutil.Process(lease.pid)
        alive: bool = process.status() != psutil.STATUS_ZOMBIE
        return alive and abs(process.create_time() - lease.process_started) < 1
    except psutil.NoSuchProcess:
        return False


def refuse_live(run: PipelineRun) -> None:
    """RunActive when another process works on a run."""
    if run.state == "running" and run.lease is not None and is_live(run.lease):
        raise RunActive(
            f"Run {run.id} is under way: process {run.lease.pid} on {run.lease.host} works on it.",
            context={"run": run.id, "pid": run.lease.pid, "host": run.lease.host},
            remedy=f"Wait for it, or end that process: kill {run.lease.pid}.",
        )


def _now() -> datetime:
    return datetime.now(UTC)
