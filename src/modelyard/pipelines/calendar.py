"""Runs by the calendar: each instant of a pipeline's schedule is run once, and tried again after a failure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from modelyard.core import Clock, IdSource, ModelyardError, to_micros
from modelyard.core.cron import parse_cron
from modelyard.storage import RecordStore

from .load import PipelineSettings
from .running import PipelineRun

KIND = "pipeline_turn"
AGAIN_AFTER = timedelta(minutes=5)
"""So long after a failure a run goes on where it failed."""


class Turn(msgspec.Struct, frozen=True):
    """The newest instant of a pipeline's schedule, and how far its run is.

    `state`: `waiting` before the first instant, `running` also while nobody goes on with a run that was cut off. `due`
    is when the schedule was first looked at, while it waits. `again_at` is empty where nothing is tried again.
    """

    pipeline: str
    due: str
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    run_id: str = ""
    tries: int = 0
    again_at: str = ""
    detail: str = ""


class Calendar:
    """The pipelines of a project that have a schedule. Use from one process at a time: the one that leads."""

    def __init__(
        self,
        records: RecordStore,
        clock: Clock,
        ids: IdSource,
        pipelines: Mapping[str, PipelineSettings],
        run: Callable[[str, datetime, str], PipelineRun],
    ) -> None:
        """`run` is given a pipeline, the instant that was due, and the id of the run, which may have begun before."""
        self._records = records
        self._clock = clock
        self._ids = ids
        self._scheduled = {name: each for name, each in pipelines.items() if each.schedule is not None}
        self._run = run

    def turns(self) -> list[Turn]:
        """The newest turn of each scheduled pipeline."""
        with self._records.snapshot() as view:
            found = {name: view.get(KIND, name) for name in self._scheduled}
        return [msgspec.convert(each.body, Turn) for each in found.values() if each is not None]

    def following(self) -> dict[str, str]:
        """When each scheduled pipeline is due next."""
        now = self._clock.now()
        return {
            name: parse_cron(str(each.schedule)).next(now, ZoneInfo(each.timezone)).isoformat()
            for name, each in self._scheduled.items()
        }

    def run_due(self) -> Iterator[Turn]:
        """Run what is due, one after the other; each turn as it ended.

        Instants that were missed while nobody looked are one: the newest. A run that was cut off goes on. One that
        failed goes on after `AGAIN_AFTER`, so often as `retries` says. What stopped at a gate is done.
        """
        known = {each.pipeline: each for each in self.turns()}
        for name, settings in self._scheduled.items():
            before = known.get(name)
            if before is None:
                self._keep(Turn(name, self._clock.now().isoformat()))
            elif (turn := self._next(before, settings)) is not None:
                yield self._carry_out(turn, settings)

    def _next(self, turn: Turn, settings: PipelineSettings) -> Turn | None:
        """What is to be run now; None: nothing."""
        now = self._clock.now()
        if turn.state == "running":
            return turn
        due = parse_cron(str(settings.schedule)).last(now, ZoneInfo(settings.timezone))
        if due > datetime.fromisoformat(turn.due):
            return Turn(turn.pipeline, due.isoformat(), "running", self._ids.new(to_micros(now)), 1)
        if turn.again_at and now >= datetime.fromisoformat(turn.again_at):
            return msgspec.structs.replace(turn, state="running", tries=turn.tries + 1, again_at="")
        return None

    def _carry_out(self, turn: Turn, settings: PipelineSettings) -> Turn:
        self._keep(turn)  # first: who is killed in between goes on with this run
        try:
            run = self._run(turn.pipeline, datetime.fromisoformat(turn.due), turn.run_id)
        except ModelyardError as error:
            again = (self._clock.now() + AGAIN_AFTER).isoformat() if turn.tries <= settings.retries else ""
            ended = msgspec.structs.replace(turn, state="failed", again_at=again, detail=error.message)
        else:
            ended = msgspec.structs.replace(turn, state="done", detail="; ".join(run.reasons) or run.state)
        self._keep(ended)
        return ended

    def _keep(self, turn: Turn) -> None:
        with self._records.transaction() as tx:
            tx.put(KIND, turn.pipeline, msgspec.to_builtins(turn))
