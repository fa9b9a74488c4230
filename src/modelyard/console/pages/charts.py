"""Charts as Plotly takes them: data and layout. Colours are names of the style sheet's, resolved in the browser."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Figure = dict[str, Any]
Points = Sequence[Mapping[str, Any]]

_FIRST, _SECOND, _SOFT, _BAD, _BAND = "--series-1", "--series-2", "--soft", "--bad", "--band"


def usual(metrics: Sequence[str]) -> str:
    """The metric that is drawn where nobody has chosen one; empty without any."""
    return next((each for each in ("auc", "accuracy", "f1", "mae") if each in metrics), metrics[0] if metrics else "")


def performance(points: Points, metric: str) -> Figure | None:
    """A metric on labels with its interval, as estimated, and the baseline; None where nothing tells it."""
    ends = [each["end"] for each in points]
    real = [each["performance"].get(metric) for each in points]
    guessed = [each["estimated"].get(metric) for each in points]
    if not any(each is not None for each in (*real, *guessed)):
        return None
    spans = [each["intervals"].get(metric) or (None, None) for each in points]
    data = [
        *_band(ends, [low for low, _ in spans], [high for _, high in spans], "95% interval"),
        _line("on labels", ends, real, _FIRST, mode="lines+markers"),
        _line("estimated", ends, guessed, _SECOND, dash="dot"),
        _line("baseline", ends, [each["baseline"].get(metric) for each in points], _SOFT, dash="dash"),
    ]
    return _figure(data, metric)


def drift(points: Points, threshold: float | None) -> Figure | None:
    """The data drift score and the prediction drift of windows, beside what an alert takes."""
    if not points:
        return None
    ends = [each["end"] for each in points]
    data = [
        _line("data drift score", ends, [each["drift_score"] for each in points], _FIRST, mode="lines+markers"),
        _line("prediction drift", ends, [each["prediction_drift"] for each in points], _SECOND, dash="dot"),
    ]
    if threshold is not None:
        data.append(_line(f"alert above {threshold:g}", ends, [threshold for _ in ends], _BAD, dash="dash"))
    return _figure(data, "effect, 0 to 1", yaxis={"rangemode": "tozero"})


def traffic(points: Points) -> Figure | None:
    """Answers of windows, and errors."""
    if not points:
        return None
    ends = [each["end"] for each in points]
    data = [
        {"type": "bar", "name": "answers", "x": ends, "y": [each["requests"] for each in points],
         "marker": {"color": _FIRST}},
        {"type": "bar", "name": "errors", "x": ends, "y": [each["errors"] for each in points],
         "marker": {"color": _BAD}},
    ]  # fmt: skip
    return _figure(data, "a window", barmode="stack")


def scores(predictions: Mapping[str, Any] | None) -> Figure | None:
    """How scores were distributed, window by window: the darker, the more answers in that bin."""
    if not predictions:
        return None
    columns = [[row[at] for row in predictions["shares"]] for at in range(len(predictions["bins"]))]
    data = [
        {
            "type": "heatmap",
            "x": predictions["windows"],
            "y": predictions["bins"],
            "z": columns,
            "colorscale": [[0, "--panel"], [1, _FIRST]],
            "hovertemplate": "%{x|%Y-%m-%d}<br>%{y}: %{z:.1%}<extra></extra>",
            "colorbar": {"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
        }
    ]
    return _figure(data, "score", yaxis={"type": "category", "automargin": True})


def beside(bins: Sequence[Mapping[str, Any]]) -> Figure:
    """The shares of bins or levels, of the reference and of now."""
    names = [each["bin"] for each in bins]
    data = [
        {"type": "bar", "name": name, "x": names, "y": [each[name] for each in bins], "marker": {"color": colour},
         "hovertemplate": "%{x}: %{y:.1%}<extra>" + name + "</extra>"}
        for name, colour in (("reference", _SOFT), ("current", _FIRST))
    ]  # fmt: skip
    axes: dict[str, Any] = {"yaxis": {"tickformat": ".0%"}, "xaxis": {"type": "category", "tickangle": -40}}
    return _figure(data, "share of the rows", barmode="group", **axes)


def weights(steps: Points, until: str) -> Figure | None:
    """Who had which share of the traffic, as steps in time up to an instant; a shadow's copies stand above it."""
    if not steps:
        return None
    times = [*(each["at"] for each in steps), max(until, steps[-1]["at"])]
    every = [*steps, steps[-1]]
    roles = {name: role for each in steps for name, role in each["roles"].items() if name != "previous"}
    data = []
    for place, (name, role) in enumerate(sorted(roles.items(), key=lambda each: each[1] == "shadow")):
        colour = {"live": _FIRST, "canary": _SECOND}.get(role, f"--series-{3 + place % 3}")
        told = [f"v{each['versions'][name]}" if name in each["versions"] else "away" for each in every]
        line: Figure = _line(name, times, [each["weights"].get(name, 0.0) for each in every], colour)
        line["line"] |= {"shape": "hv", "dash": "dot" if role == "shadow" else "solid"}
        line |= {"text": told, "hovertemplate": "%{x}<br>%{text} %{y:.0%}<extra>" + name + "</extra>"}
        data.append(line if role == "shadow" else line | {"stackgroup": "traffic"})
    return _figure(data, "share of the traffic", yaxis={"tickformat": ".0%", "range": [0, 1.06]})


def evidence(trail: Points, bounds: Mapping[str, float] | None) -> Figure | None:
    """E-values against the candidate's answers, with the bounds at which it goes back or may take over."""
    if len(trail) < 2 or bounds is None:
        return None
    since = trail[-1]["since"]
    points = [each for each in trail if each["since"] == since]
    x = [each["canary_requests"] for each in points]
    ends = [x[0], x[-1]] if x[-1] > x[0] else [0, max(1, x[-1])]
    data = [
        _line("for taking over", x, [each["promotion"] for each in points], _FIRST, mode="lines+markers"),
        _line(f"may take over at {bounds['promotion']:g}", ends, [bounds["promotion"]] * 2, _FIRST, dash="dash"),
        _line("for going back", x, [each["rollback"] for each in points], _BAD, mode="lines+markers"),
        _line(f"goes back at {bounds['rollback']:g}", ends, [bounds["rollback"]] * 2, _BAD, dash="dash"),
    ]
    seen = [-1.3, math.log10(30 * bounds["rollback"])]  # of powers of ten: what lies beyond has decided long since
    axes = {"yaxis": {"type": "log", "dtick": 1, "tickformat": "~g", "range": seen}}
    return _figure(data, "e-value", **axes) | {"x_title": "the candidate's answers"}


def metric_bars(rows: Points, metric: str) -> Figure | None:
    """One metric of versions beside one another."""
    known = [each for each in rows if metric in each["metrics"]]
    if len(known) < 2:
        return None
    data = [{"type": "bar", "x": [each["label"] for each in known], "y": [each["metrics"][metric] for each in known],
             "marker": {"color": _FIRST}, "name": metric}]  # fmt: skip
    return _figure(data, metric, xaxis={"type": "category"}, bargap=0.6)


def deltas(histogram: Sequence[Sequence[float]] | None) -> Figure | None:
    """How many pairs of answers are how far apart."""
    if histogram is None:
        return None
    edges, counts = histogram
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    bars = {"type": "bar", "name": "pairs", "x": middles, "y": list(counts), "marker": {"color": _FIRST},
            "width": [high - low for low, high in pairwise(edges)]}  # fmt: skip
    return _figure([bars], "pairs", bargap=0.02) | {"x_title": "shadow minus live"}


def courses(lines: Mapping[str, Sequence[Sequence[float]]], metric: str) -> Figure:
    """How a metric went by step, a line for each of those who logged it."""
    data = [
        _line(name, [x for x, _ in course], [y for _, y in course], f"--series-{1 + place % 5}",
              mode="lines+markers" if len(course) < 30 else "lines")
        for place, (name, course) in enumerate(lines.items())
    ]  # fmt: skip
    return _figure(data, metric) | {"x_title": "step"}


def _line(
    name: str, x: Sequence[Any], y: Sequence[Any], colour: str, *, mode: str = "lines", dash: str = "solid"
) -> Figure:
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 2, "dash": dash},
        "marker": {"size": 5},
    }


def _band(x: Sequence[Any], low: Sequence[Any], high: Sequence[Any], name: str) -> list[Figure]:
    known = [(at, first, last) for at, first, last in zip(x, low, high, strict=True) if first is not None]
    if len(known) < 2:
        return []
    ends = [at for at, _, _ in known]
    upper = _line(name, ends, [last for _, _, last in known], _BAND)
    lower = _line(name, ends, [first for _, first, _ in known], _BAND)
    flat = {"line": {"width": 0, "color": _BAND}, "hoverinfo": "skip", "showlegend": False}
    return [upper | flat, lower | flat | {"fill": "tonexty", "fillcolor": _BAND}]


def _figure(data: Sequence[Figure], title: str, **layout: Any) -> Figure:
    return {"data": list(data), "layout": layout, "y_title": title}
