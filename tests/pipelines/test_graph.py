"""Graphs are values: cut into parts that say what they need of an earlier run."""

import pytest

import modelyard as my
from modelyard.pipelines import Graph, InvalidPipeline, Node


def nothing() -> None:
    """Does nothing."""


@my.step(kind="data")
def load() -> list[int]:
    """Rows."""
    return [1]


@my.step(kind="validate")
def check(rows: list[int]) -> my.Judgement:
    """Fine."""
    raise NotImplementedError


@my.step
def left(rows: list[int]) -> int:
    """One."""
    return rows[0]


@my.step
def right(rows: list[int]) -> int:
    """Two."""
    return rows[0]


@my.step(kind="train")
def join(one: int, other: int) -> int:
    """Both."""
    return one + other


@my.pipeline
def diamond() -> None:
    """Two ways from the rows to the model."""
    rows = load()
    check(rows)
    join(left(rows), right(rows))


GRAPH = diamond.graph()


def names(graph: Graph) -> list[str]:
    """The names of its steps."""
    return [each.name for each in graph.nodes]


def test_a_part_from_a_step_has_all_that_needs_it_or_waits_for_it() -> None:
    """What it lacks is taken from an earlier run."""
    part = GRAPH.from_("left")
    assert (names(part), part.outside) == (["left", "join"], ("load", "check", "right"))
    assert names(GRAPH.from_("check")) == ["check", "left", "right", "join"]


def test_a_part_to_a_step_has_all_that_it_needs_or_waits_for() -> None:
    """So that nothing is outside."""
    part = GRAPH.to("left")
    assert (names(part), part.outside) == (["load", "check", "left"], ())


def test_parts_of_parts() -> None:
    """Between two steps, and single ones in the order of the graph."""
    assert names(GRAPH.from_("left").to("left")) == ["left"]
    part = GRAPH.only(["join", "load"])
    assert (names(part), part.outside) == (["load", "join"], ("left", "right", "check"))
    assert GRAPH.only(names(GRAPH)) == GRAPH


def test_a_part_of_steps_that_are_not_there_is_refused() -> None:
    """With the nearest name; and at least one step is kept."""
    with pytest.raises(InvalidPipeline, match="Did you mean 'left'"):
        GRAPH.from_("lefd")
    with pytest.raises(InvalidPipeline, match="at least one step"):
        GRAPH.only([])
    with pytest.raises(InvalidPipeline, match="no step 'load'"):
        GRAPH.from_("left").to("load")


def test_a_long_chain_is_cut_without_deep_recursion() -> None:
    """Thousands of steps."""
    nodes = [Node("s0", "data", nothing, {})]
    nodes += [Node(f"s{at}", "transform", nothing, {}, after=(f"s{at - 1}",)) for at in range(1, 3000)]
    assert len(Graph(tuple(nodes)).from_("s1500").nodes) == 1500
