"""The table that is validated: 35 columns of every common type, the same bytes for the same number of rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 250_000
FLOATS, INTEGERS, LEVELS, CODES, FLAGS, INSTANTS = 12, 10, 5, 2, 3, 3
"""So many columns of each kind: 35 together."""

COUNTRIES = ("DE", "FR", "GB", "IT", "JP", "PL", "SE", "US")
NEW_YEAR = np.datetime64("2026-01-01T00:00:00", "us")


def write_rows(file: Path, rows: int) -> None:
    """Write the Parquet file, a chunk at a time; row groups are as large as the chunks."""
    with pq.ParquetWriter(file, chunk(0, 1).schema) as writer:
        for start in range(0, rows, CHUNK):
            writer.write_batch(chunk(start, min(CHUNK, rows - start)))


def chunk(start: int, rows: int) -> pa.RecordBatch:
    """The rows from `start` on; every value keeps what is promised of its column."""
    random = np.random.default_rng(start)
    number = np.arange(start, start + rows)
    columns: dict[str, pa.Array] = {"id": pa.array(number * 7919 % 2**31)}
    for at in range(FLOATS):
        columns[f"float_{at}"] = pa.array(random.uniform(0, 100, rows))
    for at in range(1, INTEGERS):
        columns[f"integer_{at}"] = pa.array(random.integers(0, 1000, rows))
    for at in range(LEVELS):
        columns[f"level_{at}"] = pa.array(np.array(COUNTRIES)[random.integers(0, len(COUNTRIES), rows)])
    for at in range(CODES):
        columns[f"code_{at}"] = pa.array([f"c{each:08d}" for each in random.integers(0, 10**8, rows)])
    for at in range(FLAGS):
        columns[f"flag_{at}"] = pa.array(random.random(rows) < 0.5)
    for at in range(INSTANTS):
        seconds = random.integers(0, 300 * 86_400, rows).astype("timedelta64[s]")
        columns[f"instant_{at}"] = pa.array(NEW_YEAR + seconds)
    return pa.record_batch(columns)
