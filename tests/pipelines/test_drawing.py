"""Pictures of pipelines: whole, escaped, without overlap, and the same in Mermaid."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.drawing import BOX_HEIGHT, Edge, lay_out
from modelyard.pipelines import Description, Stage, Wire, draw_mermaid, draw_svg
from modelyard.pipelines.chart import edges_of

SMALL = Description(
    "small",
    (
        Stage("load", "data"),
        Stage("check", "validate", (Wire("rows", "load"),)),
        Stage("fit", "train", (Wire("rows", "load"),), waits=("check",)),
        Stage("judge", "gate", (Wire("model", "fit"),), waits=("check",)),
        Stage("ship", "deploy", (Wire("model", "fit"),), waits=("check", "judge"), conditions=(("fit", "fit > 1"),)),
    ),
    outside=(),
)


def test_solid_arrows_are_taken_and_dashed_ones_waited_for() -> None:
    """What is implied by another arrow is not drawn again; a condition stands on its arrow."""
    assert [(each.source, each.target, each.waits, each.label) for each in edges_of(SMALL)] == [
        ("load", "check", False, ""),
        ("load", "fit", False, ""),
        ("check", "fit", True, ""),
        ("fit", "judge", False, ""),
        ("fit", "ship", False, ""),
        ("fit", "ship", True, "fit > 1"),
        ("judge", "ship", True, ""),
    ]


def test_the_picture_is_xml_that_fetches_nothing() -> None:
    """Every stage by name and kind, the condition, the state of a run; no script and no address but the namespace."""
    drawn = draw_svg(SMALL, {"fit": "failed", "load": "cached"})
    words = "".join(ElementTree.fromstring(drawn).itertext())
    assert all(each.name in words for each in SMALL.stages)
    assert "if fit > 1" in words
    assert 'class="box bad"' in drawn
    assert "· failed" in words
    assert "prefers-color-scheme:dark" in drawn
    assert re.findall(r"(?:https?:)?//[^\"' ]+|<script|url\((?!#)", drawn) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize(
    "name", ['<script>alert("x")</script>', "a & b", "]]>", "\x00\x1b", "ü€😀", "x" * 500, '"]; end']
)
def test_names_are_escaped_everywhere(name: str) -> None:
    """In the picture and in the chart, whatever a file says."""
    described = Description(
        name, (Stage(name, name, (Wire("a", name),)), Stage("b", "data", (Wire("a", name),))), outside=(name,)
    )
    drawn = draw_svg(described, {"b": name})
    ElementTree.fromstring(drawn)
    assert "<script" not in drawn
    lines = draw_mermaid(described).splitlines()
    assert all(re.fullmatch(r'  s\d+(\[".*"\]|\[/".*"/\]| (-->|-\.->)(\|".*"\|)? s\d+)', each) for each in lines[1:])
    assert not any(re.search(r'[<>`\\]|"[^"]*"[^"]*"', re.sub(r"-->|-\.->", "", each)) for each in lines[1:])


def test_the_mermaid_chart() -> None:
    """As it is, and outside steps as slanted boxes."""
    part = Description("part", SMALL.stages[2:3], outside=("load", "check"))
    assert draw_mermaid(part).splitlines() == [
        "flowchart TD",
        '  s1["fit (train)"]',
        '  s2[/"load (earlier run)"/]',
        '  s3[/"check (earlier run)"/]',
        "  s2 --> s1",
        "  s3 -.-> s1",
    ]


PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=25)


@settings(max_examples=40, deadline=None)
@given(PAIRS, st.lists(st.floats(60, 300), min_size=12, max_size=12))
def test_boxes_never_overlap_and_arrows_point_down(pairs: list[tuple[int, int]], widths: list[float]) -> None:
    """Of any graph; circles are drawn as well, and everything stays inside."""
    edges = tuple(Edge(str(one), str(other)) for one, other in pairs)
    chart = lay_out(edges, {str(at): width for at, width in enumerate(widths)})
    for one, other in combinations(chart.boxes.values(), 2):
        beside = abs(one.x - other.x) + 1e-6 >= (one.width + other.width) / 2
        assert beside or abs(one.y - other.y) >= BOX_HEIGHT
    assert all(
        box.x - box.width / 2 >= -1e-6 and box.x + box.width / 2 <= chart.width + 1e-6 for box in chart.boxes.values()
    )
    if all(one < other for one, other in pairs):
        assert all(chart.boxes[each.source].y < chart.boxes[each.target].y for each in edges)
