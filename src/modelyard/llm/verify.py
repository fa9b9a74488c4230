"""Is an index what it says: its files, its spans in the sources, its vectors by the embedder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from modelyard.core import Digest
from modelyard.inference import Embedder, worst_angle
from modelyard.retrieval import Index, require_embedder

from .home import open_index
from .read import plain, read_source, sources_in

_SAMPLE = 64


@dataclass(frozen=True)
class Verified:
    """What was compared. `wrong` says what is not as it should be, and is empty where all is well.

    `stale` names sources that have changed since, or are gone: the index is sound and out of date. `worst` is one minus
    the cosine of the sampled vectors to those that the embedder gives now.
    """

    digest: Digest
    documents: int
    chunks: int
    spans: int = 0
    vectors: int = 0
    worst: float | None = None
    stale: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def verify_index(
    home: Path, places: Sequence[Path] = (), embedder: Embedder | None = None, *, sample: int = _SAMPLE
) -> Verified:
    """Compare every file with its digest, every span with its source at `places`, and vectors with the embedder's.

    Vectors are those of `sample` chunks, chosen by a fixed seed; they may differ by the embedder's own tolerance.
    IndexDamaged when a file is not what was written; the rest is told in the answer.
    """
    index = open_index(home)
    spans, stale, wrong = _spans(index, places) if places else (0, [], [])
    asked, worst = 0, None
    if embedder is not None and index.chunks:
        require_embedder(index.info, embedder.digest)
        chosen = np.random.default_rng(0).permutation(len(index.chunks))[:sample]
        chunks = [index.chunks[at] for at in sorted(chosen.tolist())]
        held = index.vectors.vectors([chunk.id for chunk in chunks])
        asked, worst = len(chunks), worst_angle(held, embedder.embed([chunk.text for chunk in chunks]))
        if worst > max(embedder.info.tolerance, 1e-5):
            wrong = [*wrong, f"vectors are off by up to {worst:.2g} (one minus the cosine)"]
    return Verified(index.digest, len(index.documents), len(index.chunks), spans, asked, worst, stale, wrong)


def _spans(index: Index, places: Sequence[Path]) -> tuple[int, list[str], list[str]]:
    """How many spans hold their text, which sources changed, and where a span does not hold its text."""
    found, compared, stale, wrong = sources_in(list(places)), 0, [], []
    for name, document in index.documents.items():
        source = read_source(name, found[name]) if name in found else None
        if source is None or source.digest != document.digest:
            stale.append(name)
            continue
        for chunk in index.chunks[document.first : document.end]:
            compared += 1
            if plain(source.text[chunk.start : chunk.end]) != chunk.text:
                wrong.append(f"{name}, characters {chunk.start} to {chunk.end}: its text is another")
    return compared, stale, wrong
