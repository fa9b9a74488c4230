"""From an evaluation to people, and from people to a judge that may decide: command after command, by their files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.llm.answers import NO_ANSWER
from modelyard.testing import FaultyUpstream, faulty_upstream

from .conftest import Command

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

JUDGED = ("--judge", "prompts:/judge/1", "--judge-target", "here/answer", "--least", "judge=0.4")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """What repeats what it is told: as an application and as a judge."""
    with faulty_upstream() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, mlflow_tables: Path, upstream: FaultyUpstream, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, a judge's prompt, and 52 questions whose answers are the judge's verdicts: 32 pass and 20 fail."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".modelyard").mkdir()
    (tmp_path / ".modelyard" / "mlflow.db").write_bytes(mlflow_tables.read_bytes())
    Path("modelyard.yaml").write_text(f"project: desk\nupstreams: {{here: {{url: '{upstream.url}', retries: 0}}}}\n")
    Path("judge.yaml").write_text('- {role: system, content: "{{question}}"}\n- {role: user, content: "{{answer}}"}\n')
    said = [json.dumps({"verdict": "pass" if at < 32 else "fail", "reason": str(at)}) for at in range(52)]
    cases: list[dict[str, Any]] = [{"id": f"q{at}", "question": text, "expected": text} for at, text in enumerate(said)]
    cases[0] = {"id": "q0", "question": said[0], "answerable": False}
    Path("suite.json").write_text(json.dumps({"kind": "answers", "suite": "s", "version": "1", "cases": cases}))
    return tmp_path


def test_labels_of_people_find_their_way_back_to_the_judge(folder: Path, modelyard: Command) -> None:
    """Answers of a version that is not live go into queues; with the labels of one the judge may decide, from the file
    and from the queue itself; with those of one who contradicts it everywhere nothing is decided.
    """

    def done(*words: str, code: int = 0) -> str:
        found, out, err = modelyard(*words)
        assert found == code, err
        return out

    def labelled(queue: str, opinion: dict[str, str]) -> list[dict[str, Any]]:
        shown = []
        while (told := json.loads(done("llm", "next", queue, "--json"))["item"]) is not None:
            shown.append(told)
            done("llm", "label", queue, told["item"], opinion[json.loads(told["answer"])["verdict"]])
        return shown

    done("llm", "register", "desk", "--target", "here/answer", "--max-tokens", "100")
    done("prompt", "register", "judge", "judge.yaml")
    asked = ("--application", "desk", "--version", "1", "--at-once", "8", "-o", "out.json", "--items", "items.jsonl")
    done("llm", "eval", "suite.json", *asked)
    again = ("llm", "eval", "suite.json", "--answers", "out.json", *JUDGED)
    done(*again, code=6)
    for queue in ("with", "against"):
        assert json.loads(done("llm", "queue", "items.jsonl", "--name", queue, "--json"))["new"] == 52
    done(*again, "--labels", "queue:with", code=6)
    shown = labelled("with", {"pass": "pass", "fail": "fail"})
    assert len(shown) == 52
    assert [each["expected"] for each in shown if '"0"' in each["question"]] == [NO_ANSWER]
    labelled("against", {"pass": "fail", "fail": "pass"})
    done("llm", "labels", "with", "-o", "labels.jsonl")
    found = [json.loads(done(*again, "--labels", each, "--json")) for each in ("labels.jsonl", "queue:with")]
    assert found[0] == found[1]
    known = found[0]["judge"]["calibration"]
    assert (found[0]["verdict"], known["labels"], known["agree"], known["strange"]) == ("pass", 52, 52, 0)
    told = json.loads(done(*again, "--labels", "queue:against", "--json", code=6))
    assert (told["verdict"], told["judge"]["calibration"]["agree"]) == ("inconclusive", 0)
    assert told["judge"]["calibration"]["kappa"] < 0


def test_labels_of_a_queue_that_is_not_there_are_told_before_anybody_is_asked(
    folder: Path, modelyard: Command, upstream: FaultyUpstream
) -> None:
    """By its name, with how queues are listed; so is a queue without a judge."""
    modelyard("prompt", "register", "judge", "judge.yaml")
    asked = upstream.asked["answer"]
    given = ("llm", "eval", "suite.json", "--deployment", "answer", "--url", upstream.url)
    code, _, err = modelyard(*given, *JUDGED, "--labels", "queue:nosuch")
    assert (code, "There is no queue 'nosuch'" in err, "modelyard llm queues" in err) == (5, True, True)
    assert "there is none" in modelyard(*given, "--labels", "queue:nosuch")[2]
    assert upstream.asked["answer"] == asked
