"""Rollouts over HTTP: a server of two workers, real requests, and the machine that decides by what they leave."""

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from modelyard.control import free_ports
from modelyard.core import Judgement, Verdict
from modelyard.inference import verify_bundle
from modelyard.operations.experiments import AnalyzeDeployment, analyze_deployment
from modelyard.rollout import RolloutEvent
from modelyard.wiring import Project

from ..inference.bad_bundles import python_bundle

pytestmark = [
    pytest.mark.long,
    pytest.mark.alone,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]

PROJECT = """
project: yard
server: {{port: {0}, grpc_port: null, metrics_port: {1}, workers: 2}}
control: {{metrics_port: null, port: null}}
security: {{python_bundles: {2}}}
models:
  moody: {{label: y, request: {{f0: number}}, features: [f0]}}
deployments:
  moody:
    model: moody@production
    assign_by: user
    strategy: canary
    dwell: 1s
    {3}
"""
STEADY = """
class Model:
    def predict(self, rows):
        return [row["f1"] for row in rows]

def load(folder):
    return Model()
"""
ANSWER = '        return [row["f1"] for row in rows]'
TRIAL = STEADY.replace(ANSWER, f'        if any(row["f0"] == 4 for row in rows): raise ValueError("no")\n{ANSWER}')
RAISES, FINE = 4.0, 0.0
WITHIN = 2.0
"""Seconds from a decision to the last answer of the arm that it takes back."""


@contextmanager
def yard(folder: Path, tables: Path, declared: str) -> Iterator[Project]:
    """A project with two versions, the first one live on two workers; version 2 raises where it is asked to."""
    steady, trial = python_bundle(folder / "steady", STEADY), python_bundle(folder / "trial", TRIAL)
    digests = [verify_bundle(each)[1] for each in (steady, trial)]
    (folder / ".modelyard").mkdir()
    (folder / "modelyard.yaml").write_text(PROJECT.format(*free_ports(2), json.dumps(digests), declared))
    shutil.copy(tables, folder / ".modelyard" / "mlflow.db")
    project = Project(folder, environment={})
    for path, digest in zip((steady, trial), digests, strict=True):
        gates = (Judgement(Verdict.PASS),)
        project.models.register("moody", principal=project.principal, bundle=path, digest=digest, gates=gates)
    project.rollouts.start("moody", 1, project.principal)
    command = [sys.executable, "-m", "modelyard", "serve", "--project", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: sum(each.arms[0].loaded for each in statuses(project)) == 2)
            yield project
        finally:
            project.close()
            process.terminate()


def statuses(project: Project) -> Any:
    """What the workers say that have read the route."""
    return [each for each in project.feed.statuses(time.time_ns() // 1000) if each.arms]  # type: ignore[arg-type]


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Load:
    """Clients that ask at a steady rate; every twentieth row makes version 2 raise. Each request is a new user's."""

    def __init__(self, port: int, *, clients: int = 4, rate: float = 200.0, raising: float = 0.05) -> None:
        self.answers: list[tuple[float, int, str]] = []
        self._port, self._pause, self._raising = port, clients / rate, raising
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(seed,)) for seed in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def heard(self, version: str) -> list[float]:
        """When a version answered."""
        return [at for at, _, told in list(self.answers) if told == version]

    def _ask(self, seed: int) -> None:
        drawn, number = random.Random(seed), 0
        while not self._stopping.wait(self._pause):
            number += 1
            row = [RAISES if drawn.random() < self._raising else FINE, 0.5, 0.0]
            status, body = post(self._port, f"/predict?user_id=u{seed}-{number}", {"features": row})
            self.answers.append((time.time(), status, body.get("model_version", "")))


def post(port: int, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    """One request by a connection of its own, so that every worker is asked; status 0 when it broke."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


def ticked(project: Project, kind: str, each_time: Callable[[], None] = lambda: None) -> RolloutEvent:
    """Look until something of this kind is decided."""
    deadline = time.monotonic() + 120
    while True:
        for event in project.rollouts.tick():
            if event.kind == kind:
                return event
        assert time.monotonic() < deadline, project.rollouts.state("moody")
        each_time()
        time.sleep(0.2)


def gone(project: Project, load: Load) -> float:
    """Seconds from the newest route to the last answer of version 2, once no worker asks it any more."""
    published = (project.workspace / "feed" / "feed.json").stat().st_mtime
    time.sleep(WITHIN + 1)
    assert max(load.heard("1")) > published + WITHIN
    return max([0.0, *(at - published for at in load.heard("2"))])


def test_a_canary_that_fails_at_a_twentieth_goes_back_and_nobody_is_failed(tmp_path: Path, mlflow_tables: Path) -> None:
    """Errors take it back; two seconds after the decision nobody hears of it; every request was answered."""
    with yard(tmp_path, mlflow_tables, "steps: [20, 50, 100]") as project, Load(project.settings.server.port) as load:
        until(lambda: len(load.heard("1")) > 100)
        project.rollouts.start("moody", 2, project.principal)
        until(lambda: bool(load.heard("2")))
        event = ticked(project, "rolled_back")
        seconds = gone(project, load)
        failed = [status for _, status, _ in load.answers if status != 200]
        sys.stdout.write(
            f"{event.detail}; {seconds:.2f} s to the last answer of the canary; "
            f"{len(load.answers)} requests, {len(failed)} failed\n"
        )
    assert "errors" in event.detail
    assert seconds <= WITHIN
    assert failed == []


def test_a_model_that_is_killed_in_the_middle_of_a_ramp_goes_back(tmp_path: Path, mlflow_tables: Path) -> None:
    """Its process is killed again and again: the rollout is taken back, live answers everything meanwhile."""
    load_of = Load
    with (
        yard(tmp_path, mlflow_tables, "steps: [20, 40, 60, 100]") as project,
        load_of(project.settings.server.port, raising=0.0) as load,
    ):
        project.rollouts.start("moody", 2, project.principal)
        until(lambda: bool(load.heard("2")))
        ticked(project, "advanced")
        until(lambda: len(load.heard("2")) > 100)
        event = ticked(project, "rolled_back", lambda: kill_models(project, project.rollouts.route("moody")))
        seconds = gone(project, load)
        failed = [status for _, status, _ in load.answers if status != 200]
        sys.stdout.write(f"{event.detail}; {seconds:.2f} s; {len(load.answers)} requests, {len(failed)} failed\n")
    assert seconds <= WITHIN
    assert failed == []


@pytest.mark.parametrize(("raising", "ends"), [(0.0, "promoted"), (0.3, "rolled_back")])
def test_two_workers_take_a_version_one_after_the_other(
    tmp_path: Path, mlflow_tables: Path, raising: float, ends: str
) -> None:
    """Each answers with it alone once it has it; failures take it back from whoever has it; nobody is failed."""
    load_of = Load
    with (
        yard(tmp_path, mlflow_tables, "acceptable: 0.02") as project,
        load_of(project.settings.server.port, raising=raising) as load,
    ):
        until(lambda: len(load.heard("1")) > 200)
        project.rollouts.start("moody", 2, project.principal, strategy="rolling")
        ticked(project, "advanced")
        until(lambda: bool(load.heard("2")))
        loaded = [sorted(arm.version for arm in each.arms if arm.weight) for each in statuses(project)]
        event = ticked(project, ends)
        kinds = [each.kind for each in project.rollouts.history("moody")]
        until(lambda: not load.answers or _last(load, 20) == ({"2"} if ends == "promoted" else {"1"}))
        failed = [status for _, status, _ in load.answers if status != 200]
        sys.stdout.write(f"{event.detail}; {len(load.answers)} requests, {len(failed)} failed\n")
    assert sorted(loaded) == [["1"], ["2"]]
    assert kinds.count("advanced") == 2 or (ends == "rolled_back" and kinds.count("advanced") == 1)
    assert failed == []


def _last(load: Load, answers: int) -> set[str]:
    """The versions of the last answers."""
    return {version for _, _, version in load.answers[-answers:]}


def kill_models(project: Project, route: Any) -> None:
    """Kill the processes that run version 2, at every worker."""
    canary = next((arm.bundle for arm in route.arms if arm.version == "2"), None)
    for status in statuses(project):
        for child in psutil.Process(status.pid).children(recursive=True):
            if canary is not None and any(canary in word for word in child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)


@pytest.mark.parametrize(("treated", "verdict"), [(0.45, "winner"), (0.2, "inconclusive")])
def test_an_ab_test_finds_a_planted_effect_and_none_where_none_is(
    tmp_path: Path, mlflow_tables: Path, treated: float, verdict: str
) -> None:
    """Users convert by what answered them; they are told of by /feedback; looked at all the time."""
    experiment = "{metrics: [converted], every: 1s, planned: 1500}"
    declared = f"treatment_percentage: 50\n    experiment: {experiment}"
    with yard(tmp_path, mlflow_tables, declared) as project:
        port = project.settings.server.port
        asked = project.rollouts.start("moody", 2, project.principal, strategy="ab")
        assert asked.kind == "started"
        until(lambda: all(len(each.arms) == 2 and each.arms[1].loaded for each in statuses(project)))
        drawn, state = random.Random(0), project.rollouts.state("moody")
        for number in range(1_500):
            code, body = post(port, f"/predict?user_id=u{number}", {"features": [FINE, 0.5, 0.0]})
            assert code == 200
            happened = drawn.random() < (treated if body["model_version"] == "2" else 0.2)
            told = {"entity": f"u{number}", "metric": "converted", "value": float(happened)}
            assert post(port, "/feedback", told)[0] == 200
            if number % 250 == 249:
                project.rollouts.tick()
                state = project.rollouts.state("moody")
        until(lambda: bool(project.rollouts.tick() or True) and _told(project) == verdict, 30)
        state = project.rollouts.state("moody")
        assert state is not None
        found = analyze_deployment(project, AnalyzeDeployment("moody"), tmp_path / "report.html")
        sys.stdout.write(f"{verdict}: {state.reason}\n")
    assert found["verdict"] == {"winner": "pass", "inconclusive": "inconclusive"}[verdict]
    assert found["units"] == 1_500
    assert state.state == ("active" if verdict == "winner" else "ended")
    assert "the stopping boundary" in (tmp_path / "report.html").read_text()


def _told(project: Project) -> str:
    """What the newest analysis of all units says."""
    state = project.rollouts.state("moody")
    assert state is not None
    return str(state.kept.get("verdict")) if state.kept.get("units") == 1_500 else ""
