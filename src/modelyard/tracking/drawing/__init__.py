"""Charts as SVG that stand alone: no script, no font, no address is fetched; light and dark.

Owns pixels. Does not own what is drawn: names and figures come from the caller and are escaped.
"""

from .bars import Bar, draw_bars
from .grid import draw_grid
from .histogram import draw_histogram
from .lines import Line, draw_lines
from .picture import stacked

__all__ = ["Bar", "Line", "draw_bars", "draw_grid", "draw_histogram", "draw_lines", "stacked"]
