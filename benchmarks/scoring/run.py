"""Parquet to Parquet against rates in memory (the engine, compiled trees), copying, and `mlflow.pyfunc`; and NATS."""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..environments import PEERS
from ..figures import Figure
from .made import make_models, make_rows

SIDES = ("engine", "memory", "copy", "ours", "pyfunc", "ray")

FENCE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"')
"""Ray opens every interface: it runs where there is loopback alone, which takes root or `--map-root-user`."""


def main(arguments: Sequence[str]) -> int:
    """Print a line a side and model, then the shares that are asked for."""
    options = _options(arguments)
    folder = PEERS / "scoring"
    folder.mkdir(parents=True, exist_ok=True)
    make_models(folder)
    for name in options.models:
        found = {side: _files(side, folder, name, options.rows, options.repeats) for side in options.sides}
        for side, each in found.items():
            _say(f"{name:<9}{side:<7}{each['per_second']:>12,.0f} rows/s  {each['cpu_us']:6.2f} µs  {each['mb']:,} MB")
        if "ours" in found:
            for side in (each for each in found if each != "ours"):
                _say(f"{name:<9}ours / {side}: {found['ours']['per_second'] / found[side]['per_second']:.2f}")
    for rows in options.memory_rows:
        each = _files("ours", folder, "logistic", rows, 1)
        _say(f"logistic ours   {rows:>12,} rows   {each['mb']:,} MB")
    if options.messages:
        each = _side("stream", folder / "logistic", str(options.messages))
        _say(f"NATS, one consumer: {each['per_second']:,.0f} messages/s, {each['cpu_us']:.0f} µs of processor each")
    return 0


def short() -> list[Figure]:
    """A million rows of the logistic pipeline, once a side."""
    folder, rows = PEERS / "scoring", 1_000_000
    folder.mkdir(parents=True, exist_ok=True)
    make_models(folder)
    found = {side: _files(side, folder, "logistic", rows, 1) for side in ("memory", "ours", "pyfunc")}
    ours = found["ours"]["per_second"]
    what = f"logistic, {rows:,} rows, Parquet to Parquet"
    return [
        Figure("scoring", what, ours, "rows/s", note=f"{found['ours']['mb']:,} MB"),
        Figure("scoring", f"{what}: ours / a loop with mlflow.pyfunc", ours / found["pyfunc"]["per_second"]),
        Figure("scoring", f"{what}: ours / the model in memory", ours / found["memory"]["per_second"]),
    ]


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a benchmark prints


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--models", nargs="*", default=["forest", "logistic"])
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--repeats", type=int, default=3, help="The best of so many.")
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[1_000_000, 50_000_000])
    parser.add_argument("--messages", type=int, default=100_000)
    return parser.parse_args(arguments)


def _files(side: str, folder: Path, model: str, rows: int, repeats: int) -> dict[str, Any]:
    source = folder / f"rows-{rows}.parquet"
    make_rows(source, rows)
    return max((_side(side, folder / model, str(source)) for _ in range(repeats)), key=lambda each: each["per_second"])


def _side(side: str, model: Path, what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scoring.sides", side, str(model), what]
    fence = FENCE if side == "ray" else ()
    told = subprocess.run([*fence, *command], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found
