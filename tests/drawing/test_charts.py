"""Charts are SVG that stands alone, whatever is drawn and however it is called."""

from math import inf, nan
from xml.etree import ElementTree

import pytest

from modelyard.drawing import Bar, Line, draw_bars, draw_grid, draw_histogram, draw_lines, stacked
from modelyard.drawing.axes import Axes, span_of, ticks

HOSTILE = '<script>alert("x")</script>\x00\x1b&amp;'
SVG = "{http://www.w3.org/2000/svg}"


def charts() -> dict[str, str]:
    """One of each kind, with names that are not kind and values that are no numbers."""
    return {
        "lines": draw_lines(HOSTILE, [Line(HOSTILE, [0, 1, 2], [1, nan, inf]), Line("b", [0, 1], [0, 1])], "x", "y"),
        "dots": draw_lines("dots", [Line("a", [1, 2], [3, 4], "dots"), Line("c", [1, 2], [3, 4], "marked")], "x", "y"),
        "bars": draw_bars(HOSTILE, [Bar(HOSTILE, -1.0, 0.5), Bar("none", nan), Bar("much", 1e300)], HOSTILE),
        "no bars": draw_bars("nothing", [], ""),
        "grid": draw_grid(HOSTILE, [HOSTILE, "b"], [[5, 0], [0, 0]], "truth", "said"),
        "histogram": draw_histogram(HOSTILE, [0.0, 1.0, 2.0], [3, 0], HOSTILE),
    }


@pytest.mark.parametrize("kind", charts())
def test_a_chart_is_well_formed_and_fetches_nothing(kind: str) -> None:
    """No script, no address but the name space; every name is text."""
    drawn = charts()[kind]
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script"))
    assert "\x00" not in drawn
    assert "href" not in drawn
    assert drawn.count("http") == drawn.count("http://www.w3.org/2000/svg")


def test_a_value_stands_where_the_axes_say() -> None:
    """Up is more; a line goes through the pixels of its points, and breaks where a value is missing."""
    axes = Axes((0.0, 1.0), (0.0, 1.0))
    assert axes.at(0, 0) == (axes.left, axes.bottom)
    assert axes.at(1, 1) == (axes.left + axes.width, axes.top)
    drawn = draw_lines("t", [Line("a", [0, 0.5, 1, 1], [0, nan, 1, 0.5])], "x", "y", x=(0, 1), y=(0, 1))
    path = next(each.attrib["d"] for each in ElementTree.fromstring(drawn).iter(f"{SVG}path"))
    assert path == "M62.0 280.0M422.0 40.0L422.0 160.0"


def test_bars_are_as_long_as_their_values() -> None:
    """Twice the value, twice the length; below zero to the left."""
    drawn = ElementTree.fromstring(draw_bars("t", [Bar("a", 1.0), Bar("b", 2.0), Bar("c", -1.0)], ""))
    widths = [float(each.attrib["width"]) for each in drawn.iter(f"{SVG}rect") if each.attrib.get("rx")]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert widths[2] == pytest.approx(widths[0], abs=0.2)


@pytest.mark.parametrize("span", [(0.0, 1.0), (-3.7, 12.2), (1e-9, 3e-9), (0.0, 7e12), (99.0, 101.0)])
def test_ticks_are_round_and_inside(span: tuple[float, float]) -> None:
    """Two to ten of them, evenly."""
    found = ticks(span)
    assert 2 <= len(found) <= 10
    assert span[0] - 1e-12 <= found[0] <= found[-1] <= span[1] * (1 + 1e-12)


@pytest.mark.parametrize("values", [[], [nan], [5.0], [0.0, 0.0], [-1e308, 1e308], [inf, 2.0]])
def test_a_span_is_never_empty(values: list[float]) -> None:
    """So that nothing is divided by nothing, or by infinity."""
    low, high = span_of(values)
    assert low < high
    assert high - low < inf


def test_charts_in_one_picture_do_not_lie_on_each_other() -> None:
    """Cell by cell, a row as high as its highest."""
    parts = [charts()["lines"], charts()["bars"], charts()["grid"]]
    root = ElementTree.fromstring(stacked(parts))
    inner = root.findall(f"{SVG}svg")
    places = [(float(each.attrib["x"]), float(each.attrib["y"])) for each in inner]
    assert places[0] == (0.0, 0.0)
    assert places[1][0] >= float(inner[0].attrib["width"])
    assert places[2][1] >= max(float(each.attrib["height"]) for each in inner[:2])
