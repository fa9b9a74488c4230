"""What every chart shares: the frame, the colours, the text."""

from collections.abc import Iterable, Sequence
from math import isfinite

from markupsafe import Markup

COLOURS = ("#3b78c2", "#d1622b", "#2f9e6e", "#a555b5", "#b08a1e", "#3aa6b9", "#c7436b", "#7c8595")
"""Of series, in their order; then they begin again. Each is told from the page, light or dark, by 3 to 1."""

_STYLE = """
.chart{--page:#fff;--ink:#1b2230;--soft:#5d6778;--edge:#dfe4ec}
@media(prefers-color-scheme:dark){.chart{--page:#12161e;--ink:#e8ebf1;--soft:#9aa5b8;--edge:#313a49}}
.chart .page{fill:var(--page)}.chart line,.chart .axis{stroke:var(--edge);fill:none}
.chart text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--soft)}
.chart .title{font-size:14px;font-weight:600;fill:var(--ink)}.chart .said{fill:var(--ink)}
.chart .deep{fill:#fff}.chart .series{fill:none;stroke-width:2;stroke-linejoin:round}
.chart .dashed{stroke-dasharray:5 5;stroke-width:1.3}
"""


def picture(title: str, width: float, height: float, marks: Iterable[Markup]) -> str:
    """A whole SVG of some marks, with its title above them."""
    size = Markup('viewBox="0 0 {:.0f} {:.0f}" width="{:.0f}" height="{:.0f}"').format(width, height, width, height)
    opening = Markup('<svg xmlns="http://www.w3.org/2000/svg" class="chart" {} role="img" aria-label="{}">')
    heading = Markup('<text class="title" x="16" y="24">{}</text>').format(short(title, int(width / 8)))
    page = Markup('<rect class="page" width="{:.0f}" height="{:.0f}"/>').format(width, height)
    style = Markup("<style>{}</style>").format(Markup(_STYLE))  # noqa: S704 - our own text
    inside = Markup("\n").join([style, page, heading, *marks])
    return f"{opening.format(size, plain(title))}\n{inside}\n</svg>\n"


def stacked(charts: Sequence[str], columns: int = 2) -> str:
    """Several charts in one SVG, beside and below each other; a row is as high as its highest."""
    sizes = [_size(each) for each in charts]
    wide = max((width for width, _ in sizes), default=0)
    rows = [range(first, min(first + columns, len(charts))) for first in range(0, len(charts), columns)]
    placed, down = "", 0.0
    for row in rows:
        for at in row:
            placed += charts[at].replace("<svg ", f'<svg x="{(at - row[0]) * wide:.0f}" y="{down:.0f}" ', 1)
        down += max(sizes[at][1] for at in row)
    width = wide * min(columns, len(charts))
    size = f'viewBox="0 0 {width:.0f} {down:.0f}" width="{width:.0f}" height="{down:.0f}"'
    page = f'<style>{_STYLE}</style><rect class="page" width="{width:.0f}" height="{down:.0f}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {size}>\n{page}\n{placed}</svg>\n'


def colour_of(place: int) -> str:
    """The colour of a series."""
    return COLOURS[place % len(COLOURS)]


def plain(text: str) -> str:
    """Without the control characters that XML cannot hold; escaping is the markup's."""
    return "".join(each if each.isprintable() else "�" for each in text)


def short(text: str, longest: int) -> str:
    """`plain`, and no longer than that."""
    told = plain(text)
    return told if len(told) <= longest else told[: longest - 1] + "…"


def figure(value: float) -> str:
    """A number as an axis says it."""
    if not isfinite(value):
        return "-"
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e7 else f"{value:.4g}"


def _size(chart: str) -> tuple[float, float]:
    _, _, width, height = chart.partition('viewBox="')[2].partition('"')[0].split()
    return float(width), float(height)
