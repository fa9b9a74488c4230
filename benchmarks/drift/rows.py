"""Two tables of 30 numbers and 5 columns of levels, a third of them a little shifted; the same for the same size."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS, LEVELS, OF_EACH = 30, 5, 40
CHUNK = 250_000


def write_side(file: Path, rows: int, *, current: bool) -> None:
    """Write one side as Parquet, a chunk at a time; row groups of a million rows at most."""
    with pq.ParquetWriter(file, chunk(0, 1, current=current).schema) as writer:
        for start in range(0, rows, 4 * CHUNK):
            parts = [
                chunk(at, min(CHUNK, rows - at), current=current)
                for at in range(start, min(start + 4 * CHUNK, rows), CHUNK)
            ]
            writer.write_table(pa.Table.from_batches(parts), row_group_size=4 * CHUNK)


def chunk(start: int, rows: int, *, current: bool) -> pa.RecordBatch:
    """The rows from `start` on."""
    random = np.random.default_rng([start, current])
    columns: dict[str, pa.Array] = {}
    for at in range(NUMBERS):
        shift = 0.2 if current and at % 3 == 0 else 0.0
        values = random.normal(shift, 1, rows) if at % 2 else random.gamma(2.0, 1.0, rows) + shift
        columns[f"number_{at}"] = pa.array(values)
    names = np.array([f"level {at:02d}" for at in range(OF_EACH)])
    for at in range(LEVELS):
        weights = np.arange(1, OF_EACH + 1) ** (1.1 if current and at == 0 else 1.0)
        columns[f"level_{at}"] = pa.array(names[random.choice(OF_EACH, rows, p=weights / weights.sum())])
    return pa.record_batch(columns)
