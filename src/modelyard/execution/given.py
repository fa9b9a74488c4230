"""What the task that this process is at work on was given. A process has one task at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from .records import Job

_job: Job | None = None


@contextmanager
def at_work_on(job: Job) -> Iterator[None]:
    """Remember a job while it is done."""
    global _job  # noqa: PLW0603 - a process has one task at a time
    before, _job = _job, job
    try:
        yield
    finally:
        _job = before


def current_job() -> Job | None:
    """The job that this process is doing; None outside any executor."""
    return _job
