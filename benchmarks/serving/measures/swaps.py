"""Routes that change under load: swaps to another version, then rollbacks to the one before."""

import asyncio

from ...figures import Figure, Target
from ..bench import Bench
from ..opened import OpenLoop, Phase, Shots, run
from ..ours import Ours

RATE = 200.0
FOLLOW_SECONDS = 10.0


def swaps(bench: Bench) -> list[Figure]:
    """100 swaps and 20 rollbacks at 200 requests a second: failures, and p99 against the quiet before."""
    count, back = (20, 5) if bench.options.quick else (100, 20)
    quiet = max(3.0, bench.options.seconds)
    bench.say(f"swaps: {count} and {back} rollbacks at {RATE:g} requests a second")
    with bench.ours("forest", versions=2) as ours:
        shots, begin, end, slowest = run(_swap_under_load(ours, quiet, count + back))
    steady, during = shots.between(1, begin), shots.between(begin, end)
    return [
        Figure("swaps", f"{count} swaps, {back} rollbacks: failed", during.failed, "", Target("<=", 0), _of(during)),
        Figure("swaps", "p99 during / before", _ratio(during, steady), target=Target("<=", 2)),
        Figure("swaps", "slowest route to be followed", slowest, "s", Target("<=", 1)),
    ]


async def _swap_under_load(ours: Ours, quiet: float, changes: int) -> tuple[Shots, float, float, float]:
    loop = OpenLoop(ours.endpoint(1), [Phase(RATE, 24 * 3600)])
    running = asyncio.create_task(loop.run())
    try:
        await asyncio.sleep(quiet + 1)
        begin, slowest = loop.elapsed, 0.0
        for number in range(changes):
            slowest = max(slowest, await _swap(ours, (number + 1) % 2))
        end = loop.elapsed
    finally:
        loop.stop()
        shots = await running
    return shots, begin, end, slowest


async def _swap(ours: Ours, which: int) -> float:
    """Publish and wait until every worker follows; the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    generation = await asyncio.to_thread(ours.publish, which)
    while not ours.follows(generation) and loop.time() - began < FOLLOW_SECONDS:
        await asyncio.sleep(0.01)
    return loop.time() - began


def _ratio(during: Shots, steady: Shots) -> float | None:
    above, below = during.percentile(99), steady.percentile(99)
    return above / below if above is not None and below else None


def _of(shots: Shots) -> str:
    return f"of {len(shots.each)}"
