"""The ways in which a version takes over, one file each.

Owns what shares each step has and what the facts call for. Does not own acting on it: that is the machine's
(`rollout.machine`). A new strategy is a value that fits `Way` and a line in `STRATEGIES`.

How a strategy that hears nobody plugs in (a shadow): `role` shadow, `shares` what is copied to it, `columns` what its
comparison reads of `Facts.fresh`; sums of pairs go from look to look in `Decision.kept`. It never says promote, `lacks`
is never empty, and after a clean comparison it says end, or hand_over to the canary. How an experiment does (A/B):
`role` arm, one step of `Plan.treatment_percentage`, its moments in `kept`; `Plan.salt` spreads its entities anew.
"""

from collections.abc import Mapping

from ..records import Strategy
from .ab import Ab
from .blue_green import BlueGreen
from .canary import PROMOTE_AT, Canary
from .contract import Action, Decision, Facts, Way
from .rolling import Rolling
from .shadow import Shadow

STRATEGIES: Mapping[Strategy, Way] = {
    "canary": Canary(),
    "blue-green": BlueGreen(),
    "shadow": Shadow(),
    "ab": Ab(),
    "rolling": Rolling(),
}
"""Strategies that take their time, by name. All-at-once takes none: the machine deploys it in one decision."""

__all__ = [
    "PROMOTE_AT", "STRATEGIES", "Ab", "Action", "BlueGreen", "Canary", "Decision", "Facts", "Rolling", "Shadow", "Way",
]  # fmt: skip
