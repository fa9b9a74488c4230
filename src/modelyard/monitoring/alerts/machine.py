"""How an alert moves from evaluation to evaluation; the same as Prometheus does, gaps included.

What Prometheus does with `for` and `keep_firing_for` is told in its manual, "Alerting rules". A gap, where Prometheus
would take an alert back, resolves nothing here; the rule files of `prometheus` say that in PromQL too.
"""

from datetime import datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from .records import Standing

IDLE = Standing()
_NOW = timedelta(0)

Reading = Literal["broken", "calm", "nothing"]
"""What an evaluation found; nothing where there was no value."""


def step(
    standing: Standing, reading: Reading, at: datetime, *, hold: timedelta = _NOW, keep: timedelta = _NOW
) -> Standing:
    """Where an alert stands after an evaluation at `at` that found its rule broken, calm, or without data.

    It fires once the rule was broken at every evaluation for `hold`, and resolves once it was calm at every evaluation
    for `keep`. Without data a pending alert is forgotten, and a firing one goes on firing. The same evaluation once
    more changes nothing.
    """
    if reading == "broken":
        return _broken(standing, at, hold)
    if standing.fired_at is None:
        return IDLE
    if reading == "nothing":
        return replace(standing, calm_since=None, silent_since=standing.silent_since or at)
    calm = standing.calm_since or at
    return IDLE if at - calm >= keep else replace(standing, calm_since=calm, silent_since=None)


def _broken(standing: Standing, at: datetime, hold: timedelta) -> Standing:
    since = standing.active_since or at
    if standing.fired_at is not None:
        return replace(standing, calm_since=None, silent_since=None)
    return Standing(active_since=since, fired_at=at if at - since >= hold else None)
