"""Load on a server, with an account of every request: what was sent is answered, shed, failed or reset."""

import http.client
import json
import threading
import time
from collections import Counter

BODY = {"features": [1.0, "de", 2.0]}


class Load:
    """Clients that ask without end, each by a connection of its own; `kinds` counts how each request ended.

    `told` are the prediction ids of all answers, `labelled` those whose label was acknowledged. With `pace` each client
    waits so many seconds between requests.
    """

    def __init__(self, port: int, *, clients: int = 2, pace: float = 0.0, label_every: int = 0) -> None:
        self.sent = 0
        self.kinds: Counter[str] = Counter()
        self.told: list[str] = []
        self.labelled: list[str] = []
        self._port = port
        self._pace = pace
        self._label_every = label_every
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def until(self, more: int, seconds: float = 60) -> None:
        """Wait until so many more were answered."""
        wanted, deadline = len(self.told) + more, time.monotonic() + seconds
        while len(self.told) < wanted:
            assert time.monotonic() < deadline, self.kinds
            self._stopping.wait(0.01)

    def balanced(self) -> bool:
        """Whether every request is accounted for."""
        return self.sent == sum(self.kinds.values())

    def _ask(self) -> None:
        while not self._stopping.wait(self._pace):
            kind, answer = self._one("/predict", BODY)
            if kind != "answered":
                self._stopping.wait(0.01)
                continue
            with self._lock:
                self.told.append(answer["prediction_id"])
                label = bool(self._label_every) and len(self.told) % self._label_every == 0
            if label:
                identity = answer["prediction_id"]
                kind, _ = self._one("/feedback", [{"prediction_id": identity, "label": 1}])
                if kind == "answered":
                    with self._lock:
                        self.labelled.append(identity)

    def _one(self, path: str, body: object) -> tuple[str, dict[str, str]]:
        """How one request ended, and its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with self._lock:
            self.sent += 1
        answer: dict[str, str] = {}
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            kind = "answered" if response.status == 200 else "shed" if response.status == 503 else "failed"
        except (OSError, http.client.HTTPException, ValueError):  # whoever would have answered is gone
            kind = "reset"
        finally:
            connection.close()
        with self._lock:
            self.kinds[kind] += 1
        return kind, answer
