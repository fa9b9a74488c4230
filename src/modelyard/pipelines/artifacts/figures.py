"""Figures of matplotlib and plotly as files that open anywhere, offline, with the same bytes each time."""

from io import BytesIO
from typing import Any


def rendered(value: Any) -> tuple[str, bytes] | None:
    """A figure's file name and bytes; None for what is no figure. Neither library is imported."""
    for kind in type(value).__mro__:
        if kind.__module__ == "matplotlib.figure" and kind.__name__ == "Figure":
            return "figure.png", _png(value)
        if kind.__module__ == "plotly.basedatatypes" and kind.__name__ == "BaseFigure":
            page = value.to_html(include_plotlyjs=True, div_id="figure")
            return "figure.html", page.encode()
    return None


def _png(figure: Any) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
