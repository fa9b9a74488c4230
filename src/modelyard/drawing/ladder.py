"""How far each of several things has come on the same rungs: a row a thing, a cell a rung."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from .picture import COLOURS, picture, plain, short

_NAMES, _TOP = 190.0, 62.0
_CELL, _ROW, _GAP = 96.0, 26.0, 4.0
_FULL, _EMPTY = (COLOURS[2], "0.9"), (COLOURS[7], "0.15")


def draw_ladder(title: str, rungs: Sequence[str], rows: Sequence[tuple[str, int]], reached: int) -> str:
    """A grid of `rungs` with a name and the number of rungs climbed a row; a line at the rung that all have reached."""
    marks = [*_heads(rungs)]
    for place, (name, climbed) in enumerate(rows):
        marks += _row(name, climbed, rungs, _TOP + _ROW * place)
    height = _TOP + _ROW * len(rows)
    marks.append(
        Markup(
            '<line x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}" style="stroke:var(--ink);stroke-width:2"/>'
        ).format(_NAMES + _CELL * reached - _GAP / 2, _TOP - 6, height)
    )
    return picture(title, _NAMES + _CELL * len(rungs) + 20, height + 18, marks)


def _heads(rungs: Sequence[str]) -> Iterator[Markup]:
    for place, name in enumerate(rungs):
        yield Markup('<text class="said" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            _NAMES + _CELL * (place + 0.5) - _GAP / 2, _TOP - 12, short(name, 14)
        )


def _row(name: str, climbed: int, rungs: Sequence[str], top: float) -> Iterator[Markup]:
    yield Markup('<text class="said" x="{:.1f}" y="{:.1f}" text-anchor="end">{}<title>{}</title></text>').format(
        _NAMES - 10, top + 16, short(name, 28), plain(name)
    )
    for place, rung in enumerate(rungs):
        there = place < climbed
        told = f"{name}: {rung} {'reached' if there else 'not reached'}"
        yield Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="3" fill="{}" fill-opacity="{}">'
            "<title>{}</title></rect>"
        ).format(_NAMES + _CELL * place, top, _CELL - _GAP, _ROW - _GAP, *(_FULL if there else _EMPTY), plain(told))
