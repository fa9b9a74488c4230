"""What the control process says of itself and of the console: in a file for `status`, and as metrics."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from modelyard.core import atomic_write
from modelyard.operations.parts import CONTROL_FILE, console_answers
from modelyard.wiring import Project

from .leading import Leader

_JOIN_SECONDS = 2.0


class Health(Collector):
    """Whether this process leads, when it last looked, what was wrong then, and whether the console answers."""

    def __init__(self, project: Project, leader: Leader) -> None:
        self._file = project.run_folder / CONTROL_FILE
        self._console = project.settings.control.address
        self._leader = leader
        self._console_up = False
        self._looks = 0
        self.looked_at: datetime | None = None
        self.trouble = ""

    def looked(self, at: datetime, trouble: str) -> None:
        """A look has ended, begun at `at`: say so at once."""
        self._looks, self.looked_at, self.trouble = self._looks + 1, at, trouble
        self.publish()

    def publish(self) -> None:
        """Write it all down."""
        told = {
            "pid": os.getpid(),
            "leads": self._leader(),
            "epoch": self._leader.lease.epoch,
            "waits_for": self._leader.waits_for,
            "looks": self._looks,
            "looked_at": self.looked_at.isoformat() if self.looked_at is not None else None,
            "trouble": self.trouble,
            "console_up": self._console_up if self._console is not None else None,
        }
        atomic_write(self._file, json.dumps(told).encode(), durable=False)

    def _ask_console(self) -> None:
        self._console_up = self._console is not None and console_answers(self._console) is not None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Two gauges: 1 is yes."""
        yield GaugeMetricFamily("control_leader", "Whether this control process leads.", value=float(self._leader()))
        if self._console is not None:
            yield GaugeMetricFamily("console_up", "Whether the console answered last.", value=float(self._console_up))

    @contextmanager
    def published(self, *, every: float = 1.0) -> Iterator[None]:
        """Publish again and again, from a thread, while the block lasts."""
        stopping = threading.Event()

        def keep() -> None:
            while not stopping.wait(every):
                self._ask_console()
                self.publish()

        self._ask_console()
        self.publish()
        thread = threading.Thread(target=keep, daemon=True, name="health")
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(_JOIN_SECONDS)
            self._file.unlink(missing_ok=True)
