"""What search by words is made of: the scores of BM25, by bm25s (see `retrieval.words`)."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.retrieval import words_of

from .errors import NoTextLibrary


def build_words(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays of an index over texts, as `WORDS_FILE` holds them. Equal texts give equal arrays."""
    cut = [words_of(text) for text in texts]
    vocabulary = sorted({word for words in cut for word in words})
    if not vocabulary:
        empty = {"data": np.array([], np.float32), "indices": np.array([], np.int32), "indptr": np.array([0])}
        return {"words": np.array([], dtype=np.str_), "chunks": np.array(len(texts)), **empty}
    places = {word: at for at, word in enumerate(vocabulary)}
    scorer = _bm25()
    scorer.index(([[places[word] for word in words] for words in cut], places), show_progress=False)
    matrix = scorer.scores
    return {
        "words": np.array(vocabulary, dtype=np.str_),
        "chunks": np.array(len(texts)),
        **{name: np.asarray(matrix[name]) for name in ("data", "indices", "indptr")},
    }


def _bm25() -> Any:
    try:
        import bm25s  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NoTextLibrary(
            "Search by words needs bm25s, which is not installed.", remedy="pip install 'modelyard[llm]'"
        ) from error
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # its own is DEBUG, whatever the program's is
    return bm25s.BM25(method="lucene", k1=1.5, b=0.75, backend="numpy")
