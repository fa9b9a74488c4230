"""Latency at a steady rate, counted from when each request was due."""

from ...figures import Figure, Target
from ..bench import Bench
from ..opened import OpenLoop, Phase, run

RATE = 300.0


def open_loop(bench: Bench) -> list[Figure]:
    """p50, p99 and errors of the forest, one row, at 300 requests a second after a second of warming."""
    seconds = bench.options.seconds * bench.options.repeats
    with bench.ours("forest") as ours:
        bench.say(f"open loop: {RATE:g} requests a second for {seconds:g} s")
        shots = run(OpenLoop(ours.endpoint(1), [Phase(RATE, 1 + seconds)]).run()).between(1, 1 + seconds)
    what = f"forest, 1 row, {RATE:g} requests/s: "
    return [
        Figure("open-loop", what + "p50", shots.percentile(50), "ms", Target("<=", 5)),
        Figure("open-loop", what + "p99", shots.percentile(99), "ms", Target("<=", 25)),
        Figure("open-loop", what + "errors", shots.failed, "", Target("<=", 0), note=f"of {len(shots.each)}"),
    ]
