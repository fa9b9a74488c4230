"""A lineage as an SVG picture."""

from collections.abc import Mapping

from modelyard.drawing import Edge, Node, Sign, draw_graph

from .records import Lineage, Thing, ThingKind

_SIGNS: Mapping[ThingKind, Sign] = {
    "dataset": Sign("D", "#2f6fde"),
    "feature view": Sign("F", "#7a5cd6"),
    "code": Sign("C", "#6b7280"),
    "run": Sign("R", "#c2410c"),
    "MLflow run": Sign("M", "#a16207"),
    "version": Sign("V", "#15803d"),
    "bundle": Sign("B", "#0f8b8d"),
    "route": Sign("W", "#be185d"),
    "predictions": Sign("P", "#166534"),
}
_SHOWN = 18
"""Characters of a fact beside a thing's kind."""


def lineage_picture(lineage: Lineage, title: str) -> str:
    """From what the version came from, at the top, to what came of it; the version itself stands out."""
    nodes = [_node(each, subject=each.id == lineage.subject) for each in lineage.things]
    edges = tuple(Edge(each.source, each.target, label=each.how) for each in lineage.arrows)
    return draw_graph(title, nodes, edges, called=f"Lineage of {title}")


def _node(thing: Thing, *, subject: bool) -> Node:
    facts = (f"{name}: {value}" for name, value in thing.facts.items() if value is not None)
    told = "\n".join([f"{thing.kind} {thing.name}", *facts])
    return Node(
        thing.id,
        thing.name,
        thing.kind,
        _SIGNS[thing.kind],
        state=str(thing.facts.get("state") or "")[:_SHOWN],
        tone="good" if subject or thing.facts.get("state") == "live" else "",
        told=told,
    )
