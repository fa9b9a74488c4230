"""Suites of answers are evaluated from end to end: asked, measured, compared, judged, and told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import InvalidInput
from modelyard.llm import InvalidSuite
from modelyard.operations.answering import AnswerEvaluation, evaluate_answers
from modelyard.testing import FaultyUpstream, faulty_upstream

CASES: list[dict[str, Any]] = [
    *({"id": f"q{at}", "question": f"say {at}", "expected": [f"Say {at}!"], "tags": ["easy"]} for at in range(30)),
    *({"id": f"x{at}", "question": f"say {at}", "expected": ["another thing"]} for at in range(10)),
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """What speaks OpenAI's API, as a gateway does; its models are how it goes wrong."""
    with faulty_upstream() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a project, with a suite and scorers."""
    monkeypatch.chdir(tmp_path)
    suite = {"kind": "answers", "suite": "echo", "version": "3", "cases": CASES}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    (tmp_path / "scorers.py").write_text(
        "def words(case, answer):\n    return len(answer.text.split())\n\n\n"
        "def broken(case, answer):\n    return 1 / 0\n"
    )
    return tmp_path


def evaluated(upstream: FaultyUpstream, **given: Any) -> dict[str, Any]:
    """What evaluating the suite comes to, as JSON would have it."""
    told = {"deployment": "answer", "url": upstream.url, **given}
    result = evaluate_answers(AnswerEvaluation(suite=Path("suite.json"), **told), None)
    return dict(json.loads(json.dumps(result, allow_nan=False)))


def test_a_suite_is_asked_and_measured(upstream: FaultyUpstream, folder: Path) -> None:
    """Metrics with intervals, slices, what is not measured, the digest of the suite; never a NaN."""
    found = evaluated(upstream, repeat=2, scorer=("scorers.py:words",))
    assert (found["cases"], found["repeat"], found["asked"], len(found["answers"])) == (40, 2, "answer", 80)
    assert found["metrics"]["exact_match"]["value"] == 0.75
    assert found["metrics"]["exact_match"]["lower"] > 0.59
    assert found["metrics"]["words"]["value"] == 2
    assert found["slices"]["easy"]["f1"]["value"] == 1
    assert {"support", "citation_recall", "right_abstention", "cost_micros"} <= set(found["not_measured"])
    assert (len(found["digest"]), found["faults"]) == (64, [])
    assert found["per_case"]["x3"]["exact_match"] == 0


def test_limits_are_judged(upstream: FaultyUpstream, folder: Path) -> None:
    """Pass, fail and what chance decides; errors of a scorer are counted, and decide nothing."""
    given = {"scorer": ("scorers.py:words", "scorers.py:broken")}
    verdicts = [evaluated(upstream, least=(each,))["verdict"] for each in ("f1=0.5", "f1=0.75", "f1=0.95")]
    assert verdicts == ["pass", "inconclusive", "fail"]
    found = evaluated(upstream, least=("words=1", "broken=0"), most=("latency_s=60",), **given)
    assert found["verdict"] == "inconclusive"
    assert [each.rpartition(": ")[2] for each in found["reasons"]] == ["pass", "inconclusive", "pass"]
    assert {each["metric"] for each in found["faults"]} == {"broken"}
    assert len(found["faults"]) == 40
    for wrong in (("f2=1",), ("f1",), ("f1=2",), ("judge=0.5",)):
        with pytest.raises(InvalidInput):
            evaluated(upstream, least=wrong)


def test_answers_that_do_not_come_are_counted(upstream: FaultyUpstream, folder: Path) -> None:
    """All of them: then nothing is measured but that."""
    found = evaluated(upstream, deployment="half-json", least=("f1=0.1",), most=("errors=0.1",))
    assert set(found["metrics"]) == {"errors"}
    assert found["metrics"]["errors"]["value"] == 1
    assert found["verdict"] == "fail"
    assert len(found["faults"]) == 40


def test_two_are_compared_on_the_same_cases(upstream: FaultyUpstream, folder: Path) -> None:
    """With paired intervals; one that does not answer is the worse."""
    found = evaluated(upstream, baseline="cut")
    better = found["baseline"]["better_by"]
    assert found["baseline"]["asked"] == "cut"
    assert better["errors"]["value"] == 1
    assert "f1" not in better  # of the other nothing was measured
    same = evaluated(upstream, baseline="no-usage")["baseline"]["better_by"]
    assert same["f1"] == {"value": 0, "lower": 0, "upper": 0}
    assert "input_tokens" not in same


def test_answers_can_be_measured_again_without_asking(upstream: FaultyUpstream, folder: Path) -> None:
    """Those that an evaluation wrote: equal values, also as the other side; of another suite they are refused."""
    first = evaluated(upstream, output=Path("out.json"), items=Path("items.jsonl"), repeat=2)
    asked = upstream.asked["answer"]
    nobody: dict[str, Any] = {"deployment": None, "url": None, "answers": Path("out.json")}
    again = evaluated(upstream, **nobody, baseline="out.json")
    assert upstream.asked["answer"] == asked
    assert (again["metrics"], again["per_case"]) == (first["metrics"], first["per_case"])
    assert all(each["value"] == 0 for each in again["baseline"]["better_by"].values())
    items = [json.loads(line) for line in Path("items.jsonl").read_text().splitlines()]
    assert len(items) == 40
    assert items[0] == {
        "item": next(each["item"] for each in first["answers"] if each["case"] == "q0"),
        "question": "say 0", "answer": "say 0", "chunks": [], "expected": "Say 0!",
    }  # fmt: skip
    Path("suite.json").write_text(Path("suite.json").read_text() + " ")
    with pytest.raises(InvalidSuite, match="another suite"):
        evaluated(upstream, **nobody)
    Path("out.json").write_text("{}")
    with pytest.raises(InvalidInput, match="no answers of an evaluation"):
        evaluated(upstream, **nobody)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deployment": None, "url": None}, "who is asked"),
        ({"application": "desk", "version": "1"}, "who is asked"),
        ({"deployment": None, "url": None, "application": "desk"}, "go together"),
        ({"deployment": None, "answers": Path("x")}, "goes with"),
        ({"repeat": 0}, "--repeat is 0"),
        ({"repeat": 101}, "--repeat is 101"),
        ({"at_once": 0}, "--at-once is 0"),
        ({"deadline": float("nan")}, "--deadline is nan"),
        ({"judge": "prompts:/j/1"}, "a model"),
        ({"labels": Path("x")}, "there is none"),
        ({"scorer": ("scorers.py:nothing",)}, "leads to no function"),
        ({"scorer": ("words",)}, "leads to no function"),
        ({"scorer": ("../scorers.py:words",)}, "leads to no function"),
        ({"scorer": ("scorers.py:words", "scorers.py:words")}, "same as another"),
        ({"key": ("hr",)}, "names no variable"),
        ({"key": ("hr=NO_SUCH_VARIABLE",)}, "no key in"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(
    upstream: FaultyUpstream, folder: Path, given: dict[str, Any], said: str
) -> None:
    """Before anybody is asked."""
    asked = upstream.asked["answer"]
    with pytest.raises(InvalidInput, match=said) as told:
        evaluated(upstream, **given)
    assert told.value.remedy
    assert upstream.asked["answer"] == asked


def test_what_only_a_project_has_needs_one(upstream: FaultyUpstream, folder: Path) -> None:
    """A version, a judge, the server of a deployment."""
    for given in (
        {"deployment": None, "url": None, "application": "desk", "version": "1"},
        {"judge": "prompts:/j/1", "judge_target": "here/x"},
        {"url": None},
    ):
        with pytest.raises(InvalidInput, match="needs a project"):
            evaluated(upstream, **given)
