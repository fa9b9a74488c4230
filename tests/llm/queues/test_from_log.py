"""A sample of what language models answered, where their texts were kept."""

import json
from collections.abc import Iterator

import msgspec
import pyarrow as pa

from modelyard.journal import Generated
from modelyard.llm.queues import COLUMNS, sample_log
from modelyard.llm.queues.from_log import question_of


def row(number: int, generated: Generated | None) -> dict[str, object]:
    """A record of the log."""
    written = "" if generated is None else msgspec.json.encode(generated).decode()
    return dict(zip(COLUMNS, (f"p{number}", number, "3", "live", f"person {number}", written), strict=True))


def batches(*rows: dict[str, object]) -> Iterator[pa.RecordBatch]:
    """Two at a time."""
    for at in range(0, len(rows), 2):
        yield pa.RecordBatch.from_pylist(list(rows[at : at + 2]))


def told(number: int) -> Generated:
    """An answer whose texts were kept."""
    asked = json.dumps([{"role": "user", "content": f"Question {number}?"}])
    return Generated(upstream="local", model="small", prompt="d" * 64, asked=asked, said=f"Answer {number}.")


def test_a_sample_is_the_same_whatever_the_order_of_the_log() -> None:
    """Another seed draws another one; each answer is as likely as any other."""
    rows = [row(number, told(number)) for number in range(200)]
    one, again, other = (
        sample_log(batches(*given), "chat", 20, seed) for given, seed in ((rows, 0), (rows[::-1], 0), (rows, 1))
    )
    assert one == again
    assert [each.item for each in one.items] != [each.item for each in other.items]
    assert (len(one.items), one.answers, one.without_text) == (20, 200, 0)


def test_an_item_of_the_log_has_its_texts_and_its_origin() -> None:
    """Whose it is stands in the origin, and whom it was for beside it, so that it is found when that person goes."""
    (found,) = sample_log(batches(row(4, told(4))), "chat", 20).items
    assert (found.item, found.question, found.answer, found.entity) == ("p4", "Question 4?", "Answer 4.", "person 4")
    assert found.origin == {
        "deployment": "chat", "version": "3", "arm": "live", "upstream": "local", "model": "small", "prompt": "d" * 64,
    }  # fmt: skip


def test_answers_without_a_text_to_judge_are_counted() -> None:
    """Hashed, not kept, or asked with nothing that is a message; what no language model answered is no answer here."""
    hashed = msgspec.structs.replace(told(1), asked="hash:12", said="hash:34")
    silent, empty = msgspec.structs.replace(told(2), said=""), msgspec.structs.replace(told(3), asked="")
    found = sample_log(batches(row(0, None), row(1, hashed), row(2, silent), row(3, empty), row(4, told(4))), "chat", 9)
    assert ([each.item for each in found.items], found.answers, found.without_text) == (["p4"], 4, 3)


def test_a_conversation_is_shown_message_by_message() -> None:
    """Each under its role; parts of a message one after another; what is no list of messages is nothing."""
    asked = [
        {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "two?"}, 3]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "Three?"},
    ]
    assert question_of(json.dumps(asked)) == "[user]\nOne\ntwo?\n\n[user]\nThree?"
    assert question_of("plain") == question_of("[1]") == ""
