"""Kills processes of a workspace by SIGKILL, at moments drawn at random."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from modelyard.operations.parts import running

Victim = Literal["control", "step", "worker", "all"]
VICTIMS: tuple[Victim, ...] = ("control", "step", "worker", "all")


@dataclass(frozen=True)
class Kill:
    """Whom to kill, from which week on, how many seconds after that began or, `training`, after a step runs."""

    week: int
    victim: Victim
    training: bool
    delay: float


def chosen_kills(count: int, weeks: int, seed: int, among: Sequence[Victim] = VICTIMS) -> list[Kill]:
    """Kills at random, each victim among the first; of one kind alone, at any moment, and not in steps above all."""
    chance = random.Random(seed)
    in_steps = 0.4 if len(among) > 1 else 0.0
    victims = [*chance.sample(among, len(among)), *chance.choices(among, k=count)][:count]
    return [
        Kill(week, victim, victim == "step" or chance.random() < in_steps, chance.uniform(0, 2.0))
        for week, victim in zip(sorted(chance.choices(range(1, weeks + 1), k=count)), victims, strict=True)
    ]


class Killer:
    """Carries out kills one after another from a thread of its own; `done` are those that killed somebody."""

    def __init__(self, run_folder: Path, kills: Sequence[Kill]) -> None:
        self.done: list[Kill] = []
        self._run_folder, self._kills = run_folder, kills
        self._week = 0
        self._changed, self._over = threading.Condition(), threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Kill while the block lasts."""
        thread = threading.Thread(target=self._work, daemon=True, name="killer")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            self.week(self._week)
            thread.join()

    def week(self, number: int) -> None:
        """A week has begun."""
        with self._changed:
            self._week = number
            self._changed.notify_all()

    def _work(self) -> None:
        for planned in self._kills:
            with self._changed:
                self._changed.wait_for(self._due(planned))
            while not self._over.is_set() and not self._tried(planned):
                self._over.wait(0.01)
            if self._over.is_set():
                return
            self.done.append(planned)

    def _due(self, planned: Kill) -> Callable[[], bool]:
        return lambda: self._week >= planned.week or self._over.is_set()

    def _tried(self, planned: Kill) -> bool:
        """Wait for the moment and kill; False when there was nobody to kill, or nothing more is to be."""
        if (planned.training and not self._steps()) or self._over.wait(planned.delay):
            return False
        victims = self._victims(planned.victim)
        kill(victims)
        return bool(victims)

    def _victims(self, victim: Victim) -> list[psutil.Process]:
        match victim:
            case "control":
                return self._part("control")
            case "step":
                return self._steps()[:1]
            case "worker":
                return [child for each in self._part("server") for child in children(each)][:1]
            case "all":
                return [one for each in self._part("supervisor") for one in (each, *children(each, recursive=True))]

    def _part(self, name: str) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            found = [psutil.Process(each.pid) for each in running(self._run_folder) if each.name == name]
            return [each for each in found if each.status() != psutil.STATUS_ZOMBIE]
        return []

    def _steps(self) -> list[psutil.Process]:
        """The processes that steps of pipelines run in."""
        return [child for each in self._part("control") for child in children(each) if _runs_steps(child)]


def kill(victims: Sequence[psutil.Process]) -> None:
    """End them by SIGKILL, those that have ended apart."""
    for each in victims:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def children(process: psutil.Process, *, recursive: bool = False) -> list[psutil.Process]:
    """Those of a process, none of one that has ended."""
    with suppress(psutil.NoSuchProcess):
        return list(process.children(recursive=recursive))
    return []


def _runs_steps(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return any("modelyard.execution.worker" in each for each in process.cmdline())
    return False
