"""`report.html`: promises, questions and both answers to each, readable offline."""

from pathlib import Path

import plotly.graph_objects as go

from modelyard.drawing import render

from ..report import styled
from .records import Half, ManualSummary, Share

_NAMES = {
    "abstained": "abstains from what no page answers",
    "right": "right, of what a page answers",
    "cited": "cites a page that answers it",
    "refused": "abstains from what a page answers",
}
_COLOURS = {"bare": "#9b9b9b", "grounded": "#0b6e4f"}


def write_manual_report(summary: ManualSummary, target: Path) -> Path:
    """Write the report as one file; Plotly's JavaScript is inside it, taken from the installed wheel."""
    figure = go.Figure()
    for name, half in (("bare", summary.bare), ("grounded", summary.grounded)):
        _add(figure, "the bare model" if name == "bare" else "on our pages", half, _COLOURS[name])
    figure.update_yaxes(range=[0, 1.02])
    title = "Shares of the reported questions, with intervals of 95%"
    picture = styled(figure, title).to_html(full_html=False, include_plotlyjs=True, config={"displayModeBar": False})
    page = render("modelyard.demo", "manual.html.j2", {"summary": summary, "picture": picture})
    target.write_text(page, encoding="utf-8")
    return target


def _add(figure: go.Figure, name: str, half: Half, colour: str) -> None:
    shares: list[Share] = [getattr(half, each) for each in _NAMES]
    figure.add_bar(
        x=list(_NAMES.values()),
        y=[each.value for each in shares],
        name=name,
        marker={"color": colour},
        error_y={
            "array": [(each.upper or each.value) - each.value for each in shares],
            "arrayminus": [each.value - (each.lower or 0.0) for each in shares],
        },
    )
