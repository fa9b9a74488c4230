"""Which steps of a graph a run is about."""

from dataclasses import dataclass

from ..graph import Graph


@dataclass(frozen=True)
class Selection:
    """The steps from one on, up to one, between two, or only some; nothing said is all. See `Graph`."""

    start: str | None = None
    end: str | None = None
    only: tuple[str, ...] = ()

    def names(self, graph: Graph) -> tuple[str, ...]:
        """The selected steps in the order of the graph; InvalidPipeline for a name that is none."""
        part = graph.only(self.only) if self.only else graph
        part = part.from_(self.start) if self.start else part
        part = part.to(self.end) if self.end else part
        return tuple(each.name for each in part.nodes)
