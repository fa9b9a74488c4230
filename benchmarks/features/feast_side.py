"""Feast's side, run by its own environment: `python feast_side.py duckdb|file FOLDER`. Prints one JSON document.

The clock starts before `get_historical_features` and stops with the DataFrame, so sources are read inside it too.
"""

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64


def main() -> None:
    """Measure the offline store that is named."""
    how, folder = sys.argv[1], Path(sys.argv[2])
    made = []
    for name in ("accounts", "airports"):
        entity = Entity(name=name, join_keys=[f"{name}_key"], value_type=ValueType.INT64)
        source = FileSource(
            path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp", created_timestamp_column="created"
        )
        schema = [
            Field(name=f"{name}_key", dtype=Int64),
            *(Field(name=f"{name}_{at}", dtype=Float64) for at in range(5)),
        ]
        made += [entity, FeatureView(name=name, entities=[entity], ttl=timedelta(days=3), schema=schema, source=source)]
    store = FeatureStore(
        config=RepoConfig(
            project="bench", registry=str(folder / "registry.db"), provider="local", offline_store={"type": how},
            online_store={"type": "sqlite", "path": str(folder / "online.db")}, entity_key_serialization_version=3,
        )
    )  # fmt: skip
    store.apply(made)
    entities = pd.read_parquet(folder / "entities.parquet")
    features = [f"{name}:{name}_{at}" for name in ("accounts", "airports") for at in range(5)]
    wall, cpu = time.perf_counter(), time.process_time()
    found = store.get_historical_features(entity_df=entities, features=features).to_df()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"seconds": wall, "cpu_seconds": cpu, "peak_mb": peak, "rows": len(found)}, sys.stdout)


if __name__ == "__main__":
    main()
