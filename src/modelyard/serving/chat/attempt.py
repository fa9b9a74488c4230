"""What one arm makes of one question, while it does."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelyard.generation import Choice, PriceList, Said, Target, Usage
from modelyard.journal import Guarded

from ..applications import LoadedApplication
from .body import ChatMessage
from .kept import NO_PRICES, AnswerCache, Kept

if TYPE_CHECKING:
    from ..guarding import Passage
    from ..retrieving import Grounds

IN_A_THREAD = 20_000
"""Characters, or bytes of a request, from which on guards look at them beside the event loop: they take a microsecond
each, and some more for each text."""

NOTHING = Usage(0, 0)
"""The usage of what was never asked."""

_LONGEST_NAME = 200
_KEPT_BACK = [
    f"{kind}:{action}"
    for kind in ("unsupported", "number", "negation")
    for action in ("redact", "refuse", "abstain", "quote")
]
"""What the guard of support finds that does not leave."""


@dataclass
class Attempt:
    """What one arm has made of a question by now. `messages` are the caller's as they go up, behind the guards; None
    until these have seen them. `grounds` are what the answer is to rest on, of an arm that retrieves. `made_by` is the
    model that the upstream says it asked. `recorded`: it was put on record, or that was tried.
    """

    arm: LoadedApplication
    began: float = field(default_factory=time.perf_counter)
    target: Target | None = None
    prices: PriceList = NO_PRICES
    first: float | None = None
    usage: Usage | None = None
    made_by: str = ""
    most: Usage = NOTHING
    finish: str = "stop"
    held: bool = False
    recorded: bool = False
    parts: list[str] = field(default_factory=list)
    messages: Sequence[ChatMessage] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    before: "Passage | None" = None
    after: "Passage | None" = None
    grounds: "Grounds | None" = None
    logged: str = ""
    cache: AnswerCache | None = None
    key: bytes = b""
    exact: bytes = b""
    hit: Kept | None = None
    pieces: list[tuple[Choice, ...]] = field(default_factory=list)

    def note(self, said: Said) -> None:
        """What an answer, or a piece of it, says beside its text."""
        self.usage = said.tokens or self.usage
        if isinstance(said.model, str) and said.model:
            self.made_by = said.model[:_LONGEST_NAME]

    def text(self, text: str) -> None:
        """More of the answer."""
        if text:
            self.first = self.first or time.perf_counter()
            self.parts.append(text)

    @property
    def said(self) -> str:
        """The answer so far, as it left the guards."""
        return "".join(self.parts)

    @property
    def beside(self) -> Mapping[str, Any]:
        """What is told beside the answer when it is whole."""
        return {} if self.grounds is None else self.grounds.told(self.said)

    def cite(self, message: dict[str, Any]) -> None:
        """Let the last of an answer say where its sentences stand."""
        if self.grounds is not None and (cited := self.grounds.cited(self.said)):
            message["annotations"] = cited

    @property
    def rested(self) -> Mapping[str, Any]:
        """What goes on record of what the answer rests on."""
        if self.grounds is None:
            return {}
        found = {} if self.guarded is None else self.guarded.found
        kept_back = sum(found.get(kind, 0) for kind in _KEPT_BACK)
        return self.grounds.facts(self.said, kept_back=kept_back)

    @property
    def cached(self) -> str:
        """How the answer was looked for among those kept; empty where none are."""
        if self.cache is None:
            return ""
        if self.hit is None:
            return "miss"
        return "hit" if self.hit.exact == self.exact else "alike"

    @property
    def guarded(self) -> Guarded | None:
        """What guards said of the answer; of one that was kept, what they said when it was made."""
        if self.hit is not None:
            return self.hit.guarded
        return None if self.after is None else self.after.verdict()

    def passed(self, said: Said) -> list[Choice]:
        """What of a piece goes on to the caller, behind the guards; usage and ends are noted."""
        self.note(said)
        passed, guards = [], self.after
        for choice in said.choices:
            delta = choice.delta = choice.delta or {}
            if guards is not None:
                delta = choice.delta = guards.piece(choice.index, delta, ended=choice.finish_reason is not None)
                choice.logprobs = None
                if guards.refused:
                    choice.finish_reason = None  # what follows is an error
            content, ended = delta.get("content"), choice.finish_reason is not None
            if isinstance(content, str):
                self.text(content)
            if choice.finish_reason is not None:
                self.finish = choice.finish_reason
                self.cite(delta)
            if ended or content or len(delta) > ("content" in delta):
                passed.append(choice)
        return passed

    async def guard(self, choice: Choice) -> None:
        """Put a whole answer through the guards: a long one beside the event loop."""
        if (guards := self.after) is None:
            return
        message, choice.logprobs = choice.message or {}, None
        content = message.get("content")
        if isinstance(content, str) and len(content) > IN_A_THREAD:
            choice.message = await asyncio.to_thread(guards.piece, choice.index, message, ended=True)
        else:
            choice.message = guards.piece(choice.index, message, ended=True)
