"""Writing pipelines: what `@step` and `@pipeline` take, and what misuse is told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import modelyard as my
from modelyard.pipelines import (
    Condition,
    Each,
    Graph,
    InvalidPipeline,
    Options,
    Output,
    Parameter,
    in_a_file,
    must_move,
)


@my.step(kind="data")
def load(count: int = 3) -> list[int]:
    """The first numbers."""
    return list(range(count))


@my.step
def double(value: int) -> int:
    """Twice."""
    return 2 * value


@my.step(kind="evaluate")
def measure(values: list[int], scale: float = 1.0) -> dict[str, float]:
    """One metric."""
    return {"sum": scale * sum(values)}


def composed(body: Callable[[], Any]) -> Graph:
    """The graph of a pipeline with this body."""
    return my.pipeline(name="trial")(body).graph()


def test_options_are_kept_and_durations_read() -> None:
    """`gpu` is a spelling of `gpus`."""

    @my.step(kind="train", retries=2, backoff="5s", timeout="2h", resources={"gpu": 1, "cpus": 8}, seed=7)
    def train() -> None:
        """Nothing."""

    assert train.options == Options(
        retries=2,
        backoff=timedelta(seconds=5),
        timeout=timedelta(hours=2),
        resources={"gpus": 1, "cpus": 8},
        seed=7,
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "trian"}, "Did you mean 'train'"),
        ({"retries": -1}, "-1 is not a whole number from 0"),
        ({"retries": True}, "True is not a whole number"),
        ({"resources": {"gpuz": 1}}, "Did you mean 'gpus'"),
        ({"resources": {"cpus": 0}}, "0 is not an amount of cpus"),
        ({"resources": {"gpu": 1, "gpus": 2}}, "each resource once"),
        ({"backoff": "soon"}, "no duration"),
        ({"timeout": 30}, "30 is not a duration"),
        ({"timeout": timedelta(0)}, "longer than nothing"),
        ({"secrets": "TOKEN"}, r"for one write \('TOKEN',\)"),
        ({"secrets": ("pass word",)}, "never the secret itself"),
        ({"seed": -1}, "-1 is not a whole number from 0"),
        ({"cache": "no"}, "True, False or None"),
        ({"retires": 1}, "Did you mean 'retries'"),
        ({"reads": ("../x",)}, "names of datasets"),
        ({"environment": (1,)}, "names of installed distributions"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options: dict[str, Any], told: str) -> None:
    """Where it is written."""
    with pytest.raises(InvalidPipeline, match=told):
        my.step(**options)(lambda_free)


def lambda_free() -> None:
    """A plain function."""


def test_all_faults_of_the_options_are_told_at_once() -> None:
    """With the name of the step."""
    with pytest.raises(InvalidPipeline, match=r"'lambda_free'.*'trian'.*retries.*seed"):
        my.step(kind="trian", retries=-1, seed=-1)(lambda_free)  # type: ignore[call-overload]  # wrong on purpose


async def waiting() -> None:
    """A coroutine."""


def many(*values: int) -> None:
    """Takes any number."""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (waiting, "coroutine"),
        (many, r"'\*values: int'"),
        (lambda: None, "cannot name a step"),
        ("load", r"@step\(name='…'\)"),
        (load, "marked already"),
    ],
)
def test_what_no_step_can_be_made_of_is_refused(given: Any, told: str) -> None:
    """With what to write."""
    with pytest.raises(InvalidPipeline, match=told):
        my.step(given)


def misuse(deed: Callable[[Any], Any]) -> Callable[[], None]:
    """A pipeline that does something to an output."""

    def body() -> None:
        deed(load())

    return body


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        (lambda values: 1 if values else 2, r"with my\.when"),
        (lambda values: not values["a"], r"with my\.when"),
        (len, "cannot be counted"),
        (lambda values: [*values], "cannot be unpacked"),
        (lambda values: values + 1, "cannot be calculated with"),
        (lambda values: 2 * values, "cannot be calculated with"),
        (lambda values: -values, "cannot be calculated with"),
        (lambda values: 3 in values, "cannot be searched"),
        (lambda values: f"{values}", "cannot be written into a text"),
        (float, "cannot be made a number"),
        (range, "cannot be counted up to"),
        (lambda values: values[1:], "Take one element"),
        (lambda values: 1 if values["a"] > 1 else 2, "known only when the pipeline runs"),
        (lambda values: 0 < values["a"] < 1, "two conditions are two such blocks"),
        (lambda values: measure(values, "much"), r"takes float as 'scale', and is given 'much'"),
        (lambda values: measure(values, {1, 2}), "is a set"),
        (lambda values: measure({values: 1}), "key of type Output"),
        (lambda values: measure([my.each([1])]), "has an `each` inside"),
        (lambda values: measure(values > 1), "is a comparison"),
        (lambda values: measure(values, scael=1.0), "Did you mean 'scale'"),
        (lambda values: my.each(3), "type int"),
    ],
)
def test_misuse_of_what_is_not_there_yet_says_what_to_write(deed: Callable[[Any], Any], told: str) -> None:
    """Python code that would need the value while the pipeline is composed."""
    with pytest.raises(InvalidPipeline, match=told):
        composed(misuse(deed))


@pytest.mark.parametrize("condition", [True, 3, Parameter("fast")])
def test_only_outputs_are_conditions(condition: object) -> None:
    """A parameter goes through a step; a plain value is decided in Python."""

    def body() -> None:
        with my.when(condition):
            load()

    with pytest.raises(InvalidPipeline, match=r"my\.when"):
        composed(body)


def test_an_output_of_another_pipeline_is_refused_even_under_a_name_that_exists() -> None:
    """Names alone would connect it with the wrong step."""
    kept: list[Any] = []

    def first() -> None:
        kept.append(load())

    def second() -> None:
        load()
        measure(kept[0])

    composed(first)
    with pytest.raises(InvalidPipeline, match="comes from another pipeline"):
        composed(second)


def test_conditions_stand_on_the_steps_inside() -> None:
    """Nested blocks add up; behind the block nothing is left of them."""

    def body() -> None:
        metrics = measure(load())
        with my.when(metrics["sum"] > 2), my.when(metrics):
            double(1)
        double(2)

    inside, behind = composed(body).nodes[2:]
    assert inside.when == (Condition(Output("measure", ("sum",)), ">", 2), Condition(Output("measure")))
    assert (behind.name, behind.when) == ("double_2", ())


def test_a_step_over_each_element() -> None:
    """Of a list, or of what a step will give."""

    def body() -> None:
        double(my.each(load()))
        double(my.each([1, 2]))

    assert [each.inputs["value"] for each in composed(body).nodes[1:]] == [Each(Output("load")), Each([1, 2])]


def test_a_pipeline_inside_another_becomes_part_of_it() -> None:
    """With its defaults; it returns what its function returns. Outside it is not called, and never contains itself."""

    @my.pipeline
    def inner(count: int = 5) -> Any:
        """Numbers."""
        return load(count)

    @my.pipeline
    def outer() -> None:
        """Uses the inner one twice."""
        measure(inner())
        measure(inner(count=2))

    @my.pipeline
    def endless() -> None:
        """Calls itself."""
        endless()

    assert [each.name for each in outer.graph().nodes] == ["load", "measure", "load_2", "measure_2"]
    assert outer.graph().node("load").inputs == {"count": 5}
    assert inner.summary == "Numbers."
    with pytest.raises(InvalidPipeline, match="modelyard pipeline run inner"):
        inner()
    with pytest.raises(InvalidPipeline, match="endless → endless"):
        endless.graph()


def test_two_different_steps_of_one_name_are_refused() -> None:
    """The same step twice is numbered instead."""
    other = my.step(name="load")(lambda_free)

    def body() -> None:
        load()
        other()

    with pytest.raises(InvalidPipeline, match="Two different steps are called 'load'"):
        composed(body)


def test_a_step_called_in_a_step_is_a_plain_call() -> None:
    """And outside of any pipeline too."""

    @my.step
    def both() -> int:
        """Calls two others."""
        return int(double(len(load())))

    assert both() == 6


def test_code_of_a_notebook_cell_composes_and_is_told_when_to_move() -> None:
    """A cell has no file; a function inside another has one, and cannot be found in it."""
    names: dict[str, Any] = {"__name__": "__main__", "my": my}
    cell = "@my.step\ndef one() -> int:\n    return 1\n\n@my.pipeline\ndef small():\n    one()\n"
    exec(compile(cell, "<ipython-input-1>", "exec"), names)
    assert [each.name for each in names["small"].graph().nodes] == ["one"]
    assert not in_a_file(names["one"].function)
    assert "move it into a .py file" in must_move(names["one"].function)
    assert in_a_file(load.function)
    assert not in_a_file(misuse(len))
    assert "top level of its file" in must_move(misuse(len))
