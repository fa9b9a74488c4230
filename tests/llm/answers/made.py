"""Suites and answers, made on the spot."""

from typing import Any

import msgspec

from modelyard.core import Digest
from modelyard.llm.answers import Answer, AnswerSuite, Asked, Retrieved

DIGEST = Digest("d" * 64)


def suite_of(*cases: dict[str, Any], **more: Any) -> AnswerSuite:
    """A suite of these cases."""
    told = {"kind": "answers", "suite": "s", "version": "1", "cases": list(cases), **more}
    return msgspec.convert(told, AnswerSuite)


def answer(case: str, text: str | None, turn: int = 1, **more: Any) -> Answer:
    """An answer to a case, or an error where there is no text."""
    return Answer(case, turn, "asked", text, "" if text is not None else "cut off", **more)


def asked(*answers: Answer) -> Asked:
    """Answers of one application."""
    return Asked("desk/1", answers)


def chunks(**texts: str) -> tuple[Retrieved, ...]:
    """What was retrieved, by source."""
    return tuple(Retrieved(source, text) for source, text in texts.items())
