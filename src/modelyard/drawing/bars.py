"""Named values side by side, as bars that lie."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from .axes import Axes, span_of
from .picture import colour_of, figure, picture, plain, short

_NAMES, _ROW, _WIDTH = 150.0, 24.0, 250.0


@dataclass(frozen=True)
class Bar:
    """A value with its name; `spread` is drawn to both sides of its end. `colour`: the place of its series."""

    name: str
    value: float
    spread: float = 0.0
    colour: int = 0


def draw_bars(title: str, bars: Sequence[Bar], label: str) -> str:
    """A chart of bars from zero, in the order given; a value that is not finite is told in words."""
    ends = [each.value + sign * each.spread for each in bars for sign in (-1, 1) if isfinite(each.value)]
    low, high = span_of([0.0, *ends])
    axes = Axes((min(0.0, low) if min(ends, default=0) < 0 else 0.0, max(0.0, high)), (0, 1), _NAMES, 40, _WIDTH)
    height = 40 + _ROW * len(bars) + 30
    marks = [mark for row, each in enumerate(bars) for mark in _bar(each, axes, 40 + _ROW * row)]
    told = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
        _NAMES + _WIDTH / 2, height - 10, short(label, 60)
    )
    return picture(title, _NAMES + _WIDTH + 70, height, [*marks, told])


def _bar(bar: Bar, axes: Axes, top: float) -> Iterator[Markup]:
    yield Markup('<text class="said" x="{:.1f}" y="{:.1f}" text-anchor="end">{}<title>{}</title></text>').format(
        _NAMES - 8, top + 15, short(bar.name, 22), plain(bar.name)
    )
    if not isfinite(bar.value):
        yield Markup('<text x="{:.1f}" y="{:.1f}">none</text>').format(_NAMES + 4, top + 15)
        return
    zero, end = axes.at(0.0, 0)[0], axes.at(bar.value, 0)[0]
    told = f"{bar.name}: {figure(bar.value)}" + (f" ± {figure(bar.spread)}" if bar.spread else "")
    yield Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="14" rx="2" fill="{}"><title>{}</title></rect>'
    ).format(min(zero, end), top + 4, max(1.0, abs(end - zero)), colour_of(bar.colour), plain(told))
    right = max(zero, end)
    if bar.spread:
        first, last = (axes.at(bar.value + sign * bar.spread, 0)[0] for sign in (-1, 1))
        yield Markup('<line x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}" style="stroke:var(--ink)"/>').format(
            first, last, top + 11, top + 11
        )
        right = max(right, last)
    yield Markup('<text x="{:.1f}" y="{:.1f}">{}</text>').format(right + 6, top + 15, figure(bar.value))
