"""The point-in-time join of entity rows with two views: ours against Feast's DuckDB store, in one run."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..environments import NotInstalled, install, installed
from ..figures import Figure, left_out
from .rows import FEAST, write_entities, write_sources

FASTER, PEAK_MB, LARGE_PEAK_MB = 15.0, 1024.0, 2048.0
"""The targets: so many times faster than Feast, in so much memory; and in so much whatever the number of rows."""

_SECONDS = 3600
"""The longest that one side may take."""


def main(arguments: Sequence[str]) -> int:
    """Run and print; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the entities, in memory (1000000)")
    parser.add_argument("--large", type=int, default=50_000_000, help="of the entities, from file to file (50000000)")
    parser.add_argument("--ours", action="store_true", help="without Feast")
    given = parser.parse_args(arguments)
    met = _against_feast(given.rows, alone=given.ours)
    return 0 if (not given.large or _large(given.large)) and met else 1


def short() -> list[Figure]:
    """A tenth of the rows, against Feast where it is there."""
    rows = 100_000
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        _write(Path(folder), rows)
        ours = _ours("memory", folder)
        theirs = _feast(folder) if installed("feast") else None
    found = [Figure("join", f"{rows:,} rows with two views", ours["seconds"], "s", note=f"{ours['peak_mb']:.0f} MB")]
    if theirs is None:
        return [*found, left_out("feast")]
    note = f"{ours['seconds']:.2f} s and {theirs['seconds']:.2f} s"
    return [*found, Figure("join", "the same: Feast / ours", theirs["seconds"] / ours["seconds"], note=note)]


def _against_feast(rows: int, *, alone: bool) -> bool:
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        _write(Path(folder), rows)
        ours = _ours("memory", folder)
        _say_side("modelyard", ours)
        met = ours["peak_mb"] <= PEAK_MB
        if alone or (theirs := _feast(folder)) is None:
            return bool(met)
    _say_side("feast", theirs)
    faster = theirs["seconds"] / ours["seconds"]
    met = met and faster >= FASTER
    _say(f"{rows:,} rows: {faster:.1f} x faster than Feast (>= {FASTER:g}), {ours['peak_mb']:.0f} MB "
         f"(<= {PEAK_MB:.0f}): {'met' if met else 'missed'}")  # fmt: skip
    return bool(met)


def _large(rows: int) -> bool:
    """A fifth of the rows and all of them: time grows with the rows, memory does not."""
    sides = []
    for some in (rows // 5, rows):
        with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
            _write(Path(folder), some)
            sides.append(_ours("files", folder))
        _say_side(f"{some:,}", sides[-1])
    growth = sides[1]["cpu_seconds"] / sides[0]["cpu_seconds"]
    met = sides[1]["peak_mb"] <= LARGE_PEAK_MB and growth <= 6
    _say(f"five times the rows cost {growth:.1f} times the CPU, {sides[1]['peak_mb']:.0f} MB (<= {LARGE_PEAK_MB:.0f}): "
         f"{'met' if met else 'missed'}")  # fmt: skip
    return bool(met)


def _write(folder: Path, rows: int) -> None:
    write_sources(folder)
    write_entities(folder / "entities.parquet", rows)


def _ours(how: str, folder: str) -> dict[str, Any]:
    return _run([sys.executable, "-m", "benchmarks.features.ours", how, folder])


def _feast(folder: str) -> dict[str, Any] | None:
    try:
        environment = install("feast", FEAST)
    except NotInstalled as error:
        _say(f"Feast could not be installed: {error}")
        return None
    return _run([str(environment / "bin" / "python"), str(Path(__file__).with_name("feast_side.py")), "duckdb", folder])


def _run(command: Sequence[str]) -> dict[str, Any]:
    ended = subprocess.run(list(command), check=False, capture_output=True, text=True, timeout=_SECONDS)
    if ended.returncode:
        raise SystemExit(ended.stderr[-2000:])
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _say_side(name: str, side: dict[str, Any]) -> None:
    _say(f"{name:<12} {side['seconds']:8.2f} s  {side['cpu_seconds']:8.2f} s of CPU  {side['peak_mb']:7.0f} MB")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
