"""How the answers of both arms are spread, and whether the candidate's differ by more than is allowed."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.stats import total_variation

_BINS = 10
_LEAST = 500
"""Answers of each arm before anything is said; as many of the live arm's draw the bins first, and do not count."""

_LEVELS, _OTHER = 50, "(other)"
_CHANCE = 0.001
"""Of ever taking back a candidate whose answers are spread as the bound allows."""

Floats = NDArray[np.float64]


class Spread(msgspec.Struct, frozen=True):
    """Counts of answers by bin: numbers in bins with a tenth of the live arm's first answers each, classes by name.

    `first`: the live arm's first answers, while there are no bins. `looks`: how often it was judged.
    """

    edges: tuple[float, ...] = ()
    first: tuple[float, ...] = ()
    live: dict[str, int] = {}
    candidate: dict[str, int] = {}
    looks: int = 0

    def add(self, fresh: pa.Table, arm: str) -> "Spread":
        """With the answers among new records, which have `prediction` and `scores`."""
        answers = fresh.filter(pc.and_(pc.is_null(fresh.column("error")), fresh.column("answered")))
        live = answers.filter(pc.equal(answers.column("role"), "live"))
        candidate = answers.filter(pc.equal(answers.column("arm"), arm))
        if not _are_numbers(answers):
            return self._with(_levels(live), _levels(candidate))
        if not self.edges:
            return self._drawing(_numbers(live))
        return self._with(self._binned(_numbers(live)), self._binned(_numbers(candidate)))

    def judged(self, bound: float) -> tuple["Spread", str]:
        """Whether the candidate's answers are spread too differently, and why, or nothing.

        Looked at when the candidate's answers have doubled, from 500 on. Of two samples of m and n answers in k bins
        the total variation distance exceeds the true one by more than √k (1/√m + 1/√n) / 2 + √(ln(1/δ) (1/m + 1/n) / 2)
        with a chance below δ (McDiarmid 1989, "On the method of bounded differences"); all looks share a chance of
        .001. Not for entities whose answers are all alike: there m is less than it seems.
        """
        m, n = sum(self.candidate.values()), sum(self.live.values())
        if m < _LEAST * 2**self.looks or n < _LEAST:
            return self, ""
        names = sorted(self.live.keys() | self.candidate.keys())
        counts = [np.array([each.get(name, 0) for name in names]) for each in (self.live, self.candidate)]
        found, chance = total_variation(*counts), _CHANCE / 2 ** (self.looks + 1)
        noise = math.sqrt(len(names)) / 2 * (m**-0.5 + n**-0.5) + math.sqrt(math.log(1 / chance) / 2 * (1 / m + 1 / n))
        later = msgspec.structs.replace(self, looks=math.floor(math.log2(m / _LEAST)) + 1)
        if found - noise <= bound:
            return later, ""
        return later, (
            f"its answers are spread differently: total variation distance {found:.3f} from live's, where {bound:g} is "
            f"allowed and {noise:.3f} may be chance ({m} and {n} answers)"
        )

    def _drawing(self, live: Floats) -> "Spread":
        """With more of the live arm's first answers, and with bins when there are enough."""
        first = (*self.first, *live[np.isfinite(live)].tolist())
        if len(first) < _LEAST:
            return msgspec.structs.replace(self, first=first)
        edges = np.unique(np.quantile(first, np.arange(1, _BINS) / _BINS))
        return msgspec.structs.replace(self, edges=tuple(edges.tolist()), first=())

    def _binned(self, values: Floats) -> Counter[str]:
        return Counter(str(place) for place in np.searchsorted(self.edges, values).tolist())

    def _with(self, live: Mapping[str, int], candidate: Mapping[str, int]) -> "Spread":
        known = self.live.keys() | self.candidate.keys()
        return msgspec.structs.replace(
            self, live=_sum(self.live, live, known), candidate=_sum(self.candidate, candidate, known)
        )


def _are_numbers(answers: pa.Table) -> bool:
    """Whether each answer is one score or number; otherwise it is a class among several."""
    return bool(pc.all(pc.equal(pc.list_value_length(answers.column("scores")), 1)).as_py())


def _numbers(answers: pa.Table) -> Floats:
    return np.asarray(pc.list_element(answers.column("scores"), 0).to_numpy(), np.float64)


def _levels(answers: pa.Table) -> Counter[str]:
    return Counter(each for each in answers.column("prediction").to_pylist() if each is not None)


def _sum(before: Mapping[str, int], more: Mapping[str, int], known: Iterable[str]) -> dict[str, int]:
    """Both together; names beyond the first 50 are one."""
    names = set(known)
    summed = Counter(before)
    for name, count in sorted(more.items()):
        summed[name if name in names or len(names) < _LEVELS else _OTHER] += count
        names.add(name)
    return dict(summed)
