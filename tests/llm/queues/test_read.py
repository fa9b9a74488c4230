"""Items from a file of answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelyard.llm.queues import InvalidItems, Item, read_items

LINE = {"item": "expiry", "question": "When?", "answer": "After 30 days."}


def written(folder: Path, *lines: Any) -> Path:
    """A file of these lines; text is written as it is."""
    file = folder / "answers.jsonl"
    file.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines) + "\n\n")
    return file


def test_what_is_not_shown_is_origin(tmp_path: Path) -> None:
    """Question, answer, chunks as texts or with one, expected answer; all else says whose the answer is."""
    line = {**LINE, "chunks": ["one", {"text": "two", "source": "a.md"}], "expected": "30 days", "variant": "B", "n": 3}
    assert read_items(written(tmp_path, line)) == [
        Item("expiry", "When?", "After 30 days.", ("one", "two"), "30 days", {"variant": "B", "n": 3})
    ]


def test_a_line_may_be_spelled_as_evaluations_spell_it(tmp_path: Path) -> None:
    """`text` and `retrieved`, whose texts an application need not tell; the same answer of two is one item."""
    line = {"item": "a.1", "question": "Who?", "text": "Eve.", "retrieved": [{"source": "a.md"}, {"text": "one"}]}
    found = read_items(written(tmp_path, {**line, "case": "a", "turn": 0}, {**line, "case": "a", "turn": 1}))
    assert found == [Item("a.1", "Who?", "Eve.", ("one",), origin={"case": "a", "turn": 0})]
    with pytest.raises(InvalidItems, match="no answers"):
        read_items(written(tmp_path, {**line, "text": None, "error": "late"}))


def test_answers_that_never_came_are_left_out(tmp_path: Path) -> None:
    """An empty one came, and can be judged."""
    found = read_items(written(tmp_path, {**LINE, "answer": None}, {**LINE, "item": "b", "answer": ""}))
    assert [each.item for each in found] == ["b"]


def test_texts_are_written_so_that_nothing_moves(tmp_path: Path) -> None:
    """Terminals' commands and what turns writing around are spelled out; ends of lines stay."""
    (found,) = read_items(written(tmp_path, {**LINE, "answer": "a\r\nb\x1b[2J\u202ec\0"}))
    assert found.answer == "a\nb\\x1b[2J\\u202ec\\x00"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: "),
        ([], "line 2: it is no object"),
        ({"item": "b", "question": "When?"}, "line 2: it has no `answer`"),
        ({**LINE, "item": 3}, "line 2: its `item` is no text"),
        ({**LINE, "item": "x" * 201}, "line 2: its `item` is no name"),
        ({**LINE, "answer": "Never."}, "line 2: the item 'expiry' was something else before"),
        ({**LINE, "item": "b", "chunks": [3]}, "line 2: its `chunks` are no list of texts"),
        ({**LINE, "item": "b", "chunks": 3}, "line 2: its `chunks` are no list of texts"),
        ({**LINE, "item": "b", "question": "x" * 200_001}, "line 2: it has more than 200,000 characters"),
        ('{"item": "b", "question": "\\ud800", "answer": ""}', "line 2: "),
        ({**LINE, "item": "b", "variant": "\0"}, "line 2: it holds a null character"),
    ],
)
def test_a_line_that_is_no_item_is_told(tmp_path: Path, line: Any, said: str) -> None:
    """With its number."""
    with pytest.raises(InvalidItems) as told:
        read_items(written(tmp_path, LINE, line))
    assert said in told.value.message


def test_all_that_is_wrong_is_told_at_once_and_no_more_than_ten(tmp_path: Path) -> None:
    """A file with nothing in it, and one that is not there, are told, too."""
    with pytest.raises(InvalidItems) as told:
        read_items(written(tmp_path, *["{"] * 20))
    assert told.value.message.count("line ") == 10
    with pytest.raises(InvalidItems, match="it has no answers"):
        read_items(written(tmp_path))
    with pytest.raises(InvalidItems, match="cannot be read"):
        read_items(tmp_path / "nosuch.jsonl")


def test_a_file_of_more_than_a_queue_may_have_is_refused(tmp_path: Path) -> None:
    """10,000 are the most."""
    with pytest.raises(InvalidItems, match="more than 10,000 items"):
        read_items(written(tmp_path, *({**LINE, "item": str(number)} for number in range(10_001))))
