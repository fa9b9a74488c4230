"""What reading a long log costs: each question in a process of its own, with its time and its greatest memory."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelyard.history import PredictionLog

from ..figures import Figure
from .rows import FIRST_US, make_log

_START = datetime.fromtimestamp(FIRST_US / 1e6, UTC)
_DAY = timedelta(days=1)


def main(arguments: Sequence[str]) -> int:
    """Make a log, ask it, print a line a question: seconds, MiB, and what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.log", description=main.__doc__)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1_000_000, help="Predictions of a day.")
    parser.add_argument("--features", type=int, default=5)
    parser.add_argument("--labelled", type=float, default=0.3, help="Share of predictions with a truth.")
    parser.add_argument("--folder", type=Path, help="Where to keep the log; one that is there is asked as it is.")
    parser.add_argument("--ask", choices=sorted(QUESTIONS), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.ask:
        print(json.dumps(_asked(given.folder, given.ask, given.days)))  # noqa: T201 - what a benchmark is for
        return 0
    kept = given.folder is not None
    folder = given.folder or Path(tempfile.mkdtemp(prefix="log-"))
    try:
        _run(folder, given)
    finally:
        if not kept:
            shutil.rmtree(folder)
    return 0


def short() -> list[Figure]:
    """Four days of 250,000 predictions: what a question about one of them takes, and in how much memory."""
    found, days = [], 4
    with tempfile.TemporaryDirectory(prefix="log-") as folder:
        make_log(Path(folder), days=days, rows=250_000, features=5, labelled=0.3)
        for question in ("a day, streamed", "a day with labels, streamed", "SQL over everything"):
            told = _answer(Path(folder), question, days)
            note = f"of {days} x 250,000 predictions; {told['MiB']} MiB"
            found.append(Figure("log", question, float(told["seconds"]), "s", note=note))
    return found


def _answer(folder: Path, question: str, days: int) -> dict[str, Any]:
    """What a process of its own says."""
    command = [sys.executable, "-m", "benchmarks.log", "--folder", str(folder), "--ask", question]
    done = subprocess.run([*command, "--days", str(days)], check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _run(folder: Path, given: argparse.Namespace) -> None:
    if not (folder / "catalog-000000000001.json").exists():
        began = time.perf_counter()
        make_log(folder, days=given.days, rows=given.rows, features=given.features, labelled=given.labelled)
        size = sum(each.stat().st_size for each in folder.rglob("*.parquet"))
        took = time.perf_counter() - began
        print(f"made {given.days * given.rows:,} predictions, {size / 2**30:.1f} GiB, in {took:.0f} s")  # noqa: T201
    for question in QUESTIONS:
        print(f"{question:28} {json.dumps(_answer(folder, question, given.days))}", flush=True)  # noqa: T201


def _asked(folder: Path, question: str, days: int) -> dict[str, object]:
    log = PredictionLog(folder / "no-journal", folder)
    before = _memory()
    began = time.perf_counter()
    found = QUESTIONS[question](log, _START + (days - 1) * _DAY)
    return {"seconds": round(time.perf_counter() - began, 2), "MiB": _memory(), "before": before, "found": found}


def _memory() -> int:
    """The greatest memory of this process so far, in MiB; `getrusage` would tell that of whoever started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(each.split()[1]) // 1024 for each in lines if each.startswith("VmHWM"))


def _day(log: PredictionLog, day: datetime) -> object:
    return sum(len(each) for each in log.batches("d", start=day, end=day + _DAY))


def _labelled_day(log: PredictionLog, day: datetime) -> object:
    batches = log.batches("d", start=day, end=day + _DAY, labels=True)
    return sum(len(each) - each.column("label").null_count for each in batches)


def _hour(log: PredictionLog, day: datetime) -> object:
    return len(log.labelled("d", start=day, end=day + timedelta(hours=1)))


def _coverage(log: PredictionLog, day: datetime) -> object:
    return log.coverage("d", start=day, end=day + _DAY, as_of=day + 30 * _DAY).share


def _sql(query: str, *, whole: bool) -> Callable[[PredictionLog, datetime], object]:
    def ask(log: PredictionLog, day: datetime) -> object:
        start, end = (None, None) if whole else (day, day + _DAY)
        with log.duckdb("d", start=start, end=end) as views:
            return list(views.sql(query).read_all().to_pylist()[0].values())

    return ask


QUESTIONS: dict[str, Callable[[PredictionLog, datetime], object]] = {
    "an hour, labelled": _hour,
    "a day, streamed": _day,
    "a day with labels, streamed": _labelled_day,
    "coverage of a day": _coverage,
    "SQL over a day": _sql("SELECT count(*), avg(feature_0) FROM predictions", whole=False),
    "SQL over everything": _sql("SELECT count(*), avg(feature_0) FROM predictions", whole=True),
    "SQL join of a day": _sql("SELECT count(*), avg(label::int) FROM labelled", whole=False),
    "counts of everything": lambda log, _: str(log.versions("d")),
}
