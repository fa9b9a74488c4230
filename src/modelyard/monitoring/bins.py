"""Counts of a column beside those of its reference, in bins that people can read."""

from collections.abc import Sequence

from modelyard.drawing import as_text
from modelyard.inference import ColumnProfile, NumberProfile

from .counts import ColumnCounts

_BARS = 10


def bins_of(profile: ColumnProfile, before: ColumnCounts, now: ColumnCounts) -> list[tuple[str, int, int]]:
    """At most ten bins or levels with their rows, and those that miss a value."""
    missing = ("(missing)", before.missing + before.mistyped, now.missing + now.mistyped)
    if isinstance(profile, NumberProfile):
        labels = _between(profile.edges, len(before.bins))
        found = list(zip(labels, before.bins, now.bins, strict=True))
        size = -(-len(found) // _BARS)
        parts = [found[at : at + size] for at in range(0, len(found), size)]
        joined = [(part[-1][0], sum(each[1] for each in part), sum(each[2] for each in part)) for part in parts]
        return [*joined, missing]
    levels = [*profile.levels, "(unknown)"]
    found = sorted(zip(levels, before.bins, now.bins, strict=True), key=lambda each: -each[1] - each[2])
    rest = found[_BARS:]
    others = [(f"{len(rest)} others", sum(each[1] for each in rest), sum(each[2] for each in rest))] if rest else []
    return [*found[:_BARS], *others, missing]


def _between(edges: Sequence[float], bins: int) -> list[str]:
    """What each bin is called, by its upper end."""
    if bins != len(edges) + 1:  # a constant: below it, at it, above it
        return [f"< {as_text(edges[0])}", f"= {as_text(edges[0])}", f"> {as_text(edges[0])}"]
    return [*(f"≤ {as_text(each)}" for each in edges), f"> {as_text(edges[-1])}"] if edges else ["any"]
