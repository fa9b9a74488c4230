"""Copies of requests for arms that only watch: taken once the answer has left, scored in the time that is left over."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal
from weakref import WeakKeyDictionary

import msgspec

from modelyard.core import Clock, log_event
from modelyard.routing import assignment_key, shadows

from .arms import Input, LoadedArm, Outcome
from .batching import Ask, give_way
from .metrics import Metrics

TENSOR_QUEUE = 100
"""Copies that may wait while rows hold tensors, which may be as big as a body."""

TURN_US = 1_000.0
"""What the scoring of copies on the event loop may cost at a time: who arrives meanwhile waits that long."""

TOGETHER = 64
"""Copies that are scored together, at most."""

PAUSE = 24.0
"""While requests come, scoring on the loop is followed by a pause so many times as long: shadows take a twenty-fifth of
its time, and what they cannot score in that is dropped. When none come they have all of it."""

GATHER_SECONDS = 0.03
"""The least such pause: copies that gather meanwhile are scored together, which costs little more than one."""

_LEARNED = 0.2

Dropped = Literal["queue", "cap", "failed", "end"]
"""Why a copy was not scored: too many waited, more came than the deployment lets a shadow see, its features could not
be read, or the server ended."""


class Copy(msgspec.Struct, frozen=True, gc=False):
    """A row that waits for a shadow."""

    ask: Ask
    arm: LoadedArm
    row: Input


Settle = Callable[[LoadedArm, Sequence[Copy], Sequence[Outcome]], None]
"""Puts what a shadow made of its copies on record."""


class Rate:
    """What a shadow may see of copies a second; all of them without a bound."""

    def __init__(self, per_second: float | None, now: float) -> None:
        self._rate = per_second
        self._most = 0.0 if per_second is None else max(1.0, per_second)
        self._left, self._at = self._most, now

    def allows(self, now: float) -> bool:
        """Whether one more copy fits under the rate, of which a second's worth may come at once."""
        if self._rate is None:
            return True
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class _Lane:
    """What waits for one shadow, and how much more it may see."""

    def __init__(self, per_second: float | None, now: float) -> None:
        self.waiting: deque[Copy] = deque()
        self.running = False
        self.rate = Rate(per_second, now)
        self._copy_us = 0.0

    def fitting(self, arm: LoadedArm, microseconds: float) -> int:
        """How many copies cost so much, scored and put on record: the record costs more than a cheap model does."""
        return int(microseconds / max(arm.row_us, self._copy_us))

    def took(self, copies: int, seconds: float) -> None:
        """Learn what a copy costs."""
        self._copy_us += _LEARNED * (seconds / copies * 1e6 - self._copy_us)


class Shadows:
    """The shadows of all deployments. Nothing here delays or fails an answer. Use inside one event loop.

    Models that are cheap are scored on the loop, a little at a time; dear ones, and those in worker processes, in
    threads, each by itself, so that one that hangs holds up no other. `rounds` is raised by whoever answers requests.
    """

    def __init__(self, settle: Settle, metrics: Metrics, clock: Clock) -> None:
        self.rounds = 0
        self._settle = settle
        self._metrics = metrics
        self._clock = clock
        self._lanes: WeakKeyDictionary[LoadedArm, _Lane] = WeakKeyDictionary()
        self._ready = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(thread_name_prefix="shadow", initializer=give_way)

    def offer(self, answered: Iterable[tuple[Ask, Outcome]]) -> None:
        """Keep a copy of each answered row for each shadow that is to see it. Never raises."""
        now, dropped = self._clock.monotonic(), Counter[tuple[str, Dropped]]()
        for ask, outcome in answered:
            deployment = ask.deployment
            for arm in shadows(deployment.route, assignment_key(deployment.route, ask.entity, ask.identity)):
                loaded = deployment.arms.get(arm.name)
                if loaded is not None and (why_not := self._kept(ask, loaded, outcome, now)) is not None:
                    dropped[deployment.route.model, why_not] += 1
        for (model, why_not), copies in dropped.items():
            self._metrics.shadow_dropped(model, why_not, copies)
        self._ready.set()

    def waiting(self) -> int:
        """How many copies wait."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    async def run(self) -> None:
        """Score copies for ever, as the time allows."""
        seen = -1
        while True:
            await self._ready.wait()
            quiet, seen, began = self.rounds == seen, self.rounds, time.perf_counter()
            self.turn()
            await asyncio.sleep(0 if quiet else max(GATHER_SECONDS, (time.perf_counter() - began) * PAUSE))

    def turn(self) -> None:
        """Score some of the copies that wait on the loop, and start those that run in threads."""
        self._ready.clear()
        spent_us = 0.0
        for arm, lane in list(self._lanes.items()):
            if not lane.waiting or lane.running:
                continue
            if arm.off_loop:
                self._start(arm, lane)
            elif spent_us < TURN_US:
                copies, began = _taken(lane, lane.fitting(arm, TURN_US - spent_us)), self._clock.monotonic()
                self._settled(arm, copies, arm.answer([(each.row, each.ask.at) for each in copies]))
                took = self._clock.monotonic() - began
                lane.took(len(copies), took)
                spent_us += max(took * 1e6, len(copies) * arm.row_us)
            if lane.waiting and not lane.running:
                self._ready.set()

    def close(self) -> None:
        """Score what waits; copies for a model in a worker process are dropped: it may take as long as its deadline."""
        for arm, lane in list(self._lanes.items()):
            while lane.waiting and not lane.running and not arm.bundle.isolated:
                copies = _taken(lane, TOGETHER)
                self._settled(arm, copies, arm.answer([(each.row, each.ask.at) for each in copies]))
            for copy in lane.waiting:
                self._metrics.shadow_dropped(copy.ask.deployment.route.model, "end")
            lane.waiting.clear()
        self._threads.shutdown(wait=False)

    def _kept(self, ask: Ask, arm: LoadedArm, outcome: Outcome, now: float) -> Dropped | None:
        """Keep a copy for one shadow; why not, when it is not kept."""
        policy = ask.deployment.policy
        lane = self._lanes.get(arm)
        if lane is None:
            lane = self._lanes[arm] = _Lane(policy.shadow_per_second, now)
        most = min(policy.shadow_queue, TENSOR_QUEUE) if ask.arm.digested else policy.shadow_queue
        if len(lane.waiting) >= most:
            return "queue"
        if not lane.rate.allows(now):
            return "cap"
        try:
            row = arm.freeze(ask.row, ask.at, ask.arm, outcome.features)
        except Exception as error:  # the answer has left, and nothing of it may fail for a shadow
            log_event("serving", "a shadow's features could not be read", arm=arm.arm.name, error=repr(error))
            return "failed"
        lane.waiting.append(Copy(ask, arm, row))
        return None

    def _start(self, arm: LoadedArm, lane: _Lane) -> None:
        lane.running = True
        task = asyncio.get_running_loop().create_task(self._run_in_thread(arm, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_in_thread(self, arm: LoadedArm, lane: _Lane) -> None:
        copies = _taken(lane, min(TOGETHER, arm.most_rows))
        rows, began = [(each.row, each.ask.at) for each in copies], time.perf_counter()
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self._threads, arm.answer, rows)
            arm.took(len(copies), time.perf_counter() - began)
            self._settled(arm, copies, outcomes)
        finally:
            lane.running = False
            if lane.waiting:
                self._ready.set()

    def _settled(self, arm: LoadedArm, copies: Sequence[Copy], outcomes: Sequence[Outcome]) -> None:
        try:
            self._settle(arm, copies, outcomes)
        except Exception as error:  # whatever is wrong with one shadow's answers, the others go on
            log_event("serving", "a shadow's answers could not be recorded", arm=arm.arm.name, error=repr(error))
            for copy in copies:
                self._metrics.shadow_dropped(copy.ask.deployment.route.model, "failed")


def _taken(lane: _Lane, most: int) -> list[Copy]:
    return [lane.waiting.popleft() for _ in range(max(1, min(most, TOGETHER, len(lane.waiting))))]
