"""A log of any length, written as sealing and compaction leave it."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from modelyard.history.catalog import Catalog, Catalogs, Entry
from modelyard.history.features import Kind
from modelyard.history.files import write_part
from modelyard.history.tables import INSTANT

DAY_US = 86_400_000_000
FIRST_US = 20_454 * DAY_US  # 2026-01-01
_FILE = 1_000_000


def make_log(folder: Path, *, days: int, rows: int, features: int, labelled: float) -> None:
    """Days of so many predictions each, with truths of a share of them that came a day later; the catalog too."""
    rng = np.random.default_rng(0)
    entries: list[Entry] = []
    for day in range(days):
        for part in range(0, rows, _FILE):
            count = min(_FILE, rows - part)
            start = FIRST_US + day * DAY_US + part * DAY_US // rows
            times = start + np.sort(rng.integers(0, DAY_US * count // rows, count))
            ids = _ids(times, rng)
            name, date = f"{day:06d}-{part:09d}.parquet", str(np.datetime64(int(times[0]) // DAY_US, "D"))
            table, kinds = _predictions(ids, times, features, rng)
            entries.append(write_part(folder, name, table, family="predictions", kinds=kinds, day=date))
            truths = _truths(ids, times, rng.random(count) < labelled)
            entries.append(write_part(folder, name, truths, family="truths", day=date))
    Catalogs(folder).commit(Catalog(number=1, entries=tuple(entries)))


def _ids(times: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """UUIDv7 of the instants (n,)."""
    millis = (times // 1000).astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
    noise = rng.integers(0, 256, (len(times), 10), dtype=np.uint8)
    noise[:, 0] = 0x70 | noise[:, 0] & 0x0F
    noise[:, 2] = 0x80 | noise[:, 2] & 0x3F
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    raw = np.concatenate([millis, noise], axis=1)
    nibbles = np.stack([raw >> 4, raw & 15], axis=2).reshape(len(times), 32)
    text = np.full((len(times), 36), ord("-"), np.uint8)
    places = [*range(8), *range(9, 13), *range(14, 18), *range(19, 23), *range(24, 36)]
    text[:, places] = digits[nibbles]
    offsets = np.arange(0, 36 * (len(times) + 1), 36, dtype=np.int32)
    return pa.StringArray.from_buffers(len(times), pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))


def _predictions(
    ids: pa.Array, times: np.ndarray, features: int, rng: np.random.Generator
) -> tuple[pa.Table, tuple[Kind, ...]]:
    count = len(times)
    scores = rng.random(count).round(6)
    columns = {
        "prediction_id": ids,
        "event_us": pa.array(times, INSTANT),
        "deployment": pa.repeat("d", count),
        "generation": pa.repeat(1, count),
        "model_version": pa.repeat("1", count),
        "arm": pa.repeat("live", count),
        "role": pa.repeat("live", count),
        "answered": pa.repeat(pa.scalar(value=True), count),
        "entity": pa.array(rng.integers(0, 100_000, count)).cast(pa.string()),
        "prediction": pa.array((scores > 0.5).astype(int)).cast(pa.string()),
        "scores": pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32), scores),
        "latency_us": pa.array(rng.integers(200, 4000, count)),
        "error": pa.nulls(count, pa.string()),
        "logged_us": pa.array(times + 500, INSTANT),
        **_where(count, times),
        "has_features": pa.repeat(pa.scalar(value=True), count),
        "redacted": pa.nulls(count, pa.list_(pa.int16())),
    }
    columns |= {f"feature_{at}": pa.array(rng.normal(size=count).round(3)) for at in range(features)}
    kinds: list[Kind] = ["number"] * features
    return pa.table(columns), tuple(kinds)


def _truths(ids: pa.Array, times: np.ndarray, chosen: np.ndarray) -> pa.Table:
    own, when = ids.filter(pa.array(chosen)), times[chosen]
    columns = {
        "prediction_id": own,
        "deployment": pa.repeat("d", len(own)),
        "label": pa.array(when % 2).cast(pa.string()),
        "event_us": pa.array(when, INSTANT),
        "available_us": pa.array(when + DAY_US, INSTANT),
        "received_us": pa.array(when + DAY_US, INSTANT),
        **_where(len(own), when),
    }
    return pa.table(columns)


def _where(count: int, times: np.ndarray) -> dict[str, pa.Array]:
    return {"segment": pa.repeat(f"{int(times[0]):016d}-s-1-1.seg", count), "position": pa.array(np.arange(count))}
