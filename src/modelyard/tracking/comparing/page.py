"""A comparison as a picture, and as a page around it."""

from collections.abc import Iterator
from math import nan

from modelyard.drawing import Bar, Line, draw_bars, draw_lines, render, stacked

from .compare import Comparison

_CHARTS = 24
_UNIT = (0.0, 1.0)


def comparison_picture(comparison: Comparison) -> str:
    """One SVG: a chart a metric, by step where it has steps, and the ROC curves where runs were evaluated."""
    charts = list(_charts(comparison))
    return stacked(charts[:_CHARTS] or [draw_bars("No metrics", [Bar(each, 0.0) for each in comparison.labels], "")])


def comparison_page(comparison: Comparison) -> str:
    """A page of HTML that needs nothing but itself; names and values of the runs are escaped."""
    values = {
        "comparison": comparison,
        "labels": comparison.labels,
        "picture": comparison_picture(comparison),
        "spread": _spread(comparison),
    }
    return render("modelyard.tracking.comparing", "comparison.html.j2", values)


def _charts(comparison: Comparison) -> Iterator[str]:
    """The large ones first."""
    labels = comparison.labels
    if any(comparison.roc):
        yield _roc(comparison)
    for name, courses in comparison.curves.items():
        named = zip(labels, courses, strict=True)
        lines = [Line(label, [x for x, _ in course], [y for _, y in course]) for label, course in named]
        yield draw_lines(name, lines, "step", name)
    for name, values in comparison.metrics.items():
        if name not in comparison.curves and "slice/" not in name:
            known = [nan if value is None else value for value in values]
            yield draw_bars(name, [Bar(labels[at], value, 0.0, at) for at, value in enumerate(known)], "")


def _roc(comparison: Comparison) -> str:
    named = zip(comparison.labels, comparison.roc, strict=True)
    curves = [Line(label, each.x, each.y) for label, each in named if each is not None]
    chance = Line("", _UNIT, _UNIT, "dashed")
    return draw_lines("ROC", [*curves, chance], "false positive rate", "true positive rate", x=_UNIT, y=_UNIT)


def _spread(comparison: Comparison) -> dict[str, float]:
    """How far the values of each metric are apart, where several runs have it."""
    known = {name: [each for each in values if each is not None] for name, values in comparison.metrics.items()}
    return {name: max(each) - min(each) for name, each in known.items() if len(set(each)) > 1}
