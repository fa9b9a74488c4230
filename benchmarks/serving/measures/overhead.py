"""What the prediction log, the metrics and routing cost: with them against without."""

from ..bench import Bench
from ..records import Figure, Target

TARGET = Target(">=", 0.85)


def overhead(bench: Bench) -> list[Figure]:
    """Not measured until the server has a switch; see `ours.OFF_FLAGS`."""
    what = "forest, 1 row, concurrency 64: log, metrics and routing on / off"
    flags = bench.options.off_flags
    if not flags:
        note = "the server has no switch yet: set OFF_FLAGS in benchmarks/serving/ours.py, or give --off-flags"
        return [Figure("overhead", what, None, target=TARGET, note=note)]
    with bench.ours("forest") as whole, bench.ours("forest", flags=flags) as bare:
        first, second = bench.alternate(whole.endpoint(1), bare.endpoint(1), connections=64)
    ratio = first.requests_per_s / second.requests_per_s
    return [Figure("overhead", what, ratio, target=TARGET, note=" ".join(flags))]
