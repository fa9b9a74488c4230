"""Items from the prediction log: a sample of what language models answered, where their texts were kept."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
import pyarrow as pa

from modelyard.journal import Generated

from .read import plain_text
from .records import Given, Item

COLUMNS = ("prediction_id", "event_us", "model_version", "arm", "entity", "generated")
"""What of the log is read."""

_HASHED = "hash:"


@dataclass(frozen=True)
class Sampled:
    """A sample of the answers of a stretch; of `without_text` answers no text was kept that could be judged."""

    items: list[Item]
    answers: int
    without_text: int


def sample_log(
    batches: Iterable[pa.RecordBatch],
    deployment: str,
    sample: int,
    seed: int = 0,
    given: Callable[[str, Generated], tuple[Given, ...]] = lambda *_: (),
) -> Sampled:
    """At most `sample` answers, each as likely as any other; the same seed draws the same ones.

    Those whose numbers, made of seed and prediction id, are smallest: so a log that is read in another order, or sealed
    meanwhile, gives the same sample. Only these are in memory. `given` tells what an answer of a
    version was given to rest on.
    """
    counted = _Counted()
    drawn = heapq.nsmallest(sample, counted.told(batches), key=lambda row: _drawn(seed, row["prediction_id"]))
    return Sampled([_item(deployment, row, given) for row in drawn], counted.answers, counted.without)


class _Counted:
    """The answers of language models that can be judged; what is passed over is counted."""

    def __init__(self) -> None:
        self.answers = self.without = 0

    def told(self, batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
        for batch in batches:
            for row in batch.select(COLUMNS).to_pylist():
                if not row["generated"]:
                    continue
                self.answers += 1
                found = msgspec.json.decode(row["generated"], type=Generated)
                question = "" if found.asked.startswith(_HASHED) else question_of(found.asked)
                if question and found.said and not found.said.startswith(_HASHED):
                    yield row | {"question": question, "generated": found}
                else:
                    self.without += 1


def question_of(asked: str) -> str:
    """What was asked, of the JSON of a chat's messages: the text of a single one, or else each under its role."""
    try:
        messages = msgspec.json.decode(asked, type=list[dict[str, Any]])
    except msgspec.DecodeError:
        return ""
    told = [(str(each.get("role") or "user"), _content(each.get("content"))) for each in messages]
    if len(told) == 1:
        return told[0][1]
    return "\n\n".join(f"[{role}]\n{text}" for role, text in told if text)


def _content(content: Any) -> str:
    """The text of a message, which is one or several parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(str(each.get("text") or "") for each in parts if isinstance(each, dict))


def _drawn(seed: int, identity: str) -> bytes:
    return sha256(f"{seed}/{identity}".encode()).digest()


def _item(deployment: str, row: dict[str, Any], given: Callable[[str, Generated], tuple[Given, ...]]) -> Item:
    found: Generated = row["generated"]
    return Item(
        item=row["prediction_id"],
        question=plain_text(row["question"]),
        answer=plain_text(found.said),
        origin={
            "deployment": deployment,
            "version": row["model_version"],
            "arm": row["arm"],
            "upstream": found.upstream,
            "model": found.model,
            "prompt": found.prompt,
        },
        entity=row["entity"],
        given=tuple(
            msgspec.structs.replace(each, text=plain_text(each.text)) for each in given(row["model_version"], found)
        ),
    )
