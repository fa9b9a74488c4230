"""What the prediction log, the metrics and routing cost: with them against without."""

from ...figures import Figure, Target
from ..bench import Bench

TARGET = Target(">=", 0.85)


def overhead(bench: Bench) -> list[Figure]:
    """Requests a second of our server, over those of the same server with its parts taken out."""
    what = "forest, 1 row, concurrency 64: log, metrics and routing on / off"
    bench.say("overhead")
    with bench.ours("forest") as whole, bench.ours("forest", bare=True) as bare:
        first, second = bench.alternate(whole.endpoint(1), bare.endpoint(1), connections=64)
    return [Figure("overhead", what, first.requests_per_s / second.requests_per_s, target=TARGET)]
