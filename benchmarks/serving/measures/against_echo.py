"""Ours against the same HTTP server with nothing behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from modelyard.control import free_port

from ...figures import Figure, Target
from ..bench import Bench
from ..closed import probe
from ..echo import start_echo
from ..ours import Ours
from ..records import Endpoint, ModelName

CONNECTIONS = 64
TARGET = Target(">=", 0.40)


def against_echo(bench: Bench) -> list[Figure]:
    """One worker against one, and as many as the run has against as many."""
    found = []
    for workers in sorted({1, bench.options.workers}):
        with bench.ours("forest", workers=workers) as ours:
            found.append(_figure(bench, ours, "forest"))
    return found


def _figure(bench: Bench, ours: Ours, model: ModelName) -> Figure:
    end = ours.endpoint(1)
    bench.say(f"echo: {ours.workers} worker(s)")
    with echoing(bench, end, ours.workers) as echo:
        mine, bare = bench.alternate(end, echo, connections=CONNECTIONS)
    what = f"{model}, 1 row, {ours.workers} worker(s): ours / echo"
    note = f"{mine.errors} errors" if mine.errors else ""
    evidence = {"ours": asdict(mine), "echo": asdict(bare)}
    return Figure("echo", what, mine.requests_per_s / bare.requests_per_s, target=TARGET, note=note, evidence=evidence)


@contextmanager
def echoing(bench: Bench, end: Endpoint, workers: int) -> Iterator[Endpoint]:
    """An echo that takes the bodies of an endpoint and answers as many bytes as it does."""
    size, port, folder = len(probe(end)), free_port(), bench.scratch()
    with bench.several([lambda: start_echo(port, size, folder)] * workers) as echoes:
        for each in echoes:
            each.until_ready(f"http://127.0.0.1:{port}/")
        yield Endpoint(port, end.path, end.bodies)
