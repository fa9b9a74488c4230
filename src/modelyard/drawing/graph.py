"""A graph as an SVG picture that stands alone: no script, no font, no address is fetched; light and dark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

from .layers import BOX_HEIGHT, Box, Edge, lay_out
from .picture import plain

_MARGIN = 28.0
_TITLE = 44.0
_LETTER = 7.9  # about the width of one at 13 px
_LONGEST = 30
_LEGEND = 9
_KIND = 14
_ALONG = 0.36  # of an edge, where its label stands

Tone = Literal["good", "busy", "bad", ""]
"""How a state looks."""


@dataclass(frozen=True)
class Sign:
    """A letter in a disc of a colour: what kind of thing a box is."""

    letter: str
    colour: str


@dataclass(frozen=True)
class Node:
    """A box: `id` is what edges name, `kind` stands below `name`, `state` beside it, and `told` when pointed at.

    `outside`: of something else, and so with a dashed border, and not in the legend.
    """

    id: str
    name: str
    kind: str
    sign: Sign
    state: str = ""
    tone: Tone = ""
    outside: bool = False
    told: str = ""


_STYLE = """
.graph{--page:#fff;--box:#fff;--line:#c9cfda;--ink:#1b2230;--soft:#5d6778;--edge:#77829a}
.graph{--good:#1a7f37;--bad:#c62828;--busy:#2f6fde}
@media(prefers-color-scheme:dark){
.graph{--page:#12161e;--box:#1c222d;--line:#3a4354;--ink:#e8ebf1;--soft:#9aa5b8;--edge:#8793aa}
.graph{--good:#4ac26b;--bad:#ff7b72;--busy:#79a8ff}}
.graph text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.graph .title{font-size:17px;font-weight:600}.graph .name{font-weight:600}
.graph .kind,.graph .label,.graph .legend{font-size:11px;fill:var(--soft)}
.graph .box{fill:var(--box);stroke:var(--line);stroke-width:1.2}.graph .outside{stroke-dasharray:4 4}
.graph .badge{font-size:12px;font-weight:700;fill:#fff}.graph .small{font-size:9px}
.graph .edge{fill:none;stroke:var(--edge);stroke-width:1.5}.graph .waits{stroke-dasharray:5 5}
.graph .tip{fill:var(--edge)}.graph .plate{fill:var(--page);opacity:.92}
.graph .good{stroke:var(--good)}.graph .bad{stroke:var(--bad)}.graph .busy{stroke:var(--busy)}
.graph rect.good,.graph rect.bad,.graph rect.busy{stroke-width:2.2}
.graph tspan.good,.graph tspan.bad,.graph tspan.busy{stroke:none}
.graph tspan.good{fill:var(--good)}.graph tspan.bad{fill:var(--bad)}.graph tspan.busy{fill:var(--busy)}
"""

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 0L10 5L0 10z"/></marker></defs>'
)


def draw_graph(title: str, nodes: Sequence[Node], edges: tuple[Edge, ...], *, called: str = "") -> str:
    """The picture, from the top downwards. `called`: what is read aloud in place of it; by default the title."""
    chart = lay_out(edges, {each.id: _width(each) for each in nodes})
    legend = list({each.kind: each.sign for each in nodes if not each.outside}.items())[:_LEGEND]
    width = max(chart.width, len(title[:60]) * 10, sum(_sign_width(kind) for kind, _ in legend)) + 2 * _MARGIN
    height = chart.height + 2 * _MARGIN + _TITLE + 40
    shift = _MARGIN + (width - 2 * _MARGIN - chart.width) / 2
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    spoken = f'role="img" aria-label="{_text(called or title)}"'
    names = {each.id: each.name for each in nodes}
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" {size} {spoken}>',
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect width="{width:.0f}" height="{height:.0f}" style="fill:var(--page)"/>',
        f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 12}">{_text(_short(title, 60))}</text>',
        f'<g transform="translate({shift:.1f} {_MARGIN + _TITLE - 8})">',
        *(_edge(edge, path, names) for edge, path in chart.edges),
        *(_box(each, chart.boxes[each.id]) for each in nodes),
        *(_label(edge, path) for edge, path in chart.edges if edge.label),
        "</g>",
        *_signs(legend, height),
        "</svg>",
    ]) + "\n"  # fmt: skip


def _width(node: Node) -> float:
    return max(len(_short(node.name)) * _LETTER * 1.08, (len(_short(node.kind)) + 10) * 6.2) + 62


def _box(node: Node, box: Box) -> str:
    x, y = box.x - box.width / 2, box.y - BOX_HEIGHT / 2
    state = (
        f'<tspan> · </tspan><tspan class="{node.tone}">{_text(_short(node.state, 12))}</tspan>' if node.state else ""
    )
    told = node.told or f"{node.name} ({node.kind})" + (f": {node.state}" if node.state else "")
    return (
        f"<g><title>{_text(told)}</title>"
        f'<rect class="box {node.tone}{" outside" if node.outside else ""}" x="{x:.1f}" y="{y:.1f}" '
        f'width="{box.width:.1f}" height="{BOX_HEIGHT:.0f}" rx="10"/>'
        f'<circle cx="{x + 25:.1f}" cy="{box.y:.1f}" r="13" fill="{node.sign.colour}"/>'
        f'<text class="badge" x="{x + 25:.1f}" y="{box.y + 4.3:.1f}" text-anchor="middle">{node.sign.letter}</text>'
        f'<text class="name" x="{x + 47:.1f}" y="{box.y - 3:.1f}">{_text(_short(node.name))}</text>'
        f'<text class="kind" x="{x + 47:.1f}" y="{box.y + 14:.1f}">{_text(_short(node.kind))}{state}</text></g>'
    )


def _edge(edge: Edge, path: tuple[tuple[float, float], ...], names: dict[str, str]) -> str:
    start, rest = path[0], []
    for (x1, y1), (x2, y2) in pairwise(path):
        middle = (y1 + y2) / 2
        rest.append(f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}")
    dashed = " waits" if edge.waits else ""
    ends = f"{names[edge.source]} → {names[edge.target]}"
    title = ends + (f": {edge.label}" if edge.label else " waits" if edge.waits else "")
    curve = f'd="M{start[0]:.1f} {start[1]:.1f}{"".join(rest)}" marker-end="url(#tip)"'
    return f'<path class="edge{dashed}" {curve}><title>{_text(title)}</title></path>'


def _label(edge: Edge, path: tuple[tuple[float, float], ...]) -> str:
    """What an edge says, on its last stretch, and nearer to its source: there fewer edges come together."""
    (x1, y1), (x2, y2) = path[-2:]
    x, y, text = x1 + _ALONG**2 * (3 - 2 * _ALONG) * (x2 - x1), y1 + _ALONG * (y2 - y1), _short(edge.label, 43)
    width = len(text) * 6.3 + 8
    plate = f'<rect class="plate" x="{x - width / 2:.1f}" y="{y - 9:.1f}" width="{width:.1f}" height="17" rx="4"/>'
    return f'{plate}<text class="label" x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle">{_text(text)}</text>'


def _signs(legend: list[tuple[str, Sign]], height: float) -> Iterator[str]:
    x, y = _MARGIN + 8, height - _MARGIN + 2
    for kind, sign in legend:
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="{sign.colour}"/>'
            f'<text class="badge small" x="{x:.1f}" y="{y + 3:.1f}" text-anchor="middle">{sign.letter}</text>'
            f'<text class="legend" x="{x + 13:.1f}" y="{y + 4:.1f}">{_text(_short(kind, _KIND))}</text>'
        )
        x += _sign_width(kind)


def _sign_width(kind: str) -> float:
    return 34 + 6.2 * min(len(kind), _KIND)


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _text(text: str) -> str:
    """Escaped, and without the control characters that XML cannot hold."""
    return escape(plain(text))
