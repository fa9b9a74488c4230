"""Where the rows come from. These are drawn at random; read a file or a database here."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa


def visits(as_of: datetime) -> pa.Table:
    """Sixty days of visits to a shop until `as_of`; whether someone bought is known a day later."""
    random = np.random.default_rng(0)
    count = 5000
    pages, minutes = random.poisson(5, count) + 1, random.gamma(2, 3, count)
    channel = random.choice(["search", "mail", "direct"], count)
    chance = 1 / (1 + np.exp(4 - 0.4 * pages - 0.1 * minutes - (channel == "mail")))
    last = as_of.astimezone(UTC) - timedelta(days=1)
    at = [last - timedelta(days=60) * float(share) for share in np.sort(random.random(count))[::-1]]
    return pa.table(
        {
            "visited_at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "known_at": pa.array([each + timedelta(days=1) for each in at], pa.timestamp("us", tz="UTC")),
            "pages": pages,
            "minutes": minutes,
            "channel": channel,
            "bought": (random.random(count) < chance).astype("int64"),
        }
    )
