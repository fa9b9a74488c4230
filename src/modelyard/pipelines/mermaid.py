"""A pipeline as a Mermaid flowchart, for pages that draw those."""

from .chart import edges_of
from .description import Description


def draw_mermaid(description: Description) -> str:
    """The chart: solid arrows for what is taken, dotted ones for what is waited for, conditions written on them."""
    names = [*(each.name for each in description.stages), *description.outside]
    called = {name: f"s{number}" for number, name in enumerate(dict.fromkeys(names), 1)}
    boxes = [f'  {called[each.name]}["{_text(each.name)} ({_text(each.kind)})"]' for each in description.stages]
    boxes += [f'  {called[name]}[/"{_text(name)} (earlier run)"/]' for name in description.outside]
    arrows = []
    for edge in edges_of(description):
        arrow = "-.->" if edge.waits else "-->"
        label = f'|"if {_text(edge.label)}"|' if edge.label else ""
        arrows.append(f"  {called[edge.source]} {arrow}{label} {called[edge.target]}")
    return "\n".join(["flowchart TD", *boxes, *arrows])


def _text(text: str) -> str:
    """With what would end the text, or be read as markup, as Mermaid's entity codes."""
    return "".join(f"#{ord(each)};" if each in '"#;<>&`\\[]{}|' or not each.isprintable() else each for each in text)
