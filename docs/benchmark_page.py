"""`benchmarks.md`: what is measured, and what came of it on the machines whose results are kept."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.quick import LONG_ONLY, PARTS
from docs.writing import MADE, row

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RESULTS = BENCHMARKS / "results"


def benchmark_page() -> Iterator[str]:
    """Every benchmark with its command, then a table a results file."""
    yield from (
        MADE,
        "",
        "# Benchmarks",
        "",
        "What is measured, and how to measure it on your machine: **`make bench-quick`** takes ten minutes at most and",
        "asks the short form of each; the commands below ask the long ones. Figures are ratios where there is",
        "something to compare with in the same run. Peers have environments of their own: those that are not installed",
        "are left out, and `.venv/bin/python -m benchmarks.quick --install feast nannyml evidently` installs them.",
        "",
        "| benchmark | command |",
        "|---|---|",
        *(row(asks, f"`{command_of(module)}`") for module, asks in {**PARTS, **LONG_ONLY}.items()),
    )
    for file in sorted(RESULTS.glob("*.json")):
        yield from _results(json.loads(file.read_text(encoding="utf-8")))


def command_of(module: str) -> str:
    """What runs a benchmark in its long form: its package where it is all that the package runs, or itself."""
    package, _, name = module.partition(".")
    whole = name in ("run", "validate", "reading")
    arguments = f" {name}" if package == "features" and name in ("join", "online") else ""
    return f".venv/bin/python -m benchmarks.{package if whole or arguments else module}{arguments}"


def _results(found: Mapping[str, Any]) -> Iterator[str]:
    """The table of one run; figures of one machine at one time, which promise nothing of another."""
    machine, run = found["machine"], found["run"]
    pinned = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    yield from (
        "",
        f"## {machine['day']}: {machine['processors']} processors",
        "",
        f"{machine['processor']}, {machine['memory_gib']} GiB, {machine['system']}; {_how(run)}. In the quarter of an",
        f"hour before, {machine['load']} processes on average wanted a processor: other work slows both sides of a",
        "ratio, and not always alike. These are figures of that machine at that time, not promises.",
        f"Versions: {pinned}.",
        "",
        "| what | figure | limit | |",
        "|---|---|---|---|",
        *(_row(each) for each in found["figures"]),
    )


def _how(run: Mapping[str, Any]) -> str:
    return f"the short forms, once each, in {run['seconds'] / 60:.0f} minutes" if run.get("quick") else "the long forms"


def _row(figure: Mapping[str, Any]) -> str:
    """A figure, or why there is none."""
    value = "not measured" if figure["value"] is None else _number(figure["value"], figure["unit"])
    limit = f"{figure['target']}: {figure['state']}" if figure["target"] else ""
    return row(f"{figure['measure']}: {figure['what']}", value, limit, figure["note"])


def _number(value: float, unit: str) -> str:
    """Three digits that count, and thousands whole."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()
