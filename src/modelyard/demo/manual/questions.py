"""The questions: some that a page answers, with words that a right answer has; some that our pages do not speak of."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Literal, get_args

import msgspec
import yaml

Half = Literal["dev", "test"]
"""`dev` was looked at while limits and prompts were chosen; what is reported is of `test`."""

HALVES: tuple[Half, ...] = get_args(Half)
"""Both halves."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question; `pages` answer it, by their names below the folder of the pages: none, where it has no answer here.

    `says` are words of which a right answer has one, whatever their case.
    """

    id: str
    half: Half
    question: str
    pages: tuple[str, ...] = ()
    says: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether a page answers it."""
        return bool(self.pages)

    def answered_by(self, text: str) -> bool:
        """Whether a text has one of the words; no proof that the rest of it is true."""
        plain = " ".join(text.lower().split())
        return any(each.lower() in plain for each in self.says)

    def right(self, text: str, *, abstained: bool) -> bool:
        """Whether it is what should be said: the answer, or that there is none."""
        return self.answered_by(text) if self.answerable else abstained


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The questions, as a file that is versioned like code."""

    suite: str
    version: str
    cases: tuple[Question, ...]

    def of(self, half: Half, *, answerable: bool | None = None) -> Sequence[Question]:
        """One half, or those of it that have an answer, or have none."""
        return [
            each for each in self.cases if each.half == half and (answerable is None or each.answerable == answerable)
        ]


def read_questions() -> Suite:
    """The questions that are checked in beside this file."""
    text = files(__package__).joinpath("questions.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), type=Suite)
