"""Suites of answers: questions, what may be answered, and what must not, as a file that is versioned like code."""

import math
import re
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from modelyard.core import Digest, digest_of
from modelyard.generation import Message

from ..errors import InvalidSuite

Kind = Literal["retrieval", "answers"]

_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,150}")
_EXAMPLE = {"id": "expiry", "question": "When does an approval expire?", "expected": ["after 24 hours"]}


class AnswerCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, or `messages` that end with one, and the prompt's `variables`.

    Any of `expected` is right. `answerable` False: there is no answer, and to say so is right. `relevant` are the
    sources that answer it, with how relevant each is (1 where only named). `groups` say who asks; `tags` name the
    slices that it belongs to.
    """

    id: str
    question: str = ""
    messages: tuple[Message, ...] = ()
    variables: dict[str, str] = {}
    expected: str | tuple[str, ...] = ()
    answerable: bool = True
    relevant: dict[str, float] | list[str] = []
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[Message, ...]:
        """The messages that are sent."""
        return self.messages or (Message("user", self.question),)

    @property
    def text(self) -> str:
        """What is asked, for who judges the answer: the question, or the last message by the user."""
        return next((each.content for each in reversed(self.asked) if each.role == "user"), "")

    @property
    def right(self) -> tuple[str, ...]:
        """The answers that are right."""
        return (self.expected,) if isinstance(self.expected, str) else self.expected

    @property
    def judged(self) -> dict[str, float]:
        """How relevant each source is."""
        return dict.fromkeys(self.relevant, 1.0) if isinstance(self.relevant, list) else self.relevant


class AnswerSuite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suite of answers. `k`: the depth at which retrieved sources are measured.

    `abstains`: phrases by which an answer says that there is none, for applications that do not tell whether they
    abstained. An answer abstains that has one of them, case and punctuation aside.
    """

    kind: Literal["answers"]
    suite: str
    version: str
    cases: tuple[AnswerCase, ...]
    k: int = 10
    abstains: tuple[str, ...] = ()

    @property
    def askers(self) -> frozenset[tuple[str, ...]]:
        """The groups that cases are asked by; `()` where nobody's are named."""
        return frozenset(case.groups for case in self.cases)


def kind_of(path: Path) -> Kind:
    """What a file of a suite is a suite of, `retrieval` where it does not say; its rest is not looked at."""
    try:
        found = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InvalidSuite(
            f"{path} cannot be read: {error.strerror}.",
            context={"file": str(path)},
            remedy="Name a file of YAML or JSON with the cases of a suite.",
        ) from error
    except (yaml.YAMLError, ValueError):
        return "retrieval"  # whose reader says what is wrong
    said = found.get("kind", "retrieval") if isinstance(found, dict) else "retrieval"
    if said in ("retrieval", "answers"):
        return "answers" if said == "answers" else "retrieval"
    raise InvalidSuite(
        f"{path} is a suite of {str(said)[:40]!r}, which there is not.",
        context={"file": str(path)},
        remedy="Write `kind: retrieval` or `kind: answers`.",
    )


def read_answer_suite(path: Path) -> tuple[AnswerSuite, Digest]:
    """The suite in a file of YAML or JSON, and the digest of its bytes; InvalidSuite says all that is wrong with it."""
    try:
        data = path.read_bytes()
        suite = msgspec.convert(yaml.safe_load(data), type=AnswerSuite)
    except (OSError, yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
        raise _invalid(path, str(error).partition("\n")[0]) from error
    if wrong := _wrong(suite):
        raise _invalid(path, "; ".join(wrong[:10]))
    return suite, digest_of(data)


def _wrong(suite: AnswerSuite) -> list[str]:
    wrong = [] if suite.cases else ["it has no cases"]
    try:
        msgspec.json.encode(suite)
    except UnicodeEncodeError as error:
        wrong.append(f"a text has half a character: {error}")
    if not 1 <= suite.k <= 100:
        wrong.append(f"k is {suite.k}, not 1 to 100")
    if any(not each.strip() for each in suite.abstains):
        wrong.append("a phrase of `abstains` is empty")
    seen: set[str] = set()
    for case in suite.cases:
        if case.id in seen:
            wrong.append(f"case '{case.id}' comes twice")
        seen.add(case.id)
        wrong += [f"case '{case.id}' {each}" for each in _wrong_in(case)]
    return wrong


def _wrong_in(case: AnswerCase) -> list[str]:
    checks = {
        "has a name with spaces or unprintable characters, or of more than 150": not _named(case.id),
        "has a question and messages": bool(case.question and case.messages),
        "asks nothing": not case.text.strip(),
        "has an expected answer that is empty": any(not each.strip() for each in case.right),
        "has expected answers, and is not answerable": bool(case.right) and not case.answerable,
        "has a relevance that is not above 0": any(
            not (math.isfinite(gain) and gain > 0) for gain in case.judged.values()
        ),
    }
    return [what for what, is_so in checks.items() if is_so]


def _named(name: str) -> bool:
    """Whether a name can stand in files of items and labels, too."""
    return name.isprintable() and _NAME.fullmatch(name) is not None


def _invalid(path: Path, what: str) -> InvalidSuite:
    return InvalidSuite(
        f"{path} is no suite of answers: {what}.",
        context={"file": str(path)},
        remedy=f"It has `kind: answers`, `suite`, `version`, optionally `k`, and `cases` such as {_EXAMPLE}.",
    )
