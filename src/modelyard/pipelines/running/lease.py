"""Who works on a run: one process at a time, and a dead one is told from a live one."""

from datetime import timedelta

from modelyard.core import SystemClock
from modelyard.storage import Lease, LeaseRecord, RecordStore, Snapshot

from ..errors import RunActive
from .records import PipelineRun

BEAT_SECONDS = 10.0
_SILENT = timedelta(seconds=60)
"""A process on another machine that gave no sign for so long counts as dead."""


def lease_of(records: RecordStore, run_id: str) -> Lease:
    """The right to work on a run. By the machine's clock, also where runs have one of their own."""
    return Lease(records, f"pipeline-run/{run_id}", SystemClock(), lasts=_SILENT, while_alive=True)


def worker_of(records: RecordStore, run: PipelineRun, view: Snapshot | None = None) -> LeaseRecord | None:
    """The process that works on a run, now or in a view of the records; None when none does."""
    return lease_of(records, run.id).holder(view) if run.state == "running" else None


def being_worked_on(run_id: str, worker: LeaseRecord | None) -> RunActive:
    """What is said to another process."""
    if worker is None:
        return RunActive(
            f"Another process has just taken up run {run_id}.", remedy="Wait for it: modelyard pipeline list."
        )
    return RunActive(
        f"Run {run_id} is under way: {worker.holder} works on it.",
        context={"run": run_id, "pid": worker.pid, "host": worker.host},
        remedy=f"Wait for it, or end that process: kill {worker.pid}.",
    )
