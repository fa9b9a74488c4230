"""How long the console's pages take: `python -m benchmarks.console --models 100 --runs 10000 --predictions 10000000`.

A real training is copied in the record store as often as asked for, the prediction log is really written and sealed,
and each page is asked for over HTTP. No page may take more than 200 ms once the process is warm; exit code 1 when one
does.
"""

import argparse
import http.client
import socket
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import uvicorn
import yaml

from modelyard.console import application
from modelyard.core import ManualClock, SeededIds, to_micros
from modelyard.journal import Journal, PredictionRecord
from modelyard.operations import write_template
from modelyard.storage import Document
from modelyard.wiring import Project

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LIMIT_MS = 200.0
VERSIONS, WINDOWS, TRIES, BATCH, PATIENCE_S = 10, 26, 7, 50_000, 60.0


def main(arguments: list[str] | None = None) -> int:
    """Seed, ask each page, print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--predictions", type=int, default=10_000_000)
    sizes = parser.parse_args(arguments)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        project = seeded(Path(folder) / "yard", sizes.models, sizes.runs, sizes.predictions)
        _say(f"{sizes.models} models, {sizes.runs} runs, {sizes.predictions} predictions\n")
        _say(f"{'page':<58}{'median ms':>10}{'worst ms':>10}{'first ms':>10}{'whole s':>9}")
        try:
            for path, first, times, waited in measured(project, paths("many-000000")):
                whole = f"{waited:>9.1f}" if waited else f"{'':>9}"
                _say(f"{path[:57]:<58}{statistics.median(times):>10.1f}{max(times):>10.1f}{first:>10.1f}{whole}")
                found.append((path, times))
        finally:
            project.close()
    slow = [path for path, times in found if statistics.median(times) > LIMIT_MS]
    told = f"Slower than {LIMIT_MS:g} ms: {', '.join(slow)}" if slow else f"Every page answers within {LIMIT_MS:g} ms."
    _say(f"\n{told}")
    return 1 if slow else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def paths(run: str) -> list[str]:
    """Every page, of the first model and one run; any time from judged windows, and from the log."""
    windows, odd = "from=2026-02-02&to=2026-06-01", "from=2026-02-03&to=2026-06-03"
    return [
        "/", "/deployments/m0000", "/models", "/models/m0000", "/models/m0000/1", "/models/m0000/compare", "/rollouts",
        "/rollouts/m0000", "/alerts", "/drift", "/drift/m0000", "/loop", "/runs", "/runs?skip=5000",
        "/runs?pipeline=training", f"/runs/{run}", f"/runs/compare?r.{run}=on&r.many-000001=on", "/features",
        "/features/skew/m0000", "/audit", "/settings", "/api/docs", f"/drift/m0000?{windows}", f"/drift/m0000?{odd}",
        f"/drift/m0000?{odd}&reference_from=2026-02-01&reference_to=2026-03-01",
    ]  # fmt: skip


def seeded(folder: Path, models: int, runs: int, predictions: int) -> Project:
    """A project with so many of everything, made of one real training."""
    clock = ManualClock(NOON)
    write_template("minimal", folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's and its dependencies' own
        project = Project(folder, clock=clock, ids=SeededIds(0), environment={})
        project.pipelines.run("training", {"as_of": NOON}, "first")
    names = [f"m{number:04d}" for number in range(models)]
    _say(f"Seeding {models} models and {runs} runs ...")
    _copy_versions(project, names)
    _copy_runs(project, runs)
    project.close()
    _declare(folder / "modelyard.yaml", names)
    project = Project(folder, clock=clock, ids=SeededIds(1), environment={})
    _deploy(project, clock, names)
    _say(f"Logging {predictions} predictions ...")
    _log(project, names, predictions)
    return project


def _declare(file: Path, names: list[str]) -> None:
    """Every model with a deployment and a monitor."""
    declared = yaml.safe_load(file.read_text())
    model = declared["models"]["purchase"]
    declared["models"] = dict.fromkeys(names, model)
    declared["deployments"] = {each: {"model": f"{each}@production"} for each in names}
    declared["monitoring"] = {each: {"metric": "auc"} for each in names}
    file.write_text(yaml.safe_dump(declared, sort_keys=False))


def _copy_versions(project: Project, names: list[str]) -> None:
    """Ten versions of each model, all of them the one that was trained."""
    with project.records.transaction() as tx:
        (trained,) = tx.scan("model-version")
        for name in names:
            for number in range(1, VERSIONS + 1):
                told = {"name": name, "number": number, "label": f"v{number}", "made_in": "many-000000/register"}
                labels = {"label": f"{name}/v{number}", "once": f"{name}-{number}"}
                tx.put(trained.kind, f"{name}/{number:08d}", {**trained.body, **told}, labels=labels)
        tx.delete(trained.kind, trained.key)


def _copy_runs(project: Project, count: int) -> None:
    """The one run that there is with its steps, again and again, an hour apart."""
    with project.records.snapshot() as view:
        run = view.get("pipeline-run", "first")
        steps = view.scan("pipeline-step", prefix="first/")
    if run is None:
        raise SystemExit("The training left no run on record.")
    for start in range(0, count, 1000):
        with project.records.transaction(durable=False) as tx:
            for number in range(start, min(count, start + 1000)):
                _copy_run(tx, run, steps, number)


def _copy_run(tx: Any, run: Document, steps: list[Document], number: int) -> None:
    name, at = f"many-{number:06d}", (NOON + timedelta(hours=number)).isoformat()
    tx.put(run.kind, name, {**run.body, "id": name, "started_at": at}, labels={"pipeline": "training"})
    for stream in ("pipeline-runs", "pipeline-runs/training"):
        tx.append(stream, {"run": name})
    for each in steps:
        tx.put(each.kind, each.key.replace("first/", f"{name}/"), each.body)


def _deploy(project: Project, clock: ManualClock, names: list[str]) -> None:
    """Version 1 of each model is live; half a year of windows of the first one, copied to the others."""
    first = names[0]
    for name in names:
        project.rollouts.start(name, 1, project.principal)
    for week in range(WINDOWS):
        clock.set(NOON + timedelta(days=7 * week + 1))
        _answers(project, first, 200, f"week-{week}")
    clock.set(NOON + timedelta(days=7 * WINDOWS + 7))
    project.monitors.run(first, since=NOON)
    project.rollouts.start(first, 2, project.principal)
    with project.records.transaction() as tx:
        for kind in ("window", "window-counts"):
            for each in tx.scan(kind, prefix=f"{first}/"):
                for name in names[1:]:
                    body = {**each.body, "deployment": name} if kind == "window" else each.body
                    tx.put(kind, each.key.replace(first, name, 1), body)


def _answers(project: Project, name: str, count: int, server: str) -> None:
    at = to_micros(project.clock.now())
    journal = Journal(project.journal_folder, server, project.clock)
    told, record = (name, 1, "1", "live", "live", True, None), cast("Any", PredictionRecord)
    journal.append(
        [
            record(f"{server}-{each}", at, *told, (each % 9 + 1, 3.0, "mail"), 1, (each % 100 / 100,), 2000)
            for each in range(count)
        ]
    )
    journal.close()


def _log(project: Project, names: list[str], count: int) -> None:
    """So many answers more, spread over the models, journalled and sealed as servers and the control process do it."""
    for start in range(0, count, BATCH):
        name = names[start // BATCH % len(names)]
        _answers(project, name, min(BATCH, count - start), f"log-{start}")
        if start // BATCH % 10 == 9:
            project.log.seal()
    project.log.seal()


def measured(project: Project, wanted: list[str]) -> Iterator[tuple[str, float, list[float], float]]:
    """Each page with milliseconds: the first time, then each time while something is worked out beside it, and some
    times when that is there; and the seconds until it was."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application(project), log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        _asked(port, "/settings")
        for path in wanted:
            began = time.perf_counter()
            first, working = _asked(port, path)
            times = []
            while working and time.perf_counter() - began < PATIENCE_S:
                time.sleep(0.2)
                took, working = _asked(port, path)
                times.append(took)
            waited = time.perf_counter() - began if times else 0.0
            yield path, first, times + [_asked(port, path)[0] for _ in range(TRIES)], waited
        server.should_exit = True
        thread.join(30)


def _asked(port: int, path: str) -> tuple[float, bool]:
    """Milliseconds, and whether the page waits for something."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}: {body[-2000:].decode()}")
    return 1000 * took, b'data-part="working"' in body or b"MLflow is being asked" in body


if __name__ == "__main__":
    sys.exit(main())
