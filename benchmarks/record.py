"""What a large record costs: `python -m benchmarks.record --models 1000 --versions 100 --entries 1000000`.

A real training is copied as often as asked for into the record store and into MLflow's tables, deployments are really
started, and the audit record is chained entry by entry. Then each command runs in a process of its own (CPU seconds;
what starting alone costs is taken off), each time after something was logged to MLflow, so that none of them knows its
file. Each page and route is asked for over HTTP. Only what is marked may take more than a second; exit code 1 when
something does.
"""

import argparse
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from modelyard.audit.chain import STREAM, hash_of
from modelyard.core import ManualClock, SeededIds
from modelyard.core.signing import make_key_pair
from modelyard.operations import write_template
from modelyard.storage import Document, Entry, Labelled, RecordStore
from modelyard.wiring import Project

from .console import NOON, measured
from .figures import Figure, Target

Kept: TypeAlias = Labelled | Entry

LIMIT_S = 1.0
RUNS = 3
MODEL = "m0005"

COMMANDS = (
    "--help", "config show", "status", "model names", "model list", f"model list --name {MODEL}",
    "model list --stage production", "prompt list",
    f"model history {MODEL}", f"model show {MODEL} 1", f"model compare --name {MODEL} --versions 1 --versions 2",
    f"model card {MODEL} 1", f"model lineage {MODEL} 1", "audit list", "audit list --newest", "audit verify --recent",
    "audit verify", "pipeline list", f"rollout status {MODEL}", f"rollout history {MODEL}", "monitor status",
    f"monitor overview {MODEL}", "alert list", "key list", f"log stats {MODEL}", "doctor", "data version list",
    "maturity",
)  # fmt: skip
LINEAR = ("audit verify",)
"""Commands that read every entry because that is what they are asked."""

PAGES = (
    "/", f"/deployments/{MODEL}", "/models", "/models?skip=500", f"/models/{MODEL}", f"/models/{MODEL}?before=50",
    f"/models/{MODEL}/1", f"/models/{MODEL}/compare", "/rollouts", f"/rollouts/{MODEL}", "/alerts", "/drift", "/loop",
    "/runs", "/features", "/audit", "/audit?before=500000", "/settings", "/api/docs", "/api/v1/model/list",
    "/api/v1/model/names", f"/api/v1/model/list?name={MODEL}", "/api/v1/audit/list", "/api/v1/status",
    "/api/v1/config/show",
)  # fmt: skip


def main(arguments: Sequence[str] = ()) -> int:
    """Seed, ask, print a table; 1 when something that should not takes more than a second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record", description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=100, help="of each model")
    parser.add_argument("--deployments", type=int, default=100)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--yard", type=Path, help="keep the workspace there, and take it when it is there")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    sizes = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = sizes.yard or Path(scratch) / "yard"
        if not (folder / "modelyard.yaml").is_file():
            seed(folder, sizes.models, sizes.versions, sizes.deployments, sizes.entries)
        _say(f"{sizes.models} models, {sizes.versions} versions of each, {sizes.deployments} deployments,")
        _say(f"{sizes.entries} entries of the audit record\n")
        found = [*_commands(folder, COMMANDS, RUNS), *_pages(folder)]
    if sizes.json is not None:
        sizes.json.write_text(json.dumps(found, indent=1))
    slow = [each["what"] for each in found if each["slow"]]
    _say(f"\nMore than {LIMIT_S:g} s: {', '.join(slow)}" if slow else f"\nEverything answers within {LIMIT_S:g} s.")
    return 1 if slow else 0


def short() -> list[Figure]:
    """A hundredth of the record: the slowest command beyond starting, and the slowest page."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "yard"
        seed(folder, 20, 50, 10, 10_000)
        commands = list(_commands(folder, ("--help", "status", f"model list --name {MODEL}", "audit verify"), 1))
        pages = list(_pages(folder))
    command = max(commands, key=lambda each: float(each["beyond_start_s"]))
    page = max(pages, key=lambda each: float(each["median_ms"]))
    return [
        Figure("record", f"1,000 versions, 10,000 audit records: the slowest of {len(commands)} commands",
               command["beyond_start_s"], "s", Target("<=", LIMIT_S), f"modelyard {command['what']}, beyond starting"),
        Figure("record", f"the same: the slowest of {len(pages)} pages and routes",
               page["median_ms"], "ms", Target("<=", 1000 * LIMIT_S), page["what"]),
    ]  # fmt: skip


def seed(folder: Path, models: int, versions: int, deployments: int, entries: int) -> None:
    """A project with so many of everything, made of one real training."""
    clock = ManualClock(NOON)
    names = [f"m{number:04d}" for number in range(models)]
    write_template("minimal", folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's and its dependencies' own
        project = Project(folder, clock=clock, ids=SeededIds(0), environment={})
        project.pipelines.run("training", {"as_of": NOON}, "first")
    deployed = names[:deployments]
    with project.records.transaction() as tx:
        (trained,) = tx.scan("model-version")
        for each in (_copy(trained, name, 1) for name in deployed):
            tx.put(trained.kind, each.document.key, each.document.body, labels=each.labels)
        tx.delete(trained.kind, trained.key)
    project.close()
    _declare(folder / "modelyard.yaml", names, deployed)
    project = Project(folder, clock=clock, ids=SeededIds(1), environment={})
    for name in deployed:
        project.rollouts.start(name, 1, project.principal)
    _say(f"Seeding {models * versions} versions and {entries} audit records ...")
    missing = [
        (name, number) for name in names for number in range(1, versions + 1) if number > 1 or name not in deployed
    ]
    _refill(project.records, lambda kept: _grown(kept, (_copy(trained, *each) for each in missing), names, entries))
    clock.set(NOON + timedelta(seconds=20 * entries))
    with project.records.transaction() as tx:
        project.audit.record(tx, project.principal, "seeded", "record")
    make_key_pair(project.keys.private_file.parent)
    project.checkpoints.write()
    project.close()
    _show(_tables(folder), trained.body["run"], names, versions, deployed)


def _copy(trained: Document, name: str, number: int) -> Labelled:
    """A version of a model, the one that was trained; a minute after the one before."""
    at = (NOON + timedelta(minutes=number)).isoformat()
    body = {**trained.body, "name": name, "number": number, "label": f"v{number}", "created_at": at}
    key, labels = f"{name}/{number:08d}", {"label": f"{name}/v{number}", "once": f"{name}-{number}"}
    return Labelled(Document(trained.kind, key, 1, body), labels)


def _declare(file: Path, names: list[str], deployed: list[str]) -> None:
    """Every model, and some of them with a deployment and a monitor."""
    declared = yaml.safe_load(file.read_text())
    declared["models"] = dict.fromkeys(names, declared["models"]["purchase"])
    declared["deployments"] = {each: {"model": f"{each}@production"} for each in deployed}
    declared["monitoring"] = {each: {"metric": "auc"} for each in deployed}
    file.write_text(yaml.dump(declared, Dumper=_Plain, sort_keys=False))


class _Plain(yaml.SafeDumper):
    """Writes everything out, as people do."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _tables(folder: Path) -> Path:
    return folder / ".modelyard" / "mlflow.db"


def _show(file: Path, run: str, names: list[str], versions: int, deployed: list[str]) -> None:
    """The same models in MLflow, where each copy is a version of the one run, and production is as here."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.row_factory = sqlite3.Row
        model = dict(connection.execute("SELECT * FROM registered_models").fetchone())
        version = dict(connection.execute("SELECT * FROM model_versions WHERE run_id = ?", (run,)).fetchone())
        _insert(connection, "registered_models", ({**model, "name": name} for name in names))
        stages = {(name, 1): "Production" for name in deployed}
        each = ((name, number) for name in names for number in range(1, versions + 1))
        copies = ({**version, "name": n, "version": v, "current_stage": stages.get((n, v), "None")} for n, v in each)
        _insert(connection, "model_versions", copies)
        pointing = ({"alias": "production", "version": 1, "name": name} for name in deployed)
        _insert(connection, "registered_model_aliases", pointing)


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    every = iter(rows)
    first = next(every)
    values = ", ".join(f":{name}" for name in first)
    connection.executemany(f"INSERT INTO {table} ({', '.join(first)}) VALUES ({values})", chain([first], every))


def _log(file: Path) -> None:
    """Log something to MLflow, so that its file is none that was looked at."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE experiments SET last_update_time = coalesce(last_update_time, 0) + 1")


def _refill(records: RecordStore, change: Callable[[list[Kept]], Iterable[Kept]]) -> None:
    """What a store in a file holds, changed, in a new file in its place, by `everything` and `fill`."""
    with records.snapshot() as view:
        kept = list(view.everything())
    Path(records.url.removeprefix("sqlite:///")).unlink()
    records.migrate()
    with records.transaction() as tx:
        tx.fill(change(kept))


def _grown(kept: list[Kept], versions: Iterable[Labelled], names: list[str], entries: int) -> Iterator[Kept]:
    """The same with more versions, and so many entries of the audit record, each with the hash of the one before."""
    yield from (each for each in kept if not (isinstance(each, Labelled) and each.document.kind == "audit-head"))
    yield from versions
    last = [each for each in kept if isinstance(each, Entry) and each.stream == STREAM][-1]
    number, previous, at = last.seq, str(last.body["hash"]), NOON
    while number < entries:
        number, at = number + 1, at + timedelta(seconds=20)
        body: dict[str, Any] = {
            "at": at.isoformat(),
            "principal": "ann",
            "source": "os",
            "action": "model.promote",
            "subject": f"{names[number % len(names)]}/1",
            "detail": {"stage": "production"},
            "previous": previous,
        }
        body["hash"] = previous = hash_of(body)
        yield Entry(STREAM, number, body)
    yield Labelled(Document("audit-head", "head", 1, {"seq": number, "hash": previous}))


def _commands(folder: Path, commands: Sequence[str], runs: int) -> Iterator[dict[str, Any]]:
    """Each command with the CPU seconds of its process, the median of some times."""
    bare = statistics.median(_cpu(["-c", "import modelyard.wiring, modelyard.operations"]) for _ in range(runs))
    _say(f"{'command':<54}{'CPU s':>8}{'beyond starting':>18}")
    for command in commands:
        words = ["-m", "modelyard", *command.split()]
        where = [] if command == "--help" else ["--project", str(folder)]
        times = []
        for _ in range(1 if command in LINEAR else runs):
            _log(_tables(folder))
            times.append(_cpu([*words, *where]))
        seconds = statistics.median(times)
        beyond = max(0.0, seconds - bare)
        slow = beyond > LIMIT_S and command not in LINEAR
        mark = "reads all" if command in LINEAR else "SLOW" if slow else ""
        _say(f"{command:<54}{seconds:>8.2f}{beyond:>18.2f}  {mark}")
        yield {"what": command, "cpu_s": seconds, "beyond_start_s": beyond, "slow": slow, "note": mark}


def _cpu(words: list[str]) -> float:
    """CPU seconds of a process; exit codes are the command's verdict, and no concern here."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
    if done.returncode == 2 or "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _pages(folder: Path) -> Iterator[dict[str, Any]]:
    """Each page and route with milliseconds, the median of some times once the process is warm."""
    _say(f"\n{'page or route':<54}{'median ms':>10}{'worst ms':>10}{'first ms':>10}")
    project = Project(folder, clock=ManualClock(NOON + timedelta(days=400)), environment={})
    try:
        for path, first, times, _ in measured(project, list(PAGES)):
            middle = statistics.median(times)
            slow = middle > 1000 * LIMIT_S
            _say(f"{path:<54}{middle:>10.1f}{max(times):>10.1f}{first:>10.1f}  {'SLOW' if slow else ''}")
            yield {"what": path, "median_ms": middle, "worst_ms": max(times), "first_ms": first, "slow": slow}
    finally:
        project.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
