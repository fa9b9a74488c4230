"""Three months of a project under `modelyard up`, in a minute, while somebody kills its processes.

The processes are real: a supervisor, the control process, a server of two workers, training steps in processes of their
own. Only their clock is accelerated: it stands at an instant until all that is to happen then has happened.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from tests.control.months.ending import WEEK, ending, require_logged, require_whole
from tests.control.months.killer import Kill, Killer, children, kill
from tests.control.months.shop.data import START, history

import modelyard
from modelyard.control import free_ports
from modelyard.core import ManualClock, atomic_write
from modelyard.operations.parts import CONTROL_FILE, running
from modelyard.wiring import Project

HERE = Path(__file__).parent
SOURCE = Path(modelyard.__file__).parents[1]
WEEKS = 13
SIX_HOURS = timedelta(hours=6)
ROWS, REQUESTS, FURTHER = 40, 5, 2
"""Rows of a request, and requests of a week, and every six hours while a rollout is under way."""
STILL = 3
"""After so many looks in a row that changed nothing, nothing will."""
PATIENCE_S = 300.0


class Months:
    """One run of the three months, on a copy of a project whose first version is trained."""

    def __init__(self, folder: Path, trained: Path, kills: Sequence[Kill] = ()) -> None:
        folder.mkdir()
        self._shop = Path(shutil.copytree(trained, folder / "shop"))
        for name in ("modelyard.yaml", "data.py"):
            shutil.copy(HERE / "shop" / name, self._shop)
        self._time, self._log = folder / "clock", folder / "up.log"
        self._clock = ManualClock(START)
        self._port, metrics = free_ports(2)
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE / "clock"), str(SOURCE)]),
            "PYTHONWARNINGS": "ignore",
            "ACCELERATED_CLOCK": str(self._time),
            "MODELYARD_SERVER_PORT": str(self._port),
            "MODELYARD_SERVER_METRICS_PORT": str(metrics),
        }
        self._drawn, self._visits = random.Random(0), history().to_pylist()
        self._answered: dict[str, int] = {}
        self._untold: list[dict[str, Any]] = []
        self._project = Project(self._shop, clock=self._clock, environment={})
        self.killer = Killer(self._project.run_folder, kills)

    def live(self) -> dict[str, Any]:
        """Live them, from a first version that is live to the end; returns where that is."""
        self._set(START + WEEK / 2)
        self._project.rollouts.start("shop", 1, self._project.principal)
        self._up = self._started()
        try:
            with self.killer.at_work():
                for week in range(1, WEEKS + 1):
                    self._live(week)
            self._stop()
        finally:
            self._end()
        return self._ended()

    def _live(self, week: int) -> None:
        """Visitors, then what became known of the last ones, then all that the loop makes of it."""
        now = START + week * WEEK
        self.killer.week(week)
        self._set(now - timedelta(minutes=1))
        self._send(now, REQUESTS)
        self._set(now)
        self._settle()
        while self._moving() and self._clock.now() < now + WEEK / 2:
            self._set(self._clock.now() + SIX_HOURS)
            self._send(self._clock.now(), FURTHER)
            self._settle()
        assert not self._moving(), self._told()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "modelyard", "up", "--project", str(self._shop)]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def _stop(self) -> None:
        """Ctrl-C ends it, and nothing is left of it."""
        self._until(lambda: bool(running(self._project.run_folder)))
        family = children(psutil.Process(self._up.pid), recursive=True)
        self._up.send_signal(signal.SIGINT)
        assert self._up.wait(60) == 0, self._told()
        assert not psutil.wait_procs(family, timeout=10)[1]

    def _end(self) -> None:
        """Whatever still runs, where the run itself has failed."""
        if self._up.poll() is None:
            kill([psutil.Process(self._up.pid), *children(psutil.Process(self._up.pid), recursive=True)])

    def _set(self, now: datetime) -> None:
        """It is now another time, everywhere."""
        self._clock.set(now)
        atomic_write(self._time, str(int(now.timestamp())).encode(), durable=False)

    def _send(self, now: datetime, requests: int) -> None:
        """Visitors of the last week, and what became known of those before; who gets no answer asks again."""
        recent = [each for each in self._visits if now - WEEK <= each["visited_at"] < now]
        for _ in range(requests):
            rows = self._drawn.sample(recent, ROWS)
            inputs = [{name: each[name] for name in ("pages", "minutes", "channel")} for each in rows]
            found = self._asked("/predict", {"inputs": inputs})["prediction_ids"]
            assert not self._answered.keys() & set(found)
            labels = {identity: each["bought"] for identity, each in zip(found, rows, strict=True)}
            self._answered |= labels
            if self._untold:
                assert self._asked("/feedback", self._untold) == {"accepted": len(self._untold)}
            self._untold = [{"prediction_id": identity, "label": label} for identity, label in labels.items()]

    def _asked(self, path: str, body: object) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )

        def answer() -> Any:
            with suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
            return None

        return self._until(answer)

    def _settle(self) -> None:
        """Wait until both workers live at this instant, and the control process has nothing left to do at it."""
        self._until(lambda: len(self._project.feed.statuses(self._clock.micros())) == 2)
        seen: Any = None
        since = 0

        def still() -> bool:
            nonlocal seen, since
            leader, looks = self._leader()
            mark = leader, self._mark()
            if mark != seen or leader is None:
                seen, since = mark, looks
            return leader is not None and looks > since + STILL

        self._until(still)

    def _leader(self) -> tuple[int | None, int]:
        """The control process, when it leads, and how often it has looked."""
        pid = next((each.pid for each in running(self._project.run_folder) if each.name == "control"), None)
        with suppress(FileNotFoundError):
            told = json.loads((self._project.run_folder / CONTROL_FILE).read_bytes())
            return (pid if told["leads"] and told["pid"] == pid else None), told["looks"]
        return None, 0

    def _mark(self) -> Any:
        """Something that is another after whatever is decided."""
        rollout = self._project.rollouts.state("shop")
        return (
            self._project.retraining.state("purchase"),
            len(self._project.retraining.history("purchase")),
            (rollout.state, rollout.step, rollout.evidence) if rollout is not None else None,
            len(self._project.rollouts.history("shop")),
            len(self._project.monitors.windows("shop")),
        )

    def _moving(self) -> bool:
        rollout = self._project.rollouts.state("shop")
        busy = rollout is not None and rollout.state == "active"
        return busy or self._project.retraining.state("purchase").state != "idle"

    def _until(self, condition: Callable[[], Any]) -> Any:
        """Poll, and start it all again where all of it was killed, as an operator would."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < deadline, self._told()
            if self._up.poll() is not None:
                self._up = self._started()
            time.sleep(0.02)
        return found

    def _told(self) -> str:
        """For whoever has to find out why it came otherwise."""
        files = [self._log, *self._project.run_folder.glob("*.log")]
        tails = (f"\n{each.name}: {each.read_text(errors='replace')[-1500:]}" for each in files)
        return f"{self.killer.done} {self._leader()} {self._mark()}" + "".join(tails)

    def _ended(self) -> dict[str, Any]:
        require_whole(self._project)
        require_logged(self._project, self._answered, {each["prediction_id"] for each in self._untold})
        found = ending(self._project)
        self._project.close()
        return found
