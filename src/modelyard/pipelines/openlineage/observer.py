"""Tells a run to a receiver of OpenLineage while it goes on."""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from ..running import PipelineRun, StepRecord
from .events import Body, EventType, Origins, ended_as, run_event, step_event, step_events
from .sender import Sender


class TellsLineage:
    """An `Observer` that hands events on; making and sending them is the sender's thread's, so that no step waits.

    A run that is resumed is told as RUNNING: it began before. Steps that were tried several times begin once.
    """

    def __init__(self, sender: Sender, origins: Callable[[PipelineRun], Origins]) -> None:
        """`origins` is asked in the sender's thread."""
        self._sender = sender
        self._origins = origins
        self._begun: set[str] = set()
        self._steps: dict[str, StepRecord] = {}

    def run_started(self, run: PipelineRun) -> None:
        """See `Observer`."""
        self._steps = {each.name: each for each in run.steps}
        self._begun = set(self._steps)
        kind: EventType = "RUNNING" if run.steps else "START"
        self._sender.put(lambda: run_event(kind, run, self._origins(run), run.started_at))

    def step_started(self, run: PipelineRun, step: StepRecord) -> None:
        """See `Observer`."""
        if step.name not in self._begun:
            self._begun.add(step.name)
            at = step.started_at or run.started_at
            self._sender.put(lambda: step_event("START", run, step, self._origins(run), at))

    def step_ended(self, run: PipelineRun, step: StepRecord) -> None:
        """See `Observer`."""
        self._steps[step.name] = step
        if step.state == "skipped":
            return
        known = msgspec.structs.replace(run, steps=tuple(self._steps.values()))
        if step.name not in self._begun:  # it was taken from the cache
            self.step_started(run, step)
        self._sender.put(partial(self._ended, known, step))

    def run_ended(self, run: PipelineRun) -> None:
        """See `Observer`."""
        known = run if run.steps else msgspec.structs.replace(run, steps=tuple(self._steps.values()))
        self._sender.put(lambda: run_event(ended_as(run), known, self._origins(run), run.ended_at or run.started_at))
        self._sender.close()

    def environment_for(self, _run: PipelineRun, _step: StepRecord) -> Mapping[str, str]:
        """See `Observer`."""
        return {}

    def _ended(self, run: PipelineRun, step: StepRecord) -> Body:
        *_, last = step_events(run, step, self._origins(run))
        return last
