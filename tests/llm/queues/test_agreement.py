"""How far people agree on what they judged."""

import pytest

from modelyard.llm.queues import ItemVotes, JudgeLabel, JudgeLabelled, Pair, agreement_of
from modelyard.stats import cohen_kappa

SAID: dict[str, str] = {"ann": "ppppffffs-", "ben": "pppfffffpp", "eve": "p---------"}
"""Of ten items: pass, fail, skip, and not yet."""
NAMES: dict[str, JudgeLabel] = {"p": "pass", "f": "fail", "s": "skip"}


def labels() -> list[JudgeLabelled]:
    """Everybody's."""
    return [
        JudgeLabelled(f"item-{at}", by, NAMES[each], "", "")
        for by, said in SAID.items()
        for at, each in enumerate(said)
        if each != "-"
    ]


def test_two_people_are_compared_on_what_both_passed_or_failed() -> None:
    """Skips are nobody's opinion; kappa and its interval are those of the eight that are left."""
    found = agreement_of(labels(), 12)
    first = found.pairs[0]
    kappa = cohen_kappa([NAMES[each] for each in "ppppffff"], [NAMES[each] for each in "pppfffff"])
    assert first == Pair("ann", "ben", 8, 7, kappa.value, kappa.lower, kappa.upper)
    assert kappa.value == pytest.approx(0.75)
    assert found.by["ann"] == {"pass": 4, "fail": 4, "skip": 1}


def test_what_cannot_be_told_is_none() -> None:
    """One item on which two agree says nothing of chance."""
    pair = agreement_of(labels(), 12).pairs[1]
    assert (pair.one, pair.other, pair.items, pair.agree) == ("ann", "eve", 1, 1)
    assert (pair.kappa, pair.lower, pair.upper) == (None, None, None)
    assert agreement_of([], 3).pairs == ()


def test_most_people_decide_an_item_and_ties_are_ties() -> None:
    """Three pass the first; one passes and one fails the fourth; nobody has said anything of the last two."""
    found = agreement_of(labels(), 12)
    votes = {each.item: each for each in found.votes}
    assert votes["item-0"] == ItemVotes("item-0", 3, 0, "pass")
    assert votes["item-3"] == ItemVotes("item-3", 1, 1, "tie")
    assert found.majority == {"pass": 5, "fail": 4, "tie": 1, "unjudged": 2}
