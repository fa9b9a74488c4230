"""What the engine of pipelines costs: a step, a cached run, and a gigabyte handed on."""

import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelyard.pipelines import ProjectNames, load_pipeline
from modelyard.pipelines.artifacts import Scratch, load, save
from modelyard.storage import open_artifact_store
from modelyard.wiring import Project

from ..figures import Figure

_STEPS = """
import modelyard as my


@my.step
def nothing(value: int) -> int:
    return value


@my.step
def follow(value: int) -> int:
    return value + 1


@my.pipeline
def wide(salt: int = 0) -> None:
    for number in range(100):
        nothing(number)


@my.pipeline
def chain(salt: int = 0) -> None:
    value = nothing(0)
    for _ in range(99):
        value = follow(value)


@my.pipeline
def ten(salt: int = 0) -> None:
    value = nothing(0)
    for _ in range(9):
        value = follow(value)


@my.pipeline
def warm() -> None:
    nothing(-1)
    nothing(-2)
"""


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        _tell_steps(steps(Path(folder)))
        _tell_tables(*tables(Path(folder)))


def short() -> list[Figure]:
    """The steps, and a table of 128 MB."""
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        wide, chain, cached = (seconds for seconds, _ in steps(Path(folder)).values())
        writing, plain, *_ = tables(Path(folder), rows=2_097_152)
    note = f"{writing:.2f} s and {plain:.2f} s, the better of two"
    return [
        Figure("steps", "100 that do nothing, side by side: a step", 10 * wide, "ms"),
        Figure("steps", "100 that do nothing, one after another: a step", 10 * chain, "ms"),
        Figure("steps", "ten, all from the cache", 1000 * cached, "ms"),
        Figure("artifacts", "128 MB kept / written and hashed by hand", writing / plain, note=note),
    ]


def _tell_steps(told: dict[str, tuple[float, float]]) -> None:
    for name in ("wide", "chain"):
        seconds, load_ = told[name]
        print(f"{name}: {1000 * seconds / 100:.1f} ms a step, {1000 * load_ / 100:.1f} ms of CPU here")  # noqa: T201 - a benchmark prints
    seconds, load_ = told["cached"]
    print(f"10 steps, all cached: {seconds:.3f} s, {load_:.3f} s of CPU")  # noqa: T201 - a benchmark prints


def _tell_tables(writing: float, plain: float, reading: float, size: int, copied: int) -> None:
    told = f"{size / 1e9:.2f} GB: written in {writing:.2f} s, {writing / plain:.2f} x write and hash ({plain:.2f} s)"
    print(f"{told}; mapped in {1000 * reading:.1f} ms, {copied:,} bytes copied")  # noqa: T201 - a benchmark prints


def steps(folder: Path) -> dict[str, tuple[float, float]]:
    """100 steps that do nothing, side by side and one after another, and a chain of ten from the cache.

    Wall and CPU seconds of each.
    """
    found = {}
    (folder / "steps.py").write_text(_STEPS)
    names = ("wide", "chain", "ten", "warm")
    sections = "".join(f"  {name}: {{module: steps.py}}\n" for name in names)
    (folder / "modelyard.yaml").write_text(f"project: bench\npipelines:\n{sections}")
    project = Project(folder, environment={})
    try:
        engine = project.pipelines.engine()  # without MLflow, which watches from the side
        pipelines = {name: load_pipeline(name, project.pipelines.settings(name), folder) for name in names}
        engine.run(pipelines["warm"], {}, "warm", cache=False)
        for name in ("wide", "chain"):
            found[name] = timed(lambda name=name: engine.run(pipelines[name], {}, f"first {name}", cache=False))
        engine.run(pipelines["ten"], {}, "filling")
        found["cached"] = timed(lambda: engine.run(pipelines["ten"], {}, "cached"))
    finally:
        project.close()
    return found


def timed(act: object) -> tuple[float, float]:
    """Wall and CPU seconds of this process."""
    began, used = time.perf_counter(), time.process_time()
    act()  # type: ignore[operator]
    return time.perf_counter() - began, time.process_time() - used


def tables(folder: Path, rows: int = 16_777_216, columns: int = 8) -> tuple[float, float, float, int, int]:
    """A table of 1 GiB: writing it against writing and hashing the same bytes, and reading it.

    Seconds of the three; bytes of the artifact, and those that reading copied.
    """
    table = pa.table({f"c{at}": np.arange(rows, dtype=np.float64) + at for at in range(columns)})
    store = open_artifact_store(folder / "artifacts")
    names, scratch = ProjectNames(folder), Scratch(folder / "scratch")
    plain = min(_plain(table, folder / "plain") for _ in range(2))
    writing = []
    for _ in range(2):
        began = time.perf_counter()
        artifact = save(table, store, names)
        writing.append(time.perf_counter() - began)
        if len(writing) < 2:
            store.delete(artifact.digest)
    before = pa.total_allocated_bytes()
    began = time.perf_counter()
    again = load(artifact, store, names, scratch)
    reading = time.perf_counter() - began
    copied = pa.total_allocated_bytes() - before
    assert again.num_rows == rows  # noqa: S101 - a benchmark of wrong answers measures nothing
    return min(writing), plain, reading, artifact.size, copied


def _plain(table: pa.Table, file: Path) -> float:
    buffers = [each for column in table.columns for chunk in column.chunks for each in chunk.buffers() if each]
    began = time.perf_counter()
    told = hashlib.sha256()
    with file.open("wb", buffering=0) as stream:
        for each in buffers:
            view = memoryview(each)
            told.update(view)
            done = 0
            while done < len(view):
                done += os.write(stream.fileno(), view[done:])
    seconds = time.perf_counter() - began
    file.unlink()
    return seconds


if __name__ == "__main__":
    main()
