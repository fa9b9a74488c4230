"""What a test of a fixed horizon says."""

from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """A test looked at once: its statistic, two-sided p-value, effect, and the effect's interval where it has one.

    `effect` is what `measure` says: a difference, an odds ratio, a chance of superiority. Looking again and again makes
    the p-value false: for that there is `confidence_sequence`.
    """

    test: str
    statistic: float
    p_value: float
    measure: str
    effect: float
    low: float | None = None
    high: float | None = None
    freedom: float | None = None
