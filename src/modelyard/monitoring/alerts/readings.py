"""What is known now: each source's last report, as long as it is not stale."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from modelyard.core import InvalidInput
from modelyard.storage import Snapshot, Transaction

from .records import MOST_SERIES, Report, Series, Values, series

REPORT = "alert-report"
"""The kind of the documents that reports are."""


def report_of(
    source: str, deployment: str, values: Values, *, at: datetime, every: timedelta, speaks_for: Sequence[str] = ()
) -> Report:
    """A report. Values that are no finite numbers tell nothing, and are left out."""
    if len(values) > MOST_SERIES:
        raise InvalidInput(
            f"'{source}' tells {len(values)} values of '{deployment}' at once; {MOST_SERIES} are the most.",
            remedy="Tell of fewer series: those that rules are about.",
        )
    told = {series(each) if isinstance(each, str) else each: float(value) for each, value in values.items()}
    names = tuple(sorted({*speaks_for, *(each.name for each in told)}))
    finite = tuple(sorted((each, value) for each, value in told.items() if math.isfinite(value)))
    return Report(source, deployment, at, every, names, finite)


def keep(tx: Transaction, report: Report) -> bool:
    """Keep a report in place of the source's earlier one; False when there is a later one already."""
    key = f"{report.deployment}/{report.source}"
    document = tx.get(REPORT, key)
    if document is not None and msgspec.convert(document.body, Report).at > report.at:
        return False
    tx.put(REPORT, key, msgspec.to_builtins(report))
    return True


def reports(view: Snapshot, deployment: str | None = None) -> list[Report]:
    """The last report of each source, of one deployment or of all."""
    prefix = "" if deployment is None else f"{deployment}/"
    return [msgspec.convert(each.body, Report) for each in view.scan(REPORT, prefix=prefix)]


def current(told: Iterable[Report], at: datetime, stale_after: int) -> Mapping[Series, float]:
    """The values that hold at an instant.

    Of several sources that speak for a metric, the one that reports most often counts, as long as it does: what such a
    source leaves out has no data, whatever others knew longer ago.
    """
    fresh = [each for each in told if at - each.at <= each.every * stale_after]
    fresh.sort(key=lambda each: (each.every, -each.at.timestamp(), each.source))
    speaker: dict[str, str] = {}
    for report in fresh:
        for name in report.speaks_for:
            speaker.setdefault(name, report.source)
    return {of: value for each in fresh for of, value in each.values if speaker[of.name] == each.source}
