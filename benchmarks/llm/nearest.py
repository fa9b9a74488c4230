"""The ten nearest of 100,000 vectors: our graph, hnswlib's and LanceDB's, on one thread each, beside exact search."""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.inference import Embedder
from modelyard.vectors import ExactIndex, HnswIndex, Matrix
from modelyard.vectors.hnsw import BREADTH_ADD, BREADTH_SEARCH, NEIGHBOURS

from ..environments import install
from .texts import sentences

RECALL, MEAN_MS, BUILD_S = 0.98, 0.3, 30.0
"""The targets, of 100,000 vectors of 384 elements."""

K, QUERIES = 10, 1_000
PEERS = {"hnswlib": ["hnswlib==0.8.0", "numpy==2.4.6"], "lancedb": ["lancedb==0.40.0", "numpy==2.4.6"]}
_SIDES = Path(__file__).parent / "peers"
_ONE_THREAD = {"LANCE_CPU_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKIO_WORKER_THREADS": "1", "OMP_NUM_THREADS": "1"}


def made(folder: Path, count: int, embedder: Embedder) -> tuple[Matrix, Matrix]:
    """Vectors of so many sentences, and of others that are asked for; made once and kept."""
    files = folder / "rows.npy", folder / "queries.npy"
    if not all(each.exists() for each in files):
        folder.mkdir(parents=True, exist_ok=True)
        texts = sentences(count + QUERIES)
        vectors = embedder.embed(texts)
        np.save(files[0], vectors[:-QUERIES])
        np.save(files[1], vectors[-QUERIES:])
    rows, queries = (np.load(each) for each in files)
    return rows[:count], queries


def nearest(folder: Path, count: int, embedder: Embedder) -> dict[str, dict[str, float]]:
    """What each side takes and finds: `build_s`, `mean_ms`, the same of processor time, and `recall`."""
    rows, queries = made(folder, count, embedder)
    truth = _truth(rows, queries)
    sides = {"modelyard": _ours(rows, queries), **{peer: _theirs(peer, folder) for peer in PEERS}}
    return {name: _figures(each, truth) for name, each in sides.items()}


def _theirs(peer: str, folder: Path) -> dict[str, Any]:
    python = install(peer, PEERS[peer]) / "bin" / "python"
    settings = map(str, (NEIGHBOURS, BREADTH_ADD, BREADTH_SEARCH, K))
    command = [str(python), str(_SIDES / f"{peer}_side.py"), str(folder), *settings]
    environment = {**os.environ, **_ONE_THREAD}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600, env=environment)
    return dict(json.loads(ended.stdout))


def _ours(rows: Matrix, queries: Matrix) -> dict[str, Any]:
    index = HnswIndex(rows.shape[1])
    began, cpu = time.perf_counter(), time.process_time()
    index.add(np.arange(len(rows)), rows)
    build, build_cpu = time.perf_counter() - began, time.process_time() - cpu
    for query in queries[:10]:
        index.search(query, K)
    began, cpu = time.perf_counter(), time.process_time()
    found = [index.search(query, K).ids.tolist() for query in queries]
    asking, asking_cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"build_s": build, "build_cpu_s": build_cpu, "ask_s": asking, "ask_cpu_s": asking_cpu, "found": found}


def _truth(rows: Matrix, queries: Matrix) -> list[set[int]]:
    exact = ExactIndex(rows.shape[1])
    exact.add(np.arange(len(rows)), rows)
    return [set(exact.search(query, K).ids.tolist()) for query in queries]


def _figures(side: dict[str, Any], truth: Sequence[set[int]]) -> dict[str, float]:
    hits = sum(len(set(found) & right) for found, right in zip(side["found"], truth, strict=True))
    return {
        "recall": hits / (K * len(truth)),
        "mean_ms": 1000 * side["ask_s"] / len(truth),
        "mean_cpu_ms": 1000 * side["ask_cpu_s"] / len(truth),
        "build_s": side["build_s"],
        "build_cpu_s": side["build_cpu_s"],
    }
