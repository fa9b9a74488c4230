"""Questions of docstrings: which search finds the right one, and what int8 costs of it and gains in speed."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from modelyard.core import digest_of
from modelyard.inference import Embedder
from modelyard.llm import Case, Measured, NoIndex, Outcome, Suite, build_index, compare, open_index, run_suite
from modelyard.retrieval import Cutting, Index, Mode, Searcher

from .texts import Asked

HYBRID, LOSS, FASTER = 0.47, 0.01, 1.8
"""The targets: MRR@10 of both searches together, what int8 may lose of it, and how many times float32's texts/s."""

METRIC = "mrr@10"
_TURNS, _TEXTS = 5, 192


def answered(folder: Path, asked: Sequence[Asked], embedder: Embedder, modes: Sequence[Mode]) -> dict[str, Outcome]:
    """How well each search answers. The index is kept in the folder, by what it was made of."""
    documents = folder / "documents"
    cases = []
    for at, each in enumerate(asked):
        cases.append(Case(f"q{at:04d}", each.question, [f"{at:04d}.txt"]))
        _write(documents / f"{at:04d}.txt", each.document)
    suite = Suite("docstrings", "1", tuple(cases))
    digest = digest_of(msgspec.json.encode((suite, asked)))
    home = folder / f"index-{embedder.digest[:12]}-{digest[:12]}"
    searcher = Searcher(_index(home, documents, embedder), embedder)
    return {mode: run_suite(suite, digest, searcher, mode) for mode in modes}


def loss(of: Outcome, than: Outcome) -> Measured:
    """How much lower the metric of one is than of the other, question by question, with its interval."""
    return compare(than, of)[METRIC]


def faster(texts: Sequence[str], embedders: Sequence[Embedder]) -> list[float]:
    """Texts a second of each embedder, the median of turns in which each embeds the same texts."""
    some = texts[:: max(1, len(texts) // _TEXTS)][:_TEXTS]
    rates: list[list[float]] = [[] for _ in embedders]
    for _ in range(_TURNS):
        for each, embedder in zip(rates, embedders, strict=True):
            began = time.process_time()
            embedder.embed(some)
            each.append(len(some) / (time.process_time() - began))
    return [statistics.median(each) for each in rates]


def _index(home: Path, documents: Path, embedder: Embedder) -> Index:
    try:
        return open_index(home)
    except NoIndex:
        build_index(home, [documents], embedder, cutting=Cutting(tokens=254, overlap=0))
        return open_index(home)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
