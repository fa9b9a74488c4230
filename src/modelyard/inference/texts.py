"""Texts judged by a classifier of their vectors: an embedder's bundle and a predictor's, together."""

from collections.abc import Sequence
from pathlib import Path

from modelyard.core import Digest

from .bundle import Bundle, load_bundle
from .embedding import Embedder, load_embedder
from .errors import NotOfVectors


class TextClassifier:
    """How likely each text is of the second class of a binary classifier that takes an embedder's vectors.

    Immutable; safe for any thread. NotOfVectors for a classifier that takes something else, or answers otherwise.
    """

    def __init__(self, embedder: Embedder, classifier: Bundle) -> None:
        fields = len(classifier.info.signature.fields)
        if classifier.info.task != "binary" or fields != embedder.dimension:
            raise NotOfVectors(
                f"'{classifier.info.model}' takes {fields} columns and answers {classifier.info.task}; the embedder's "
                f"vectors have {embedder.dimension} elements, and what is wanted is one of two classes.",
                context={"columns": fields, "dimension": embedder.dimension, "task": classifier.info.task},
                remedy="Give the classifier that was trained on this embedder's vectors.",
            )
        self._embedder, self._classifier = embedder, classifier

    @property
    def digests(self) -> tuple[Digest, Digest]:
        """Of the embedder, and of the classifier."""
        return self._embedder.digest, self._classifier.digest

    def __call__(self, texts: Sequence[str], /) -> Sequence[float]:
        """(n,) probabilities of the second class, in the order of the texts. Each text is embedded by itself, so that
        it gets the same number beside any others."""
        rows = [self._embedder.embed([text])[0].tolist() for text in texts]
        return [float(row[0]) for row in self._classifier.predict(rows).scores] if rows else []


def load_text_classifier(
    embedder: Path, classifier: Path, *, expect: tuple[Digest, Digest] | None = None
) -> TextClassifier:
    """Both bundles, verified and loaded; of the digests in `expect` when they are given."""
    wanted = expect or (None, None)
    return TextClassifier(load_embedder(embedder, expect=wanted[0]), load_bundle(classifier, expect=wanted[1]))
