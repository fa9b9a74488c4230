"""Searching an index: by vectors and by words, put together by ranks, within what the caller may read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Failed, InvalidInput, did_you_mean
from modelyard.inference import Embedder

from .index import Index, require_embedder
from .records import Chunk, Citation, Found

Mode = Literal["hybrid", "vectors", "words"]
"""What ranks chunks: nearness of vectors, words in common (BM25), or both."""

MODES: tuple[Mode, ...] = get_args(Mode)
"""Every mode."""

FUSION = 60
"""The constant of reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009."""

_DEPTH = 100
LONGEST_QUESTION = 8_000
"""Characters of a question."""


class Reranker(Protocol):
    """Puts texts that were found into a better order.

    It sees only texts that the caller may read. A reranker gives one finite number for each text, higher for a better
    answer to the question, and the same numbers for the same call.
    """

    def __call__(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """The scores of `texts` (n,), in their order."""


@dataclass(frozen=True)
class Ask:
    """A question. `groups` are the asker's; `k` the most that is found, `budget` the most tokens that those may have.

    Nothing is found in the sources `without`.

    With a `budget`, chunks are taken from the first on as long as they fit: the first that does not fit ends it.
    """

    text: str
    k: int = 10
    groups: tuple[str, ...] = ()
    mode: Mode = "hybrid"
    budget: int | None = None
    without: Collection[str] = ()


class Searcher:
    """Answers questions from one version of an index. Immutable; safe for any thread.

    OtherEmbedder for an embedder that the index was not built with.
    """

    def __init__(self, index: Index, embedder: Embedder, reranker: Reranker | None = None) -> None:
        require_embedder(index.info, embedder.digest)
        self.index = index
        self._embedder = embedder
        self._reranker = reranker

    def vector(self, text: str) -> NDArray[np.float32]:
        """The vector (dimension,) of a question."""
        (vector,) = self._embedder.embed([text])
        return np.asarray(vector)

    def __call__(self, ask: Ask, vector: NDArray[np.float32] | None = None) -> list[Found]:
        """The chunks that answer best, best first, each with where it stands.

        `vector` is the question's, where it is known.

        What the asker may not read is left out before either search, so that it takes nobody's place. How rare a word
        is, though, is counted over all chunks, read or not, and may move what shares words with the question.

        A chunk's score is the sum over both searches of 1 / (60 + rank), of one search alone in the other modes; equal
        ones by id. A reranker orders the first of these anew. InvalidInput for questions that are none.
        """
        _require_sound(ask)
        allowed = self.index.readable(ask.groups, ask.without)
        depth = max(_DEPTH, ask.k)
        lists: list[NDArray[np.int64]] = []
        by_vector, by_words, cosines = self._none, self._none, dict[int, float]()
        if ask.mode != "words":
            asked = self.vector(ask.text) if vector is None else vector
            hits = self.index.vectors.search(asked, depth, allowed=allowed)
            cosines = dict(zip(hits.ids.tolist(), map(float, hits.scores), strict=True))
            by_vector = _ranks(hits.ids)
            lists.append(hits.ids)
        if ask.mode != "vectors":
            ids = self._by_words(ask.text, depth, allowed)
            by_words = _ranks(ids)
            lists.append(ids)
        order = fuse(lists)[:depth]
        if self._reranker is not None:
            order = self._reranked(ask.text, order)
        found = []
        for chunk_id, score in order[: ask.k]:
            chunk = self.index.chunks[self.index.places[chunk_id]]
            ranks = by_vector.get(chunk_id), by_words.get(chunk_id)
            found.append(self._found(chunk, score, *ranks, cosines.get(chunk_id)))
        return found if ask.budget is None else within(found, ask.budget)

    @property
    def _none(self) -> dict[int, int]:
        return {}

    def _by_words(self, text: str, depth: int, allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Ids of the chunks that share words with the question, best first."""
        scores, ids = self.index.words.scores(text), self.index.vectors.ids
        if allowed is not None:
            places = np.searchsorted(ids, allowed)
            scores, ids = scores[places], ids[places]
        sharing = np.flatnonzero(scores > 0)
        order = np.lexsort((ids[sharing], -scores[sharing]))[:depth]
        return ids[sharing][order]

    def _reranked(self, question: str, order: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
        assert self._reranker is not None  # noqa: S101 - asked for by the caller above
        texts = [self.index.chunks[self.index.places[chunk_id]].text for chunk_id, _ in order]
        scores = [float(score) for score in self._reranker(question, texts)]
        if len(scores) != len(texts) or not np.isfinite(scores).all():
            raise Failed(
                f"The reranker gave {len(scores)} scores for {len(texts)} texts, or some that are not finite.",
                code="RERANKER_FAILED",
                remedy="It gives one finite number a text: see llm.Reranker.",
            )
        new = [(chunk_id, score) for (chunk_id, _), score in zip(order, scores, strict=True)]
        return sorted(new, key=lambda each: -each[1])

    def _found(
        self, chunk: Chunk, score: float, by_vector: int | None, by_words: int | None, cosine: float | None
    ) -> Found:
        document = self.index.documents[chunk.source]
        citation = Citation(chunk.source, chunk.start, chunk.end, document.title, document.digest)
        return Found(chunk.id, chunk.text, chunk.tokens, citation, score, by_vector, by_words, cosine)


def fuse(lists: Sequence[NDArray[np.int64]]) -> list[tuple[int, float]]:
    """Ids with the sum of 1 / (60 + rank) over the lists they are in, highest first and equals by id."""
    scores: dict[int, float] = {}
    for ids in lists:
        for rank, each in enumerate(ids.tolist(), start=1):
            scores[each] = scores.get(each, 0.0) + 1 / (FUSION + rank)
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))


def within(found: Sequence[Found], budget: int) -> list[Found]:
    """The first of them that have at most `budget` tokens together."""
    kept, left = [], budget
    for each in found:
        left -= each.tokens
        if left < 0:
            break
        kept.append(each)
    return kept


def _ranks(ids: NDArray[np.int64]) -> dict[int, int]:
    return {each: rank for rank, each in enumerate(ids.tolist(), start=1)}


def _require_sound(ask: Ask) -> None:
    if ask.mode not in MODES:
        raise InvalidInput(
            f"There is no search by '{ask.mode[:60]}'.", code="NO_MODE", remedy=did_you_mean(ask.mode, MODES)
        )
    if not ask.text.strip() or len(ask.text) > LONGEST_QUESTION:
        raise InvalidInput(
            f"A question of {len(ask.text)} characters.",
            code="WRONG_QUESTION",
            remedy=f"Ask in 1 to {LONGEST_QUESTION} characters.",
        )
    if not 1 <= ask.k <= 1000 or (ask.budget is not None and ask.budget < 1):
        raise InvalidInput(
            f"{ask.k} chunks and a budget of {ask.budget} tokens.",
            code="WRONG_COUNT",
            remedy="Ask for 1 to 1000 chunks, and for a budget of 1 token or more.",
        )
