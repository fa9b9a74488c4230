"""Clients that ask at a given rate, whether or not earlier answers have come."""

import http.client
import itertools
import json
import threading
import time
from dataclasses import dataclass

import numpy as np

BODY = json.dumps({"features": [1.0, "de", 2.0]}).encode()
NOISE = 0.005
"""Seconds of p99 that a machine's other work costs at any time."""

_CONNECTIONS = 8


@dataclass(frozen=True)
class Asked:
    """One request: when it was due (`time.monotonic`), how long until its answer from then, and its status."""

    due: float
    seconds: float
    status: int


class Paced:
    """Asks a server so many times a second, over keep-alive connections, from `start` until `stop`.

    A request's time counts from when it was due, so that a server that stalls cannot hide those who waited.
    """

    def __init__(self, port: int, rate: float) -> None:
        self.asked: list[Asked] = []
        self._port = port
        self._rate = rate
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(_CONNECTIONS)]

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for the last answers."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def p99(self, begin: float, end: float) -> float:
        """The 99th percentile in seconds of those due in [begin, end)."""
        return float(np.percentile([each.seconds for each in self.asked if begin <= each.due < end], 99))

    def failed(self) -> list[int]:
        """The statuses that are not 200."""
        return [each.status for each in self.asked if each.status != 200]

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stopping.is_set():
            due = self._began + next(self._numbers) / self._rate
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                break
            try:
                connection.request("POST", "/predict", BODY)
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            self.asked.append(Asked(due, time.monotonic() - due, status))
        connection.close()
