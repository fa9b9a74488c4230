"""A lineage as text and as a picture."""

from xml.etree import ElementTree

from modelyard.registry import Arrow, Lineage, Thing, lineage_lines, lineage_picture

HOSTILE = '<script>alert("x")</script>\x1b[31m\n# owned'
GRAPH = Lineage(
    "version:m 1",
    (
        Thing("dataset:rows@3", "dataset", "rows@3", {"rows": 1200, "digest": "abc"}),
        Thing("run:r", "run", "r", {"state": "done"}),
        Thing("MLflow run:t", "MLflow run", "t"),
        Thing("version:m 1", "version", "m 1", {"number": 1, "archived": False}),
        Thing("bundle:b", "bundle", "b", {"bytes": 5_000, "cost": 0.123456, "signed": True}),
        Thing("route:shop", "route", "shop", {"state": "live"}),
    ),
    (
        Arrow("dataset:rows@3", "run:r", "read by"),
        Arrow("run:r", "version:m 1", "registered"),
        Arrow("run:r", "MLflow run:t", "logged as"),
        Arrow("MLflow run:t", "version:m 1", "holds its model"),
        Arrow("version:m 1", "bundle:b", "built as"),
        Arrow("bundle:b", "route:shop", "served by"),
    ),
    ("The code: nobody kept it.",),
)


def test_the_text_goes_both_ways_and_unfolds_nothing_twice() -> None:
    """What a version came from first; what is not on record last."""
    assert lineage_lines(GRAPH) == [
        "version m 1: number 1",
        "",
        "comes from",
        "├─ run r [registered]: state done",
        "│  └─ dataset rows@3 [read by]: rows 1,200, digest abc",
        "└─ MLflow run t [holds its model]",
        "   └─ run r [logged as]: state done (see above)",
        "",
        "went into",
        "└─ bundle b [built as]: bytes 5,000, cost 0.1235, signed yes",
        "   └─ route shop [served by]: state live",
        "",
        "not on record",
        "  The code: nobody kept it.",
    ]


def test_nothing_on_record_is_said() -> None:
    """In either direction."""
    alone = Lineage("version:m 1", (Thing("version:m 1", "version", "m 1"),), ())
    assert lineage_lines(alone).count("  nothing on record") == 2
    ElementTree.fromstring(lineage_picture(alone, "m 1"))


def test_names_are_text_and_nothing_else() -> None:
    """No markup in the picture, no control character in the terminal, no line of their own."""
    hostile = Lineage(
        f"version:{HOSTILE}", (Thing(f"version:{HOSTILE}", "version", HOSTILE, {"by": HOSTILE, "x": "y" * 500}),), ()
    )
    drawn = lineage_picture(hostile, HOSTILE)
    ElementTree.fromstring(drawn)
    assert "<script" not in drawn
    lines = lineage_lines(hostile)
    assert all(each.isprintable() for each in lines)
    assert max(map(len, lines)) < 250


def test_the_picture_has_every_thing_and_every_arrow() -> None:
    """The version and what is live stand out."""
    words = "".join(ElementTree.fromstring(drawn := lineage_picture(GRAPH, "m 1")).itertext())
    assert all(each.name in words and each.kind in words for each in GRAPH.things)
    assert all(each.how in words for each in GRAPH.arrows)
    assert drawn.count('class="box good"') == 2
