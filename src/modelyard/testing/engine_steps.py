"""The project that the engines' suite runs: its file is copied into a folder and its pipelines run there."""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import modelyard as my


def here(name: str) -> Path:
    """A file of the project's folder, which every engine must see. No constant: its value would be in cache keys."""
    return Path(here.__code__.co_filename).parent / name


class Model:
    """A value of a class of the project's own."""

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights


def told(name: str) -> None:
    """Leave a line in a file of the project, so that tests can count."""
    with here(name).open("a") as file:
        file.write(my.context().run_id + "\n")


def first_time(name: str) -> bool:
    """Whether nobody has been here before."""
    try:
        here(name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@my.step
def numbers(count: int) -> list[int]:
    """The first so many."""
    sys.stdout.write(f"counting to {count}\n")
    sys.stderr.write("or further\n")
    return list(range(count))


@my.step
def noise(value: int) -> float:
    """An element of a mapped step; each has numbers of its own."""
    return value + random.random()  # noqa: S311 - what is tested is that it repeats


@my.step(kind="train", seed=7)
def fit(values: list[float]) -> Model:
    """Weights that hang on the seed."""
    return Model(np.random.rand(1_000) + sum(values))


@my.step
def table(values: list[float]) -> tuple[pa.Table, dict[str, int]]:
    """A table, and a part that another step takes."""
    return pa.table({"x": values, "name": [str(each) for each in values]}), {"rows": len(values)}


@my.step
def unlikely(value: int) -> int:
    """What a condition holds back."""
    told("unlikely")
    return value


@my.step(kind="evaluate")
def score(model: Model, rows: pa.Table, n: int) -> dict[str, float]:
    """Metrics of a model and a table."""
    return {"weight": float(model.weights.sum()), "rows": float(len(rows)), "n": float(n)}


@my.step(kind="register")
def register(metrics: dict[str, float], after: list[Any]) -> dict[str, float]:  # noqa: ARG001 - it only comes after
    """Acts on the world, so it is counted."""
    told("registered")
    return metrics


@my.pipeline
def values(count: int = 3, floor: float = 3.0) -> None:
    """Every form of value, elements, a part, a condition, a judgement."""
    found = numbers(count)
    noisy = noise(my.each(found))
    model = fit(noisy)
    rows = table(noisy)
    with my.when(rows[1]["rows"].equals(99)):
        unlikely(unlikely(count))
    metrics = score(model, rows[0], rows[1]["rows"])
    register(metrics, [my.gate(metrics, {"rows": floor})])


@my.step
def misbehave(how: str) -> Any:
    """Fail in one of the ways in which steps do."""
    sys.stdout.write(f"about to {how}\n")
    if how == "raise":
        raise LookupError("nothing there")
    if how == "exit":
        os._exit(3)
    return threading.Lock() if how == "give a lock" else how


@my.pipeline
def misbehaving(how: str) -> None:
    """One bad step, and one that needs it."""
    unlikely(misbehave(how))


@my.step(timeout="500ms")
def dawdle(seconds: float) -> float:
    """Take longer than allowed."""
    time.sleep(seconds)
    return seconds


@my.pipeline
def late(seconds: float = 60.0) -> None:
    """A step with a timeout."""
    dawdle(seconds)


@my.step(resources={"cpus": 1e6}, retries=3, backoff="1h")
def grab() -> int:
    """Ask for more than there is anywhere."""
    return 0


@my.pipeline
def greedy() -> None:
    """A step that fits nowhere."""
    grab()


@my.step(retries=2, backoff="10ms", timeout="2m", resources={"cpus": 2})
def stumble(tries: int) -> int:
    """Raise, die, and raise again, until it has been tried so often."""
    told("stumbled")
    count = here("stumbled").read_text().split().count(my.context().run_id)
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if count < tries:
        raise ValueError(f"try {count}")
    return count


@my.pipeline
def stumbling(tries: int = 3) -> None:
    """A step that is tried again."""
    stumble(tries)


@my.step(secrets=("ENGINE_SECRET",))
def whisper(aloud: str) -> str:
    """Show a secret everywhere it could be seen."""
    secret = os.environ["ENGINE_SECRET"]
    sys.stdout.write(f"the secret is {secret}\n")
    if aloud:
        raise ValueError(f"wrong {secret}")
    return secret


@my.step
def listen(after: str) -> list[str]:  # noqa: ARG001 - the same
    """Which secrets another step sees."""
    return sorted(set(os.environ) & {"ENGINE_SECRET"})


@my.pipeline
def whispering(aloud: str = "") -> None:
    """A secret, and a step that must not see it."""
    listen(whisper(aloud))


@my.step
def climb(rounds: int) -> int:
    """Count on from where a process left off that was killed, or, if the rounds are odd, failed."""
    file = my.context().folder / "reached"
    reached = int(file.read_text()) if file.exists() else 0
    if reached == 0:
        file.write_text(str(rounds // 2))
        if rounds % 2:
            raise InterruptedError("half way")
        os.kill(os.getpid(), signal.SIGKILL)
    return reached


@my.pipeline
def climbing(rounds: int = 10) -> None:
    """A step with a checkpoint."""
    climb(rounds)


def slope(shard: pa.Table, state: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gradient of a sum of squares, with noise that hangs on the seed; every call leaves a mark."""
    told("sloped")
    features = np.column_stack([shard["a"], shard["b"]])
    return np.asarray(features.T @ (features @ state - shard["y"].to_numpy()) + np.random.rand(2) / 100)


def descended(state: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """One step downhill."""
    return state - total / 1_000


def descended_or_killed(state: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same; the third of all kills its process, unless it has happened before."""
    with here("steps").open("a") as file:
        file.write("step\n")
    if len(here("steps").read_text().split()) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return descended(state, total)


@my.step(kind="train")
def descend(parallel: int, deadly: str) -> NDArray[np.float64]:
    """Train on shards of rows, round by round."""
    chance = np.random.default_rng(my.context().seed)
    rows = pa.table({name: chance.normal(size=500) for name in ("a", "b", "y")})
    with my.data_parallel(rows, shards=5, parallel=parallel) as data:
        update = descended_or_killed if deadly else descended
        return np.asarray(data.iterate(slope, update, np.zeros(2), rounds=4).state)


@my.pipeline
def descending(parallel: int = 2, deadly: str = "") -> None:
    """Data-parallel training, which may be killed."""
    descend(parallel, deadly)


def lingered(value: int) -> int:
    """Be at work long enough to be found at it, the first time."""
    if first_time("lingered"):
        time.sleep(60)
    return value * 10


@my.step
def linger(value: int) -> int:
    """On whatever node."""
    return lingered(value)


@my.step(name="linger", resources={"gpus": 1})
def linger_on_gpu(value: int) -> int:
    """Where there is a GPU."""
    return lingered(value)


@my.step(name="linger", resources={"gpus": 1}, retries=1, backoff="1s")
def linger_twice_on_gpu(value: int) -> int:
    """The same, tried again."""
    return lingered(value)


def lingered_on_gpu(shard: pa.Table) -> list[Any]:
    """The GPU that a shard's call sees, and its rows."""
    return [os.environ["CUDA_VISIBLE_DEVICES"], lingered(len(shard))]


@my.step(resources={"cpus": 2})
def spread(rows: int) -> list[Any]:
    """Shards on GPUs that the step itself has not."""
    with my.data_parallel(pa.table({"x": range(rows)}), shards=2, resources={"gpu": 1}) as data:
        return data.collect(lingered_on_gpu)


@my.pipeline
def spreading(rows: int = 5) -> None:
    """Parts of a step that ask for more than the step."""
    spread(rows)


@my.pipeline
def crowding() -> None:
    """Two steps at once whose parts want the processors that the other one has."""
    descend(my.each([2, 3]), "")


@my.pipeline
def lingering(count: int = 4) -> None:
    """Steps before, under and after which the runner may be killed."""
    found = numbers(count)
    slow = linger(count)
    rows = table(noise(my.each(found)))
    register(rows[1], [slow])


@my.pipeline
def lingering_on_gpu(count: int = 4) -> None:
    """A step on the node that is lost under it."""
    found = numbers(count)
    slow = linger_on_gpu(count)
    rows = table(noise(my.each(found)))
    register(rows[1], [slow])


@my.pipeline
def lingering_twice_on_gpu(count: int = 4) -> None:
    """The same, with another try."""
    found = numbers(count)
    slow = linger_twice_on_gpu(count)
    rows = table(noise(my.each(found)))
    register(rows[1], [slow])
