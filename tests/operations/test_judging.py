"""Judging answers as the command line and the API ask for it: an operation, a project, an input."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from modelyard.access import Principal, Role
from modelyard.access.errors import PermissionDenied
from modelyard.cli.root import root
from modelyard.console.api import status_of
from modelyard.core import InvalidInput, ManualClock, ModelyardError, NotFound, SeededIds, json_text, to_micros
from modelyard.journal import Generated, Journal, PredictionRecord
from modelyard.llm.queues import NoQueue
from modelyard.operations import Nothing, Operation, carry_out, judging, logs, persons
from modelyard.wiring import Project

from ..conftest import NOON
from ..faults.hostile import bait, strings

ANN, BEN, VIEWER = (
    Principal(name, (role,), "test")
    for name, role in (("ann", Role.DEVELOPER), ("ben", Role.DEVELOPER), ("guest", Role.VIEWER))
)
FILE = """
project: desk
models: {chat: {label: y, request: {a: number}, features: [a]}}
deployments: {desk: {model: chat@production}}
"""
ORIGIN = ("case-", "variant", "prompts:/greet", "local/small", "gold-model")
"""What stands in the file of answers and tells whose they are."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with a queue of four answers of two variants."""
    (tmp_path / "modelyard.yaml").write_text(FILE)
    project = Project(tmp_path, clock=ManualClock(NOON), ids=SeededIds(0), environment={})
    told = carry_out(judging.queue_answers, project, judging.QueueAnswers("pilot", answers(tmp_path)), principal=ANN)
    assert told == {"queue": "pilot", "items": 4, "new": 4}
    yield project
    project.close()


def answers(folder: Path) -> Path:
    """Answers as an evaluation writes them."""
    file = folder / "answers.jsonl"
    lines = [
        {
            "item": f"case-{number}", "question": f"Question {number}?", "answer": f"Answer {number}.",
            "chunks": [{"text": "What is given.", "model": "gold-model"}], "expected": None,
            "variant": "AB"[number % 2], "prompt": "prompts:/greet/3", "target": ["local/small"],
        }
        for number in range(4)
    ]  # fmt: skip
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return file


def given(project: Project, who: Principal, *labels: str) -> list[Any]:
    """Label the next ones for somebody; everything that was answered."""
    found = []
    for label in labels:
        shown = carry_out(judging.next_answer, project, judging.NextAnswer("pilot"), principal=who)
        item = shown["item"]["item"]
        told = carry_out(judging.label_answer, project, judging.LabelAnswer("pilot", item, label), principal=who)
        again = carry_out(judging.next_answer, project, judging.NextAnswer("pilot", item), principal=who)
        found += [shown, told, again]
    return found


def test_who_judges_is_told_nothing_of_whose_an_answer_is(project: Project) -> None:
    """In no answer of the operations that one judges by, agreement and the list of queues among them."""
    told = given(project, ANN, "pass", "fail", "skip", "pass") + given(project, BEN, "pass")
    told.append(carry_out(judging.next_answer, project, judging.NextAnswer("pilot"), principal=ANN))
    told.append(carry_out(judging.agreement, project, judging.OneQueue("pilot"), principal=ANN))
    told.append(carry_out(judging.list_queues, project, Nothing(), principal=ANN))
    text = json_text(told)
    assert [each for each in ORIGIN if each in text] == []
    assert "Question 3?" in text
    assert told[-3]["item"] is None
    labels = carry_out(judging.labels_of, project, judging.OneQueue("pilot"))
    assert {each["item"] for each in labels} <= {f"case-{number}" for number in range(4)}


def test_progress_is_told_with_every_step(project: Project) -> None:
    """How many are labelled, of how many, and which was the last."""
    shown, told, again = given(project, ANN, "skip")
    assert (shown["labelled"], told["labelled"], told["items"], told["unchanged"]) == (0, 1, 4, False)
    assert again["item"]["mine"]["label"] == "skip"
    assert again["last"] == shown["item"]["item"]
    (listed,) = carry_out(judging.list_queues, project, Nothing(), principal=BEN)
    assert (listed["queue"], listed["items"], listed["people"], listed["mine"]) == ("pilot", 4, {"ann": 1}, 0)


def test_labels_come_out_without_skips_for_an_evaluation(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A JSON object a line, by the names that the evaluation gave; printed as a table without a file."""
    given(project, ANN, "pass", "skip", "fail")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(root, ["llm", "labels", "pilot", "-o", "labels.jsonl", "--json"])
    assert json.loads(done.stdout) == {"labels": 2, "file": "labels.jsonl"}
    lines = [json.loads(each) for each in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert sorted(each["label"] for each in lines) == ["fail", "pass"]
    assert {tuple(each) for each in lines} == {("item", "label", "by")}
    assert "case-" in CliRunner().invoke(root, ["llm", "labels", "pilot"]).stdout


def test_the_command_line_shows_labels_and_counts(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one with its texts, what was said of it, that all are done, and how far people agree."""
    given(project, BEN, "pass", "fail", "pass", "fail")
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    for number in range(4):
        item = json.loads(run(root, ["llm", "next", "pilot", "--json"]).stdout)["item"]["item"]
        assert "[chunk 1]\nWhat is given." in run(root, ["llm", "next", "pilot"]).stdout
        said = run(root, ["llm", "label", "pilot", item, "pass"]).stdout
        assert said == f"{item} is labelled pass: {number + 1} of 4\n"
    assert "is already labelled pass" in run(root, ["llm", "label", "pilot", item, "pass"]).stdout
    assert "of which you said pass" in run(root, ["llm", "next", "pilot", "--item", item]).stdout
    assert run(root, ["llm", "next", "pilot"]).stdout == "You have judged all 4 answers of pilot.\n"
    told = run(root, ["llm", "agreement", "pilot"]).stdout
    assert "kappa" in told
    assert "tie=2" in told
    assert "pilot" in run(root, ["llm", "queues"]).stdout


def test_who_may_only_look_looks(project: Project) -> None:
    """Labels take more; putting answers into a queue, too."""
    shown = carry_out(judging.next_answer, project, judging.NextAnswer("pilot"), principal=VIEWER)
    with pytest.raises(PermissionDenied):
        carry_out(
            judging.label_answer,
            project,
            judging.LabelAnswer("pilot", shown["item"]["item"], "pass"),
            principal=VIEWER,
        )
    with pytest.raises(PermissionDenied):
        carry_out(judging.queue_answers, project, judging.QueueAnswers("other"), principal=VIEWER)


def test_answers_come_from_a_file_or_from_the_log(project: Project, tmp_path: Path) -> None:
    """One of them, and one that is there."""
    for wrong in (judging.QueueAnswers("pilot"), judging.QueueAnswers("pilot", tmp_path, from_log="desk")):
        with pytest.raises(InvalidInput, match="Nothing says which answers"):
            carry_out(judging.queue_answers, project, wrong)
    with pytest.raises(NotFound, match="nosuch"):
        carry_out(judging.queue_answers, project, judging.QueueAnswers("pilot", from_log="nosuch"))
    with pytest.raises(InvalidInput, match="--sample is 0"):
        carry_out(judging.queue_answers, project, judging.QueueAnswers("pilot", from_log="desk", sample=0))
    with pytest.raises(NotFound, match="no text that could be judged: 0 answers"):
        carry_out(judging.queue_answers, project, judging.QueueAnswers("pilot", from_log="desk"))
    with pytest.raises(NoQueue):
        carry_out(judging.agreement, project, judging.OneQueue("nosuch"))


def test_hostile_strings_are_refused_or_but_texts(project: Project, tmp_path: Path) -> None:
    """In every field, beside a queue and an item that are there; afterwards nobody has labelled anything else."""
    item = carry_out(judging.next_answer, project, judging.NextAnswer("pilot"), principal=ANN)["item"]["item"]
    taken, refused = 0, list[ModelyardError]()
    for text in strings(bait(tmp_path)).values():
        asked: list[tuple[Operation[Any], Any]] = [
            (judging.next_answer, judging.NextAnswer("pilot", text)),
            (judging.label_answer, judging.LabelAnswer("pilot", text, "pass")),
            (judging.label_answer, judging.LabelAnswer("pilot", item, text)),
            (judging.label_answer, judging.LabelAnswer("pilot", item, "pass", text)),
            (judging.label_answer, judging.LabelAnswer(text, item, "pass")),
            (judging.queue_answers, judging.QueueAnswers(text, tmp_path / "answers.jsonl")),
        ]
        for operation, wanted in asked:
            try:
                carry_out(operation, project, wanted, principal=ANN)
                taken += 1
            except ModelyardError as error:
                refused.append(error)
    assert [each for each in refused if status_of(each) not in range(400, 500) or len(str(each)) > 10_000] == []
    assert taken > 10  # notes are texts
    assert carry_out(judging.agreement, project, judging.OneQueue("pilot"))["by"]["ann"]["pass"] == 1


def logged(project: Project, count: int) -> None:
    """So many answers of a language model, of this instant, for three persons."""
    at = to_micros(project.clock.now())
    journal = Journal(project.journal_folder, "server-1", project.clock)
    for number in range(count):
        asked = json.dumps([{"role": "user", "content": f"Logged {number}?"}])
        made = Generated(upstream="local", model="gold-model", asked=asked, said=f"Said {number}.")
        journal.append(
            [
                PredictionRecord(
                    f"p{number}", at, "desk", 1, "1", "live", "live", True, f"person {number % 3}", (), "stop", (), 9,
                    generated=msgspec.json.encode(made).decode(),
                )
            ]
        )  # fmt: skip
    journal.close()


def test_answers_of_the_log_are_judged_until_their_person_is_erased(project: Project, tmp_path: Path) -> None:
    """A sample of them; what was logged for somebody who goes leaves the queue as well."""
    logged(project, 9)
    every, some = (judging.QueueAnswers("live", from_log="desk", sample=each) for each in (9, 4))
    told = carry_out(judging.queue_answers, project, every)
    assert told == {"queue": "live", "items": 9, "new": 9, "answers": 9, "without_text": 0}
    assert carry_out(judging.queue_answers, project, some)["new"] == 0
    carry_out(logs.log_export, project, logs.LogExport(tmp_path / "one.json", entity="person 1"))
    told = json.loads((tmp_path / "one.json").read_text())["queued"]
    assert sorted(each["prediction_id"] for each in told) == ["p1", "p4", "p7"]
    done = carry_out(persons.erase_person, project, persons.Person("person 1"))
    assert done["queued"] == 3
    left = set()
    for _ in range(6):
        shown = carry_out(judging.next_answer, project, judging.NextAnswer("live"), principal=ANN)
        assert "gold-model" not in json_text(shown)
        item = shown["item"]
        left.add(item["question"])
        carry_out(judging.label_answer, project, judging.LabelAnswer("live", item["item"], "pass"), principal=ANN)
    assert left == {f"Logged {number}?" for number in range(9) if number % 3 != 1}
    assert carry_out(judging.next_answer, project, judging.NextAnswer("live"), principal=ANN)["item"] is None
