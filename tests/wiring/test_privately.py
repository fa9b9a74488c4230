"""A version that is not live is asked on a server of its own, which leaves nothing behind."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from modelyard.core import NotFound, Unavailable
from modelyard.operations import carry_out
from modelyard.operations.answering import AnswerEvaluation, evaluate_answers
from modelyard.operations.applications import RegisterApplication, register_application
from modelyard.operations.prompts import RegisterPrompt, register_prompt
from modelyard.testing import FaultyUpstream, faulty_upstream
from modelyard.wiring import Project, served_privately

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

FILE = """
project: desk
upstreams:
  here:
    url: {url}
    retries: 0
    prices: {{answer: {{input: 1, output: 2}}}}
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """What repeats what it is told."""
    with faulty_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, upstream: FaultyUpstream) -> Iterator[Project]:
    """A project with three versions of an application, none of them deployed, and a judge's prompt."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "modelyard.yaml").write_text(FILE.format(url=upstream.url))
    (folder / "judge.yaml").write_text(
        '- {role: system, content: "{{question}}"}\n- {role: user, content: "{{answer}}"}\n'
    )
    made = Project(folder)
    for model in ("answer", "cut"):
        carry_out(register_application, made, RegisterApplication("desk", (f"here/{model}",), max_tokens=100))
    carry_out(register_prompt, made, RegisterPrompt("judge", folder / "judge.yaml"))
    yield made
    made.close()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """40 answers that a judge who repeats them passes, 21 that it fails, and one that is no verdict."""
    said = [f'{{"verdict": "pass", "reason": "{at}"}}' for at in range(40)]
    said += [*(each.replace("pass", "fail") for each in said[:21]), said[0][:-1]]
    cases = [{"id": f"q{at}", "question": text, "expected": text} for at, text in enumerate(said)]
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"kind": "answers", "suite": "s", "version": "1", "cases": cases}))
    return path


def children() -> set[int]:
    """The processes below this one: other tests may have left some of their own (a pool that is kept, say)."""
    return {each.pid for each in psutil.Process(os.getpid()).children(recursive=True)}


def evaluated(project: Project, suite: Path, **given: Any) -> dict[str, Any]:
    """Version 1, evaluated."""
    told = {"application": "desk", "version": "1", **given}
    return evaluate_answers(AnswerEvaluation(suite=suite, **told), project)


def test_a_version_is_asked_that_is_nowhere_live(project: Project, suite: Path) -> None:
    """What each answer cost is that of its record; processes, folders and the project's log are as before."""
    before, running = {each.name for each in project.workspace.iterdir()}, children()
    found = evaluated(project, suite, baseline="desk/2")
    assert found["metrics"]["exact_match"]["value"] == 1
    assert all(each["cost_micros"] == each["input_tokens"] + 2 * each["output_tokens"] for each in found["answers"])
    assert found["baseline"]["metrics"]["errors"]["value"] == 1
    (bundle,) = found["bundles"]
    assert str(project.models.get("desk", "1").bundle).startswith(bundle)
    assert {each.name for each in project.workspace.iterdir()} == before
    assert project.log.deployments() == []
    assert children() <= running
    with pytest.raises(NotFound):
        evaluated(project, suite, version="9")


def test_a_server_that_does_not_load_the_version_is_told_with_its_reason(project: Project, suite: Path) -> None:
    """And ended: a prompt is no application."""
    running = children()
    with pytest.raises(Unavailable, match="is not served"), served_privately(project, project.models.get("judge", "1")):
        pytest.fail("it is served")
    assert children() <= running


def test_a_judge_gates_only_with_people_behind_it(project: Project, suite: Path, tmp_path: Path) -> None:
    """Without labels, with few, with others' opinion: inconclusive. With 50 that agree it decides."""
    judge: dict[str, Any] = {"judge": "prompts:/judge/1", "judge_target": "here/answer", "least": ("judge=0.3",)}
    first = evaluated(project, suite, **judge, output=tmp_path / "out.json")
    assert (first["verdict"], first["judge"]["judged"], first["judge"]["unparsed"]) == ("inconclusive", 62, 1)
    assert [each["metric"] for each in first["faults"]] == ["judge"]
    assert first["judge"]["cost_micros"] > 0
    assert "--items FILE" in first["remedy"]
    told = {item: each["passed"] for item, each in first["judge"]["verdicts"].items()}
    again: dict[str, Any] = {**judge, "application": None, "version": None, "answers": tmp_path / "out.json"}

    def labelled(opinion: Any, count: int = 62) -> dict[str, Any]:
        lines = [{"item": item, "label": opinion(said), "by": "ann"} for item, said in list(told.items())[:count]]
        (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
        return evaluated(project, suite, **again, labels=tmp_path / "labels.jsonl")

    few = labelled(lambda said: "pass" if said else "fail", 40)
    assert (few["verdict"], "of the 50 that it takes" in few["reasons"][0]) == ("inconclusive", True)
    against = labelled(lambda said: "fail" if said else "pass")
    assert against["verdict"] == "inconclusive"
    assert against["judge"]["calibration"]["kappa"] < 0
    trusted = labelled(lambda said: "pass" if said else "fail")
    assert (trusted["verdict"], trusted["judge"]["calibration"]["labels"]) == ("pass", 61)
    assert trusted["judge"]["calibration"]["untrusted"] == ""
