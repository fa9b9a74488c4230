"""Data quality: live values against the model's signature."""

from collections.abc import Iterator, Sequence

from modelyard.stats import wilson

from .counts import ColumnCounts
from .records import FeatureQuality, Judged
from .settings import MonitorSettings


def quality_of(columns: Sequence[ColumnCounts], settings: MonitorSettings) -> tuple[FeatureQuality, ...]:
    """Judge every column: a share fails when even the lower end of its 95% interval is above the threshold."""
    return tuple(_judged(each, settings) for each in columns)


def _judged(column: ColumnCounts, settings: MonitorSettings) -> FeatureQuality:
    rows = max(1, column.rows)
    unknown = column.bins[-1] if column.kind == "category" else 0
    bad = list(_beyond(column, unknown, settings))
    verdict: Judged = "fail" if bad else "pass" if column.rows >= settings.min_rows else "inconclusive"
    reason = "; ".join(bad) or ("as the signature has it" if verdict == "pass" else f"only {column.rows} rows")
    return FeatureQuality(
        name=column.name,
        missing=column.missing / rows,
        unknown=unknown / rows,
        outside=column.outside / rows,
        mistyped=column.mistyped / rows,
        levels=tuple(column.new)[:5],
        verdict=verdict,
        reason=reason,
    )


def _beyond(column: ColumnCounts, unknown: int, settings: MonitorSettings) -> Iterator[str]:
    names = f" ({', '.join(list(column.new)[:3])})" if column.new else ""
    for count, most, what in (
        (unknown, settings.unknown, f"levels unknown to the model{names}"),
        (column.outside, settings.outside, "beyond what training saw"),
        (column.mistyped, settings.refused, "of the wrong type"),
    ):
        if surely_above(count, column.rows, most) and column.rows >= settings.min_rows:
            yield f"{count / column.rows:.1%} {what}"


def surely_above(count: int, rows: int, most: float) -> bool:
    """Whether a share is above a threshold, with the lower end of its 95% interval (Wilson)."""
    ends = wilson(count, rows)
    return ends is not None and ends[0] > most
