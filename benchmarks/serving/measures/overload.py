"""Three times what a server can do: it must go on doing what it can, refuse the rest, and recover."""

import asyncio
import contextlib
import math
from dataclasses import dataclass

import psutil

from ...figures import Figure, Target
from ..bench import Bench
from ..opened import OpenLoop, Phase, Shots, run
from ..ours import Ours
from ..processes import resident_mb
from ..records import Endpoint

COST_MS = 10.0
"""Above the 5 ms that the target asks for: at lower rates the generator takes less of the same machine."""
MOST_ROWS = 100
MOST_CONNECTIONS = 256
CALM_SECONDS = 10.0
CALM_MS = 250.0
SLICE_SECONDS = 0.5


@dataclass(frozen=True)
class Overloaded:
    """What was seen: shots, memory before and at its highest (MB), requests a second at the peak, and when it ended."""

    shots: Shots
    before_mb: float
    highest_mb: float
    peak: float
    seconds: float


def overload(bench: Bench) -> list[Figure]:
    """A costly model at three times saturation for 60 s (quick: 10 s), then calm."""
    seconds = 10.0 if bench.options.quick else 60.0
    with bench.ours("huge") as ours:
        bench.say("overload: looking for saturation")
        end, rows, peak = _costly(bench, ours)
        bench.say(f"overload: three times saturation, {3 * peak:.0f} requests a second, for {seconds:g} s")
        seen = run(_overload(ours, end, peak, seconds))
    shots = seen.shots.between(0, seconds)
    answered = [shot for shot in shots.each if shot.answered and shot.due + shot.took_ms / 1000 <= seconds]
    statuses = sorted({shot.status for shot in shots.each})
    note = f"{rows} row(s) a request, {ours.workers} worker(s); statuses {statuses} (0 is none)"
    evidence = {"peak": peak, "sent": len(shots.each), "answered": len(answered), "rows": rows}
    growth = seen.highest_mb / seen.before_mb - 1
    return [
        Figure("overload", "goodput / peak", len(answered) / seconds / peak, "x", Target(">=", 0.8), note, evidence),
        Figure("overload", "p99 of the admitted", shots.percentile(99), "ms", Target("<=", 250)),
        Figure("overload", "recovery", _recovery(seen), "s", Target("<=", 5)),
        Figure("overload", "memory growth", growth * 100, "%", Target("<=", 20)),
    ]


def _costly(bench: Bench, ours: Ours) -> tuple[Endpoint, int, float]:
    """Requests of as many rows as cost a worker `COST_MS` at saturation, and how many a second saturate.

    At saturation, because a server that batches spends less on each request the more there are.
    """
    limit = ours.workers * 1000 / COST_MS
    rows = 1
    while True:
        end = ours.endpoint(rows)
        peak = _saturation(bench, end)
        if peak <= limit or rows == MOST_ROWS:
            return end, rows, peak
        rows = min(MOST_ROWS, max(rows + 1, math.ceil(1.1 * rows * peak / limit)))


def _saturation(bench: Bench, end: Endpoint) -> float:
    """The most answers a second: twice the connections, from two on, until there are clearly fewer.

    Refusals do not count. wrk asks again at once, so that beyond saturation a server that refuses is only hammered.
    """
    connections, best = 2, 0.0
    while connections <= MOST_CONNECTIONS:
        found = bench.drive(end, connections=connections, seconds=max(2.0, bench.options.seconds / 2)).requests_per_s
        if found < 0.8 * best:
            break
        best, connections = max(found, best), connections * 2
    return best


async def _overload(ours: Ours, end: Endpoint, peak: float, seconds: float) -> Overloaded:
    processes = ours.running.tree()
    before = sum(resident_mb(processes))
    phases = [Phase(3 * peak, seconds), Phase(0.3 * peak, CALM_SECONDS)]
    watching = asyncio.create_task(_highest(processes))
    shots = await OpenLoop(end, phases).run()
    watching.cancel()
    highest = await watching
    return Overloaded(shots, before, highest, peak, seconds)


async def _highest(processes: list[psutil.Process]) -> float:
    """The most memory seen together, until cancelled."""
    highest = 0.0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            highest = max(highest, sum(resident_mb(processes)))
            await asyncio.sleep(0.25)
    return highest


def _recovery(seen: Overloaded) -> float | None:
    """Seconds after the overload until each later slice is answered whole and in time; None when none is."""
    slices = int(CALM_SECONDS / SLICE_SECONDS)
    for number in reversed(range(slices)):
        begin = seen.seconds + number * SLICE_SECONDS
        shots = seen.shots.between(begin, begin + SLICE_SECONDS)
        if shots.failed or (shots.percentile(99) or 0.0) > CALM_MS:
            return None if number == slices - 1 else (number + 1) * SLICE_SECONDS
    return 0.0
