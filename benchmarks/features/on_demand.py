"""What on-demand features add to a prediction: CPU time in the process, p50 of many requests, 10 features.

    .venv/bin/python -m benchmarks.features.on_demand

A plan with one view of ten numbers is read from the embedded store through `FeatureReader.row`, once as it is and once
with ten expressions over the view and the request. The machine's other work does not count: CPU time is measured.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from modelyard.core import Micros, Value
from modelyard.online import (
    DerivedInput,
    DerivedPlan,
    FeaturePlan,
    FeatureReader,
    LocalOnlineStore,
    RequestField,
    StoredRow,
    ViewPlan,
)

from ..figures import Figure, Target

REQUESTS = 5_000
REACH_US = 150
"""Microseconds that they may add."""
AT = Micros(1_767_614_400_000_000)
NAMES = tuple(f"x{number}" for number in range(10))
EXPRESSIONS = (
    ("ratio", "x0 / coalesce(x1, 1)"),
    ("per_page", "amount / pages"),
    ("spread", "x2 - x3"),
    ("log_amount", "log1p(amount)"),
    ("above", "amount > x4"),
    ("share", "x5 / (x5 + x6)"),
    ("capped", "min(x7, 100)"),
    ("known", "not is_null(x8)"),
    ("chosen", "x9 if pages > 3 else x0"),
    ("square", "spread ** 2"),
)
"""Ten features as people write them, one of which uses another."""


def main() -> None:
    """Print the figures as JSON."""
    measured = _measured()
    added = measured["on_demand"] - measured["plain"]
    sys.stdout.write(json.dumps({**measured, "added_us": round(added, 1), "reach_us": REACH_US}) + "\n")


def short() -> list[Figure]:
    """All of it: it is quick."""
    measured = _measured()
    added, note = measured["on_demand"] - measured["plain"], f"to the {measured['plain']:g} us of a row read as it is"
    return [Figure("online", "ten features on demand add", added, "us", Target("<=", REACH_US), note)]


def _measured() -> dict[str, float]:
    """Microseconds of the median request, as it is and with expressions."""
    with TemporaryDirectory() as folder:
        store = LocalOnlineStore(Path(folder), map_bytes=1 << 24)
        plain = plan()
        rows = [((number,), StoredRow(AT - 1, AT - 1, tuple(float(number + at) for at in range(10))))
                for number in range(1000)]  # fmt: skip
        store.write(plain.views[0].table, rows)
        readers = {"plain": FeatureReader(store, plain), "on_demand": FeatureReader(store, plan(derived=True))}
        measured = {name: p50_us(reader) for name, reader in readers.items()}
        store.close()
    return measured


def plan(*, derived: bool = False) -> FeaturePlan:
    """The plan, with the expressions or without."""
    request = (RequestField("user", "number"), RequestField("amount", "number"), RequestField("pages", "number"))
    view = ViewPlan("stats", ("user",), NAMES, NAMES, ttl_s=3600.0)
    if not derived:
        return FeaturePlan(request, (view,))
    inputs = [DerivedInput(name, "number", name, "stats") for name in NAMES]
    inputs += [DerivedInput(name, "number", name) for name in ("amount", "pages")]
    features = tuple(name for name, _ in EXPRESSIONS)
    return FeaturePlan(request, (view,), (DerivedPlan("made", tuple(inputs), EXPRESSIONS, features),))


def p50_us(reader: FeatureReader) -> float:
    """Microseconds of CPU that the median request takes."""
    request: dict[str, Value] = {"amount": 120.5, "pages": 4.0}
    spent = []
    for number in range(REQUESTS + 200):
        request["user"] = number % 1000
        began = time.thread_time_ns()
        reader.row(request, AT)
        spent.append(time.thread_time_ns() - began)
    return round(statistics.median(spent[200:]) / 1000, 1)


if __name__ == "__main__":
    main()
