"""One rule for every statistic: drift is beyond its threshold and beyond what chance does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .records import ColumnDrift, ColumnKind, Verdict

WORDS = {
    "psi": "PSI",
    "ks": "KS",
    "js": "JS",
    "total_variation": "total variation",
    "wasserstein": "Wasserstein",
    "chi2": "Cramér's V",
    "energy": "energy coefficient",
    "missing": "missing share",
    "new_levels": "share of new levels",
    "auc": "AUC",
}


@dataclass(frozen=True)
class Measured:
    """A statistic with its threshold, and the quantile of what it is when nothing changed.

    `told` is how the reason says it; None: the name and the number.
    """

    method: str
    statistic: float
    threshold: float
    bound: float
    told: str | None = None

    @property
    def drifted(self) -> bool:
        """Whether it is beyond both."""
        return self.statistic > max(self.threshold, self.bound)

    @property
    def blind(self) -> bool:
        """Whether chance alone could reach the threshold, so that staying below says nothing."""
        return self.bound > self.threshold

    @property
    def ratio(self) -> float:
        """How far it is beyond, 1 being the edge."""
        return self.statistic / max(self.threshold, self.bound)

    def __str__(self) -> str:
        said = self.told or f"{WORDS[self.method]} {self.statistic:.2g}"
        if self.drifted:
            return f"{said}, above {self.threshold:g}"
        return f"{said}, at most {self.threshold:g}"


def judge(
    deciding: Sequence[Measured], besides: Sequence[Measured], rows: tuple[int, int]
) -> tuple[Verdict, str, Measured]:
    """The verdict on a column, why, and which statistic decided.

    `deciding` statistics must all be able to see their threshold for a pass; those `besides` (missing share, new
    levels) only ever add drift.
    """
    found = [each for each in (*deciding, *besides) if each.drifted]
    if found:
        found.sort(key=lambda each: -each.ratio)
        return "fail", "; ".join(str(each) for each in found), found[0]
    blind = [each for each in deciding if each.blind]
    if blind:
        worst = max(blind, key=lambda each: each.bound / each.threshold)
        few = min(rows)
        said = f"{few:,} rows cannot show it: chance alone takes {WORDS[worst.method]} to {min(worst.bound, 99):.2g}"
        return "inconclusive", f"{said}, above {worst.threshold:g}", worst
    nearest = max(deciding, key=lambda each: each.ratio)
    return "pass", str(nearest), nearest


def judged(
    name: str,
    kind: ColumnKind,
    deciding: Sequence[Measured],
    besides: Sequence[Measured],
    rows: tuple[int, int],
    **facts: Any,
) -> ColumnDrift:
    """The record of a column with its verdict; `rows`: those with a value, `facts`: whatever else it tells."""
    verdict, reason, first = judge(deciding, besides, rows)
    return ColumnDrift(name=name, kind=kind, verdict=verdict, reason=reason, **decided(first), **facts)


def decided(first: Measured) -> dict[str, Any]:
    """What decided, as a record has it."""
    return {
        "method": first.method,
        "statistic": first.statistic,
        "threshold": first.threshold,
        "bound": first.bound if math.isfinite(first.bound) else None,
    }


def sides(rows: tuple[int, int], missing: tuple[int, int]) -> dict[str, Any]:
    """All rows of both sides, and the shares of them without a value, as a record has them."""
    return {
        "rows_ref": rows[0],
        "rows_cur": rows[1],
        "missing_ref": missing[0] / max(1, rows[0]),
        "missing_cur": missing[1] / max(1, rows[1]),
    }
