"""Visits from two months before the run to its end: a steady shop, until its visitors change, and change again."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday: weeks are judged from Monday to Monday."""
CHANGES = (28, 63)
"""The days on which visitors change."""

_BEFORE, _AFTER, _A_DAY = 60, 100, 80


def visits(as_of: datetime) -> pa.Table:
    """Those whose outcome was known by then."""
    rows = history()
    known = np.array(rows.column("known_at").to_pylist()) <= as_of.astimezone(UTC)
    return rows.filter(pa.array(known))


def history() -> pa.Table:
    """All of them, in order; whether someone bought is known a day later."""
    random = np.random.default_rng(0)
    day = np.repeat(np.arange(-_BEFORE, _AFTER), _A_DAY)
    within = np.tile((np.arange(_A_DAY) + 0.5) / _A_DAY, _BEFORE + _AFTER)
    usual, length = np.where(day < CHANGES[0], 5, 16), np.where(day < CHANGES[1], 3, 18)
    pages, minutes = random.poisson(usual) + 1, random.gamma(2, length)
    channel = random.choice(["search", "mail", "direct"], len(day))
    keen = (pages - 1 - usual) / np.sqrt(usual) + (minutes / length - 2) / 2
    chance = 1 / (1 + np.exp(1 - keen - (channel == "mail")))
    at = [START + timedelta(days=float(each)) for each in day + within]
    return pa.table(
        {
            "visited_at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "known_at": pa.array([each + timedelta(days=1) for each in at], pa.timestamp("us", tz="UTC")),
            "pages": pages,
            "minutes": minutes,
            "channel": channel,
            "bought": (random.random(len(day)) < chance).astype("int64"),
        }
    )
