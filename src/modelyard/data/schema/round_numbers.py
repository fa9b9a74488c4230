"""Ranges a little wider than what was seen, with ends that are round."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

MARGIN = Decimal("0.1")
"""So much of the span that was seen is added at either end."""


def widened(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """The range with a tenth of its span more at either end, rounded outward to two digits of the span.

    An end never crosses zero: what was never negative is promised to stay so. A single value v becomes the range
    from 0 to 2 v, rounded likewise.
    """
    span = high - low or max(abs(high), Decimal(1))
    below, above = low - span * MARGIN, high + span * MARGIN
    if low == high:
        below, above = min(low, 2 * low), max(high, 2 * high)
    if low >= 0:
        below = max(below, Decimal(0))
    if high <= 0:
        above = min(above, Decimal(0))
    unit = Decimal(1).scaleb(span.adjusted() - 1)
    return _rounded(below, unit, ROUND_FLOOR), _rounded(above, unit, ROUND_CEILING)


def _rounded(value: Decimal, unit: Decimal, way: str) -> Decimal:
    return (value / unit).to_integral_value(rounding=way) * unit
