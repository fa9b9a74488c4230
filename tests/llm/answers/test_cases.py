"""Suites of answers are files that say what they are, and are refused whole where they are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import digest_of
from modelyard.llm import InvalidSuite
from modelyard.llm.answers import kind_of, read_answer_suite

CASE: dict[str, Any] = {"id": "a", "question": "Why?", "expected": ["because"]}


def written(path: Path, **changed: Any) -> Path:
    """A file of a suite."""
    path.write_text(json.dumps({"kind": "answers", "suite": "s", "version": "1", "cases": [CASE], **changed}))
    return path


def test_a_suite_is_read_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    """One expected answer need not be a list; of a chat, what was asked is what the user said last."""
    messages = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    chat = {"id": "b", "messages": [*messages, {"role": "user", "content": "three"}], "expected": "four"}
    path = written(tmp_path / "suite.yaml", cases=[CASE, chat])
    suite, digest = read_answer_suite(path)
    assert digest == digest_of(path.read_bytes())
    first, second = suite.cases
    assert (first.text, first.right, first.asked[0].role) == ("Why?", ("because",), "user")
    assert (second.text, second.right, len(second.asked)) == ("three", ("four",), 3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cases": []}, "no cases"),
        ({"k": 0}, "k is 0"),
        ({"abstains": [" "]}, "phrase"),
        ({"cases": [CASE, CASE]}, "'a' comes twice"),
        ({"cases": [{**CASE, "id": "a b"}]}, "name with spaces"),
        ({"cases": [{**CASE, "question": " "}]}, "asks nothing"),
        ({"cases": [{**CASE, "messages": [{"role": "user", "content": "x"}]}]}, "a question and messages"),
        ({"cases": [{**CASE, "expected": [""]}]}, "empty"),
        ({"cases": [{**CASE, "expected": "\ud800"}]}, "half a character"),
        ({"cases": [{**CASE, "answerable": False}]}, "not answerable"),
        ({"cases": [{**CASE, "relevant": {"x": 0}}]}, "not above 0"),
        ({"cases": [{**CASE, "expcted": "x"}]}, "expcted"),
    ],
)
def test_a_suite_that_is_wrong_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    """With what is wrong, and an example of a case."""
    with pytest.raises(InvalidSuite, match="is no suite of answers") as told:
        read_answer_suite(written(tmp_path / "suite.json", **changed))
    assert said in told.value.message
    assert "expected" in told.value.remedy


def test_the_file_says_which_kind_it_is(tmp_path: Path) -> None:
    """Those that say nothing are of retrieval, as they always were; a kind that there is not is refused."""
    assert kind_of(written(tmp_path / "a.yaml")) == "answers"
    assert kind_of(written(tmp_path / "b.yaml", kind="retrieval")) == "retrieval"
    (tmp_path / "c.yaml").write_text("suite: old\n")
    assert kind_of(tmp_path / "c.yaml") == "retrieval"
    with pytest.raises(InvalidSuite, match=r"nowhere\.yaml cannot be read: No such file"):
        kind_of(tmp_path / "nowhere.yaml")
    with pytest.raises(InvalidSuite, match="'poems'"):
        kind_of(written(tmp_path / "d.yaml", kind="poems"))
