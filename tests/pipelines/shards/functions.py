"""Functions that tests call on shards, here and in other processes."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[np.float64]


def encoded(shard: pa.Table) -> tuple[Array, Array]:
    """Features (n, f) and labels (n,) of 0 and 1."""
    names = [each for each in shard.column_names if each != "label"]
    return np.column_stack([shard[each].to_numpy() for each in names]), shard["label"].to_numpy().astype(float)


def logistic(shard: tuple[Array, Array], weights: Array) -> tuple[float, Array]:
    """The log loss of a linear model with an intercept, last, on a shard, and its gradient."""
    features, labels = shard
    margins = features @ weights[:-1] + weights[-1]
    signs = 2 * labels - 1
    loss = float(np.logaddexp(0.0, -signs * margins).sum())
    residuals = 1.0 / (1.0 + np.exp(-margins)) - labels
    return loss, np.append(features.T @ residuals, residuals.sum())


def logistic_state(shard: tuple[Array, Array], state: Array) -> tuple[float, Array]:
    """The same, as rounds ask for it."""
    return logistic(shard, state)


def downhill(state: Array, total: tuple[float, Array]) -> Array:
    """A step of gradient descent."""
    return state - 0.002 * total[1]


def flat(state: Array, total: tuple[float, Array]) -> bool:
    """Whether the gradient has almost vanished."""
    return float(np.abs(total[1]).max()) < 1e-6


def count(shard: pa.Table) -> int:
    """Rows."""
    return len(shard)


def moments(shard: pa.Table) -> dict[str, Any]:
    """What mean, variance and a histogram of the column `x` are made of."""
    x = shard["x"].to_numpy()
    return {"n": len(x), "sum": x.sum(), "squares": (x**2).sum(), "histogram": np.histogram(x, 20, (-4, 4))[0]}


def levels(shard: pa.Table) -> dict[str, int]:
    """How often each level of `kind` is there."""
    return {each["values"]: each["counts"] for each in pc.value_counts(shard["kind"]).to_pylist()}


def names(shard: pa.Table) -> list[str]:
    """The levels in their order of rows."""
    return list(shard["kind"].to_pylist())


def followed_by(one: list[str], other: list[str]) -> list[str]:
    """Two lists as one."""
    return one + other


def process(shard: pa.Table) -> set[int]:
    """The process that it was called in."""
    return {os.getpid()}


def both(one: set[int], other: set[int]) -> set[int]:
    """All of two sets."""
    return one | other


def threads(shard: pa.Table) -> tuple[str | None, str | None]:
    """What the process was told of threads and the order of hashes."""
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("PYTHONHASHSEED")


def devices(shard: pa.Table) -> str | None:
    """The GPUs that the process sees."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def chance(shard: pa.Table) -> float:
    """A random number."""
    return float(np.random.random())


def marked(shard: pa.Table, folder: str, deadly: int) -> int:
    """Leave a mark for every call; the one that is the `deadly`-th takes its process down."""
    marks = Path(folder) / "marks"
    with marks.open("ab", buffering=0) as file:
        file.write(f"{shard['x'][0].as_py()!r}\n".encode())
        own = file.tell()  # where this mark ends, whoever has left one since
    if marks.read_bytes()[:own].count(b"\n") == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(shard)


def deadly_at_three(shard: pa.Table) -> int:
    """Takes its process down on the rows of the last quarter."""
    if shard["x"][0].as_py() == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def picky(shard: pa.Table) -> int:
    """Fails on the rows of the third quarter."""
    if shard["x"].to_numpy()[0] >= 2:
        raise ValueError("these rows are no good")
    return 1


def large(shard: pa.Table, offsets: Array) -> Array:
    """An answer of some megabytes to an input of as many."""
    return offsets + len(shard)
