"""A real server as its own process, and the arms it serves."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelyard.bundling import BuiltBundle
from modelyard.control import free_ports
from modelyard.core import Micros
from modelyard.history import PredictionLog
from modelyard.routing import DEFAULT_POLICY, Arm, Feed, FeedFolder, KeyEntry, Route, ServerStatus, ServingPolicy

AT = "2026-01-05T12:00:00+00:00"
AT_US = 1_767_614_400_000_000


class Server:
    """A server process on free ports, fed from a folder."""

    def __init__(
        self, folder: Path, *, wrapper: str | None = None, options: tuple[str, ...] = (), patience: float = 20
    ) -> None:
        """`patience`: seconds until an answer, or what is waited for, counts as not coming."""
        self.folder = folder
        self.patience = patience
        self.feed = FeedFolder(folder / "feed")
        self.port, self.metrics_port = free_ports(2)
        self._revision = 0
        self._wrapper = wrapper
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def publish(
        self,
        *arms: Arm,
        keys: tuple[KeyEntry, ...] = (),
        authentication: bool = False,
        policy: ServingPolicy = DEFAULT_POLICY,
    ) -> None:
        """Publish a route of these arms as the next generation."""
        self._revision += 1
        route = Route("fraud", "fraud-model", self._revision, arms, "salt", assign_by="customer", clock="request")
        self.feed.publish(Feed(self._revision, (route,), keys, authentication, {"fraud": policy}))

    def metric(self, name: str, **labels: str) -> float:
        """A sample of the metrics page; nothing counted yet is nought."""
        for line in self.get("/metrics", port=self.metrics_port)[1].splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(f'{k}="{v}"' in sample for k, v in labels.items()):
                return float(value)
        return 0.0

    def counts(self, *metrics: str) -> Counter[str]:
        """The samples of these metrics as they are counted by now, by name and labels."""
        page = self.get("/metrics", port=self.metrics_port)[1].splitlines()
        samples = (line.rpartition(" ") for line in page if line.partition("{")[0] in metrics)
        return Counter({sample: int(float(value)) for sample, _, value in samples})

    def start(self) -> None:
        """Start and wait until it is ready."""
        self.start_unready()
        self.until(lambda: self.get("/ready")[0] == 200)

    def start_unready(self) -> None:
        """Start and wait until it listens."""
        command = [*self._command(), "--exit-with-parent"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
        self.until(lambda: self.get("/health")[0] != 0)

    def until(self, condition: Callable[[], bool], seconds: float | None = None) -> None:
        """Poll until a condition holds."""
        deadline = time.monotonic() + (seconds or self.patience)
        while not condition():
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()[-3000:]
            time.sleep(0.02)

    def until_generation(self) -> None:
        """Wait until the newest route is served."""
        now = Micros(time.time_ns() // 1000)
        self.until(lambda: any(each.generations.get("fraud") == self._revision for each in self.feed.statuses(now)))

    def get(self, path: str, *, port: int | None = None) -> tuple[int, str]:
        """GET a path."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """POST JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, {"X-Modelyard-At": AT, **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=self.patience) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def predict(self, **fields: object) -> tuple[int, Any]:
        """Predict one row of named fields."""
        return self.post("/predict", {"inputs": [fields]})

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        code = self.process.wait(max(10, self.patience))
        assert self.process.stdin is not None
        self.process.stdin.close()
        return code

    def refused(self) -> tuple[int, str]:
        """Start a server that must not come up; its exit code and what it said."""
        result = subprocess.run(self._command(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return result.returncode, result.stderr

    def statuses(self) -> tuple[ServerStatus, ...]:
        """What the server, or each of its workers, says of itself."""
        return self.feed.statuses(Micros(time.time_ns() // 1000))

    def _command(self) -> list[str]:
        folders = [f"--{name}={self.folder / name}" for name in ("feed", "journal", "online")]
        program = ["-c", self._wrapper] if self._wrapper else ["-m", "modelyard.serving"]
        ports = [f"--port={self.port}", f"--metrics-port={self.metrics_port}"]
        return [sys.executable, *program, *folders, *ports, *self._options]

    @property
    def log(self) -> PredictionLog:
        """What it wrote down."""
        return PredictionLog(self.folder / "journal", self.folder / "log")


def live(bundle: BuiltBundle, weight: float = 1.0, version: str = "1") -> Arm:
    """A live arm."""
    return Arm("live", "live", version, bundle.digest, weight)


def canary(bundle: BuiltBundle, weight: float) -> Arm:
    """A canary of version 2."""
    return Arm("canary", "canary", "2", bundle.digest, weight)
