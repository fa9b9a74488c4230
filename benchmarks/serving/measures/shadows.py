"""What a shadow of every request costs those who are answered: the same server with it and without, in turns."""

import re
import statistics
import urllib.request

from ...figures import Figure, Target
from ..bench import Bench
from ..opened import OpenLoop, Phase, Shots, run
from ..ours import Ours

RATE = 300.0
THROUGHPUT = Target(">=", 0.90)
NOTHING_MS = Target("<=", 0.1)
"""Of p50: what two servers that do the same differ by on a machine that is not quite quiet."""


def shadows(bench: Bench) -> list[Figure]:
    """Requests a second, and p50 and errors at 300 of them: with a shadow at 100% over without one."""
    bench.say("shadows")
    with bench.ours("forest", versions=2) as watched, bench.ours("forest", versions=2) as alone:
        watched.publish(0, shadow=1)
        watched.until_followed()
        first, second = bench.alternate(watched.endpoint(1), alone.endpoint(1), connections=64)
        lost = _dropped(watched)
        bench.say(f"shadows: {RATE:g} requests a second")
        with_one, without = _in_turns(bench, watched, alone)
        kept = 1 - (_dropped(watched) - lost) / sum(len(each.each) for each in with_one)
    p50, before = (statistics.median(each.percentile(50) or 0.0 for each in some) for some in (with_one, without))
    p99, earlier = (statistics.median(each.percentile(99) or 0.0 for each in some) for some in (with_one, without))
    steady = f"forest, 1 row, {RATE:g} requests/s: "
    return [
        Figure(
            "shadows",
            "forest, 1 row, concurrency 64: requests/s with a shadow at 100% / without",
            first.requests_per_s / second.requests_per_s,
            target=THROUGHPUT,
            note=f"{first.requests_per_s:.0f} and {second.requests_per_s:.0f} requests/s, {first.errors} errors",
        ),
        Figure(
            "shadows", steady + "p50 with a shadow less p50 without", p50 - before, "ms", NOTHING_MS, f"of {before:.2f}"
        ),
        Figure("shadows", steady + "p99 with a shadow less without", p99 - earlier, "ms", note=f"of {earlier:.2f}"),
        Figure("shadows", steady + "errors", sum(each.failed for each in with_one), "", Target("<=", 0)),
        Figure("shadows", steady + "share of requests that the shadow scored", kept, "", Target(">=", 0.999)),
    ]


def _in_turns(bench: Bench, first: Ours, second: Ours) -> tuple[list[Shots], list[Shots]]:
    """Steady loads of both, a second of warming before each, in changing order."""
    loads: tuple[list[Shots], list[Shots]] = ([], [])
    seconds = bench.options.seconds
    for turn in range(bench.options.repeats):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            loop = OpenLoop((first, second)[which].endpoint(1), [Phase(RATE, 1 + seconds)], seed=turn)
            loads[which].append(run(loop.run()).between(1, 1 + seconds))
    return loads


def _dropped(server: Ours) -> float:
    """Copies that were not scored, whatever the reason."""
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as response:
        text = response.read().decode()
    return sum(float(value) for value in re.findall(r"^shadow_requests_dropped_total\{.*\} (\S+)$", text, re.M))
