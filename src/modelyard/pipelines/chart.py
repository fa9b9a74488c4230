"""What a pipeline's picture shows: which arrows go between its stages."""

from modelyard.drawing import Edge

from .description import Description


def edges_of(description: Description) -> tuple[Edge, ...]:
    """The arrows to draw: one for what is taken, dashed ones for what is waited for and not implied by others."""
    shown = {each.name for each in description.stages} | set(description.outside)
    found: list[Edge] = []
    for stage in description.stages:
        taken = dict.fromkeys(wire.source for wire in stage.wires if wire.source in shown)
        found += [Edge(source, stage.name) for source in taken if source is not None]
        asked = [(source, text) for source, text in stage.conditions if source in shown]
        found += [Edge(source, stage.name, waits=True, label=text) for source, text in asked]
        ahead = {source for source, _ in asked} | {each for each in taken if each is not None}
        found += [
            Edge(each, stage.name, waits=True) for each in _waits(description, stage.waits, ahead) if each in shown
        ]
    return tuple(found)


def _waits(description: Description, waits: tuple[str, ...], ahead: set[str]) -> list[str]:
    """Those of `waits` that no other dependency of the stage waits for already."""
    by_name = {each.name: each for each in description.stages}
    implied: set[str] = set()
    for name in {*waits, *ahead}:
        if name in by_name:
            implied |= {each.name for each in description.before(by_name[name])}
    return [each for each in waits if each not in implied and each not in ahead]
