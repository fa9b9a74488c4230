"""Run by `online.py` in Feast's own environment: materialize and read online, on SQLite or on a Redis server.

Arguments: the folder of the repository, the Parquet file, SQLite or the server's HOST:PORT. Prints one JSON line.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feast import (
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
)
from feast.types import Float64

FEATURES = [f"feature_{at}" for at in range(10)]


def main(folder: str, parquet: str, where: str) -> None:
    """Materialize the file, then read one entity and a hundred."""
    online = {"type": "sqlite", "path": f"{folder}/online.db"}
    if where != "sqlite":
        online = {"type": "redis", "connection_string": where}
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=f"{folder}/registry.db",
        online_store=online,
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    store = FeatureStore(config=config)
    customer = Entity(name="customer", join_keys=["customer"])
    view = FeatureView(
        name="stats",
        entities=[customer],
        ttl=timedelta(days=36500),
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=FileSource(path=parquet, timestamp_field="event_timestamp"),
    )
    store.apply([customer, view])
    began, cpu = time.perf_counter(), time.process_time()
    store.materialize(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    asked = [f"stats:{name}" for name in FEATURES]
    ids = list(range(0, 100_000, 1000))

    def read(count: int) -> None:
        rows = [{"customer": each} for each in ids[:count]]
        store.get_online_features(features=asked, entity_rows=rows).to_dict()

    told = {"seconds": took, "cpu": spent, "one": timed(lambda: read(1)), "many": timed(lambda: read(100))}
    sys.stdout.write(f"\n{json.dumps(told)}\n")


def timed(read: Callable[[], object], calls: int = 300) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        read()
        times.append((time.perf_counter() - began) * 1000)
    return times


if __name__ == "__main__":
    main(*sys.argv[1:])
