"""A day of 10M logged predictions with 20 features through every monitor: `python -m benchmarks.monitoring`.

The log is written as sealing leaves it. Two runs: the first day, and a second day on top of it, each in a process of
its own, with its seconds and its greatest memory. With `--rows 200000 --days 12` the seconds of the last days show
whether a window costs what it holds, however long the log is.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.bundling import build_profile
from modelyard.core import Digest, ManualClock
from modelyard.history import PredictionLog
from modelyard.inference import BundleInfo, Field, Signature
from modelyard.monitoring import AlertBook, AlertSettings, Monitors, MonitorSettings
from modelyard.storage import open_record_store

from .figures import Figure
from .log.rows import FIRST_US, make_log

SECONDS, PEAK_MB = 60.0, 2048
_START = datetime.fromtimestamp(FIRST_US / 1e6, UTC)
_DAY = timedelta(days=1)


class Described:
    """What monitors read of a bundle; no model is loaded for it."""

    def __init__(self, features: int) -> None:
        random = np.random.default_rng(1)
        names = [f"feature_{at}" for at in range(features)]
        signature = Signature(tuple(Field(name, "number", minimum=-6.0, maximum=6.0) for name in names))
        self.digest = Digest("0" * 64)
        self.profile = build_profile(
            signature,
            random.normal(size=(50_000, features)),
            random.random(50_000),
            importance=dict.fromkeys(names, 1 / features),
            performance={"accuracy": 0.5, "auc": 0.5},
        )
        self.info = BundleInfo(4, "m", "1", "binary", "onnx", signature, {}, {}, classes=("0", "1"))


def main(arguments: Sequence[str]) -> int:
    """Make the log, run the monitors over each of its days, and print what it cost; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="Predictions of a day.")
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--labelled", type=float, default=0.3, help="Share of predictions with a truth.")
    parser.add_argument("--folder", type=Path, help="Where to keep the log; one that is there is used as it is.")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run is not None:
        print(json.dumps(_run(given.folder, given.features, given.run)))  # noqa: T201 - what a benchmark is for
        return 0
    kept = given.folder is not None
    folder = given.folder or Path(tempfile.mkdtemp(prefix="monitoring-"))
    try:
        return 0 if _measured(folder, given) else 1
    finally:
        if not kept:
            shutil.rmtree(folder)


def short() -> list[Figure]:
    """A fiftieth of a day's predictions, two days: the second revises the first."""
    rows, features = 200_000, 20
    with tempfile.TemporaryDirectory(prefix="monitoring-") as folder:
        make_log(Path(folder), days=2, rows=rows, features=features, labelled=0.3)
        told = [_day(Path(folder), features, day) for day in range(2)]
    what = f"a day of {rows:,} predictions with {features} features judged, the day before revised"
    return [
        Figure("monitors", what, told[-1]["seconds"], "s"),
        Figure("monitors", "memory", told[-1]["MiB"], "MiB"),
    ]


def _day(folder: Path, features: int, day: int) -> dict[str, Any]:
    """What a process of its own says of a day."""
    options = ["--folder", str(folder), "--features", str(features), "--run", str(day)]
    command = [sys.executable, "-m", "benchmarks.monitoring", *options]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def _measured(folder: Path, given: argparse.Namespace) -> bool:
    if not (folder / "catalog-000000000001.json").exists():
        make_log(folder, days=given.days, rows=given.rows, features=given.features, labelled=given.labelled)
    for old in folder.glob("records.db*"):
        old.unlink()
    met = True
    for day in range(given.days):
        told = _day(folder, given.features, day)
        met &= told["seconds"] <= SECONDS and told["MiB"] <= PEAK_MB
        print(f"day {day + 1}: {json.dumps(told)}", flush=True)  # noqa: T201 - as above
    print(f"<= {SECONDS:g} s, <= {PEAK_MB} MiB: {'met' if met else 'missed'}", flush=True)  # noqa: T201
    return met


def _run(folder: Path, features: int, day: int) -> dict[str, object]:
    """The monitors' run when a day closes: its window, and the revision of the one before."""
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    clock, bundle = ManualClock(_START + (day + 1) * _DAY + _DAY), Described(features)
    log = PredictionLog(folder / "no-journal", folder)
    settings = MonitorSettings(window=_DAY, late=_DAY)
    book = AlertBook(records, clock, AlertSettings())
    monitors = Monitors(records, log, clock, lambda _d, _v: bundle, {"d": settings}, book)  # type: ignore[arg-type, return-value]  # what it reads of a bundle is there
    began, used = time.perf_counter(), time.process_time()
    (window,) = monitors.run("d", since=_START)
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "of CPU": round(time.process_time() - used, 1),
        "MiB": _memory(),
        "requests": window.requests,
        "labels": window.labels,
        "features": len(window.features),
        "verdict": window.verdict,
    }


def _memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(each.split()[1]) // 1024 for each in lines if each.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
