"""One side of the comparison, in a process of its own: prints rows a second and the greatest memory as JSON."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import SystemClock
from modelyard.execution import RayExecutor
from modelyard.inference import load_bundle
from modelyard.scoring import BatchJob, Spread, StreamScorer, score_batch

from .made import FIELDS, numbers

CHUNK = 10_000
_COMES_UP_S = 60
_STATUS = Path("/proc/self/status")
"""Its greatest memory is this process's own; what the system counts of children begins with their parent's."""


def ours(model: Path, source: Path, output: Path) -> int:
    """`modelyard score`; the compiled trees where there are any."""
    bundle = load_bundle(model / "bundle")
    bundle.quicken()
    return score_batch(BatchJob(str(source), str(output)), bundle, clock=SystemClock()).rows


def engine(model: Path, source: Path, _output: Path) -> int:
    """ONNX Runtime's own rate, with as many threads as it takes by itself, over as many rows in memory."""
    import onnxruntime  # noqa: PLC0415 - only this side asks it

    session = onnxruntime.InferenceSession(model / "bundle" / "model.onnx")
    (asked,) = session.get_inputs()
    matrix = numbers(CHUNK, 3).astype(np.float64 if "double" in asked.type else np.float32)
    rows: int = pq.ParquetFile(source).metadata.num_rows
    for _ in range(rows // CHUNK):
        session.run(None, {asked.name: matrix})
    return rows


def memory(model: Path, source: Path, _output: Path) -> int:
    """What answers in `ours`, the compiled trees where there are any: rows in memory, a thread a processor."""
    bundle = load_bundle(model / "bundle")
    bundle.quicken()
    rows: int = pq.ParquetFile(source).metadata.num_rows
    matrix = numbers(CHUNK, 3)
    bundle.scores(matrix)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(lambda _: bundle.scores(matrix), range(rows // CHUNK)):
            pass
    return rows


def copy(_model: Path, source: Path, output: Path) -> int:
    """No model at all: what it costs to read the rows and to write them again, row groups on all processors."""

    def group(at: int) -> int:
        table = pq.ParquetFile(source).read_row_group(at, use_threads=False)
        pq.write_table(table, output / f"{at}.parquet", use_dictionary=False)
        rows: int = len(table)
        return rows

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return sum(pool.map(group, range(pq.ParquetFile(source).num_row_groups)))


@contextmanager
def cluster() -> Iterator[RayExecutor]:
    """A Ray cluster of two nodes with one processor each, on this machine; where only loopback can be reached.

    It has come up when it is handed over: what its own processes do until then is no part of scoring.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only this side has a cluster

    nodes: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    _until_at_rest()
    with RayExecutor(nodes.address) as executor:
        yield executor
    nodes.shutdown()


def _until_at_rest() -> None:
    """Wait until the processes that this one started take less than a twentieth of a processor for a second."""
    used = _used_by_children()
    for _ in range(_COMES_UP_S):
        time.sleep(1.0)
        before, used = used, _used_by_children()
        if used - before < 0.05:
            return


def _used_by_children() -> float:
    found = 0.0
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            found += times.user + times.system
    return found


def on_ray(model: Path, source: Path, output: Path, executor: RayExecutor) -> int:
    """`modelyard score --engine ray`, the start of its workers included."""
    bundle = load_bundle(model / "bundle")
    bundle.quicken()
    spread = Spread(executor, model / "bundle")
    return score_batch(BatchJob(str(source), str(output)), bundle, clock=SystemClock(), spread=spread).rows


def pyfunc(model: Path, source: Path, output: Path) -> int:
    """The loop that people write: chunks as DataFrames, `mlflow.pyfunc`, and the answers beside them."""
    import mlflow.pyfunc  # noqa: PLC0415 - the peer's

    loaded, rows = mlflow.pyfunc.load_model(str(model / "mlflow")), 0
    file, writer = pq.ParquetFile(source), None
    for batch in file.iter_batches(CHUNK):
        frame = batch.to_pandas()
        scores = loaded.predict(frame[FIELDS].to_numpy())[:, 1]
        frame["prediction"], frame["score"] = (scores > 0.5).astype(int).astype(str), scores
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(output / "out.parquet", table.schema)
        writer.write_table(table)
        rows += len(frame)
    assert writer is not None  # noqa: S101 - there are rows
    writer.close()
    return rows


def stream(model: Path, count: int) -> dict[str, float]:
    """Messages on NATS, answered by one consumer."""
    from tests.contracts.brokers import NatsServer  # noqa: PLC0415 - only this side has a server

    from modelyard.streams import ConsumerOptions, Message, open_stream  # noqa: PLC0415 - as above

    bundle = load_bundle(model / "bundle")
    bundle.quicken()
    rows = [dict(zip(FIELDS, row, strict=True)) for row in numbers(count, 5).tolist()]
    messages = [Message(json.dumps(row).encode(), b"key") for row in rows]
    with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder)) as server:
        address = f"{server.address}/rows?create=true"
        with open_stream(address) as asked, open_stream(f"{server.address}/answers?create=true") as answers:
            asked.publish(messages)
            with asked.consumer("group", ConsumerOptions(in_flight=10_000)) as consumer:
                scorer = StreamScorer(bundle, answers, stream="rows", version="1", clock=SystemClock())
                begun, busy = time.perf_counter(), time.process_time()
                done = scorer.run(consumer, until_empty=True)
                seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    return {"messages": done.answered, "per_second": done.answered / seconds, "cpu_us": busy / count * 1e6}


def main(arguments: list[str]) -> int:
    """SIDE MODEL SOURCE|COUNT."""
    side, model, what = arguments
    if side == "stream":
        print(json.dumps(stream(Path(model), int(what))))  # noqa: T201 - what the parent reads
        return 0
    with tempfile.TemporaryDirectory(dir=Path(what).parent) as place, ExitStack() as stack:
        output = Path(place) / "out"
        if side in ("pyfunc", "copy"):
            output.mkdir()
        sides: dict[str, Callable[[Path, Path, Path], int]] = {
            "ours": ours, "engine": engine, "memory": memory, "copy": copy, "pyfunc": pyfunc
        }  # fmt: skip
        if side == "ray":
            sides["ray"] = partial(on_ray, executor=stack.enter_context(cluster()))
        begun, busy = time.perf_counter(), time.process_time()
        rows = sides[side](Path(model).absolute(), Path(what).absolute(), output.absolute())
        seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    peak = next(int(line.split()[1]) // 1024 for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    found = {"rows": rows, "seconds": seconds, "per_second": rows / seconds, "cpu_us": busy / rows * 1e6, "mb": peak}
    print(json.dumps(found))  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
