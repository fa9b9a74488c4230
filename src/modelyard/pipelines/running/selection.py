"""Which steps of a graph a run is about."""

from dataclasses import dataclass

from ..graph import Graph


@dataclass(frozen=True)
class Selection:
    """Steps from some on, up to some, or only these; nothing said is all.

    `start`: these and what needs them, directly or not, or comes after their judgement. `end`: these and what they
    need. Both: what lies between. `only`: exactly these.
    """

    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def names(self, graph: Graph) -> tuple[str, ...]:
        """The selected steps in the order of the graph; InvalidPipeline for a name that is none."""
        for name in (*self.start, *self.end, *self.only):
            graph.node(name)
        chosen = {each.name for each in graph.nodes}
        if self.only:
            chosen &= set(self.only)
        if self.start:
            chosen &= _downstream(graph, set(self.start))
        if self.end:
            chosen &= _upstream(graph, set(self.end))
        return tuple(each.name for each in graph.nodes if each.name in chosen)


def _downstream(graph: Graph, found: set[str]) -> set[str]:
    for node in graph.nodes:
        if found & {*node.needs, *node.after}:
            found.add(node.name)
    return found


def _upstream(graph: Graph, found: set[str]) -> set[str]:
    for node in reversed(graph.nodes):
        if node.name in found:
            found |= {*node.needs, *node.after}
    return found
