"""Small pictures as inline SVG. All text that comes from data is escaped."""

from collections.abc import Callable

from markupsafe import Markup

from .records import Histogram

WIDTH, HEIGHT, FOOT = 360, 120, 18
"""Of a histogram, in the picture's own units; `FOOT` is left for the labels."""


def histogram_picture(histogram: Histogram, alt: str, label: Callable[[float], str]) -> Markup:
    """Bars of one width, the axis' ends labelled; what lies beyond the picture stands as a paler bar at its side."""
    bars = [histogram.below, *histogram.counts, histogram.above]
    tallest, step = max(bars), WIDTH / len(bars)
    drawn = Markup("").join(
        _bar(at * step, step, count / tallest, _said(histogram, at, count, label), beyond=at in (0, len(bars) - 1))
        for at, count in enumerate(bars)
        if count
    )
    inside = 0.5 if _whole(histogram) else 0.0
    ends = [(step, "start", histogram.edges[0] + inside), (WIDTH - step, "end", histogram.edges[-1] - inside)]
    labels = Markup("").join(
        Markup('<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(x, HEIGHT - 4, anchor, label(value))
        for x, anchor, value in ends
    )
    line = Markup('<line x1="0" x2="{}" y1="{}" y2="{}"/>').format(WIDTH, HEIGHT - FOOT, HEIGHT - FOOT)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        WIDTH, HEIGHT, alt, drawn, line, labels
    )


def _bar(x: float, width: float, share: float, title: str, *, beyond: bool) -> Markup:
    height = max(1.5, share * (HEIGHT - FOOT - 6))
    return Markup(
        '<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" rx="1"><title>{}</title></rect>'
    ).format("beyond" if beyond else "bar", x + 0.6, HEIGHT - FOOT - height, width - 1.2, height, title)


def _said(histogram: Histogram, at: int, count: int, label: Callable[[float], str]) -> str:
    if at == 0:
        return f"{count:,} below {label(histogram.edges[0])}"
    if at == len(histogram.counts) + 1:
        return f"{count:,} above {label(histogram.edges[-1])}"
    if _whole(histogram):
        return f"{count:,} of {label(histogram.edges[at] - 0.5)}"
    return f"{count:,} from {label(histogram.edges[at - 1])} to {label(histogram.edges[at])}"


def _whole(histogram: Histogram) -> bool:
    """Whether each bin stands around one whole number."""
    first, second = histogram.edges[:2]
    return second - first == 1 and first % 1 == 0.5
