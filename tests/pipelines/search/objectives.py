"""Objectives that searches of the tests run, here and in other processes."""

import os
import signal
from pathlib import Path
from typing import Any

import optuna


def bowl(trial: Any, centre: float) -> float:
    """Best, with 0, where `x` is the centre and the kind is round."""
    x = trial.suggest_float("x", -10.0, 10.0)
    kind = trial.suggest_categorical("kind", ["round", "square"])
    return float((x - centre) ** 2 + (kind == "square"))


def slow_learner(trial: Any) -> float:
    """Reports ten steps; those of a bad rate are pruned."""
    rate = trial.suggest_float("rate", 0.0, 1.0)
    for at in range(10):
        trial.report(rate * at, at)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(rate * 10)


def picky(trial: Any) -> float:
    """Fails below 0, and gives no number above 5."""
    x = trial.suggest_float("x", -10.0, 10.0)
    if x < 0:
        raise ValueError(f"{x:.1f} is below 0")
    return x if x <= 5 else float("nan")


def always_failing(trial: Any) -> float:
    """Never gives anything."""
    raise RuntimeError("no data")


def deadly(trial: Any) -> float:
    """Takes its process down when `x` is negative."""
    x = trial.suggest_float("x", -1.0, 1.0)
    if x < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(x)


def counted(trial: Any, folder: str) -> float:
    """Leaves a mark for every trial that was begun; the sixth kills the process, once."""
    x = trial.suggest_float("x", -10.0, 10.0)
    begun = Path(folder) / "begun"
    with begun.open("a") as marks:
        marks.write(f"{x!r}\n")
    if len(begun.read_text().splitlines()) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(x * x)


def processes(trial: Any, folder: str) -> float:
    """Tells in which process it ran."""
    (Path(folder) / str(os.getpid())).touch()
    return float(trial.suggest_int("n", 0, 100))
