"""Bringing the prediction log to `stores.log` from a thread of its own: a place that is away keeps nobody waiting."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from logging import WARNING

from modelyard.core import ModelyardError, log_event
from modelyard.wiring import Project

from .leading import Leads, always

_JOIN_SECONDS = 2.0
_LONGEST_PAUSE_S = 30.0


@contextmanager
def shipping(project: Project, *, every: float = 1.0, leads: Leads = always) -> Iterator[None]:
    """Ship what is new, again and again, while the block lasts and this process leads; nothing where no `stores.log` is
    declared.

    While the place is away, or another process ships there, it is tried at longer and longer intervals. What is cut off
    at the end is shipped by the next one.
    """
    declared = project.settings.stores.log
    if declared is None:
        yield
        return
    stopping = threading.Event()
    arguments = (project, declared.get_secret_value(), stopping, every, leads)
    thread = threading.Thread(target=_keep_shipping, args=arguments, daemon=True, name="shipping")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_JOIN_SECONDS)


def _keep_shipping(project: Project, to: str, stopping: threading.Event, every: float, leads: Leads) -> None:
    pause = every
    while not stopping.wait(pause):
        if not leads():
            continue
        try:
            with closing(project.shipper(to)) as shipper:
                while leads():
                    shipper.ship()
                    pause = every
                    if stopping.wait(every):
                        return
        except ModelyardError as error:
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            log_event(
                "control", "log not shipped, will be tried again", level=WARNING, code=error.code,
                error=error.message, remedy=error.remedy, seconds=pause,
            )  # fmt: skip
