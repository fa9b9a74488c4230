"""How far people agree on what they judged: pairs of them by Cohen's kappa, and what most say of each item."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from math import isfinite
from typing import Literal

import msgspec

from modelyard.stats import cohen_kappa

from .records import JudgeLabel, JudgeLabelled

Majority = Literal["pass", "fail", "tie"]


class Pair(msgspec.Struct, frozen=True):
    """Two people on the `items` that both passed or failed, of which they agree on `agree`.

    `kappa` is Cohen's, with its interval of 95%; None where both said one and the same of everything, or of nothing.
    """

    one: str
    other: str
    items: int
    agree: int
    kappa: float | None
    lower: float | None
    upper: float | None


class ItemVotes(msgspec.Struct, frozen=True):
    """How many people pass and fail an item, and what most of them say."""

    item: str
    passed: int
    failed: int
    majority: Majority


class Agreement(msgspec.Struct, frozen=True):
    """Of a queue of so many `items`: labels `by` person, every pair of people, and each item that has a label.

    Skips count for nobody's opinion: they are in `by` only.
    """

    items: int
    by: dict[str, dict[JudgeLabel, int]]
    pairs: tuple[Pair, ...]
    votes: tuple[ItemVotes, ...]

    @property
    def majority(self) -> dict[str, int]:
        """How many items most people pass, or fail; ties; and how many nobody has judged."""
        found = Counter(each.majority for each in self.votes)
        return {**{name: found[name] for name in ("pass", "fail", "tie")}, "unjudged": self.items - len(self.votes)}


def agreement_of(labels: Iterable[JudgeLabelled], items: int) -> Agreement:
    """What people's labels say together."""
    by: dict[str, dict[JudgeLabel, int]] = {}
    opinions: dict[str, dict[str, str]] = {}
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in labels:
        counts = by.setdefault(each.by, {"pass": 0, "fail": 0, "skip": 0})
        counts[each.label] += 1
        if each.label != "skip":
            opinions.setdefault(each.by, {})[each.item] = each.label
            votes[each.item][each.label] += 1
    pairs = tuple(_pair(one, other, opinions) for one, other in combinations(sorted(opinions), 2))
    return Agreement(items, dict(sorted(by.items())), pairs, tuple(_votes(each, votes[each]) for each in sorted(votes)))


def _pair(one: str, other: str, opinions: Mapping[str, Mapping[str, str]]) -> Pair:
    both = sorted(opinions[one].keys() & opinions[other].keys())
    said = [[opinions[person][item] for item in both] for person in (one, other)]
    agree = sum(first == second for first, second in zip(*said, strict=True))
    found = cohen_kappa(*said) if both else None
    ends = (None, None, None) if found is None else (found.value, found.lower, found.upper)
    return Pair(one, other, len(both), agree, *(each if each is not None and isfinite(each) else None for each in ends))


def _votes(item: str, votes: Mapping[str, int]) -> ItemVotes:
    passed, failed = votes["pass"], votes["fail"]
    return ItemVotes(item, passed, failed, "tie" if passed == failed else "pass" if passed > failed else "fail")
