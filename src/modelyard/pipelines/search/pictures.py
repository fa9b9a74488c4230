"""The study in pictures, as one page that opens offline: Plotly's JavaScript comes from the installed wheel."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from modelyard.drawing import render

from .result import SearchResult, TrialRecord

_COLOURS = {"complete": "#3f88c5", "pruned": "#b8bec6", "failed": "#c8553d", "best": "#0b6e4f"}
_MOST_PARAMETERS = 24
"""Parameters drawn, the most important ones first."""

_COLUMNS = 3
_PLAIN = {"displayModeBar": False}


def page(result: SearchResult) -> str:
    """The page of a search: how it went, what mattered, where good values lie, how trials went on."""
    pictures = [
        figure.to_html(full_html=False, include_plotlyjs=index == 0, div_id=f"figure-{index}", config=_PLAIN)
        for index, figure in enumerate(_figures(result))
    ]
    return render("modelyard.pipelines.search", "search.html.j2", {"result": result, "pictures": pictures})


def _figures(result: SearchResult) -> Iterator[go.Figure]:
    yield _history(result)
    names = _names(result)
    if names:
        yield _slices(result, names)
    if result.importance:
        yield _importance(result)
    if any(len(each.reported) > 1 for each in result.trials):
        yield _curves(result)


def _names(result: SearchResult) -> list[str]:
    """The parameters, the most important ones first."""
    found = dict.fromkeys(name for each in result.trials for name in each.params)
    return sorted(found, key=lambda name: -result.importance.get(name, 0.0))[:_MOST_PARAMETERS]


def _history(result: SearchResult) -> go.Figure:
    figure = go.Figure()
    for state in ("complete", "pruned"):
        _scatter(figure, [each for each in result.trials if each.state == state and each.value is not None], state)
    complete = [each for each in result.trials if each.state == "complete" and each.value is not None]
    better = max if result.direction == "maximize" else min
    best = list(accumulate((each.value for each in complete if each.value is not None), better))
    line = {"color": _COLOURS["best"], "shape": "hv", "width": 3}
    figure.add_scatter(x=[each.number for each in complete], y=best, name="best so far", mode="lines", line=line)
    failed = [each.number for each in result.trials if each.state == "failed"]
    floor = min((each.value for each in complete if each.value is not None), default=0.0)
    cross = {"symbol": "x", "color": _COLOURS["failed"], "size": 9}
    if failed:
        figure.add_scatter(x=failed, y=[floor] * len(failed), name="failed", mode="markers", marker=cross)
    return _styled(figure, "Value of each trial").update_xaxes(title="trial")


def _scatter(figure: go.Figure, trials: list[TrialRecord], state: str) -> None:
    if trials:
        texts = [", ".join(f"{name}={_short(value)}" for name, value in each.params.items()) for each in trials]
        marker = {"color": _COLOURS[state], "size": 9}
        x, y = [each.number for each in trials], [each.value for each in trials]
        figure.add_scatter(x=x, y=y, name=state, mode="markers", marker=marker, text=texts)


def _slices(result: SearchResult, names: list[str]) -> go.Figure:
    """Value against each parameter; darker trials came later."""
    rows = -(-len(names) // _COLUMNS)
    figure = make_subplots(rows=rows, cols=_COLUMNS, subplot_titles=names, vertical_spacing=min(0.3, 0.45 / rows))
    for at, name in enumerate(names):
        trials = [each for each in result.trials if name in each.params and each.state == "complete"]
        figure.add_scatter(
            x=[_axis(each.params[name]) for each in trials],
            y=[each.value for each in trials],
            mode="markers",
            marker={
                "color": [each.number for each in trials],
                "colorscale": "Blues",
                "cmin": -len(result.trials) / 2,
                "line": {"width": 1, "color": _COLOURS["complete"]},
            },
            showlegend=False,
            row=at // _COLUMNS + 1,
            col=at % _COLUMNS + 1,
        )
    return _styled(figure, "Where good values lie (darker: later trials)", height=120 + 240 * rows)


def _importance(result: SearchResult) -> go.Figure:
    found = sorted(result.importance.items(), key=lambda each: each[1])
    figure = go.Figure(
        go.Bar(
            x=[share for _, share in found],
            y=[name for name, _ in found],
            orientation="h",
            marker={"color": _COLOURS["complete"]},
        )
    )
    title = "What mattered: share of the value's variance that each parameter explains (fANOVA)"
    return _styled(figure, title, height=140 + 28 * len(found))


def _curves(result: SearchResult) -> go.Figure:
    figure = go.Figure()
    for each in result.trials:
        colour = _COLOURS["best"] if each is result.best else _COLOURS[each.state]
        width = 3 if each is result.best else 1
        steps, values = list(each.reported), list(each.reported.values())
        line = {"color": colour, "width": width}
        figure.add_scatter(x=steps, y=values, name=f"trial {each.number}", mode="lines", line=line, showlegend=False)
    return _styled(figure, "Reported values (grey: ended early; green: the best)").update_xaxes(title="step")


def _axis(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _styled(figure: go.Figure, title: str, height: int = 380) -> go.Figure:
    return figure.update_layout(
        title=title, height=height, template="plotly_white", margin={"l": 60, "r": 20, "t": 60, "b": 50}
    )
