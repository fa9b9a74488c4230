"""A lineage as lines of text: what the version came from, then what came of it."""

from collections.abc import Callable, Iterator

from .records import Arrow, Fact, Lineage, Thing

_FACTS = 6
_LONGEST = 60

Next = Callable[[str], list[tuple[Arrow, str]]]
"""From a thing, the arrows to follow, each with the thing that it leads to."""


def lineage_lines(lineage: Lineage) -> list[str]:
    """A tree in each direction; a thing that was shown is not unfolded again."""

    def back(identity: str) -> list[tuple[Arrow, str]]:
        return [(each, each.source) for each in lineage.before(identity)]

    def on(identity: str) -> list[tuple[Arrow, str]]:
        return [(each, each.target) for each in lineage.after(identity)]

    lines = [_said(lineage.thing(lineage.subject))]
    for title, step in (("comes from", back), ("went into", on)):
        below = list(_branch(lineage, lineage.subject, step, {lineage.subject}))
        lines += ["", title, *(below or ["  nothing on record"])]
    if lineage.unknown:
        lines += ["", "not on record", *(f"  {each}" for each in lineage.unknown)]
    return lines


def _branch(lineage: Lineage, identity: str, step: Next, seen: set[str], indent: str = "") -> Iterator[str]:
    following = step(identity)
    for place, (arrow, other) in enumerate(following, 1):
        last = place == len(following)
        again = other in seen
        seen.add(other)
        ending = " (see above)" if again and step(other) else ""
        yield f"{indent}{'└─' if last else '├─'} {_said(lineage.thing(other), arrow)}{ending}"
        if not again:
            yield from _branch(lineage, other, step, seen, indent + ("   " if last else "│  "))


def _said(thing: Thing, arrow: Arrow | None = None) -> str:
    facts = [f"{name} {_text(value)}" for name, value in thing.facts.items() if value not in (None, "", False)]
    way = f" [{arrow.how}]" if arrow is not None else ""
    return f"{thing.kind} {_short(thing.name)}{way}{': ' if facts else ''}{', '.join(facts[:_FACTS])}"


def _text(value: Fact) -> str:
    if value is True:
        return "yes"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else _short(str(value))


def _short(text: str) -> str:
    plain = "".join(each if each.isprintable() else "�" for each in text)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
