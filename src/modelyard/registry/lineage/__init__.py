"""Lineage: what a version came from, and what came of it, as a graph of typed things.

Owns the graph's shape, its text and its picture. Does not own finding it out: records of many rooms are read for that.
"""

from .picture import lineage_picture
from .records import Arrow, Fact, Lineage, Thing, ThingKind
from .tree import lineage_lines

__all__ = ["Arrow", "Fact", "Lineage", "Thing", "ThingKind", "lineage_lines", "lineage_picture"]
