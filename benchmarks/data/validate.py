"""Five checks a column on a Parquet file of 35 columns: ours against pandera's pandas backend, in one run."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ..figures import Figure, Target
from .rows import write_rows

FASTER, PEAK_MB = 5.0, 1024.0
"""The targets: so many times faster than pandera, in so much memory at most."""

_SECONDS = 1800
"""The longest that one side may take."""


def main(arguments: Sequence[str]) -> int:
    """Run and print; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the file (5000000)")
    parser.add_argument("--repeats", type=int, default=3, help="of each side, in turns (3)")
    given = parser.parse_args(arguments)
    ours, theirs = _sides(given.rows, given.repeats)
    faster = theirs["seconds"] / ours["seconds"]
    met = faster >= FASTER and ours["peak_mb"] <= PEAK_MB
    for name, each in (("modelyard", ours), ("pandera", theirs)):
        _say(
            f"{name:<10} {each['seconds']:7.2f} s  {each['cpu_seconds']:7.2f} s of CPU  {each['peak_mb']:7.0f} MB  "
            f"{each['checks']} checks"
        )
    _say(f"{given.rows} rows x 35: {faster:.1f} x faster than pandera (>= {FASTER:g}), "
         f"{ours['peak_mb']:.0f} MB (<= {PEAK_MB:.0f}): {'met' if met else 'missed'}")  # fmt: skip
    return 0 if met else 1


def short() -> list[Figure]:
    """A fifth of the rows, once."""
    rows = 1_000_000
    ours, theirs = _sides(rows, 1)
    note = f"{ours['seconds']:.2f} s and {theirs['seconds']:.2f} s"
    return [
        Figure(
            "validation", f"{rows:,} rows x 35, five checks a column: pandera / ours",
            theirs["seconds"] / ours["seconds"], note=note,
        ),
        Figure("validation", "memory of ours", ours["peak_mb"], "MB", Target("<=", PEAK_MB)),
    ]  # fmt: skip


def _sides(rows: int, repeats: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The medians of ours and of pandera's, on one file."""
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        file = Path(folder) / "rows.parquet"
        write_rows(file, rows)
        runs = [(_run("ours", file), _run("pandera", file)) for _ in range(repeats)]
    ours, theirs = zip(*runs, strict=True)
    return _median("ours", ours), _median("pandera", theirs)


def _median(side: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The medians of some runs' seconds, each run in a process of its own, with the largest memory of them."""
    if not all(each["passed"] for each in runs):
        raise SystemExit(f"{side} failed rows that keep every promise")
    medians = {name: median(float(each[name]) for each in runs) for name in ("seconds", "cpu_seconds")}
    return {**runs[0], **medians, "peak_mb": max(each["peak_mb"] for each in runs)}


def _run(side: str, file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.data.sides", side, str(file)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a benchmark prints
