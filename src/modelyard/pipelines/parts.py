"""Parts of one step's work, side by side: on the step's own processors and, on Ray, on the whole cluster."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

from modelyard.core import Clock, ManualClock, SystemClock
from modelyard.execution import (
    DoesNotFit,
    Executor,
    Outcome,
    Share,
    Task,
    deterministic_environment,
    open_cluster,
    open_own,
    own_share,
)

from .context import RunContext, Services, enter, in_run, leave
from .errors import InvalidPipeline
from .running.secrets import Masked


@dataclass(frozen=True)
class _About:
    """What a part knows of the run that it is a part of."""

    run_id: str
    step: str
    seed: int
    at: datetime | None
    deterministic: bool


_PATIENCE = 5.0
"""Seconds that the cluster has for a part before an idle process of the step's own makes it as well."""

_TURN = 0.01
"""Seconds that one desk is listened to while the other may have something to say."""


@dataclass
class _Desk:
    """An executor, how many parts it is given at a time, and those that it has, by name, with when it got them."""

    executor: Executor
    width: int
    running: dict[str, tuple[Task, float]] = field(default_factory=dict)

    @property
    def room(self) -> int:
        return self.width - len(self.running)

    def take(self, task: Task) -> None:
        self.executor.submit(task)
        self.running[task.id] = task, time.monotonic()

    def drop(self, part: str) -> None:
        """Call a part off, if it has it."""
        if self.running.pop(part, None) is not None:
            self.executor.cancel(part)

    def listen(self, timeout: float) -> list[Outcome]:
        """Parts that ended here and were not called off."""
        heard = self.executor.wait(timeout) if self.running else []
        return [each for each in heard if self.running.pop(each.id, None) is not None]


class Parts:
    """Calls a function many times for one step. Every submitted part has one outcome; close it when done.

    On this machine there are `parallel` processes, by default as many as the step's own resources have room for.
    On Ray, parts are tasks of the cluster that the step runs on, each with its own `resources`. The step's own
    processors help, so that it also ends where other steps hold the rest of the cluster: what the cluster did not get
    done in time they do as well, and the first answer counts (backup tasks: Dean and Ghemawat, "MapReduce", 2004, 3.6).
    A part may therefore run twice, and changes nothing but its own process.
    """

    def __init__(
        self,
        parallel: int | None,
        *,
        most: int,
        resources: Mapping[str, float],
        log: Path | None = None,
        threads: int = 1,
    ) -> None:
        """At most `parallel` at a time, and never more than `most`; each with so many `threads` of native libraries.

        On Ray, what parts write is gathered in `log`, and shown when they are closed; else it goes where the step's
        own output goes. DoesNotFit when a part asks for more GPUs than this machine's share of the step.
        """
        self._about = _about(in_run())
        share, environment = own_share(), deterministic_environment(threads=threads)
        self._resources, self._log, self._environment = dict(resources), None, dict[str, str]()
        self._stack = ExitStack()
        self._waiting: list[Task] = []
        self._longest = 0.0
        room = share.fits(resources)
        width = max(1, min(most, room if parallel is None else parallel))
        cluster = open_cluster(share, environment)
        if cluster is None:
            check_gpus(share, resources)
            self._desks = [self._desk(open_own(share, width, resources, environment), width)]
            return
        self._log, self._environment = log, dict(share.environment)
        self._desks = [self._desk(cluster, most if parallel is None else min(most, parallel))]
        if own := min(room, width):
            self._desks.insert(0, self._desk(open_own(share, own, resources, environment), own))

    def _desk(self, executor: Executor, width: int) -> _Desk:
        self._stack.enter_context(closing(executor))
        return _Desk(executor, width)

    @property
    def width(self) -> int:
        """How many run at a time."""
        return sum(each.width for each in self._desks)

    def submit(self, part: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Queue a call; `part` names it in its outcome, and no other call. Raises as `Executor.submit` does."""
        task = Task(
            part,
            _perform,
            (self._about, function, arguments),
            resources=self._resources,
            environment=self._environment,
            log=self._log,
        )
        self._waiting.append(task)
        self._hand_out()

    def wait(self) -> list[Outcome]:
        """Outcomes of parts that ended, at least one; none when nothing is under way."""
        while self._waiting or any(each.running for each in self._desks):
            self._hand_out()
            self._help()
            if outcomes := self._heard():
                return outcomes
        return []

    def call_off(self) -> None:
        """Forget all that is under way."""
        self._waiting.clear()
        for desk in self._desks:
            for part in list(desk.running):
                desk.drop(part)

    def close(self) -> None:
        """End what is under way, and show what parts wrote elsewhere."""
        self._stack.close()
        if self._log is not None and self._log.exists():
            sys.stderr.write(self._log.read_text(errors="replace"))
            self._log.unlink()

    def _hand_out(self) -> None:
        for desk in self._desks:
            while self._waiting and desk.room > 0:
                desk.take(self._waiting[0])
                del self._waiting[0]

    def _help(self) -> None:
        """Let an idle process of the step's own make what the cluster has been at for long."""
        if len(self._desks) == 1:
            return
        own, cluster = self._desks
        late = time.monotonic() - max(_PATIENCE, 2 * self._longest)
        for part, (task, since) in cluster.running.items():
            if own.room > 0 and part not in own.running and since < late:
                own.take(task)

    def _heard(self) -> list[Outcome]:
        alone = len([each for each in self._desks if each.running]) == 1
        return [each for desk in self._desks for each in desk.listen(0.5 if alone else _TURN) if self._counts(each)]

    def _counts(self, outcome: Outcome) -> bool:
        """Whether this is a part's outcome: not if its process was lost while another is still at it."""
        lost = outcome.state not in ("done", "failed")
        if lost and any(outcome.id in desk.running for desk in self._desks):
            return False
        for desk in self._desks:
            desk.drop(outcome.id)
        self._longest = max(self._longest, outcome.seconds)
        return True


def check_gpus(share: Share, resources: Mapping[str, float]) -> None:
    """DoesNotFit when a part asks for more GPUs than a step has."""
    wanted = resources.get("gpus", 0)
    if wanted > share.gpus:
        raise DoesNotFit(
            f"Each part asks for {wanted:g} GPUs, and the step has {share.gpus}.",
            context={"wanted": wanted, "there": share.gpus},
            remedy="Give the step as many as its parts are to have at a time: @my.step(resources={'gpus': 2}); outside "
            "a run, name them in CUDA_VISIBLE_DEVICES.",
        )


def _about(run: RunContext | None) -> _About | None:
    if run is None:
        return None
    at = None if isinstance(run.clock, SystemClock) else run.clock.now()
    return _About(run.run_id, run.step, run.seed, at, run.deterministic)


def _perform(about: _About | None, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a part's function, in the context of its run; what came with the step's environment is never written."""
    with Masked(tuple(own_share().environment)).output():
        if about is None:
            return function(*arguments)
        clock: Clock = SystemClock() if about.at is None else ManualClock(about.at)
        services = cast("Services", _NoServices())
        token = enter(
            RunContext(about.run_id, clock, about.seed, services, about.step, deterministic=about.deterministic)
        )
        try:
            return function(*arguments)
        finally:
            leave(token)


class _NoServices:
    """Parts are given what they need: what they read by themselves nobody would know of."""

    def __getattr__(self, name: str) -> NoReturn:
        raise InvalidPipeline(
            f"A part of a step asks for the project's '{name}', which only the step itself has.",
            remedy="Ask for it in the step, and give it to the parts as an input.",
        )
