"""GPTCache's side, in its own environment: `python gptcache_side.py FOLDER`.

Reads `asked.json` (for each kind of pair the questions that are kept, and those that are asked then) and `vectors.npy`
with the vectors of all of them in that order, and searches as its `init_similar_cache` does: SQLite and faiss, the
evaluation by distance, its threshold of .8. Prints one JSON document: for each question asked which one's answer came.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from gptcache import Cache  # type: ignore[import-not-found, import-untyped, unused-ignore]  # in the peer's environment
from gptcache.adapter.api import get, put  # type: ignore[import-not-found, import-untyped, unused-ignore]  # as above
from gptcache.manager import (  # type: ignore[import-not-found, import-untyped, unused-ignore]  # as above
    CacheBase,
    VectorBase,
    get_data_manager,
)
from gptcache.processor.pre import get_prompt  # type: ignore[import-not-found, import-untyped, unused-ignore]  # as above
from gptcache.similarity_evaluation.distance import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    SearchDistanceEvaluation,
)


def main() -> None:
    """Measure."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text())
    texts = [each for kind in asked.values() for part in kind for each in part]
    vectors = dict(zip(texts, np.load(folder / "vectors.npy"), strict=True))
    json.dump({kind: _answers(folder / kind, kept, then, vectors) for kind, (kept, then) in asked.items()}, sys.stdout)


def _answers(folder: Path, kept: list[str], asked: list[str], vectors: dict[str, Any]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    kept_in = CacheBase("sqlite", sql_url=f"sqlite:///{folder / 'kept.db'}")
    found_by = VectorBase("faiss", dimension=384, index_path=str(folder / "faiss.index"))
    cache = Cache()
    cache.init(
        pre_embedding_func=get_prompt,
        embedding_func=lambda text, **_: vectors[text],
        data_manager=get_data_manager(kept_in, found_by),
        similarity_evaluation=SearchDistanceEvaluation(),
    )
    for at, each in enumerate(kept):
        put(each, str(at), cache_obj=cache)
    began = time.perf_counter()
    found = [get(each, cache_obj=cache) for each in asked]
    return {"found": found, "ask_s": time.perf_counter() - began}


main()
