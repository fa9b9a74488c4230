"""hnswlib's side, in its own environment: `python hnswlib_side.py FOLDER NEIGHBOURS BREADTH_ADD BREADTH K`.

Builds and asks on one thread, as ours does. Prints one JSON document.
"""

import json
import sys
import time
from pathlib import Path

import hnswlib  # type: ignore[import-untyped]  # in the peer's environment
import numpy as np


def main() -> None:
    """Measure."""
    folder = Path(sys.argv[1])
    neighbours, breadth_add, breadth, k = map(int, sys.argv[2:])
    rows, queries = np.load(folder / "rows.npy"), np.load(folder / "queries.npy")
    index = hnswlib.Index(space="ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), ef_construction=breadth_add, M=neighbours, random_seed=0)
    index.set_num_threads(1)
    began, cpu = time.perf_counter(), time.process_time()
    index.add_items(rows, np.arange(len(rows)))
    build, build_cpu = time.perf_counter() - began, time.process_time() - cpu
    index.set_ef(breadth)
    index.knn_query(queries[:10], k)
    began, cpu = time.perf_counter(), time.process_time()
    found = [index.knn_query(query, k)[0][0].tolist() for query in queries]
    asking, asking_cpu = time.perf_counter() - began, time.process_time() - cpu
    told = {"build_s": build, "build_cpu_s": build_cpu, "ask_s": asking, "ask_cpu_s": asking_cpu, "found": found}
    json.dump(told, sys.stdout)


main()
