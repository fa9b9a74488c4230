"""A response diff as one page of HTML that needs nothing but itself."""

from collections.abc import Iterator
from math import nan

from modelyard.drawing import Line, draw_histogram, draw_lines, render

from .records import Measured, ResponseDiff


def response_page(diff: ResponseDiff) -> str:
    """Verdict, bounds, pictures of the deltas, latency and errors, segments, and the pairs that are furthest apart."""
    values = {"diff": diff, "pictures": list(_pictures(diff))}
    return render("modelyard.rollout.responses", "responses.html.j2", values, {"percent": _percent, "ends": _ends})


def _pictures(diff: ResponseDiff) -> Iterator[str]:
    bound = next((each.bound for each in diff.measured if each.name == "disagreement"), None)
    if len(diff.path) > 1:
        pairs, path, edge = [float(each.pairs) for each in diff.path], diff.path, bound or 0.0
        top = max(4 * edge, 1.3 * path[-1].high)

        def drawn(values: Iterator[float]) -> list[float]:
            return [each if each <= top else nan for each in values]

        yield draw_lines(
            "Share of pairs that disagree, along the way",
            [
                Line("share", pairs, drawn(each.share for each in path)),
                Line("interval, valid at every look", [*pairs, nan, *pairs],
                     [*drawn(each.low for each in path), nan, *drawn(each.high for each in path)]),
                Line("bound", [pairs[0], pairs[-1]], [edge, edge], "dashed"),
            ],
            "pairs",
            "share",
            y=(0.0, top),
        )  # fmt: skip
    if diff.histogram is not None:
        yield draw_histogram("Score deltas: shadow less live", *diff.histogram, "delta, outer columns hold the rest")
    deciles = [each for each in diff.deciles if each.mean_delta is not None]
    if len(deciles) > 1:
        tenths = [float(at) for at in range(1, len(deciles) + 1)]
        yield draw_lines(
            "Mean delta by the live score",
            [
                Line("mean delta", tenths, [each.mean_delta or 0.0 for each in deciles], "marked"),
                Line("no difference", [tenths[0], tenths[-1]], [0.0, 0.0], "dashed"),
            ],
            "tenth of the live scores, lowest first",
            "shadow less live",
        )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.3%}"


def _ends(found: Measured) -> str:
    return f"{found.low:.3%} to {found.high:.3%}"
