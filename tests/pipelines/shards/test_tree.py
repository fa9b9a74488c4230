"""Answers are joined in one order, whatever the order in which they come."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from modelyard.core import InvalidInput
from modelyard.pipelines.shards.tree import Tree, add


def joined(order: tuple[int, ...]) -> Any:
    """The letters of the shards, in brackets as they were joined."""
    tree = Tree(len(order), lambda one, other: f"({one}{other})")
    for at in order:
        tree.put(at, "abcdefgh"[at])
    return tree.total


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [(1, "a"), (2, "(ab)"), (3, "((ab)c)"), (5, "(((ab)(cd))e)"), (6, "(((ab)(cd))(ef))"), (7, "(((ab)(cd))((ef)g))")],
)
def test_every_order_of_arrival_gives_the_same_brackets(leaves: int, expected: str) -> None:
    """Neighbours first, the earlier on the left; one without a neighbour goes up alone."""
    orders = permutations(range(leaves)) if leaves < 7 else [tuple(reversed(range(7))), (3, 6, 0, 5, 1, 4, 2)]
    assert {joined(order) for order in orders} == {expected}


def test_a_sum_of_many_terms_loses_less_than_a_running_one() -> None:
    """0.1 added ten thousand times: the running sum is off by 1e-10, the tree by less than a hundredth of that."""
    tree = Tree(10_000, add)
    for at in range(10_000):
        tree.put(at, 0.1)
    assert abs(tree.total - 1_000) < 1e-12
    assert abs(sum([0.1] * 10_000) - 1_000) > 1e-10


def test_parts_are_added_one_by_one() -> None:
    """Integers stay exact; a level that one side lacks is counted from the other."""
    one = {"n": 2**60, "x": np.array([1.0, 2.0]), "levels": {"a": 1}, "pair": (1, 2.5)}
    other = {"n": 1, "x": np.array([0.5, 0.5]), "levels": {"b": 3, "a": 1}, "pair": (1, np.float64(0.5))}
    found = add(one, other)
    assert (found["n"], found["levels"], found["pair"]) == (2**60 + 1, {"a": 2, "b": 3}, (2, 3.0))
    assert found["x"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(2), np.zeros(3)),
        (np.zeros(1), 1.0),
        ((1, 2), (1, 2, 3)),
        (True, False),
        ("a", "b"),
        ({"a": 1}, {"a": None}),
    ],
)
def test_what_has_no_sum_is_refused(one: Any, other: Any) -> None:
    """Arrays are not broadcast, truth is no number, and text is not put together."""
    with pytest.raises(InvalidInput, match="cannot be added"):
        add(one, other)
