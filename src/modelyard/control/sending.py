"""Delivering notifications from a thread of its own: a receiver that is slow keeps nobody from looking."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging import WARNING

from modelyard.core import ModelyardError, log_event
from modelyard.wiring import Project

from .leading import Leads, always

_JOIN_SECONDS = 2.0


@contextmanager
def sending(project: Project, *, every: float = 1.0, leads: Leads = always) -> Iterator[None]:
    """Deliver what is due, again and again, while the block lasts and this process leads.

    What is cut off at its end is delivered later.
    """
    stopping = threading.Event()
    outbox, receivers = project.outbox, project.receivers

    def send() -> None:
        while not stopping.wait(every):
            if not leads():
                continue
            try:
                outbox.deliver(receivers)
            except ModelyardError as error:
                log_event("control", "sending failed, will be tried again", level=WARNING, error=error.message)

    thread = threading.Thread(target=send, daemon=True, name="sending")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_JOIN_SECONDS)
