"""The profile as one page of HTML that needs nothing but itself."""

from collections.abc import Callable
from math import isfinite

from markupsafe import Markup

from modelyard.core import from_micros
from modelyard.drawing import render

from .pictures import histogram_picture
from .records import Association, Column, Count, Histogram, Profile, Quantities

_LEVELS = 10
DRAWN = 500
"""Columns beyond are left out of the page, which says so; the JSON has them."""

_DAY = 86_400_000_000
_MEASURES = {
    "spearman": "rank correlation",
    "cramers_v": "Cramér's V",
    "correlation_ratio": "correlation ratio",
}


def profile_page(profile: Profile, title: str) -> str:
    """A page with pictures, without scripts or anything fetched; names and values of the data are escaped."""
    pairs = {frozenset((each.first, each.second)): each for each in profile.associations}
    values = {
        "title": title,
        "profile": profile,
        "columns": profile.columns[:DRAWN],
        "cells": sum(column.missing for column in profile.columns) / max(1, profile.rows * len(profile.columns)),
        "pairs": [[pairs.get(frozenset((a, b))) for b in profile.associated] for a in profile.associated],
        "levels": _LEVELS,
    }
    return render("modelyard.data.profile", "profile.html.j2", values, _FILTERS)


def _count(count: Count | int) -> str:
    if isinstance(count, int):
        return f"{count:,}"
    return f"{count.value:,}" if count.exact else f"≈ {count.value:,}"


def _share(part: float, whole: float) -> str:
    share = part / whole if whole else 0.0
    return f"{share:.1%}" if share == 0 or share >= 0.001 else "< 0.1%"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if 1e-4 <= abs(value) < 1e7 else f"{value:.4g}"


def _picture(column: Column) -> Markup:
    numbers = column.quantities
    if numbers is None or numbers.histogram is None:
        return Markup("")
    drawn = numbers.histogram
    label = (lambda at: _when(at, drawn)) if column.kind == "time" else _figure
    return histogram_picture(drawn, _alt(column, numbers, drawn), label)


def _alt(column: Column, numbers: Quantities, drawn: Histogram) -> str:
    middle = numbers.quantiles["0.5"]
    said = _when(middle, drawn) if column.kind == "time" else _figure(middle)
    return f"Histogram of {column.name}: half of the values lie below {said}."


def _when(micros: float, drawn: Histogram) -> str:
    """An instant as precise as the picture needs."""
    try:
        text = from_micros(int(micros)).isoformat()
    except (OverflowError, ValueError):
        return _figure(micros)
    return text[:10] if drawn.edges[-1] - drawn.edges[0] > 30 * _DAY else text[:16].replace("T", " ")


def _facts(column: Column) -> list[tuple[str, str]]:
    """The figures of a card, in the order they are read."""
    numbers, lengths = column.quantities, column.lengths
    facts = [("different", _count(column.distinct))]
    if column.kind == "time":
        facts += [("from", _brief(column.earliest)), ("to", _brief(column.latest))]
    elif numbers is not None:
        facts += [("least", _figure(numbers.minimum)), ("greatest", _figure(numbers.maximum))]
        facts += [("mean", _figure(numbers.mean)), ("deviation", _figure(numbers.deviation))]
        facts += [("skew", _figure(numbers.skew)), ("zeros", _count(numbers.zeros))]
        facts += [(name, _count(each)) for name, each in _odd(numbers) if each]
    if lengths is not None:
        facts += [("length", f"{lengths.shortest:,} to {lengths.longest:,}, mean {_figure(lengths.mean)}")]
        facts += [("empty or blank", _count(lengths.empty + lengths.blank))]
    return facts


def _brief(instant: str | None) -> str:
    """Without what is below a second, and without saying UTC in each."""
    return "-" if instant is None else instant.replace("+00:00", "")[:19].replace("T", " ")


def _odd(numbers: Quantities) -> list[tuple[str, int]]:
    outside = numbers.outliers.count if numbers.outliers else 0
    return [
        ("negative", numbers.negatives),
        ("NaN", numbers.nans),
        ("infinite", numbers.infinities),
        ("outliers", outside),
    ]


def _cell(pair: Association | None) -> str:
    if pair is None:
        return "nothing to tell"
    line = f"; Pearson's {pair.pearson:+.2f}" if pair.pearson is not None else ""
    return f"{pair.first} and {pair.second}: {_MEASURES[pair.measure]} {pair.strength:+.2f}{line}"


def _shade(strength: float) -> Markup:
    """A background: blue for together, orange for against; stronger, deeper."""
    deep = round(0.62 * min(1.0, abs(strength)), 2) if isfinite(strength) else 0
    return Markup("rgba({}, {})").format("31, 119, 180" if strength >= 0 else "214, 98, 31", deep)


_FILTERS: dict[str, Callable[..., object]] = {
    "count": _count,
    "share": _share,
    "figure": _figure,
    "picture": _picture,
    "facts": _facts,
    "cell": _cell,
    "shade": _shade,
}
