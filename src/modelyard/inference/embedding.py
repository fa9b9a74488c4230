"""Embedders: bundles that answer a text with a unit vector, and are no predictors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Digest

from .bundle import golden_rows
from .errors import BundleDamaged, EmbedderNeedsLibrary, GoldenMismatch, InvalidRow, NoEmbedder
from .permission import admit
from .records import BundleInfo
from .runtimes.onnx import EMBEDDING, open_session
from .signing import NO_TRUST_ASKED, Trust
from .verify import verify_bundle

TOKENIZER_FILE = "tokenizer.json"
"""The tokenizer, which cuts texts at the length that the model was trained for."""

IDS, MASK, VECTORS = "ids", "mask", "vectors"
"""What the graph takes, int32 (texts, tokens), and gives, float32 (texts, dimension)."""

_TOGETHER = 32

Vectors = NDArray[np.float32]
"""Unit vectors (texts, dimension)."""


class Embedder:
    """A verified and loaded embedder. Immutable; safe for any thread.

    Texts are cut after `max_tokens` tokens: what comes later has no part in the vector.
    """

    def __init__(self, info: BundleInfo, digest: Digest, session: Any, tokenizer: Any, counter: Any) -> None:
        self.info = info
        self.digest = digest
        self._run = session.run
        self._tokenizer = tokenizer
        self._counter = counter
        self.dimension: int = session.get_outputs()[0].shape[1]
        self.max_tokens: int = tokenizer.truncation["max_length"]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (n, dimension) of texts, in their order; on the calling thread.

        Texts of like length run together. A text gets the vector it would get alone, but for rounding (and but for the
        steps of int8, which are chosen for all that run together). InvalidRow names a text that is no valid Unicode.
        """
        encoded = self._encoded(texts)
        answers = np.empty((len(texts), self.dimension), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda at: len(encoded[at]))
        for start in range(0, len(order), _TOGETHER):
            part = order[start : start + _TOGETHER]
            ids = np.zeros((len(part), max(len(encoded[at]) for at in part)), dtype=np.int32)
            mask = np.zeros_like(ids)
            for row, at in enumerate(part):
                ids[row, : len(encoded[at])] = encoded[at]
                mask[row, : len(encoded[at])] = 1
            answers[part] = self._run([VECTORS], {IDS: ids, MASK: mask})[0]
        return answers

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, whole and without those that mark its ends."""
        _require_texts(texts)
        return [len(each.ids) for each in self._counter.encode_batch(list(texts), add_special_tokens=False)]

    def token_ends(self, text: str) -> list[int]:
        """Where each token of a text ends, as offsets in its characters."""
        _require_texts([text])
        return [end for _, end in self._counter.encode(text, add_special_tokens=False).offsets]

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        _require_texts(texts)
        return [each.ids for each in self._tokenizer.encode_batch(list(texts))]


def load_embedder(folder: Path | str, *, expect: Digest | None = None, trust: Trust = NO_TRUST_ASKED) -> Embedder:
    """Verify an embedder's bundle, load it, and replay its golden texts.

    Raises what `load_bundle` does; NoEmbedder for a bundle that predicts; EmbedderNeedsLibrary without the extra `llm`.
    """
    folder = Path(folder)
    info, digest = verify_bundle(folder, expect=expect)
    if info.runtime != EMBEDDING:
        raise NoEmbedder(
            f"The bundle in {folder} is of '{info.model}', which answers {info.task}: it embeds no texts.",
            context={"folder": str(folder), "task": info.task},
            remedy="Build one: modelyard bundle build --path all-MiniLM-L6-v2 -o FOLDER",
        )
    admit(folder, info, digest, trust, ())
    embedder = Embedder(info, digest, _session(folder), *_tokenizers(folder))
    texts, expected = golden_rows(folder, info)
    error = worst_angle(expected, embedder.embed([str(row[0]) for row in texts]))
    if not error <= info.tolerance:
        raise GoldenMismatch(
            f"Embedder {digest[:12]}… answers its golden texts with vectors that are off by {error:.2g} (one minus the "
            f"cosine), beyond {info.tolerance:g}.",
            context={"digest": digest, "error": error},
            remedy="Build it on this kind of machine, or check the runtime's version.",
        )
    return embedder


def worst_angle(expected: NDArray[np.floating[Any]], answers: NDArray[np.floating[Any]]) -> float:
    """The largest 1 - cosine of rows (n, dimension); infinite when shapes differ or something is not a number."""
    if expected.shape != answers.shape or not np.isfinite(answers).all():
        return float("inf")
    one, other = expected.astype(np.float64), answers.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    if (lengths == 0).any():
        return float("inf")
    return float(np.max(1 - np.einsum("ij,ij->i", one, other) / lengths, initial=0.0))


def _session(folder: Path) -> Any:
    session = open_session(folder)
    taken = [(each.name, each.type) for each in session.get_inputs()]
    given = [(each.name, each.type) for each in session.get_outputs()]
    wanted = [(IDS, "tensor(int32)"), (MASK, "tensor(int32)")], [(VECTORS, "tensor(float)")]
    if (taken, given) != wanted or not isinstance(session.get_outputs()[0].shape[1], int):
        raise BundleDamaged(
            f"The graph of the embedder in {folder} takes {taken} and gives {given}.",
            context={"folder": str(folder)},
            remedy="Build the embedder again: modelyard bundle build.",
        )
    return session


def tokenizer_class() -> Any:
    """`tokenizers.Tokenizer`; EmbedderNeedsLibrary where that library is not installed."""
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise EmbedderNeedsLibrary(
            "Texts are cut into tokens by the library tokenizers, which is not installed.",
            context={"extra": "llm"},
            remedy="pip install 'modelyard[llm]'",
        ) from error
    return Tokenizer


def _tokenizers(folder: Path) -> tuple[Any, Any]:
    """One that cuts, for vectors, and one that does not, for counting."""
    tokenizer = tokenizer_class()
    written = (folder / TOKENIZER_FILE).read_text(encoding="utf-8")
    try:
        cutting, counting = tokenizer.from_str(written), tokenizer.from_str(written)
        (cutting.truncation or {})["max_length"]
    except Exception as error:  # the library raises plain Exception
        raise BundleDamaged(
            f"{folder / TOKENIZER_FILE} cannot be read: {error}.",
            context={"folder": str(folder)},
            remedy="Build the embedder again: modelyard bundle build.",
        ) from error
    counting.no_truncation()
    return cutting, counting


def _require_texts(texts: Sequence[str]) -> None:
    for at, text in enumerate(texts):
        try:
            text.encode()
        except (UnicodeEncodeError, AttributeError) as error:
            raise InvalidRow(
                f"Text {at} is no valid Unicode: {error}.",
                context={"row": at, "path": f"[{at}]"},
                remedy="Send strings that can be written as UTF-8.",
            ) from error
