"""Our side, in a process of its own: `python -m benchmarks.features.ours memory|files FOLDER`.

`memory` joins the table of entities, which was read before the clock starts, to sources that are read after; `files`
goes from Parquet to Parquet part by part. Prints one JSON document.
"""

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

from modelyard.features import Definitions, Entity, FeatureView, point_in_time_join, select, write_history

from .rows import FEATURES, VIEWS


def views(folder: Path) -> list[FeatureView]:
    """The two views."""
    ttl = timedelta(days=3)
    return [
        FeatureView(
            name=name, entities=[Entity(f"{name}_key")], source=folder / f"{name}.parquet", ttl=ttl,
            event_time="event_timestamp", available_at="created", features=[f"{name}_{at}" for at in range(FEATURES)],
        )
        for name in VIEWS
    ]  # fmt: skip


def main() -> None:
    """Measure what is named."""
    how, folder = sys.argv[1], Path(sys.argv[2])
    entities = pq.read_table(folder / "entities.parquet") if how == "memory" else None
    wall, cpu = time.perf_counter(), time.process_time()
    if entities is None:
        write_history(folder / "entities.parquet", select(Definitions(), views(folder)), folder / "out.parquet")
    else:
        point_in_time_join(entities, views(folder), as_known=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"seconds": wall, "cpu_seconds": cpu, "peak_mb": peak}, sys.stdout)


if __name__ == "__main__":
    main()
