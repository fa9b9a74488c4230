"""The governance report as a page that needs nothing but itself."""

from modelyard.drawing import draw_ladder, render

from .records import Level, Maturity, Review


def maturity_page(found: Maturity, review: Review | None = None) -> str:
    """A page of HTML: the level, the ladder as a picture, what to do next, the audit if there is one, the evidence."""
    climbing = [each for each in Level if each]
    rows = [(each.title, int(each.level)) for each in found.capabilities]
    values = {
        "found": found,
        "review": review,
        "picture": draw_ladder(
            f"{found.project}: level {found.level:d}, {found.level.title}",
            [f"{each:d} {each.title}" for each in climbing],
            rows,
            int(found.level),
        ),
        "titles": {int(each): each.title for each in Level},
        "capabilities": {each.name: each.title for each in found.capabilities},
        "steps": sorted(
            (step for each in found.capabilities for step in each.steps), key=lambda step: (step.level, step.capability)
        ),
    }
    return render("modelyard.governance", "maturity.html.j2", values)
