"""Each rule fires on what it is for, and is silent otherwise; plain files need neither Python nor a project."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import modelyard as my
from modelyard.pipelines import (
    RULES,
    InvalidPipeline,
    Pipeline,
    check_pipeline,
    describe,
    describe_document,
    describe_file,
    hints_of,
)

GOOD: dict[str, Any] = {
    "name": "churn",
    "stages": [
        {"name": "load", "type": "data", "inputs": ["s3://rows"], "outputs": ["rows"]},
        {"name": "check", "type": "validate", "inputs": ["rows"], "outputs": ["good_rows"]},
        {"name": "prepare", "type": "transform", "inputs": ["good_rows"], "outputs": ["features"]},
        {"name": "fit", "type": "train", "inputs": ["features"], "outputs": ["model"], "seed": 7},
        {"name": "judge", "type": "evaluate", "inputs": ["model", "features"], "threshold": {"accuracy": 0.85}},
        {"name": "ship", "type": "deploy", "inputs": ["model"]},
    ],
    "rollback": {"strategy": "previous-version"},
}


def stage(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A stage of a document."""
    return next(each for each in document["stages"] if each["name"] == name)


def codes(document: dict[str, Any], *, strict: bool = False) -> set[tuple[str, str]]:
    """What the rules find, as code and severity."""
    return {(each.code, each.severity) for each in check_pipeline(describe_document(document), strict=strict)}


def changed(name: str, /, **keys: Any) -> dict[str, Any]:
    """The good pipeline with keys of one stage changed; None takes a key away."""
    document = deepcopy(GOOD)
    found = stage(document, name)
    found.update(keys)
    for key in [key for key, value in keys.items() if value is None]:
        del found[key]
    return document


def without(*names: str) -> dict[str, Any]:
    """The good pipeline without some stages."""
    document = deepcopy(GOOD)
    document["stages"] = [each for each in document["stages"] if each["name"] not in names]
    return document


def moved(name: str, place: int) -> dict[str, Any]:
    """The good pipeline with a stage elsewhere."""
    document = deepcopy(GOOD)
    found = stage(document, name)
    document["stages"].remove(found)
    document["stages"].insert(place, found)
    return document


def test_a_good_pipeline_has_no_findings_even_strictly() -> None:
    """So that each rule is silent somewhere."""
    assert codes(GOOD, strict=True) == set()


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("MISSING_KEY", "error", changed("fit", type=None)),
    ("MISSING_KEY", "error", {"name": "x"}),
    ("UNKNOWN_KEY", "error", changed("fit", sede=7)),
    ("UNKNOWN_KEY", "error", {**GOOD, "rolback": {}}),
    ("UNKNOWN_TYPE", "error", changed("fit", type="trian")),
    ("INVALID_VALUE", "error", changed("judge", threshold={"accuracy": "high"})),
    ("INVALID_VALUE", "error", changed("judge", threshold={})),
    ("INVALID_VALUE", "error", changed("fit", seed="seven")),
    ("INVALID_VALUE", "error", changed("fit", inputs="features")),
    ("INVALID_VALUE", "error", {**GOOD, "stages": {}}),
    ("INVALID_VALUE", "error", {**GOOD, "stages": [3]}),
    ("INVALID_VALUE", "error", {**GOOD, "rollback": {"strategy": "prayer"}}),
    ("DUPLICATE_NAME", "error", changed("fit", name="load")),
    ("DUPLICATE_OUTPUT", "error", changed("fit", outputs=["rows"])),
    ("UNKNOWN_INPUT", "error", changed("fit", inputs=["featuers"])),
    ("CYCLE", "error", changed("prepare", inputs=["good_rows", "model"])),
    ("CYCLE", "error", changed("prepare", inputs=["features"])),
    ("MISSING_STAGE", "error", without("fit")),
    ("MISSING_STAGE", "error", without("judge")),
    ("MISSING_STAGE", "error", without("load")),
    ("MISSING_STAGE", "error", {"name": "x", "stages": []}),
    ("MISSING_STAGE", "warning", without("check")),
    ("MISSING_STAGE", "warning", without("ship")),
    ("STAGE_ORDER", "error", moved("judge", 0)),
    ("STAGE_ORDER", "error", moved("load", 3)),
    ("STAGE_ORDER", "error", moved("ship", 3)),
    ("STAGE_ORDER", "error", moved("check", 5)),
    ("NO_EVALUATION_GATE", "error", changed("judge", threshold=None)),
    ("NO_EVALUATION_GATE", "error", moved("ship", 4)),
    ("NO_ROLLBACK", "warning", {**GOOD, "rollback": None}),
    ("UNREACHABLE_STAGE", "warning", changed("prepare", inputs=[])),
    ("UNUSED_OUTPUT", "warning", changed("prepare", outputs=["features", "plots"])),
    ("UNSEEDED_TRAINING", "warning", changed("fit", seed=None)),
]


@pytest.mark.parametrize(("code", "severity", "document"), CASES, ids=[each[0] for each in CASES])
def test_a_rule_fires_on_what_it_is_for(code: str, severity: str, document: dict[str, Any]) -> None:
    """With its severity; strictly it is an error. The remedy is never empty."""
    assert (code, severity) in codes(document)
    assert (code, "error") in codes(document, strict=True)
    assert all(each.remedy for each in check_pipeline(describe_document(document)))


def test_every_rule_has_a_case() -> None:
    """Types are known of Python alone; their case stands below."""
    assert {each.code for each in RULES} == {code for code, _, _ in CASES} | {"TYPE_MISMATCH"}


def test_the_nearest_name_is_told() -> None:
    """Of inputs, keys and types."""
    told = {each.code: each.remedy for each in check_pipeline(describe_document(changed("fit", inputs=["featuers"])))}
    assert "Did you mean 'features'?" in told["UNKNOWN_INPUT"]


def test_a_second_training_behind_the_evaluation_is_in_order() -> None:
    """The last rows are learned from as well, once the recipe has proved good."""
    document = deepcopy(GOOD)
    again = {"name": "refit", "type": "train", "inputs": ["features"], "outputs": ["final"], "seed": 7}
    document["stages"].insert(5, again)
    stage(document, "ship")["inputs"] = ["final"]
    assert codes(document, strict=True) == set()


@my.step(kind="data")
def load() -> list[float]:
    """Rows."""
    return [1.0]


@my.step(kind="validate")
def check(rows: list[float]) -> my.Judgement:
    """Fine."""
    raise NotImplementedError


@my.step(kind="train", seed=1)
def fit(rows: list[float], depth: int) -> str:
    """A model."""
    return f"{rows} {depth}"


@my.step(kind="evaluate")
def measure(model: str) -> dict[str, float]:
    """Metrics."""
    return {"accuracy": float(len(model))}


@my.step(kind="register")
def register(model: str, wanted: int = 0) -> None:
    """Kept."""


@my.pipeline
def good(depth: int = 3) -> None:
    """As it should be."""
    rows = load()
    check(rows)
    model = fit(rows, depth)
    my.gate(measure(model), {"accuracy": 0.9})
    register(model)


@my.pipeline
def bad(depth: str = "deep") -> None:
    """Registers on a number that is a mapping, what a text made."""
    model = fit(load(), depth)
    register(model, measure(model))


def found(pipeline: Pipeline) -> set[str]:
    """The codes of what the rules find in a pipeline of Python."""
    types = hints_of(pipeline.compose)
    return {each.code for each in check_pipeline(describe(pipeline.name, pipeline.graph(), parameters=types))}


def test_a_pipeline_in_python_is_judged_by_the_same_rules() -> None:
    """A gate that stands before holds back what comes after it; only the plan to come back stands in the project."""
    assert found(good) == {"NO_ROLLBACK"}
    assert found(bad) == {"TYPE_MISMATCH", "NO_EVALUATION_GATE", "NO_ROLLBACK", "MISSING_STAGE"}


def test_a_mismatch_of_types_names_both() -> None:
    """The parameter of the pipeline, and the output of a step."""
    types = hints_of(bad.compose)
    told = [each.message for each in check_pipeline(describe("bad", bad.graph(), parameters=types))]
    assert "'fit' takes int as 'depth', and gets str." in told
    assert "'register' takes int as 'wanted', and gets dict[str, float]." in told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "line 1, column 1"),
        (b"[]", "holds a list"),
        (b'{"name": NaN}', "NaN is no number"),
        (b'{"name": 1, "name": 2}', "'name' is written twice"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper"),
        (b"\xff\xfe", "utf-8"),
        (b'{"name": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_a_file_that_is_no_pipeline_is_refused_with_the_place(tmp_path: Path, data: bytes, told: str) -> None:
    """In a short sentence, however much there is."""
    (tmp_path / "p.json").write_bytes(data)
    with pytest.raises(InvalidPipeline, match=told) as caught:
        describe_file(tmp_path / "p.json")
    assert len(str(caught.value)) < 1000


def test_messages_stay_short_however_long_the_names() -> None:
    """A name of a megabyte is shown by its beginning."""
    found = check_pipeline(describe_document(changed("fit", name="x" * 1_000_000, type="y" * 1_000_000)))
    assert all(len(each.message) + len(each.remedy) < 1000 for each in found)
