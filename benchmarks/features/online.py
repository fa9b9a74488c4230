"""Materializing 200,000 rows of 10 features, and reading them online: ours, and Feast's in an environment of its own.

`python -m benchmarks.features online [--redis BINARY]`: BINARY is a server of Redis or Valkey, which both sides then
use too. The machine is rarely alone, so CPU seconds of the materializing process stand beside the clock's, and reads
are given by their fastest tenth's end, their median and their 99th percentile.
"""

import argparse
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.environments import NotInstalled, install, installed
from benchmarks.features.rows import FEAST
from benchmarks.figures import Figure, left_out
from modelyard.core import SystemClock
from modelyard.features import Definitions, Entity, FeatureStore, FeatureView
from modelyard.online import OnlineStore, open_online_store
from modelyard.storage import open_record_store

ROWS, FEATURES = 200_000, [f"feature_{at}" for at in range(10)]
START = datetime(2026, 1, 1, tzinfo=UTC)
_PEER = Path(__file__).parent / "peers" / "feast_online.py"


def write_source(file: Path, rows: int = ROWS, features: int = len(FEATURES)) -> None:
    """A Parquet file of an entity a row, at shuffled event times of one month."""
    random = np.random.default_rng(0)
    times = START.timestamp() * 1e6 + random.integers(0, 30 * 86_400 * 1_000_000, rows)
    columns: dict[str, Any] = {
        "customer": random.permutation(rows).astype(np.int64),
        "event_timestamp": pa.array(times.astype(np.int64), pa.timestamp("us", tz="UTC")),
    }
    columns |= {f"feature_{at}": random.random(rows) for at in range(features)}
    pq.write_table(pa.table(columns), file)


def ours(folder: Path, parquet: Path, address: str, features: int = len(FEATURES)) -> dict[str, Any]:
    """What ours takes: seconds and CPU seconds of the whole job, milliseconds of each read."""
    names = [f"feature_{at}" for at in range(features)]
    view = FeatureView("stats", [Entity("customer")], str(parquet), "event_timestamp", names, ttl=timedelta(days=36500))
    folder.mkdir(parents=True, exist_ok=True)
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    online: OnlineStore = open_online_store(address, folder / "online")
    store = FeatureStore(Definitions([view]), online, records, SystemClock())
    began, cpu = time.perf_counter(), time.process_time()
    (done,) = store.materializer.materialize(datetime(2030, 1, 1, tzinfo=UTC))
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    asked = [f"stats:{name}" for name in names[:10]]
    ids = list(range(0, 100_000, 1000))

    def read(count: int) -> Callable[[], object]:
        rows = [{"customer": each} for each in ids[:count]]
        return lambda: store.get_online_features(features=asked, entity_rows=rows, at=START + timedelta(31)).to_dict()

    found = {"seconds": took, "cpu": spent, "one": timed(read(1)), "many": timed(read(100)), "rows": done.stored}
    online.close()
    return found


def timed(read: Callable[[], object], calls: int = 2000) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        read()
        times.append((time.perf_counter() - began) * 1000)
    return times


def feast(folder: Path, parquet: Path, where: str) -> dict[str, Any]:
    """The same of Feast's. NotInstalled when it cannot be installed."""
    python = install("feast", FEAST) / "bin" / "python"
    command = [str(python), str(_PEER), str(folder / "feast"), str(parquet), where]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env={"FEAST_USAGE": "False"})
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


@contextmanager
def redis_server(binary: str) -> Iterator[int]:
    """A server for the length of the block; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


def told(name: str, found: dict[str, Any]) -> None:
    """Print one line."""
    reads = []
    for key, count in (("one", 1), ("many", 100)):
        low, half, high = np.percentile(found[key], [10, 50, 99])
        reads.append(f"{count} entities p10 {low:.3f} p50 {half:.3f} p99 {high:.3f} ms")
    click.echo(f"{name:<16} {ROWS / found['seconds']:>10,.0f} rows/s ({found['cpu']:.2f} s CPU), {', '.join(reads)}")


def short() -> list[Figure]:
    """Embedded, against Feast's SQLite where it is there."""
    with tempfile.TemporaryDirectory() as folder:
        place, parquet = Path(folder), Path(folder) / "source.parquet"
        write_source(parquet)
        mine = ours(place / "ours", parquet, "local")
        theirs = feast(place, parquet, "sqlite") if installed("feast") else None
    alone = Figure("online", f"{ROWS:,} rows of ten features materialized", mine["seconds"], "s")
    if theirs is None:
        return [alone, left_out("feast")]
    one, other = (float(np.median(each["one"])) for each in (mine, theirs))
    return [
        alone,
        Figure("online", "the same: Feast with SQLite / ours", theirs["seconds"] / mine["seconds"]),
        Figure("online", "an entity read: Feast / ours", other / one, note=f"median, {one:.3f} and {other:.3f} ms"),
    ]


def main(arguments: Sequence[str]) -> int:
    """Run both sides and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features online", description=__doc__)
    parser.add_argument("--redis", help="A redis-server or valkey-server to run for both sides.")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        place, parquet = Path(folder), Path(folder) / "source.parquet"
        write_source(parquet)
        tries = [ours(place / f"try-{at}", parquet, "local") for at in range(3)]
        told("ours, embedded", min(tries, key=lambda each: float(each["cpu"])))
        try:
            told("Feast, SQLite", feast(place, parquet, "sqlite"))
        except NotInstalled as error:
            click.echo(f"Feast is not installed: {error}")
        if options.redis:
            with redis_server(options.redis) as port:
                told("ours, Redis", ours(place / "b", parquet, f"redis://127.0.0.1:{port}/0"))
                told("Feast, Redis", feast(place / "c", parquet, f"127.0.0.1:{port}"))
    return 0
