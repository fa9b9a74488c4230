"""`report.html`: the year in pictures, readable offline."""

from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from modelyard.drawing import render
from modelyard.monitoring import Window

from .records import Summary

_COLOURS = {"loop": "#0b6e4f", "static": "#9b9b9b", "bad": "#c8553d", "good": "#3f88c5"}


def write_report(summary: Summary, windows: list[Window], target: Path) -> Path:
    """Write the report as one file; Plotly's JavaScript is inside it, taken from the installed wheel."""
    figures = [_performance(summary), _drift(windows), _traffic(windows)]
    pictures = [
        figure.to_html(full_html=False, include_plotlyjs=index == 0, config={"displayModeBar": False})
        for index, figure in enumerate(figures)
    ]
    page = render("modelyard.demo", "report.html.j2", {"summary": summary, "pictures": pictures})
    target.write_text(page, encoding="utf-8")
    return target


def _performance(summary: Summary) -> go.Figure:
    months = list(summary.months)
    figure = go.Figure()
    for name, key in (("never retrained", "auc_static"), ("the loop", "auc_loop")):
        values = [getattr(month, key) for month in summary.months.values()]
        colour = _COLOURS["static" if key == "auc_static" else "loop"]
        figure.add_scatter(x=months, y=values, name=name, mode="lines+markers", line={"color": colour, "width": 3})
    for event in summary.events:
        if event.kind in ("promoted", "rolled_back"):
            colour = _COLOURS["good" if event.kind == "promoted" else "bad"]
            figure.add_vline(x=event.at[:10], line={"color": colour, "dash": "dot"})
    return styled(figure, "AUC of logged answers by month (dotted: promotions and roll-backs)")


def _drift(windows: list[Window]) -> go.Figure:
    names = [each.name for each in windows[-1].features] if windows else []
    effects = [[_effect(window, name) for window in windows] for name in names]
    starts = [window.start[:10] for window in windows]
    figure = go.Figure(go.Heatmap(x=starts, y=names, z=effects, zmin=0, zmax=1, colorscale="YlOrRd"))
    return styled(figure, "Data drift by week: effect of each feature against the live version's reference", height=560)


def _effect(window: Window, name: str) -> float | None:
    return next((each.effect for each in window.features if each.name == name), None)


def _traffic(windows: list[Window]) -> go.Figure:
    starts = [window.start[:10] for window in windows]
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    figure.add_bar(x=starts, y=[each.requests for each in windows], name="requests", marker={"color": "#d0d7de"})
    shares = [100 * each.errors / max(1, each.requests) for each in windows]
    figure.add_scatter(
        x=starts,
        y=shares,
        name="% of requests an arm could not answer",
        line={"color": _COLOURS["bad"]},
        secondary_y=True,
    )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, "Requests a week, and the share that some arm failed (live answered in its place)")


def styled(figure: go.Figure, title: str, *, height: int = 380) -> go.Figure:
    """A figure as all of the reports show theirs."""
    figure.update_layout(
        title=title, height=height, template="plotly_white", legend={"orientation": "h", "y": -0.2}, margin={"t": 60}
    )
    return figure
