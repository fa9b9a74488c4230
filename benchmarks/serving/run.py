"""A run: which measures, against which peers; the table, and the results file."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..environments import PEERS, installed
from ..figures import Figure, left_out, machine, write
from . import peers
from .bench import Bench, Options
from .closed import NoLoad
from .measures import ALL, Measure, grid
from .measures.against_peers import glance
from .models import NotCarried
from .processes import NotStarted

NOTE = 160
"""Characters of a note in the table; the results file has it whole."""

_COLOURS = {"met": "green", "missed": "red", "reported": "", "not measured": "yellow"}


def main(arguments: Sequence[str]) -> int:
    """Run and print; exit code 1 when a target is missed, 3 when some figure could not be measured."""
    given = _parse(arguments)
    console = Console(stderr=True)
    figures: list[Figure] = []
    before = machine()
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        bench = Bench(_options(given), Path(folder), lambda text: console.print(f"  {text}", style="dim"))
        for name, measure in _measures(given).items():
            console.print(name, style="bold")
            figures += _measured(name, measure, bench)
    Console(width=160 if not sys.stdout.isatty() else None).print(_table(figures))
    file = given.json or PEERS / "results" / f"{time.strftime('%Y%m%dT%H%M%S')}.json"
    write(file, asdict(bench.options) | {"peers": [each.name for each in bench.options.peers]}, before, figures)
    print(f"Figures: {file}", file=sys.stderr)  # noqa: T201 - where to find them
    states = {figure.state for figure in figures if figure.target is not None}
    return 1 if "missed" in states else 3 if "not measured" in states else 0


def short() -> list[Figure]:
    """One worker against an echo and without its parts, then against the peers that are installed."""
    there = tuple(each for each in peers.ALL if installed(each.name))
    options = Options(seconds=2.0, repeats=1, quick=True, workers=1, peers=there)
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        bench = Bench(options, Path(folder), lambda _: None)
        measures = {"echo": ALL["echo"], "overhead": ALL["overhead"], **({"forest": glance} if there else {})}
        found = [figure for name, measure in measures.items() for figure in _measured(name, measure, bench)]
    found = [replace(each, target=None) for each in found]  # two seconds decide nothing
    return found + [left_out(each.name) for each in peers.ALL if each not in there]


def _measured(name: str, measure: Measure, bench: Bench) -> list[Figure]:
    """A measure's figures; what keeps it from measuring is a figure too."""
    try:
        return measure(bench)
    except (NotCarried, NotStarted, NoLoad) as error:
        return [Figure(name, "all of it", None, note=str(error))]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    names = [each.name for each in peers.ALL]
    parser.add_argument("--only", nargs="+", action="extend", choices=[*ALL, "grid"], help="these measures")
    parser.add_argument("--peer", nargs="+", action="extend", choices=names, help="these peers")
    parser.add_argument("--seconds", type=float, help="of each load (5; quick: 2)")
    parser.add_argument("--repeats", type=int, help="of each load (3; quick: 1)")
    parser.add_argument("--workers", type=int, default=2, help="of our server")
    parser.add_argument("--quick", action="store_true", help="short forms: a look, not a measurement")
    parser.add_argument("--json", type=Path, help="where the figures go (benchmarks/.peers/results)")
    return parser.parse_args(arguments)


def _options(given: argparse.Namespace) -> Options:
    return Options(
        seconds=given.seconds or (2.0 if given.quick else 5.0),
        repeats=given.repeats or (1 if given.quick else 3),
        quick=given.quick,
        workers=given.workers,
        peers=tuple(each for each in peers.ALL if not given.peer or each.name in given.peer),
    )


def _measures(given: argparse.Namespace) -> dict[str, Measure]:
    known = {**ALL, "grid": grid}
    return {name: known[name] for name in given.only or ALL}


def _table(figures: Sequence[Figure]) -> Table:
    table = Table("measure", "what", "figure", "target", "state", "note")
    for each in figures:
        figure = "-" if each.value is None else f"{each.value:.2f} {each.unit}".strip()
        target = str(each.target) if each.target is not None else ""
        note = " ".join(each.note.split())[:NOTE]
        table.add_row(each.measure, each.what, figure, target, each.state, note, style=_COLOURS[each.state])
    return table
