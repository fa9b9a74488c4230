"""A pipeline as an SVG picture that stands alone: no script, no font, no address is fetched; light and dark."""

from collections.abc import Iterator, Mapping
from html import escape
from itertools import pairwise

from .chart import BOX_HEIGHT, Chart, Edge, edges_of, lay_out
from .description import Description

_MARGIN = 28.0
_TITLE = 44.0
_LETTER = 7.4  # about the width of one at 13 px
_LONGEST = 30

_KINDS: Mapping[str, tuple[str, str]] = {
    "data": ("D", "#2f6fde"),
    "validate": ("V", "#0f8b8d"),
    "transform": ("F", "#7a5cd6"),
    "train": ("T", "#c2410c"),
    "evaluate": ("E", "#a16207"),
    "gate": ("G", "#be185d"),
    "register": ("R", "#15803d"),
    "deploy": ("P", "#166534"),
}
_OTHER = ("?", "#6b7280")
_OUTSIDE = ("↑", "#6b7280")
_STATES: Mapping[str, str] = {
    "done": "good",
    "cached": "good",
    "pass": "good",
    "running": "busy",
    "failed": "bad",
    "fail": "bad",
    "stopped": "bad",
}
_STYLE = """
svg{--page:#fff;--box:#fff;--line:#c9cfda;--ink:#1b2230;--soft:#5d6778;--edge:#77829a}
svg{--good:#1a7f37;--bad:#c62828;--busy:#2f6fde}
@media(prefers-color-scheme:dark){
svg{--page:#12161e;--box:#1c222d;--line:#3a4354;--ink:#e8ebf1;--soft:#9aa5b8;--edge:#8793aa}
svg{--good:#4ac26b;--bad:#ff7b72;--busy:#79a8ff}}
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.title{font-size:17px;font-weight:600}.kind,.label,.legend{font-size:11px;fill:var(--soft)}.name{font-weight:600}
.box{fill:var(--box);stroke:var(--line);stroke-width:1.2}.outside{stroke-dasharray:4 4}
.badge{font-size:12px;font-weight:700;fill:#fff}.small{font-size:9px}
.edge{fill:none;stroke:var(--edge);stroke-width:1.5}.waits{stroke-dasharray:5 5}
.tip{fill:var(--edge)}.plate{fill:var(--page);opacity:.92}
.good{stroke:var(--good)}.bad{stroke:var(--bad)}.busy{stroke:var(--busy)}rect.good,rect.bad,rect.busy{stroke-width:2.2}
tspan.good,tspan.bad,tspan.busy{stroke:none}
tspan.good{fill:var(--good)}tspan.bad{fill:var(--bad)}tspan.busy{fill:var(--busy)}
"""

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 0L10 5L0 10z"/></marker></defs>'
)


def draw_svg(description: Description, states: Mapping[str, str] | None = None) -> str:
    """The picture. `states`: what became of stages in a run (`done`, `cached`, `running`, `failed`, `skipped`, …)."""
    widths = {each.name: _width(each.name, each.kind) for each in description.stages}
    widths |= {each: _width(each, "earlier run") for each in description.outside}
    chart = lay_out(edges_of(description), widths)
    kinds = {each.name: each.kind for each in description.stages}
    legend = list(dict.fromkeys(each.kind for each in description.stages))
    width = max(chart.width, len(description.name[:60]) * 10, 84.0 * min(len(legend), 8)) + 2 * _MARGIN
    height = chart.height + 2 * _MARGIN + _TITLE + 40
    shift = _MARGIN + (width - 2 * _MARGIN - chart.width) / 2
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    called = _text(f"Pipeline {description.name}")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{called}">',
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect width="{width:.0f}" height="{height:.0f}" style="fill:var(--page)"/>',
        f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 12}">{_text(_short(description.name, 60))}</text>',
        f'<g transform="translate({shift:.1f} {_MARGIN + _TITLE - 8})">',
        *(_edge(edge, path) for edge, path in chart.edges),
        *_boxes(chart, kinds, states or {}),
        *(_label(edge, path) for edge, path in chart.edges if edge.label),
        "</g>",
        *_legend(legend, height),
        "</svg>",
    ]) + "\n"  # fmt: skip


def _width(name: str, kind: str) -> float:
    return max(len(_short(name)) * _LETTER * 1.08, (len(kind) + 10) * 6.2) + 62


def _boxes(chart: Chart, kinds: Mapping[str, str], states: Mapping[str, str]) -> Iterator[str]:
    for name, box in chart.boxes.items():
        inside = name in kinds
        letter, colour = _KINDS.get(kinds[name], _OTHER) if inside else _OUTSIDE
        state = states.get(name, "")
        tone = _STATES.get(state, "")
        x, y = box.x - box.width / 2, box.y - BOX_HEIGHT / 2
        below = kinds[name] if inside else "earlier run"
        told = f'<tspan> · </tspan><tspan class="{tone}">{_text(_short(state, 12))}</tspan>' if state else ""
        yield (
            f"<g><title>{_text(f'{name} ({below})' + (f': {state}' if state else ''))}</title>"
            f'<rect class="box {tone}{"" if inside else " outside"}" x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" '
            f'height="{BOX_HEIGHT:.0f}" rx="10"/>'
            f'<circle cx="{x + 25:.1f}" cy="{box.y:.1f}" r="13" fill="{colour}"/>'
            f'<text class="badge" x="{x + 25:.1f}" y="{box.y + 4.3:.1f}" text-anchor="middle">{letter}</text>'
            f'<text class="name" x="{x + 47:.1f}" y="{box.y - 3:.1f}">{_text(_short(name))}</text>'
            f'<text class="kind" x="{x + 47:.1f}" y="{box.y + 14:.1f}">{_text(_short(below))}{told}</text></g>'
        )


def _edge(edge: Edge, path: tuple[tuple[float, float], ...]) -> str:
    start, rest = path[0], []
    for (x1, y1), (x2, y2) in pairwise(path):
        middle = (y1 + y2) / 2
        rest.append(f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}")
    dashed = " waits" if edge.waits else ""
    title = f"{edge.source} → {edge.target}" + (f" if {edge.label}" if edge.label else " waits" if edge.waits else "")
    curve = f'd="M{start[0]:.1f} {start[1]:.1f}{"".join(rest)}" marker-end="url(#tip)"'
    return f'<path class="edge{dashed}" {curve}><title>{_text(title)}</title></path>'


def _label(edge: Edge, path: tuple[tuple[float, float], ...]) -> str:
    """The condition, on the last stretch of its edge."""
    (x1, y1), (x2, y2) = path[-2:]
    x, y, text = (x1 + x2) / 2, (y1 + y2) / 2, f"if {_short(edge.label, 40)}"
    width = len(text) * 6.3 + 8
    plate = f'<rect class="plate" x="{x - width / 2:.1f}" y="{y - 9:.1f}" width="{width:.1f}" height="17" rx="4"/>'
    return f'{plate}<text class="label" x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle">{_text(text)}</text>'


def _legend(kinds: list[str], height: float) -> Iterator[str]:
    for place, kind in enumerate(kinds[:8]):
        letter, colour = _KINDS.get(kind, _OTHER)
        x, y = _MARGIN + 8 + 84 * place, height - _MARGIN + 2
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="{colour}"/>'
            f'<text class="badge small" x="{x:.1f}" y="{y + 3:.1f}" text-anchor="middle">{letter}</text>'
            f'<text class="legend" x="{x + 13:.1f}" y="{y + 4:.1f}">{_text(_short(kind, 11))}</text>'
        )


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _text(text: str) -> str:
    """Escaped, and without the control characters that XML cannot hold."""
    return escape("".join(each if each.isprintable() else "�" for each in text))
