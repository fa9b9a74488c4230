"""Counts of pairs, as a grid whose cells are the deeper the more of their row they hold."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from .picture import COLOURS, figure, picture, plain, short

_NAMES, _TOP = 110.0, 66.0
_CELL, _SMALLEST, _WIDEST = 64.0, 22.0, 640.0


def draw_grid(title: str, names: Sequence[str], counts: Sequence[Sequence[int]], rows: str, columns: str) -> str:
    """A square grid: `counts[i][j]` of names i and j. `rows` and `columns` say what they are."""
    cell = max(_SMALLEST, min(_CELL, _WIDEST / max(1, len(names))))
    marks = [*_labels(names, cell, rows, columns)]
    for row, values in enumerate(counts):
        total = sum(values)
        for column, count in enumerate(values):
            told = f"{names[row]} taken for {names[column]}: {count:,} of {total:,}"
            marks += _cell(_NAMES + cell * column, _TOP + cell * row, cell, count, count / max(1, total), told)
    size = cell * len(names)
    return picture(title, max(300.0, _NAMES + size + 24), _TOP + size + 24, marks)


def _labels(names: Sequence[str], cell: float, rows: str, columns: str) -> Iterator[Markup]:
    fits = max(3, int(cell / 6.5))
    for place, name in enumerate(names):
        middle = cell * (place + 0.5)
        yield Markup('<text class="said" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>').format(
            _NAMES - 8, _TOP + middle + 4, short(name, 13)
        )
        yield Markup('<text class="said" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            _NAMES + middle, _TOP - 8, short(name, fits)
        )
    yield Markup('<text x="{:.1f}" y="{:.1f}">{}</text>').format(_NAMES, _TOP - 24, columns)
    yield Markup('<text x="16" y="{:.1f}">{}</text>').format(_TOP - 8, rows)


def _cell(x: float, y: float, size: float, count: int, share: float, told: str) -> Iterator[Markup]:
    yield Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}" fill-opacity="{:.3f}">'
        "<title>{}</title></rect>"
    ).format(x + 1, y + 1, size - 2, size - 2, COLOURS[0], 0.06 + 0.94 * share, plain(told))
    if size >= 34:
        deep = "deep" if share > 0.5 else "said"
        yield Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            deep, x + size / 2, y + size / 2 + 4, figure(count)
        )
