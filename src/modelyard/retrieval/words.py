"""Search by words: BM25 over the chunks.

Robertson and Zaragoza, Foundations and Trends in Information Retrieval 3 (2009); Lucene's variant (Kamphuis et al.,
ECIR 2020), k1 1.5, b .75. Words are runs of letters and digits in lower case; parts of names with underscores and of
camelCase count beside the name.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import IndexDamaged

WORDS_FILE = "words.npz"
"""What search by words needs, in the bundle of an index."""

_WORD = re.compile(r"\w+")
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


class WordIndex:
    """Scores of chunks for a question, by their place. Immutable; safe for any thread.

    Word i gives the chunks at `indices[indptr[i]:indptr[i + 1]]` the scores at the same places of `data`.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        chunks: int,
        data: NDArray[np.float32],
        indices: NDArray[np.int32],
        indptr: NDArray[np.int64],
    ) -> None:
        self._places = {word: at for at, word in enumerate(vocabulary)}
        self._chunks = chunks
        self._data, self._indices, self._indptr = data, indices, indptr

    def scores(self, question: str) -> NDArray[np.float32]:
        """(n_chunks,) float32: 0 for chunks that share no word with the question."""
        scores = np.zeros(self._chunks, dtype=np.float32)
        for word in words_of(question):
            if (at := self._places.get(word)) is not None:
                own = slice(self._indptr[at], self._indptr[at + 1])
                scores[self._indices[own]] += self._data[own]
        return scores


def words_of(text: str) -> list[str]:
    """The words of a text, as often as they come."""
    found = []
    for word in _WORD.findall(text):
        found.append(word.lower())
        parts = _PART.findall(word)
        if len(parts) > 1:
            found.extend(part.lower() for part in parts)
    return found


def load_words(path: Path) -> WordIndex:
    """The index in a file, whose digest was checked; IndexDamaged when it is none."""
    try:
        with np.load(path, allow_pickle=False) as held:
            parts = held["data"], held["indices"], held["indptr"]
            return WordIndex(held["words"].tolist(), int(held["chunks"]), *parts)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise IndexDamaged(f"{path} cannot be read: {error}.", remedy="Build the index again.") from error
