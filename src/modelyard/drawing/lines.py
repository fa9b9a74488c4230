"""Curves and points over two axes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, assert_never

from markupsafe import Markup

from .axes import Axes, Range, span_of
from .picture import colour_of, figure, picture, plain, short

_LEGEND = 8
"""Series named below a chart; of the others it says how many."""


@dataclass(frozen=True)
class Line:
    """A series: x and y of one length. What is not finite is left out, and breaks a line."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: Literal["line", "dots", "marked", "dashed"] = "line"


def draw_lines(
    title: str,
    series: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    x: Range | None = None,
    y: Range | None = None,
) -> str:
    """A chart of series over axes that hold all of them, or over these ranges."""
    axes = Axes(
        x or span_of([each for line in series for each in line.x], 0.0),
        y or span_of([each for line in series for each in line.y]),
    )
    named = [each for each in series if each.name]
    legend = min(len(named), _LEGEND + 1) * 18.0 if len(named) > 1 else 0.0
    marks = [*axes.drawn(x_label, y_label)]
    for place, line in enumerate(series):
        marks += _drawn(line, axes, colour_of(place))
    marks += _legend(series, axes.bottom + 56) if legend else []
    return picture(title, axes.left + axes.width + 24, axes.bottom + 50 + legend, marks)


def _drawn(line: Line, axes: Axes, colour: str) -> Iterator[Markup]:
    match line.style:
        case "line" | "dashed":
            yield from _path(line, axes, colour)
        case "dots":
            yield from _dots(line, axes, colour, 2.2)
        case "marked":
            yield from _path(line, axes, colour)
            yield from _dots(line, axes, colour, 3.5)
        case _:
            assert_never(line.style)


def _path(line: Line, axes: Axes, colour: str) -> Iterator[Markup]:
    drawn, moving = [], True
    for x, y in zip(line.x, line.y, strict=True):
        if not (isfinite(x) and isfinite(y)):
            moving = True
            continue
        across, down = axes.at(x, y)
        drawn.append(f"{'M' if moving else 'L'}{across:.1f} {down:.1f}")
        moving = False
    kind = "series dashed" if line.style == "dashed" else "series"
    yield Markup('<path class="{}" stroke="{}" d="{}"><title>{}</title></path>').format(
        kind, colour, "".join(drawn), plain(line.name)
    )


def _dots(line: Line, axes: Axes, colour: str, radius: float) -> Iterator[Markup]:
    for x, y in zip(line.x, line.y, strict=True):
        if isfinite(x) and isfinite(y):
            told = f"{line.name}: {figure(x)}, {figure(y)}"
            yield Markup(
                '<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}" fill-opacity=".7"><title>{}</title></circle>'
            ).format(*axes.at(x, y), radius, colour, plain(told))


def _legend(series: Sequence[Line], top: float) -> Iterator[Markup]:
    named = [(place, line.name) for place, line in enumerate(series) if line.name]
    for row, (place, name) in enumerate(named[:_LEGEND]):
        y = top + 18 * row
        yield Markup('<rect x="62" y="{:.1f}" width="14" height="4" fill="{}"/>').format(y - 2, colour_of(place))
        yield Markup('<text class="said" x="84" y="{:.1f}">{}</text>').format(y + 4, short(name, 56))
    if len(named) > _LEGEND:
        yield Markup('<text x="84" y="{:.1f}">and {} more</text>').format(top + 18 * _LEGEND + 4, len(named) - _LEGEND)
