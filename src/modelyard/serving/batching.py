"""What waits at the same moment runs together: one batch an arm, and no delay when nobody waits."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import msgspec

from modelyard.core import Micros

from .arms import Input, LoadedArm, Outcome
from .deployments import Deployment


class Ask(msgspec.Struct, eq=False, gc=False):
    """One row, and the arm that is asked of it now. `request` is its request's number, `place` its own in there.

    `forced` says that the caller named the arm that was asked first.
    """

    request: int
    place: int
    identity: str
    at: Micros
    deployment: Deployment
    row: Input
    entity: str | None
    arm: LoadedArm
    forced: bool = False


@dataclass(slots=True, eq=False)
class Batch:
    """Rows that an arm scored together, and what it made of each."""

    arm: LoadedArm
    asks: Sequence[Ask]
    outcomes: Sequence[Outcome]


_NICER = 5

Settle = Callable[[Sequence[Batch]], Sequence[Ask]]
"""Takes what was answered; gives what has to be asked of another arm."""


class Batcher:
    """Collects rows until the event loop has read all that has arrived, then runs them by arm.

    Cheap models run on the loop. Expensive ones run in a thread, one batch an arm at a time, and what arrives in the
    meantime is the next batch. Use inside one event loop.
    """

    def __init__(self, settle: Settle) -> None:
        self._settle = settle
        self._waiting: dict[LoadedArm, list[Ask]] = {}
        self._running: dict[LoadedArm, asyncio.Task[None]] = {}
        self._scheduled = False
        self._threads = ThreadPoolExecutor(thread_name_prefix="model", initializer=give_way)

    def submit(self, asks: Sequence[Ask]) -> None:
        """Let rows wait for the end of this turn of the loop."""
        for arm, several in groupby(asks, key=attrgetter("arm")):
            self._waiting.setdefault(arm, []).extend(several)
        self._schedule()

    def wait_us(self, arm: LoadedArm) -> float:
        """What runs and waits for an arm, in µs of its time."""
        running = arm.most_rows if arm in self._running else 0
        return (len(self._waiting.get(arm, ())) + running) * arm.row_us

    def waiting(self) -> int:
        """How many rows wait."""
        return sum(map(len, self._waiting.values()))

    def close(self) -> None:
        """End the threads once what runs in them has ended."""
        self._threads.shutdown()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        answered: list[Batch] = []
        for arm in list(self._waiting):
            if self._inline(arm):
                answered.append(_answer(arm, self._take(arm)))
            elif arm not in self._running:
                self._running[arm] = asyncio.create_task(self._run_in_thread(arm))
        if any(map(self._inline, self._waiting)):
            self._schedule()  # more than one batch waited: let others be heard in between
        self._settled(answered)

    def _inline(self, arm: LoadedArm) -> bool:
        """Whether an arm runs on the loop; not while it still runs in a thread from before it was quickened."""
        return not arm.off_loop and arm not in self._running

    async def _run_in_thread(self, arm: LoadedArm) -> None:
        loop = asyncio.get_running_loop()
        while arm in self._waiting:
            asks, began = self._take(arm), time.perf_counter()
            batch = await loop.run_in_executor(self._threads, _answer, arm, asks)
            arm.took(len(asks), time.perf_counter() - began)
            self._settled([batch])
        del self._running[arm]

    def _take(self, arm: LoadedArm) -> list[Ask]:
        waiting = self._waiting.pop(arm)
        if len(waiting) > arm.most_rows:
            self._waiting[arm] = waiting[arm.most_rows :]
        return waiting[: arm.most_rows]

    def _settled(self, answered: Sequence[Batch]) -> None:
        if answered and (again := self._settle(answered)):
            self.submit(again)


def give_way() -> None:
    """Let the loop go first when there are fewer processors than work: it must go on refusing what is too much."""
    if sys.platform == "linux":  # where a priority can be one thread's own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICER)


def _answer(arm: LoadedArm, asks: Sequence[Ask]) -> Batch:
    return Batch(arm, asks, arm.answer([(ask.row, ask.at) for ask in asks]))
