"""LanceDB's side, in its own environment: `python lancedb_side.py FOLDER NEIGHBOURS BREADTH_ADD BREADTH K`.

One partition with a graph over int8, its way to have a graph, and twice as many candidates looked at anew by their own
vectors: without that its recall ends where int8 does. It has the threads that its environment says. Prints one JSON
document.
"""

import json
import sys
import time
from pathlib import Path

import lancedb  # type: ignore[import-not-found, import-untyped, unused-ignore]  # in the peer's environment
import numpy as np
import pyarrow as pa

REFINE = 2


def main() -> None:
    """Measure."""
    folder = Path(sys.argv[1])
    neighbours, breadth_add, breadth, k = map(int, sys.argv[2:])
    rows, queries = np.load(folder / "rows.npy"), np.load(folder / "queries.npy")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    database = lancedb.connect(str(folder / "lancedb"))
    table = database.create_table("rows", pa.table({"id": np.arange(len(rows)), "vector": vectors}), mode="overwrite")
    began, cpu = time.perf_counter(), time.process_time()
    table.create_index(
        metric="dot", num_partitions=1, index_type="IVF_HNSW_SQ", m=neighbours, ef_construction=breadth_add
    )
    build, build_cpu = time.perf_counter() - began, time.process_time() - cpu

    def asked(query: np.ndarray) -> list[int]:
        search = table.search(query).nprobes(1).ef(breadth).refine_factor(REFINE).limit(k).select(["id", "_distance"])
        return [int(each) for each in search.to_arrow()["id"].to_pylist()]

    for query in queries[:10]:
        asked(query)
    began, cpu = time.perf_counter(), time.process_time()
    found = [asked(query) for query in queries]
    asking, asking_cpu = time.perf_counter() - began, time.process_time() - cpu
    told = {"build_s": build, "build_cpu_s": build_cpu, "ask_s": asking, "ask_cpu_s": asking_cpu, "found": found}
    json.dump(told, sys.stdout)


main()
