"""Items from a file of answers: JSON, one a line, as an evaluation writes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import printable

from .errors import InvalidItems
from .records import MOST_ITEMS, Item

_LONGEST = 200_000
"""Characters of an item, all its texts together: more is not read by anybody."""

_OWN = ("item", "question", "answer", "text", "chunks", "retrieved", "expected")
"""What is read of a line; all else is its origin."""


def read_items(path: Path) -> list[Item]:
    """The items of a file; InvalidItems names the first lines that are none.

    A line has `item`, `question` and `answer` (or `text`), and may have `chunks` (or `retrieved`: texts, or objects
    with a `text`) and `expected`. Whatever else it has is the item's origin, which nobody who judges sees. Where
    several gave the same answer they share an item, judged once. An answer that is null never came, and is left out.
    """
    wrong: list[str] = []
    found: dict[str, Item] = {}
    for number, line in _lines(path):
        try:
            item = _item(msgspec.json.decode(line))
            if item is not None and found.setdefault(item.item, item).digest != item.digest:
                wrong.append(f"line {number}: the item {item.item[:40]!r} was something else before")
        except (msgspec.DecodeError, ValueError) as error:
            wrong.append(f"line {number}: {str(error)[:200]}")
        if len(wrong) == 10 or len(found) > MOST_ITEMS:
            break
    if len(found) > MOST_ITEMS:
        wrong.append(f"it has more than {MOST_ITEMS:,} items")
    if wrong or not found:
        raise InvalidItems(
            f"{path} cannot be judged: {'; '.join(wrong) or 'it has no answers'}.",
            context={"file": str(path)},
            remedy='Write a line an answer: {"item": "expiry-1", "question": "…", "answer": "…", "chunks": ["…"]}.',
        )
    return list(found.values())


def plain_text(text: str) -> str:
    """A text as people see it: ends of lines are one character, what moves a cursor or turns writing is spelled out."""
    return printable(text.replace("\r\n", "\n"))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise InvalidItems(
            f"{path} cannot be read: {error.strerror}.",
            context={"file": str(path)},
            remedy="Name a file of JSON lines.",
        ) from error


def _item(line: Any) -> Item | None:
    if not isinstance(line, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - one kind of error for a line, whatever is wrong with it
    said = "text" if "text" in line and "answer" not in line else "answer"
    if said in line and line[said] is None:
        return None
    name, question, answer = (_text(line, each) for each in ("item", "question", said))
    if not name or len(name) > 200 or not name.isprintable():
        raise ValueError("its `item` is no name of 1 to 200 printable characters")
    given = map(_chunk, _listed(line.get("chunks", line.get("retrieved"))))
    chunks = tuple(each for each in given if each is not None)
    expected = None if line.get("expected") is None else _text(line, "expected")
    if sum(map(len, (question, answer, *chunks, expected or ""))) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST:,} characters")
    origin = {each: value for each, value in line.items() if each not in _OWN}
    if b"\\u0000" in msgspec.json.encode(origin):
        raise ValueError("it holds a null character")  # which databases do not keep
    return Item(
        item=name,
        question=plain_text(question),
        answer=plain_text(answer),
        chunks=tuple(map(plain_text, chunks)),
        expected=None if expected is None else plain_text(expected),
        origin=origin,
    )


def _text(line: dict[str, Any], name: str) -> str:
    value = line.get(name)
    if isinstance(value, str):
        return value
    raise ValueError(f"it has no `{name}`" if value is None else f"its `{name}` is no text")


def _listed(written: Any) -> list[Any]:
    if written is None or isinstance(written, list):
        return written or []
    raise ValueError("its `chunks` are no list of texts")


def _chunk(written: Any) -> str | None:
    """The text of a chunk; None where the application did not tell it."""
    text = written.get("text") if isinstance(written, dict) else written
    if isinstance(text, str) or (text is None and isinstance(written, dict)):
        return text
    raise ValueError("its `chunks` are no list of texts")
