"""Texts to vectors, and what goes on record of it, whoever is asked: live, a canary, or a shadow."""

import asyncio
import time
from typing import NamedTuple

import msgspec

from modelyard.core import InvalidInput
from modelyard.inference import Embedder, Vectors
from modelyard.journal import EMBEDDED, ErrorClass, Generated

from ..concealing import hashed
from ..dataplane import DataPlane
from ..deployments import Deployment
from ..embedders import LoadedEmbedder
from ..errors import BadRequest
from .recorded import Facts, record_of
from .traced import attributes_of_vectors

_ENDS = 2
"""Tokens that mark the ends of a text."""

_ENCODE = msgspec.json.Encoder().encode


class Texts(NamedTuple):
    """The texts of a request, as they are and as they may go on record, and how their vectors are to be written."""

    facts: Facts
    texts: list[str]
    encoding: str
    kept: str = ""


class Embedded(NamedTuple):
    """What an embedder made of texts, and of how many tokens."""

    vectors: Vectors
    tokens: int


def embedded(embedder: Embedder, texts: list[str]) -> Embedded:
    """The vectors of texts; BadRequest for one that is longer than the embedder reads."""
    counts = embedder.tokens(texts)
    longest = embedder.max_tokens - _ENDS
    for at, count in enumerate(counts):
        if count > longest:
            raise BadRequest(
                f"Text {at} has {count} tokens, of at most {longest}.",
                context={"path": f"input[{at}]", "code": "context_length_exceeded"},
                remedy="Cut it in pieces: what came behind would have no part in its vector.",
            )
    return Embedded(embedder.embed(texts), sum(counts))


class VectorRecords:
    """Puts on record what arms made of texts, and counts it."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def write(
        self,
        asked: Texts,
        arm: LoadedEmbedder,
        began: float,
        *,
        tokens: int = 0,
        error: Exception | None = None,
        scores: tuple[float, ...] = (),
        ended: str = EMBEDDED,
    ) -> None:
        """One arm's answer since `began`, by `time.perf_counter`. JournalUnavailable as of any answer."""
        facts, took = asked.facts, time.perf_counter() - began
        kind: ErrorClass | None = None if error is None else "input" if isinstance(error, InvalidInput) else "model"
        generated = Generated(model=arm.embedder.info.model, input_tokens=tokens, cost_micros=0, asked=asked.kept)
        record = record_of(
            facts,
            arm.arm,
            ended=ended,
            error=kind,
            generated=_ENCODE(generated).decode(),
            latency_us=int(took * 1e6),
            logged=self._plane.now(),
            scores=scores,
        )
        if (tracing := self._plane.tracing) is not None:
            told = attributes_of_vectors(arm, asked.encoding, record, generated)
            tracing.generated("embeddings", generated.model, took, told, kind)
        self._plane.generated(facts.deployment, record, generated)

    async def kept(self, deployment: Deployment, texts: list[str]) -> str:
        """The texts as they may go on record."""
        how = deployment.policy.log_text
        if how == "off":
            return ""
        if how == "redacted":
            return await asyncio.to_thread(_redacted, texts)
        told = _ENCODE(texts).decode()
        return told if how == "full" else str(hashed(told, self._plane.pepper))


def _redacted(texts: list[str]) -> str:
    from ..guarding import redacted  # noqa: PLC0415 - who does not redact does not pay for it

    return _ENCODE([redacted(each) for each in texts]).decode()
