"""A graph written as JSON is read back equal, whatever stands in it."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import modelyard as my
from modelyard.pipelines import (
    FORMAT,
    Condition,
    Each,
    Graph,
    InvalidPipeline,
    Node,
    Options,
    Output,
    Parameter,
    Pipeline,
    check_pipeline,
    describe_document,
    export_pipeline,
    read_graph,
)
from modelyard.pipelines.describe import describe

HERE = Path(__file__).parent


@my.step(kind="data")
def load(rows: Any = None) -> Any:
    """A step of this file."""
    return rows


@my.step(name="other-name")
def work(rows: Any) -> Any:
    """Another."""
    return rows


def empty() -> None:
    """Composes nothing; the graphs come from elsewhere."""


EMPTY = Pipeline("drawn", empty)
NAMES = st.text("abcdefg-._", min_size=1, max_size=6).map(lambda text: "n" + text)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.datetimes(timezones=st.just(UTC))
    | st.datetimes()
    | st.dates()
    | st.timedeltas(timedelta(days=-9999), timedelta(days=9999))
)
OPTIONS = st.builds(
    Options,
    cache=st.none() | st.booleans(),
    retries=st.integers(0, 9),
    backoff=st.timedeltas(timedelta(microseconds=1), timedelta(days=99)),
    timeout=st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=99)),
    resources=st.dictionaries(st.sampled_from(["cpus", "gpus", "memory"]), st.floats(0.1, 1e12)),
    seed=st.none() | st.integers(0, 2**32 - 1),
    secrets=st.lists(st.sampled_from(["TOKEN", "_KEY2"]), unique=True).map(tuple),
    reads=st.lists(NAMES, max_size=2).map(tuple),
    environment=st.just(()) | st.just(("numpy",)),
)


KEYS = st.text(max_size=4) | st.just("$output") | st.integers() | st.dates()


def values_of(outputs: st.SearchStrategy[Output]) -> st.SearchStrategy[Any]:
    """Anything that a step may be given, some levels deep."""
    leaves = SCALARS | st.builds(Parameter, NAMES) | outputs
    lists = st.lists(leaves, max_size=3)
    flat = leaves | lists | lists.map(tuple) | st.dictionaries(KEYS, leaves, max_size=3)
    deep = st.lists(flat, max_size=2) | st.dictionaries(KEYS, flat, max_size=2)
    return flat | deep | flat.map(Each)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of any shape: every node takes what it likes of those before."""
    nodes: list[Node] = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        taken = [each.name for each in nodes]
        paths = st.lists(st.text(max_size=3) | st.integers(0, 9), max_size=2).map(tuple)
        outputs = st.builds(Output, st.sampled_from(taken), paths) if taken else st.nothing()
        equal = st.builds(Condition, outputs, st.just("=="), st.integers() | st.text() | st.none())
        nodes.append(
            Node(
                name,
                draw(st.sampled_from(["data", "validate", "train", "gate", "deploy"])),
                draw(st.sampled_from([load.function, work.function, my.gate.function])),
                draw(st.dictionaries(NAMES, values_of(outputs), max_size=2)),
                draw(OPTIONS),
                tuple(draw(st.lists(equal | st.builds(Condition, outputs), max_size=2))) if taken else (),
                tuple(draw(st.lists(st.sampled_from(taken), max_size=2, unique=True))) if taken else (),
            )
        )
    return Graph(tuple(nodes), tuple(draw(st.lists(st.just("earlier"), max_size=1))))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_what_is_written_is_read_back_equal(graph: Graph) -> None:
    """Through the text of the file, of every type to the last microsecond; the words said of both agree."""
    document = json.loads(json.dumps(export_pipeline(EMPTY, HERE, graph=graph), allow_nan=False))
    back = read_graph(document, HERE)
    assert back == graph
    assert [type(value) for node in back.nodes for value in node.inputs.values()] == [
        type(value) for node in graph.nodes for value in node.inputs.values()
    ]
    told, known = describe_document(document), describe("drawn", graph)
    assert [(each.name, each.kind, each.wires, each.waits, each.seeded) for each in told.stages] == [
        (each.name, each.kind, each.wires, each.waits, each.seeded) for each in known.stages
    ]


def exported() -> dict[str, Any]:
    """A document with two steps."""

    @my.pipeline
    def small(day: date = date(2026, 1, 5)) -> None:
        """Two steps."""
        work([load(day), datetime(2026, 1, 5, tzinfo=UTC)])

    return export_pipeline(small, HERE, rollback="previous-version")


def test_the_document_names_functions_parameters_and_the_plan_to_come_back() -> None:
    """As the documentation says; infinities are written too."""
    document = exported()
    assert document["format"] == FORMAT
    assert [each["function"] for each in document["steps"]] == ["test_document.py:load", "test_document.py:work"]
    assert document["parameters"] == {"day": {"type": "datetime.date", "default": {"$date": "2026-01-05"}}}
    assert document["rollback"] == {"strategy": "previous-version"}
    graph = Graph((Node("n", "data", load.function, {"rows": float("-inf")}),))
    assert read_graph(export_pipeline(EMPTY, HERE, graph=graph), HERE) == graph


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("format",), "modelyard.pipeline/9", "not 'modelyard.pipeline/1'"),
        (("stepz",), [], "unknown key 'stepz'"),
        (("steps", 0, "function"), "load", "file.py:function"),
        (("steps", 0, "kind"), "dta", "unknown kind"),
        (("steps", 0, "options"), {"retires": 1}, "unknown key 'retires'"),
        (("steps", 0, "options"), {"retries": -1}, "whole number from 0"),
        (("steps", 0, "when"), [3], "A condition"),
        (("steps", 0, "inputs"), {"rows": {"$output": 3}}, "A value of step 'load'"),
        (("steps", 0, "inputs"), {"rows": {"$ouptut": "x"}}, "A value of step 'load'"),
        (("steps", 0, "inputs"), {"rows": {"$datetime": "yesterday"}}, "yesterday"),
        (("steps", 0, "inputs"), {"rows": {"$items": [1]}}, "cannot be read"),
        (("steps", 0, "inputs"), {"rows": {"$output": "laod"}}, "'laod', which is no step"),
        (("steps", 0, "function"), "../evil.py:run", "no file below"),
        (("steps", 0, "function"), "/tmp/evil.py:run", "no file below"),
        (("steps", 0, "function"), "os:system", "no file below"),
        (("steps", 0, "function"), "modelyard.nowhere:run", "no module"),
        (("steps", 0, "function"), "test_document.py:nobody", "no function 'nobody'"),
    ],
)
def test_a_document_that_was_spoiled_is_refused_with_a_sentence(path: tuple[Any, ...], value: Any, told: str) -> None:
    """Whatever was changed by hand."""
    document = json.loads(json.dumps(exported()))
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(InvalidPipeline, match=told):
        read_graph(document, HERE)


def test_an_exported_document_is_judged_without_its_code() -> None:
    """Built-in types that clash are seen; a circle that someone wrote by hand too."""
    document = json.loads(json.dumps(exported()))
    first, second = document["steps"]
    first["types"]["return"], second["types"]["rows"], second["inputs"]["rows"] = "int", "str", {"$output": "load"}
    first["function"] = second["function"] = "gone.py:run"
    assert "TYPE_MISMATCH" in {each.code for each in check_pipeline(describe_document(document))}
    first["inputs"]["rows"] = {"$output": "other-name"}
    assert "CYCLE" in {each.code for each in check_pipeline(describe_document(document))}


def test_what_cannot_be_found_again_is_not_exported() -> None:
    """A function inside another, one of a notebook, one outside the project."""

    @my.step
    def inside() -> None:
        """Nobody finds it."""

    with pytest.raises(InvalidPipeline, match="top level of its file"):
        export_pipeline(EMPTY, HERE, graph=Graph((Node("n", "data", inside.function, {}),)))
    with pytest.raises(InvalidPipeline, match="outside the project"):
        export_pipeline(EMPTY, HERE / "elsewhere", graph=Graph((Node("n", "data", load.function, {}),)))
    with pytest.raises(InvalidPipeline, match="is a set"):
        export_pipeline(EMPTY, HERE, graph=Graph((Node("n", "data", load.function, {"rows": {1}}),)))
