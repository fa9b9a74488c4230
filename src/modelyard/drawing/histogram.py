"""How values are spread, as columns."""

from collections.abc import Sequence

from markupsafe import Markup

from .axes import Axes
from .picture import colour_of, figure, picture


def draw_histogram(title: str, edges: Sequence[float], counts: Sequence[int], label: str) -> str:
    """Columns between `edges` (b + 1,), as high as `counts` (b,)."""
    axes = Axes((edges[0], edges[-1]), (0.0, max(1.0, 1.05 * max(counts))))
    marks = [*axes.drawn(label, "rows")]
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        (left, top), (right, bottom) = axes.at(low, count), axes.at(high, 0)
        marks.append(
            Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"><title>{}</title></rect>'
            ).format(
                left, top, max(0.5, right - left - 1), bottom - top, colour_of(0),
                f"{count:,} from {figure(low)} to {figure(high)}",
            )
        )  # fmt: skip
    return picture(title, axes.left + axes.width + 24, axes.bottom + 50, marks)
