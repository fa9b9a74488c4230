"""An application's guards on the way of a chat: over what goes to the upstream, and over what comes back.

Imported for applications that have guards, and for deployments that redact what they log: nobody else pays for it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec
from pydantic import ValidationError

from modelyard.core import ModelyardError, Verdict
from modelyard.guards import (
    Action,
    Armed,
    Context,
    GuardedStream,
    GuardSet,
    InjectionGuard,
    InvalidGuardSet,
    OtherClassifier,
    PatternGuard,
    Side,
    Suspects,
    default_set,
    read_set,
)
from modelyard.journal import Guarded

from .errors import GuardFailed, GuardRefused

CONTENT = "content"
"""The text of an answer. Schema and support are asked of it alone; shapes are looked for in every text."""

_TEXTS = (("function", "arguments"), ("custom", "input"))
"""Where the texts of tool calls stand."""

_SAY_INSTEAD = (Action.ABSTAIN, Action.QUOTE)
_NOTHING: Mapping[Action, str] = MappingProxyType({})

_Place = tuple[int, str]
"""A text of an answer: its choice, and what it is in there."""


@dataclass(frozen=True)
class Guards:
    """A guard set, its guards made once. Safe for any thread."""

    fail_closed: bool
    digest: str
    sides: Mapping[Side, tuple[Armed, ...]]
    suspects: Suspects | None = None

    @classmethod
    def of(cls, document: GuardSet, suspects: Suspects | None = None) -> "Guards":
        """Those of a set; InvalidGuardSet names what cannot be made, OtherClassifier what `suspects` are not."""
        sides: tuple[Side, ...] = ("input", "output")
        made = {side: armed for side in sides if (armed := document.armed(side))}
        for each in (each for armed in made.values() for each in armed):
            if isinstance(each.guard, InjectionGuard):
                each.guard.open(Context(suspects=suspects))
        return cls(document.fail_closed, document.digest, made, suspects)

    @classmethod
    def read(cls, document: bytes, suspects: Suspects | None = None) -> "Guards":
        """Those of a bundle's `GUARDS_FILE`; ValueError where it is none at all, else as `of`."""
        return cls.of(read_set(msgspec.json.decode(document)), suspects)

    @property
    def slow(self) -> bool:
        """Whether they take milliseconds, of any text."""
        return self.suspects is not None

    def on(
        self, side: Side, context: Context | None = None, instead: Mapping[Action, str] = _NOTHING
    ) -> "Passage | None":
        """What the texts of one side of an answer go through; None where no guard looks at it.

        `instead` is what answers say that a guard ended before they had begun, by its action.
        """
        armed = self.sides.get(side)
        if self.suspects is not None:
            context = replace(context or Context(), suspects=self.suspects)
        return None if armed is None else Passage(side, armed, context, instead, fail_closed=self.fail_closed)


UNREADABLE = (InvalidGuardSet, OtherClassifier, ValidationError, msgspec.DecodeError)
"""What reading a set raises."""


@dataclass
class _Seen:
    """What guards found in texts that are over."""

    found: Counter[tuple[str, Action]] = field(default_factory=Counter)
    failed: set[str] = field(default_factory=set)
    verdicts: set[Verdict] = field(default_factory=set)
    cause: ModelyardError | None = None


class Passage:
    """The texts of one side of one answer on their way through the guards. One task's.

    Each text is a stream of its own: the words of an answer, each argument of a tool. Only `judge` raises.
    """

    def __init__(
        self,
        side: Side,
        armed: Sequence[Armed],
        context: Context | None,
        instead: Mapping[Action, str],
        *,
        fail_closed: bool,
    ) -> None:
        self._side = side
        self._context = context
        self._instead = instead
        self._fail_closed = fail_closed
        self._all = tuple(armed)
        self._shapes = tuple(each for each in armed if isinstance(each.guard, PatternGuard))
        self._open: dict[_Place, GuardedStream] = {}
        self._begun: set[_Place] = set()
        self._over: set[int] = set()
        self._seen = _Seen()

    @property
    def refused(self) -> bool:
        """Whether something of it must not leave; `judge` says why."""
        return self._seen.cause is not None

    def judge(self) -> None:
        """GuardRefused when a guard refuses a text, GuardFailed when one failed and nothing leaves without it."""
        if self._seen.cause is not None:
            raise self._seen.cause

    def verdict(self) -> Guarded:
        """What is to be said of all texts by now, for the record. No text at all is never a pass."""
        seen, told = self._seen, self._seen.verdicts
        if self._open:
            told = told | {stream.outcome("").verdict for stream in self._open.values()}
        worst = next((each for each in (Verdict.FAIL, Verdict.INCONCLUSIVE) if each in told), Verdict.PASS)
        more = [(each.kind, each.action) for stream in self._open.values() for each in stream.findings()]
        found = seen.found + Counter(more) if more else seen.found
        return Guarded(
            verdict=(worst if told else Verdict.INCONCLUSIVE).value,
            found={f"{kind}:{action.value}": count for (kind, action), count in sorted(found.items())},
            failed=tuple(sorted(seen.failed)),
            refused=self.refused,
        )

    def text(self, text: str, path: str) -> str:
        """A whole text, as it may leave."""
        if self._cleared(CONTENT if self._side == "input" else path, text):
            return text
        stream = self._stream(CONTENT if self._side == "input" else path)
        left = stream.end(text)
        self._finish(stream, path)
        return left

    def message(self, message: dict[str, Any], path: str) -> dict[str, Any]:
        """A message of the caller's, its texts as they may leave. Pictures and sounds are handed on as they came."""
        made = dict(message)
        for name, value in message.items():
            at = f"{path}.{name}"
            if name in (CONTENT, "name", "refusal") and isinstance(value, str):
                made[name] = self.text(value, at)
            elif name == CONTENT and isinstance(value, list):
                made[name] = [self._part(part, f"{at}[{place}]") for place, part in enumerate(value)]
            elif name == "tool_calls" and isinstance(value, list):
                made[name] = [self._asked_call(call, f"{at}[{place}]") for place, call in enumerate(value)]
        return made

    def piece(self, choice: int, delta: Mapping[str, Any], *, ended: bool) -> dict[str, Any]:
        """A piece of one of the answers, or with `ended` the last piece, or a whole message: as it may leave.

        What is neither text nor a tool's call is left out, and so is all that comes behind the end.
        """
        passed: dict[str, Any] = {}
        if choice in self._over:
            return passed
        for name, value in delta.items():
            if name == "role" or value is None:
                passed[name] = value
            elif isinstance(value, str):
                passed[name] = self._fed((choice, name), value, ended=ended)
            elif name == "tool_calls" and isinstance(value, list):
                calls = enumerate(each for each in value if isinstance(each, dict))
                passed[name] = [self._call(choice, place, call, ended=ended) for place, call in calls]
            elif name == "function_call" and isinstance(value, dict):
                passed[name] = self._holder((choice, name), value, "arguments", ended=ended)
        if ended:
            self._over.add(choice)
            self._end_others(choice, passed)
        return passed

    def _armed(self, name: str) -> tuple[Armed, ...]:
        return self._all if name == CONTENT else self._shapes

    def _stream(self, name: str) -> GuardedStream:
        return GuardedStream(self._armed(name), self._context, fail_closed=self._fail_closed)

    def _cleared(self, name: str, text: str) -> bool:
        """Whether shapes are all that is looked for in a whole text, and it has none: most have none."""
        armed = self._armed(name)
        if not armed or not all(isinstance(each.guard, PatternGuard) and each.guard.clears(text) for each in armed):
            return False
        self._seen.verdicts.add(Verdict.PASS)
        return True

    def _part(self, part: dict[str, Any], path: str) -> dict[str, Any]:
        made = dict(part)
        for name in ("text", "refusal"):
            if isinstance(text := part.get(name), str):
                made[name] = self.text(text, f"{path}.{name}")
        return made

    def _asked_call(self, call: dict[str, Any], path: str) -> dict[str, Any]:
        made = dict(call)
        for holder, name in _TEXTS:
            told = call.get(holder)
            if isinstance(told, dict) and isinstance(text := told.get(name), str):
                made[holder] = {**told, name: self.text(text, f"{path}.{holder}.{name}")}
        return made

    def _fed(self, place: _Place, text: str, *, ended: bool) -> str:
        if ended:
            return self._ended(place, text)
        stream = self._open.get(place)
        if stream is None:
            stream = self._open[place] = self._stream(place[1])
        left = stream.feed(text)
        if left.strip():
            self._begun.add(place)
        if stream.refused:
            left += self._cut_off(place, stream)
        return left

    def _ended(self, place: _Place, text: str = "") -> str:
        """What may leave of a text that ends with these characters: one that comes whole is searched once."""
        stream = self._open.pop(place, None)
        if stream is None and self._cleared(place[1], text):
            if text.strip():
                self._begun.add(place)
            return text
        stream = stream or self._stream(place[1])
        left = stream.end(text)
        if left.strip():
            self._begun.add(place)
        said = self._said_instead(place, stream)
        self._finish(stream, place[1])
        return left + said

    def _cut_off(self, place: _Place, stream: GuardedStream) -> str:
        """What is said where a text is not to go on; an answer that ends here is over, one that is refused an error."""
        if self._ending(stream) in _SAY_INSTEAD:
            del self._open[place]
            self._over.add(place[0])
            self._finish(stream, place[1])
            return self._said_instead(place, stream)
        self._blame(stream, place[1])
        return ""

    def _ending(self, stream: GuardedStream) -> Action | None:
        """The action of the finding before which a text ends; None where none does, or a guard failed."""
        if not stream.refused or (self._fail_closed and stream.outcome("").failed):
            return None
        return next((each.action for each in stream.findings() if each.action.ends), None)

    def _said_instead(self, place: _Place, stream: GuardedStream) -> str:
        """What an answer says that a guard ended before anything of it had left."""
        ending = self._ending(stream)
        return self._instead.get(ending, "") if ending is not None and place not in self._begun else ""

    def _finish(self, stream: GuardedStream, path: str) -> None:
        outcome = stream.outcome("")
        self._seen.verdicts.add(outcome.verdict)
        self._seen.failed.update(outcome.failed)
        if outcome.findings:
            self._seen.found.update((each.kind, each.action) for each in outcome.findings)
        if outcome.refused and self._ending(stream) not in _SAY_INSTEAD:
            self._blame(stream, path)

    def _blame(self, stream: GuardedStream, path: str) -> None:
        """Note why a text must not leave; the first cause is told."""
        outcome = stream.outcome("")
        self._seen.failed.update(outcome.failed)
        if self._seen.cause is not None:
            return
        refusing = [each for each in outcome.findings if each.action is Action.REFUSE]
        context: dict[str, object] = {"side": self._side}
        if self._side == "input":
            context["path"] = path
        what = f"'{path}'" if self._side == "input" else "the answer"
        if not refusing:
            self._seen.cause = GuardFailed(
                f"The guard '{outcome.failed[0]}' failed at {what}, and nothing leaves without it.",
                context={**context, "guards": list(outcome.failed)},
                remedy="Report it. A set with fail_closed: false goes on without a guard that fails.",
            )
            return
        first = refusing[0]
        asked = self._side == "input"
        self._seen.cause = GuardRefused(
            f"The guard '{first.guard}' refuses {what}: characters {first.start} to {first.end} are {first.kind}.",
            context={**context, "guard": first.guard, "kind": first.kind},
            remedy="Leave it out, and ask again." if asked else "Ask for something else; asking again costs again.",
        )

    def _call(self, choice: int, place: int, call: dict[str, Any], *, ended: bool) -> dict[str, Any]:
        """A tool's call, or a piece of one: what it is called, and its text."""
        made: dict[str, Any] = {name: call[name] for name in ("index", "id", "type") if name in call}
        index = call["index"] if type(call.get("index")) is int else place
        for holder, name in _TEXTS:
            if isinstance(told := call.get(holder), dict):
                made[holder] = self._holder((choice, f"tool_calls[{index}].{holder}"), told, name, ended=ended)
        return made

    def _holder(self, place: _Place, told: dict[str, Any], name: str, *, ended: bool) -> dict[str, Any]:
        made = {"name": told["name"]} if "name" in told else {}
        if isinstance(text := told.get(name), str):
            made[name] = self._fed((place[0], f"{place[1]}.{name}"), text, ended=ended)
        return made

    def _end_others(self, choice: int, passed: dict[str, Any]) -> None:
        """What was held of texts that the last piece says nothing of."""
        for place in [each for each in self._open if each[0] == choice]:
            if not (rest := self._ended(place)):
                continue
            name = place[1]
            if name.startswith("tool_calls["):
                index, _, path = name.removeprefix("tool_calls[").partition("].")
                holder, _, last = path.partition(".")
                call = {"index": int(index), holder: {last: rest}}
                passed["tool_calls"] = [*passed.get("tool_calls", ()), call]
            elif name == "function_call.arguments":
                passed["function_call"] = {"arguments": rest}
            else:
                passed[name] = rest


@cache
def logged_guards() -> Guards:
    """What texts go through that are logged as `redacted`: personal data and secrets, of every kind."""
    return Guards.of(default_set())


def redacted(text: str) -> str:
    """A text without personal data and secrets; empty where a guard fails."""
    passage = logged_guards().on("input")
    assert passage is not None  # noqa: S101 - the default set looks at both sides
    left = passage.text(text, "text")
    return "" if passage.refused else left


def redacted_message(message: dict[str, Any]) -> dict[str, Any]:
    """The same of all texts of a message."""
    passage = logged_guards().on("input")
    assert passage is not None  # noqa: S101 - as above
    made = passage.message(message, "message")
    return {} if passage.refused else made
