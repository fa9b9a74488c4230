"""A comparison as one page of HTML that needs nothing but itself."""

from modelyard.drawing import Bar, draw_bars, render

from .records import ColumnDrift, Comparison

DRAWN = 60
"""So many columns have a picture, those that drifted and the furthest moved first; the table and the JSON have all."""

_ORDER = {"fail": 0, "inconclusive": 1, "pass": 2}


def comparison_page(found: Comparison, reference: str, current: str) -> str:
    """The page; `reference` and `current` name the two sides. Names and levels are escaped, nothing is fetched."""
    columns = sorted(found.columns, key=lambda each: (_ORDER[each.verdict], -_size(each), each.name))
    drawn = [each for each in columns if each.labels][:DRAWN]
    values = {
        "found": found,
        "reference": reference,
        "current": current,
        "columns": columns,
        "pictures": [(each, _picture(each)) for each in drawn],
        "left_out": sum(bool(each.labels) for each in columns) - len(drawn),
    }
    return render("modelyard.monitoring.comparing", "comparison.html.j2", values, {"share": _share, "effect": _effect})


def _size(column: ColumnDrift) -> float:
    if column.statistic is None or not column.threshold:
        return 0.0
    return column.statistic / max(column.threshold, column.bound or 0.0)


def _picture(column: ColumnDrift) -> str:
    """Each bin or level twice: before, and now below it."""
    bars = []
    for label, before, now in zip(column.labels, column.shares_ref, column.shares_cur, strict=True):
        bars += [Bar(label, before, colour=0), Bar("", now, colour=1)]
    return draw_bars(column.name, bars, "share of the rows that hold a value")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _effect(column: ColumnDrift) -> float | None:
    return next((each for each in (column.ks, column.total_variation, column.energy) if each is not None), None)
