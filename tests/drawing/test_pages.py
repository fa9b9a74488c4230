"""Pages are filled, escaped, and fetch nothing."""

import pytest
from jinja2 import TemplateNotFound

from modelyard.drawing import Edge, Node, Sign, as_text, draw_graph, render


def test_a_page_lets_nothing_be_fetched_and_no_script_run() -> None:
    """Whatever extends the frame has its policy, and both of its colour schemes."""
    page = render("modelyard.drawing", "page.html.j2", {})
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert "prefers-color-scheme: dark" in page
    assert "http://" not in page
    with pytest.raises(TemplateNotFound):
        render("modelyard.drawing", "none.html.j2", {})


def test_figures_are_short_and_what_is_missing_is_a_dash() -> None:
    """Texts stay."""
    assert [as_text(each) for each in (None, 0.123456, 1e9, "all")] == ["-", "0.1235", "1e+09", "all"]
    assert as_text(2 / 3, 2) == "0.67"


def test_boxes_of_one_name_are_told_apart_by_their_ids() -> None:
    """Arrows name ids; the legend has every kind once; what is outside stands in none."""
    sign = Sign("A", "#123456")
    nodes = [
        Node("1", "same", "thing", sign),
        Node("2", "same", "thing", sign),
        Node("3", "x", "else", sign, outside=True),
    ]
    drawn = draw_graph("twins", nodes, (Edge("1", "2", label="made"), Edge("3", "2")))
    assert drawn.count('class="legend"') == 1
    assert "<title>same → same: made</title>" in drawn
    assert 'class="box  outside"' in drawn
