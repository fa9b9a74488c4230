"""What a server takes: time to be ready, memory, and whether its workers share the work."""

import statistics

from ...figures import Figure, Target
from ..bench import Bench
from ..processes import cpu_seconds, resident_mb


def start(bench: Bench) -> list[Figure]:
    """Seconds from the start of the process to the first `ready`, and the largest process after a load."""
    took, weights = [], []
    for turn in range(bench.options.repeats):
        bench.say(f"start {turn + 1} of {bench.options.repeats}")
        with bench.ours("forest") as ours:
            took.append(ours.took_s)
            bench.drive(ours.endpoint(1), connections=64, seconds=1)
            weights.append(max(resident_mb(ours.running.tree())))
    return [
        Figure("start", "forest: start to first ready", statistics.median(took), "s", Target("<=", 2.0)),
        Figure("start", "forest: memory of the largest process", statistics.median(weights), "MB", Target("<=", 220)),
    ]


def evenness(bench: Bench) -> list[Figure]:
    """CPU time of the least busy worker over that of the busiest, during a load."""
    what = "forest, 1 row, concurrency 64: least / most busy worker"
    with bench.ours("forest") as ours:
        bench.say("evenness")
        processes = ours.running.tree()
        before = cpu_seconds(processes)
        bench.drive(ours.endpoint(1), connections=64)
        after = cpu_seconds(processes)
    used = sorted((after[pid] - before.get(pid, 0.0) for pid in after), reverse=True)[: ours.workers]
    return [Figure("evenness", what, used[-1] / used[0])]
