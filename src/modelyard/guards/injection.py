"""Injection: whether a text tries to make a model follow other instructions than its operator's.

A classifier of vectors, as good as the attacks that it was trained on: it is one guard among others, never the only
one. What it is worth on families of attacks that it has not seen is on the page of guards.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.core import Digest

from .contract import Context, Suspects
from .errors import OtherClassifier
from .records import Claim

WINDOW, STEP = 1_000, 500
"""Characters that are judged together, about what an embedder reads, and how far apart such stretches begin."""


def stretches(text: str) -> Iterator[str]:
    """What of a text is judged together: 1,000 characters that overlap by half, to its end; a short text as it is."""
    for start in range(0, max(1, len(text) - WINDOW + STEP), STEP):
        yield text[start : start + WINDOW]


@dataclass(frozen=True)
class InjectionGuard:
    """Claims stretches of a text (`injection`) that the classifier takes for attacks: at `threshold` or above.

    A text is judged by its `stretches`, each by itself, so that neither what stands
    around an attack nor how the text was split changes the verdict. OtherClassifier, which is a guard that fails, where
    the context has no classifier, or one of other digests.
    """

    embedder: Digest
    classifier: Digest
    threshold: float = 0.5
    name: str = "injection"

    @property
    def longest(self) -> int:
        """A stretch, and one character behind it."""
        return WINDOW + 1

    def open(self, context: Context) -> "InjectionScan":
        """Begin a text."""
        if context.suspects is None or context.suspects.digests != (self.embedder, self.classifier):
            raise OtherClassifier(
                f"The guard '{self.name}' needs embedder {self.embedder[:12]}… and classifier {self.classifier[:12]}…; "
                + _told(context.suspects),
                context={"embedder": self.embedder, "classifier": self.classifier},
                remedy="Give both: modelyard guard check --embedder FOLDER --classifier FOLDER",
            )
        return InjectionScan(self.threshold, context.suspects)


class InjectionScan:
    """One text, stretch by stretch."""

    def __init__(self, threshold: float, suspects: Suspects) -> None:
        self._threshold = threshold
        self._suspects = suspects
        self._kept = ""
        self._place = 0  # where the oldest stretch begins that is not judged

    @property
    def clear(self) -> int:
        """Where the oldest stretch begins that is not judged."""
        return self._place

    def feed(self, text: str) -> list[Claim]:
        """Judge the stretches that are full now. One is full with the character behind it: it was not the last."""
        self._kept += text
        claims = []
        while len(self._kept) > WINDOW:
            claims += self._claims(self._kept[:WINDOW])
            self._place, self._kept = self._place + STEP, self._kept[STEP:]
        return claims

    def end(self, text: str = "") -> list[Claim]:
        """Judge the last one too."""
        claims = [*self.feed(text), *self._claims(self._kept)]
        self._place, self._kept = self._place + len(self._kept), ""
        return claims

    def _claims(self, stretch: str) -> list[Claim]:
        if not stretch.strip():
            return []
        (score,) = self._suspects([stretch])
        return [Claim(self._place, self._place + len(stretch), "injection")] if score >= self._threshold else []


def _told(suspects: Suspects | None) -> str:
    if suspects is None:
        return "there is none."
    embedder, classifier = suspects.digests
    return f"there are {embedder[:12]}… and {classifier[:12]}…."
