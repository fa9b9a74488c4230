"""A pipeline as an SVG picture."""

from collections.abc import Mapping
from dataclasses import replace

from modelyard.drawing import Edge, Node, Sign, Tone, draw_graph

from .chart import edges_of
from .description import Description
from .running import PipelineRun

_KINDS: Mapping[str, Sign] = {
    "data": Sign("D", "#2f6fde"),
    "validate": Sign("V", "#0f8b8d"),
    "transform": Sign("F", "#7a5cd6"),
    "train": Sign("T", "#c2410c"),
    "evaluate": Sign("E", "#a16207"),
    "gate": Sign("G", "#be185d"),
    "register": Sign("R", "#15803d"),
    "deploy": Sign("P", "#166534"),
}
_OTHER = Sign("?", "#6b7280")
_OUTSIDE = Sign("↑", "#6b7280")
_STATES: Mapping[str, Tone] = {
    "done": "good",
    "cached": "good",
    "pass": "good",
    "running": "busy",
    "failed": "bad",
    "fail": "bad",
    "stopped": "bad",
}


def draw_run(run: PipelineRun) -> str:
    """The steps of a run and what became of each; arrows go from the steps whose outputs were taken."""
    shown = {each.name for each in run.steps}
    nodes = [_node(each.name, each.kind, "cached" if each.cached else each.state) for each in run.steps]
    edges = tuple(Edge(source, each.name) for each in run.steps for source in each.takes if source in shown)
    return draw_graph(run.pipeline, nodes, edges, called=f"Run {run.id} of pipeline {run.pipeline}")


def draw_svg(description: Description, states: Mapping[str, str] | None = None) -> str:
    """The picture. `states`: what became of stages in a run (`done`, `cached`, `running`, `failed`, `skipped`, …)."""
    became = states or {}
    nodes = [_node(each.name, each.kind, became.get(each.name, "")) for each in description.stages]
    nodes += [Node(each, each, "earlier run", _OUTSIDE, outside=True) for each in description.outside]
    edges = tuple(replace(each, label=f"if {each.label}" if each.label else "") for each in edges_of(description))
    return draw_graph(description.name, nodes, edges, called=f"Pipeline {description.name}")


def _node(name: str, kind: str, state: str) -> Node:
    return Node(name, name, kind, _KINDS.get(kind, _OTHER), state=state, tone=_STATES.get(state, ""))
