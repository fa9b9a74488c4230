"""Two tables compared, ours against scipy's loop, NannyML and Evidently, in one run; and 50M rows against 5M."""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..environments import NotInstalled, install, installed
from ..figures import Figure, left_out
from .rows import NUMBERS, write_side

SIDES = Path(__file__).with_name("sides.py")
_SECONDS = 1800
"""The longest that one side may take."""


@dataclass(frozen=True)
class Target:
    """So many times faster than a peer, at so many rows a side."""

    peer: str
    rows: int
    faster: float


TARGETS = (Target("scipy", 2_500_000, 12), Target("nannyml", 2_500_000, 5), Target("evidently", 250_000, 20))
PEAK_MB, STREAMED_MB, EQUAL, KS_ERROR = 1024, 2048, 1e-9, 1e-3
LINEAR = 12
"""Ten times the rows may take so many times as long: those beyond memory are read twice on one side."""

REQUIREMENTS = {"nannyml": ["nannyml", "statsmodels"], "evidently": ["evidently", "pandas<3"]}


def main(arguments: Sequence[str]) -> int:
    """Run and print; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--peers", default="scipy,nannyml,evidently", help="comma-separated (all)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the rows (1)")
    parser.add_argument("--streamed", type=int, default=50_000_000, help="rows a side of the large comparison; 0: none")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        met = [against(each, Path(folder), given.scale) for each in TARGETS if each.peer in given.peers.split(",")]
        if given.streamed:
            met.append(streamed(Path(folder), given.streamed))
    return 0 if all(met) else 1


def short() -> list[Figure]:
    """A twentieth of the rows against each peer that is there; the seconds of reading are in both."""
    found = []
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        for target in TARGETS:
            if target.peer in REQUIREMENTS and not installed(target.peer):
                found.append(left_out(target.peer))
                continue
            rows = target.rows // 20
            mine, theirs = _sides(target.peer, _files(Path(folder), rows))
            note = f"{mine['seconds']:.2f} s and {theirs['seconds']:.2f} s, {mine['peak_mb']:.0f} MB of ours"
            what = f"{rows:,} + {rows:,} rows x 35 compared: {target.peer} / ours"
            found.append(Figure("drift", what, theirs["seconds"] / mine["seconds"], note=note))
    return found


def _sides(peer: str, files: tuple[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours and a peer's on the same files; NotInstalled when it cannot be."""
    python = sys.executable
    if peer in REQUIREMENTS:
        python = str(install(peer, REQUIREMENTS[peer]) / "bin" / "python")
    return _run(sys.executable, "ours", files), _run(python, peer, files)


def against(target: Target, folder: Path, scale: float) -> bool:
    """One peer, and we on the same files."""
    try:
        mine, theirs = _sides(target.peer, _files(folder, round(target.rows * scale)))
    except NotInstalled as error:
        _say(f"{target.peer}: not installed: {error}")
        return False
    faster = theirs["seconds"] / mine["seconds"]
    met = faster >= target.faster and mine["peak_mb"] <= PEAK_MB
    for name, each in (("modelyard", mine), (target.peer, theirs)):
        _say(f"{name:<10} {each['seconds']:8.2f} s {each['cpu_seconds']:8.2f} s of CPU {each['peak_mb']:7.0f} MB")
    rows = round(target.rows * scale)
    _say(f"{rows} + {rows} rows x 35: {faster:.1f} x faster than {target.peer} (>= {target.faster:g})"
         f", {mine['peak_mb']:.0f} MB (<= {PEAK_MB}): {_told(met)}")  # fmt: skip
    return met and (target.peer != "scipy" or _equal(mine["columns"], theirs["columns"]))


def _equal(mine: dict[str, dict[str, float]], theirs: dict[str, dict[str, float]]) -> bool:
    apart: float = max(
        abs(mine[name][key] / value - 1) for name, each in theirs.items() for key, value in each.items() if value
    )
    _say(f"KS, Wasserstein and chi2 differ from scipy's by {apart:.1e} at most (<= {EQUAL:g}): {_told(apart <= EQUAL)}")
    return apart <= EQUAL


def streamed(folder: Path, rows: int) -> bool:
    """The same files read many times: ten times the rows, ten times the seconds, and the memory of one."""
    files = _files(folder, min(2_500_000, max(1, rows // 10)))
    many = (
        [_copies(each, rows // 10 // _rows_of(files)) for each in files],
        [_copies(each, rows // _rows_of(files)) for each in files],
    )
    small, large = (_run(sys.executable, "ours", each) for each in many)
    slower = large["seconds"] / small["seconds"]
    errors = [
        abs(large["columns"][name]["ks"] - small["columns"][name]["ks"])
        for name in large["columns"]
        if "number" in name
    ]
    met = bool(large["peak_mb"] <= STREAMED_MB and max(errors) <= KS_ERROR and slower <= LINEAR)
    _say(f"{rows} rows a side: {large['seconds']:.1f} s, {slower:.1f} x as long as a tenth of them (<= {LINEAR}), "
         f"{large['peak_mb']:.0f} MB (<= {STREAMED_MB}), KS off by {max(errors):.1e} (<= {KS_ERROR:g}) "
         f"in {NUMBERS} columns: {_told(met)}")  # fmt: skip
    return met


def _rows_of(files: tuple[str, str]) -> int:
    return int(Path(files[0]).stem.rpartition("_")[2])


def _copies(file: str, count: int) -> str:
    """A folder with the file so many times, by links."""
    folder = Path(file).with_suffix(f".{count}")
    folder.mkdir(exist_ok=True)
    for at in range(count):
        link = folder / f"{at:04d}.parquet"
        if not link.exists():
            link.hardlink_to(file)
    return str(folder)


def _files(folder: Path, rows: int) -> tuple[str, str]:
    made = []
    for name in ("reference", "current"):
        file = folder / f"{name}_{rows}.parquet"
        if not file.exists():
            write_side(file, rows, current=name == "current")
        made.append(str(file))
    return made[0], made[1]


def _run(python: str, side: str, files: Sequence[str]) -> dict[str, Any]:
    ended = subprocess.run(
        [python, str(SIDES), side, *files], check=False, capture_output=True, text=True, timeout=_SECONDS
    )
    if ended.returncode:
        raise SystemExit(f"{side} failed: {ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ended.stdout[ended.stdout.index('{"seconds"') :])
    return found if math.isfinite(found["seconds"]) else {}


def _told(met: bool) -> str:  # noqa: FBT001 - a word for a truth
    return "met" if met else "missed"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a benchmark prints
