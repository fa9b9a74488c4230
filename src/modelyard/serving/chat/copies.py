"""Copies of texts for embedders that only watch: taken once the answer has left, embedded in threads that give way."""

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from weakref import WeakKeyDictionary

from modelyard.core import ModelyardError, log_event
from modelyard.inference import Vectors, worst_angle
from modelyard.routing import assignment_key, shadows

from ..batching import give_way
from ..dataplane import DataPlane
from ..embedders import LoadedEmbedder
from ..shadowing import Dropped, Rate
from .vectors import Embedded, Texts, VectorRecords, embedded

MOST_COPIES = 100
"""Requests that may wait for one shadow: each may be as large as a body, and has its vectors with it."""


class _Copy(NamedTuple):
    """A request that waits for a shadow, and what was answered."""

    asked: Texts
    arm: LoadedEmbedder
    answered: Vectors


class _Lane:
    """What waits for one shadow, and how much more it may see."""

    def __init__(self, rate: Rate) -> None:
        self.waiting: deque[_Copy] = deque()
        self.running = False
        self.rate = rate


class _Made(NamedTuple):
    """What a shadow made of a copy, or why it made nothing; since when, without the wait for its turn."""

    began: float
    made: Embedded | Exception


class VectorCopies:
    """The shadows of deployments of embedders. Nothing here delays or fails an answer. One event loop's.

    Each shadow embeds one request at a time, in a thread that gives way to the loop, so that a slow one holds up no
    other.
    """

    def __init__(self, plane: DataPlane, records: VectorRecords) -> None:
        self._plane = plane
        self._records = records
        self._lanes: WeakKeyDictionary[LoadedEmbedder, _Lane] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(thread_name_prefix="embedding-shadow", initializer=give_way)

    def offer(self, asked: Texts, answered: Vectors) -> None:
        """Keep a copy of an answered request for each shadow that is to see it."""
        facts = asked.facts
        deployment, route = facts.deployment, facts.deployment.route
        for arm in shadows(route, assignment_key(route, facts.entity, facts.identity)):
            loaded = deployment.embedders.get(arm.name)
            if loaded is None:
                continue
            if (why_not := self._kept(_Copy(asked, loaded, answered))) is not None:
                self._plane.shadow_dropped(deployment, why_not)

    async def close(self) -> None:
        """What still waits is dropped, and counted."""
        for lane in list(self._lanes.values()):
            for copy in lane.waiting:
                self._dropped(copy, "end")
            lane.waiting.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    def _kept(self, copy: _Copy) -> Dropped | None:
        """Keep a copy; why not, when it is not kept."""
        policy, now = copy.asked.facts.deployment.policy, self._plane.monotonic()
        lane = self._lanes.get(copy.arm)
        if lane is None:
            lane = self._lanes[copy.arm] = _Lane(Rate(policy.shadow_per_second, now))
        if len(lane.waiting) >= min(policy.shadow_queue, MOST_COPIES):
            return "queue"
        if not lane.rate.allows(now):
            return "cap"
        lane.waiting.append(copy)
        if not lane.running:
            lane.running = True
            task = asyncio.get_running_loop().create_task(self._work_off(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return None

    async def _work_off(self, lane: _Lane) -> None:
        while lane.waiting:
            copy = lane.waiting.popleft()
            try:
                made = await asyncio.get_running_loop().run_in_executor(self._threads, _made, copy)
            except asyncio.CancelledError:
                self._dropped(copy, "end")
                raise
            self._settle(copy, made)
        lane.running = False

    def _settle(self, copy: _Copy, made: _Made) -> None:
        try:
            self._record(copy, made)
        except Exception as error:  # whatever is wrong with the record of one copy, the others go on
            log_event("serving", "a shadow's vectors could not be recorded", arm=copy.arm.arm.name, error=repr(error))
            self._dropped(copy, "failed")

    def _record(self, copy: _Copy, told: _Made) -> None:
        if isinstance(made := told.made, Exception):
            if not isinstance(made, ModelyardError):
                log_event("serving", "a shadow's embedding failed", arm=copy.arm.arm.name, error=repr(made))
            self._records.write(copy.asked, copy.arm, told.began, error=made)
            return
        scores = _cosine(copy.answered, made.vectors)
        self._records.write(copy.asked, copy.arm, told.began, tokens=made.tokens, scores=scores)

    def _dropped(self, copy: _Copy, why: Dropped) -> None:
        self._plane.shadow_dropped(copy.asked.facts.deployment, why)


def _made(copy: _Copy) -> _Made:
    began = time.perf_counter()
    try:
        return _Made(began, embedded(copy.arm.embedder, copy.asked.texts))
    except Exception as error:  # the caller has his answer, and whatever fails here goes on record
        return _Made(began, error)


def _cosine(answered: Vectors, vectors: Vectors) -> tuple[float, ...]:
    """The least cosine between what was answered to a text and what the shadow would have; none of what has none."""
    angle = worst_angle(answered, vectors)
    return (1 - angle,) if angle < float("inf") else ()
