"""Pictures and pages that stand alone: no script, no font, no address is fetched; light and dark.

Owns pixels, and what every page of HTML shares. Does not own what is drawn: names and figures come from the caller and
are escaped.
"""

from .bars import Bar, draw_bars
from .graph import Node, Sign, Tone, draw_graph
from .grid import draw_grid
from .histogram import draw_histogram
from .ladder import draw_ladder
from .layers import BOX_HEIGHT, Box, Chart, Edge, lay_out
from .lines import Line, draw_lines
from .pages import as_text, render
from .picture import stacked

__all__ = [
    "BOX_HEIGHT",
    "Bar",
    "Box",
    "Chart",
    "Edge",
    "Line",
    "Node",
    "Sign",
    "Tone",
    "as_text",
    "draw_bars",
    "draw_graph",
    "draw_grid",
    "draw_histogram",
    "draw_ladder",
    "draw_lines",
    "lay_out",
    "render",
    "stacked",
]
