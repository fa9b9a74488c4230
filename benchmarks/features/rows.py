"""The tables that are joined: entities that ask, and the sources of two views; the same for the same number of rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 1_000_000
VIEWS = {"accounts": (350_000, 4_000), "airports": (26_000, 3)}
"""Rows and keys of each view's source."""

FEAST = ["feast[redis,duckdb]==0.67.0"]
"""The peer, in one environment for every part."""

FEATURES = 5
"""So many columns of each view."""

_START, _YEAR = 1_735_689_600_000_000, 365 * 86_400_000_000
_INSTANT = pa.timestamp("us", tz="UTC")


def write_sources(folder: Path) -> None:
    """A Parquet file a view: rows in the order of their event times, available within the hour."""
    for name, (rows, keys) in VIEWS.items():
        random = np.random.default_rng(rows)
        events = np.sort(_START + random.integers(0, _YEAR, rows))
        columns = {
            f"{name}_key": pa.array(random.integers(0, keys, rows)),
            "event_timestamp": pa.array(events, _INSTANT),
            "created": pa.array(events + random.integers(0, 3_600_000_000, rows), _INSTANT),
        }
        columns |= {f"{name}_{at}": pa.array(random.normal(size=rows)) for at in range(FEATURES)}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def write_entities(file: Path, rows: int) -> None:
    """Rows at random times of the year, a chunk at a time."""
    with pq.ParquetWriter(file, _entities(0, 1).schema) as writer:
        for start in range(0, rows, CHUNK):
            writer.write_table(_entities(start, min(CHUNK, rows - start)))


def _entities(start: int, rows: int) -> pa.Table:
    random = np.random.default_rng([7, start])
    times = _START + random.integers(0, _YEAR, rows)
    keys = {f"{name}_key": pa.array(random.integers(0, keys, rows)) for name, (_, keys) in VIEWS.items()}
    return pa.table({"row": np.arange(start, start + rows), **keys, "event_timestamp": pa.array(times, _INSTANT)})
