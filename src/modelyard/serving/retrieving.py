"""What an application's answers rest on: what is retrieved for a question, for prompt, answer and record.

Imported for applications that retrieve: nobody else pays for it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from modelyard.generation import Retrieval
from modelyard.guards import Action, Context, Evidence, Rest, SupportGuard, abstains
from modelyard.retrieval import LONGEST_QUESTION, Ask, Found, Searcher, directions

from .guarding import Guards

_MEASURE = SupportGuard()
"""What a sentence must share with a chunk to rest on it."""


@dataclass(frozen=True)
class Retriever:
    """A loaded index with its embedder, and how an application asks it. Safe for any thread."""

    retrieval: Retrieval
    searcher: Searcher

    def __call__(
        self, question: str, groups: Sequence[str], guards: Guards | None, withdrawn: Collection[str]
    ) -> "Grounds":
        """What answers a question, of what its asker may read, without the sources that were withdrawn.

        Guards of the input look at every chunk: what they take out of it is not told, and a chunk that they refuse is
        left out. Milliseconds of the calling thread.
        """
        asked, question = self.retrieval, question[:LONGEST_QUESTION]
        vector = self.searcher.vector(question)
        found = self.searcher(Ask(question, asked.k, tuple(groups), asked.mode, asked.budget, withdrawn), vector)
        told = [(each, text) for each in found if (text := _guarded(each.text, guards))]
        return Grounds(
            asked,
            self.searcher.index.digest,
            question,
            directions(vector),
            tuple(each for each, _ in told),
            tuple(text for _, text in told),
        )


@dataclass(frozen=True)
class Grounds:
    """What one answer is to rest on: chunks, best first, with their texts as they left the guards."""

    retrieval: Retrieval
    index: str
    question: str
    directions: tuple[float, ...]
    found: tuple[Found, ...]
    texts: tuple[str, ...]

    @property
    def nearest(self) -> float | None:
        """The cosine of the question to the nearest chunk; None where none was found by its vector."""
        return max((each.cosine for each in self.found if each.cosine is not None), default=None)

    @property
    def near_enough(self) -> bool:
        """Whether an upstream is asked at all."""
        least, nearest = self.retrieval.least, self.nearest
        return bool(self.found) and (least is None or (nearest is not None and nearest >= least))

    @property
    def context(self) -> str:
        """The chunks as the prompt has them: each with its number, and the title of its document."""
        told = zip(self.found, self.texts, strict=True)
        return "\n\n".join(f"[{at}] {each.citation.title}\n{text}" for at, (each, text) in enumerate(told, start=1))

    @property
    def for_guards(self) -> Context:
        """What guards of the answer may know."""
        return Context(chunks=self.texts)

    @property
    def instead(self) -> Mapping[Action, str]:
        """What an answer says that a guard ended before it had begun."""
        otherwise = self.retrieval.otherwise
        quoted = self._evidence.quote(self.question)
        quote = otherwise if quoted is None else f"\u201c{quoted[1]}\u201d [{quoted[0] + 1}]"
        return {Action.ABSTAIN: otherwise, Action.QUOTE: quote}

    def told(self, answer: str) -> dict[str, Any]:
        """What is told beside an answer."""
        found = zip(self.found, self.texts, strict=True)
        return {"retrieved": [_told(each, text) for each, text in found], "abstained": self._abstained(answer)}

    def cited(self, answer: str) -> list[dict[str, Any]]:
        """Where the sentences of an answer stand in the documents, as OpenAI's API has annotations.

        By the characters of the answer, and by those of the source (RFC 5147).
        """
        return [
            {"type": "url_citation", "url_citation": {"start_index": start, "end_index": end, **self._source(chunk)}}
            for start, end, chunk in self._rests(answer)
            if chunk is not None
        ]

    def facts(self, answer: str, *, kept_back: int) -> dict[str, Any]:
        """What goes on record of an answer; `kept_back` of its sentences rested on nothing, and did not leave."""
        rests = self._rests(answer)
        return {
            "index": self.index,
            "chunks": tuple(each.chunk for each in self.found),
            "nearest": None if self.nearest is None else round(self.nearest, 4),
            "question": self.directions,
            "asked_characters": len(self.question),
            "sentences": len(rests) + kept_back,
            "unsupported": sum(each.chunk is None for each in rests) + kept_back,
            "abstained": self._abstained(answer),
        }

    @cached_property
    def _evidence(self) -> Evidence:
        return Evidence.of(self.for_guards)

    def _abstained(self, answer: str) -> bool:
        return answer.strip() == self.retrieval.otherwise.strip() or abstains(answer)

    def _rests(self, answer: str) -> list[Rest]:
        """The sentences that say something: those that say that there is no answer do not."""
        if self._abstained(answer):
            return []
        return self._evidence.rests(answer, overlap=_MEASURE.overlap, near=_MEASURE.near)

    def _source(self, chunk: int) -> dict[str, str]:
        at = self.found[chunk].citation
        return {"title": at.title, "url": f"{at.source}#char={at.start},{at.end}"}


def _told(each: Found, text: str) -> dict[str, Any]:
    at = each.citation
    return {
        "chunk": each.chunk,
        "source": at.source,
        "start": at.start,
        "end": at.end,
        "title": at.title,
        "score": round(each.score, 6),
        "cosine": None if each.cosine is None else round(each.cosine, 4),
        "text": text,
    }


def _guarded(text: str, guards: Guards | None) -> str:
    """A chunk as it may go up; empty where a guard refuses it."""
    passage = None if guards is None else guards.on("input")
    if passage is None:
        return text
    left = passage.text(text, "retrieved")
    return "" if passage.refused else left
