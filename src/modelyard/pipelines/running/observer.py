"""Who wants to know how a run goes: progress on a terminal, tracking."""

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from modelyard.core import log_event

from .records import PipelineRun, StepRecord


class Observer(Protocol):
    """Is told of a run as it goes on, in order, from one thread. What it raises ends the run: wrap it otherwise."""

    def run_started(self, run: PipelineRun) -> None:
        """A run begins, or is resumed; `run.steps` are those that are done already."""

    def step_started(self, run: PipelineRun, step: StepRecord) -> None:
        """A step was given to a process; once for every try."""

    def step_ended(self, run: PipelineRun, step: StepRecord) -> None:
        """A step ended, was taken from the cache, or is skipped; its record is about to be written."""

    def run_ended(self, run: PipelineRun) -> None:
        """The run is over, and on record."""

    def environment_for(self, run: PipelineRun, step: StepRecord) -> Mapping[str, str]:
        """Environment variables for a step that is about to start; asked in the runner's thread, so be quick."""


class InBackground:
    """Tells an observer from a thread of its own, so that a slow one holds up no step.

    What the observer raises is logged, and it is told no more. `run_ended` waits until it has heard everything.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def run_started(self, run: PipelineRun) -> None:
        self._thread = threading.Thread(target=self._tell, daemon=True, name="observer")
        self._thread.start()
        self._calls.put(lambda: self._observer.run_started(run))

    def step_started(self, run: PipelineRun, step: StepRecord) -> None:
        self._calls.put(lambda: self._observer.step_started(run, step))

    def step_ended(self, run: PipelineRun, step: StepRecord) -> None:
        self._calls.put(lambda: self._observer.step_ended(run, step))

    def run_ended(self, run: PipelineRun) -> None:
        self._calls.put(lambda: self._observer.run_ended(run))
        self._calls.put(None)
        if self._thread is not None:
            self._thread.join()

    def environment_for(self, run: PipelineRun, step: StepRecord) -> Mapping[str, str]:
        return self._observer.environment_for(run, step)

    def _tell(self) -> None:
        broken = False
        while (call := self._calls.get()) is not None:
            if broken:
                continue
            try:
                call()
            except Exception as error:  # the edge of the thread: a run does not fail because nobody could watch
                log_event("pipelines", "observer failed", error=repr(error))
                broken = True
