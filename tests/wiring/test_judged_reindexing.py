"""The gate of re-indexing by what a project measures of its own: its scorers, and a judge with people behind it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelyard.operations import carry_out
from modelyard.operations.answering import AnswerEvaluation, evaluate_answers
from modelyard.operations.prompts import RegisterPrompt, register_prompt
from modelyard.testing import FaultyUpstream, faulty_upstream
from modelyard.wiring import Project

from . import desk

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

CASES, RIGHT = 60, 40
JUDGE = '- {role: system, content: "{{question}} {{answer}}"}\n- {role: user, content: "{{expected}}"}\n'
"""The upstream repeats what stands last: the verdict that a case expects is what the judge says."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """What repeats the question."""
    with faulty_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, upstream: FaultyUpstream) -> Path:
    """A desk whose suite has verdicts in the place of right answers; the tests are its history, in their order."""
    made = tmp_path_factory.mktemp("judged")
    desk.make(made, upstream.url)
    verdicts = [json.dumps({"verdict": "pass" if at < RIGHT else "fail", "reason": "it is so"}) for at in range(CASES)]
    cases = [{"id": f"q{at}", "question": desk.sentence(at % 30), "expected": each} for at, each in enumerate(verdicts)]
    suite = {"kind": "answers", "suite": "verdicts", "version": "1", "cases": cases}
    (made / "suite.json").write_text(json.dumps(suite))
    (made / "judge.yaml").write_text(JUDGE)
    (made / "scorers.py").write_text("def told(case, answer):\n    return 'apprentices' in answer.text\n")
    project = Project(made)
    carry_out(register_prompt, project, RegisterPrompt("judge", made / "judge.yaml"))
    project.close()
    return made


def cycle(folder: Path, number: int, **policy: Any) -> tuple[list[str], dict[str, Any]]:
    """A page of the handbook changed, and the cycle that it begins: its transitions, and what ended the gate."""
    file = folder / "modelyard.yaml"
    document = yaml.safe_load(file.read_text())
    reindex = document["retraining"]["desk"]["reindex"]
    document["retraining"]["desk"]["reindex"] = {
        **{name: reindex[name] for name in ("documents", "suite", "at_once")},
        "scorers": ["scorers.py:told"],
        "judge": {"prompt": "prompts:/judge/1", "target": "here/answer"},
        **policy,
    }
    file.write_text(yaml.safe_dump(document))
    desk.write_page(folder, 30, more=f" It was changed {number} times.")
    project = Project(folder)
    events = desk.retrained(project)
    project.close()
    return [each["kind"] for each in events], events[2]


def test_a_judge_without_people_behind_it_lets_nothing_pass(folder: Path) -> None:
    """Whatever it says: the cycle is rejected, with the figures."""
    kinds, judged = cycle(folder, 1, least={"told": 0.5, "judge": 0.3})
    assert kinds == ["triggered", "training", "rejected"]
    assert "told is 1.000" in judged["detail"]
    assert "judge is 0.667" in judged["detail"]
    assert "the judge decides nothing, for" in judged["detail"]
    kinds, judged = cycle(folder, 2, least={"told": 0.5}, better_by={"judge": -0.1})
    assert kinds == ["triggered", "training", "rejected"]
    assert "the judge decides nothing, for" in judged["detail"]


def test_a_judge_that_people_agree_with_decides(folder: Path) -> None:
    """As many labels as it takes, of the very answers; the versions keep what was measured."""
    project = Project(folder)
    asked = AnswerEvaluation(
        suite=folder / "suite.json", application="desk", version="1", items=folder / "items.jsonl", at_once=8
    )
    evaluate_answers(asked, project)
    project.close()
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    labels = [{"item": each["item"], "label": json.loads(each["expected"])["verdict"], "by": "ann"} for each in items]
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)))
    judge = {"prompt": "prompts:/judge/1", "target": "here/answer", "labels": "labels.jsonl"}
    kinds, judged = cycle(folder, 3, judge=judge, least={"judge": 0.9})
    assert kinds == ["triggered", "training", "rejected"]
    assert "judge is 0.667" in judged["detail"]
    assert "asked for at least 0.9: fail" in judged["detail"]
    kinds, judged = cycle(folder, 4, judge=judge, least={"judge": 0.5, "told": 0.9}, better_by={"judge": -0.1})
    assert kinds == ["triggered", "training", "gated", "registered", "rollout"]
    metrics = judged["evidence"]["metrics"]
    assert (metrics["judge"], metrics["live_judge"]) == pytest.approx((RIGHT / CASES, RIGHT / CASES))
    assert (metrics["told"], metrics["live_told"], metrics["judge_better_by"]) == (1.0, 1.0, 0.0)


def test_what_cannot_measure_is_said_before_anybody_is_asked(folder: Path, upstream: FaultyUpstream) -> None:
    """A function that is not there, a prompt that is none, a limit on what is not measured."""
    project = Project(folder)
    project.rollouts.abort("desk", project.principal, "seen enough")
    assert desk.ticked(project) == ["rolled_back"]
    project.close()
    asked = upstream.asked["answer"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"scorers": ["scorers.py:told_nothing"], "least": {"told": 0.5}}, "leads to no function"),
        ({"judge": {"prompt": "prompts:/jugde/1", "target": "here/answer"}, "least": {"told": 0.5}}, "'jugde'"),
        ({"judge": {"prompt": "prompts:/judge/1", "target": "there/answer"}, "least": {"told": 0.5}}, "no upstream"),
        ({"judge": None, "least": {"judge": 0.5}}, "'judge'"),
    ]
    for number, (policy, said) in enumerate(wrong, 5):
        kinds, ended = cycle(folder, number, **policy)
        assert kinds[:2] == ["triggered", "training"]
        assert kinds[2] in ("failed", "rejected")
        assert said in ended["detail"], ended
    assert upstream.asked["answer"] == asked
