"""Answers and what they score, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from modelyard.core import canonical_json, digest_of


class Retrieved(msgspec.Struct, frozen=True, omit_defaults=True):
    """A chunk that an answer was to rest on: its source, and its text where the application tells it."""

    source: str
    text: str | None = None
    title: str = ""
    start: int | None = None
    end: int | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of asking a case the `turn`th time: a text, or the `error` for which there is none.

    None stands for what was not told: `retrieved` and `abstained` of applications that retrieve nothing, tokens of
    upstreams that do not count, `cost_micros` where no log or price has it. `cited` are the sources that annotations
    name. `bundle` begins the digest of the version that answered.
    """

    case: str
    turn: int
    question: str
    text: str | None = None
    error: str = ""
    retrieved: tuple[Retrieved, ...] | None = None
    cited: tuple[str, ...] | None = None
    abstained: bool | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    latency_s: float | None = None
    id: str = ""
    bundle: str = ""

    @property
    def texts(self) -> tuple[str, ...] | None:
        """The texts that were retrieved; None where nothing tells them."""
        if self.retrieved is None:
            return None
        found = tuple(each.text for each in self.retrieved if each.text is not None)
        return found if len(found) == len(self.retrieved) else None

    @property
    def item(self) -> str:
        """A name for what people and judges say of it: the case, and a digest of question, answer and chunks.

        The same answer has the same name whoever gave it; another one is another item.
        """
        told: list[Any] = [self.question, self.text, list(self.texts or ())]
        return f"{self.case}.{digest_of(canonical_json(told))[:12]}"


class Trouble(Enum):
    """Why a metric has no value where it should: the application gave no answer, or what measures failed."""

    ASKING = "asking"
    SCORING = "scoring"


Value = float | Trouble

Values = Mapping[str, tuple[Value, ...]]
"""What one metric came to, by case, each time that it was asked. A case where it is not measured is not there."""


class Fault(msgspec.Struct, frozen=True):
    """An error that was counted: of which answer, in which metric (`errors`: of asking itself), and what it says."""

    case: str
    turn: int
    metric: str
    error: str


@dataclass(frozen=True)
class Asked:
    """All answers of one application to a suite, in the order of cases and turns."""

    name: str
    answers: tuple[Answer, ...]
