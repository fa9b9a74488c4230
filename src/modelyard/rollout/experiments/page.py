"""An analysis as one page of HTML that needs nothing but itself."""

from collections.abc import Iterator

from modelyard.drawing import Line, draw_lines, render

from .records import ExperimentReport, Found

_DRAWN = 12
"""Metrics with pictures; of the others the tables have the figures."""


def experiment_page(report: ExperimentReport) -> str:
    """Verdict, tables, and for metrics with a time the interval and the stopping boundary along the way."""
    drawn = [each for each in report.found if len(each.path) > 1]
    values = {
        "report": report,
        "metrics": [("", each) for each in report.found if each.role == "metric"],
        "guardrails": [("", each) for each in report.found if each.role == "guardrail"],
        "segments": [(f"{each.column} = {each.level}", each.found) for each in report.segments],
        "pictures": [picture for each in drawn[:_DRAWN] for picture in _pictures(each)],
        "left": max(0, len(drawn) - _DRAWN),
    }
    return render("modelyard.rollout.experiments", "experiment.html.j2", values, {"percent": _percent, "ends": _ends})


def _pictures(found: Found) -> Iterator[str]:
    units, path = [float(each.units) for each in found.path], found.path
    name = f"{found.metric}, {found.treatment}"
    yield draw_lines(
        f"{name}: difference and its interval",
        [
            Line("difference", units, [each.difference for each in path]),
            Line("interval, valid at every look", [*units, float("nan"), *units],
                 [*(each.low for each in path), float("nan"), *(each.high for each in path)]),
            Line("no difference", [units[0], units[-1]], [0.0, 0.0], "dashed"),
        ],
        "units",
        "difference",
    )  # fmt: skip
    edges = [each.boundary for each in path]
    yield draw_lines(
        f"{name}: the stopping boundary",
        [
            Line("standard errors from zero", units, [each.z for each in path]),
            Line("boundary: beyond it a difference is told", [*units, float("nan"), *units],
                 [*edges, float("nan"), *(-each for each in edges)]),
            Line("1.96, right for one look alone", [units[0], units[-1], float("nan"), units[0], units[-1]],
                 [1.96, 1.96, float("nan"), -1.96, -1.96], "dashed"),
        ],
        "units",
        "standard errors",
    )  # fmt: skip


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2%}"


def _ends(found: Found) -> str:
    return "-" if found.low is None or found.high is None else f"{found.low:.4g} to {found.high:.4g}"
