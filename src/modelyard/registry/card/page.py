"""The card as one page of HTML that needs nothing but itself."""

from modelyard.drawing import Bar, draw_bars, render
from modelyard.inference import CategoryProfile, NumberProfile
from modelyard.tracking import figures_of, groups_part

from ..lineage import lineage_picture
from .records import Card

_IMPORTANT = 15
_METRICS = 6


def card_page(card: Card) -> str:
    """A page with pictures, without scripts or anything fetched; whatever people or data say is escaped."""
    found = card.evaluation
    slices = () if found is None else found.slices
    values = {
        "card": card,
        "evaluation": found,
        "groups": "" if found is None else groups_part(found),
        "figures": [] if found is None else list(figures_of(found).values()),
        "columns": list(dict.fromkeys(name for each in slices for name in each.metrics))[:_METRICS],
        "importance": _importance(card),
        "profiles": () if card.profile is None else card.profile.columns[:100],
        "lineage": lineage_picture(card.lineage, "Lineage"),
    }
    return render("modelyard.registry.card", "card.html.j2", values, {"values": _values, "ends": _ends})


def _importance(card: Card) -> str:
    if card.profile is None or not card.profile.importance:
        return ""
    ordered = sorted(card.profile.importance.items(), key=lambda each: -each[1])
    bars = [Bar(name, value) for name, value in ordered[:_IMPORTANT]]
    return draw_bars("What the model goes by", bars, "share of the AUC lost when a column is shuffled")


def _values(column: NumberProfile | CategoryProfile) -> str:
    """What a column of the reference holds, in a few words."""
    if isinstance(column, NumberProfile):
        if column.mean is None or column.deviation is None:
            return "no values"
        return f"mean {column.mean:.4g}, deviation {column.deviation:.4g}"
    ordered = sorted(zip(column.counts, column.levels, strict=True), reverse=True)
    named = ", ".join(f"{level} {count:,}" for count, level in ordered[:4])
    return named + (f" and {len(ordered) - 4} more" if len(ordered) > 4 else "")


def _ends(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"
