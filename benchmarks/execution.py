"""What a task costs: 100 no-ops one after the other, as multiples of the standard library's process pool."""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from modelyard.execution import LocalPool, Task

from .figures import Figure

TASKS = 100
ROUNDS = 5


def main() -> None:
    """Print the median round trip of each, and our ratio to the standard library's."""
    medians = _medians()
    for name, seconds in medians.items():
        ratio = seconds / medians["ProcessPoolExecutor"]
        print(f"{name:<28} {seconds * 1000:6.3f} ms a task   {ratio:5.2f} x")  # noqa: T201 - a benchmark prints


def short() -> list[Figure]:
    """All of it: it is quick."""
    medians = _medians()
    ours, theirs = medians["LocalPool"], medians["ProcessPoolExecutor"]
    note = f"{1000 * ours:.3f} ms and {1000 * theirs:.3f} ms"
    return [Figure("round trip", "a task that does nothing: LocalPool / ProcessPoolExecutor", ours / theirs, note=note)]


def _medians() -> dict[str, float]:
    """The median round trip of each, warm, in alternating rounds."""
    with LocalPool(1) as ours, ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as theirs:

        def ask_ours() -> None:
            ours.submit(Task("task", int))
            assert ours.wait()[0].value == 0  # noqa: S101 - a benchmark of wrong answers measures nothing

        def ask_theirs() -> None:
            assert theirs.submit(int).result() == 0  # noqa: S101 - the same

        asked: dict[str, Callable[[], None]] = {"ProcessPoolExecutor": ask_theirs, "LocalPool": ask_ours}
        trips: dict[str, list[float]] = {name: [] for name in asked}
        for ask in asked.values():
            ask()
        for _ in range(ROUNDS):
            for name, ask in asked.items():
                trips[name] += [_seconds(ask) for _ in range(TASKS)]
    return {name: statistics.median(each) for name, each in trips.items()}


def _seconds(ask: Callable[[], None]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
