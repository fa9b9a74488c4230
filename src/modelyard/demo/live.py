"""Living the year: features, requests, truths, monitors, rollouts and retraining, in the order of event time."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush

from modelyard.control import look
from modelyard.core import Failed, ManualClock, SystemClock, from_micros, to_micros
from modelyard.rollout import RolloutEvent
from modelyard.wiring import Project

from .records import Event
from .screen import Screen
from .timeline import END, START, Moment
from .traffic import Clients, Request, Truth

MODEL, DEPLOYMENT = "flight-delay", "flights"
BAD_CANDIDATE_FROM = datetime(2013, 8, 20, tzinfo=START.tzinfo)
ROLLOUT_EVERY = timedelta(hours=12)
FOLLOW_SECONDS = 10.0
NAMED = 4
UNTOLD = ("training", "gated", "rolled_back")
"""Transitions of the loop that say nothing of their own: the next one does, or the rollout did."""


@dataclass
class Progress:
    """What has happened so far."""

    events: list[Event] = field(default_factory=list)
    retrained: int = 0
    bad_candidate_caught: bool = False
    truths: list[tuple[int, str, int]] = field(default_factory=list)


class Year:
    """One run through the year. The control plane is this process; its clock is moved by the timeline."""

    def __init__(
        self, project: Project, clock: ManualClock, clients: Clients, screen: Screen, *, bad_candidate: bool = True
    ) -> None:
        """`bad_candidate`: whether one is sent on purpose, for a canary to catch."""
        self._project = project
        self._clock = clock
        self._clients = clients
        self._screen = screen
        self.progress = Progress(bad_candidate_caught=not bad_candidate)
        self._next_rollout_tick = START
        self._next_bad_candidate = BAD_CANDIDATE_FROM
        self._route = project.rollouts.route(DEPLOYMENT)
        self._alerts = 0

    async def live(self, timeline: Iterator[Moment]) -> None:
        """Live all moments; afterwards every truth known by the end of the year is posted."""
        for moment in timeline:
            await self._until(moment.start)
            self._project.features.materializer.step(moment.start)
            answers = await self._clients.predict_all(moment.requests)
            self._remember_truths(moment.requests, answers)
            self._show()
        await self._until(END + timedelta(days=2))
        self._project.features.materializer.save_positions()

    async def _until(self, at: datetime) -> None:
        """Move to an instant; on the way truths arrive and, day by day, the control plane looks at what happened."""
        while self._clock.now().date() < at.date():
            midnight = (self._clock.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
            await self._tick_rollouts(midnight)
            self._clock.set(midnight)
            await self._post_truths(midnight)
            await self._look()
        await self._tick_rollouts(at)
        self._clock.set(at)

    async def _tick_rollouts(self, until: datetime) -> None:
        while self._next_rollout_tick <= until:
            self._clock.set(max(self._next_rollout_tick, self._clock.now()))
            self._next_rollout_tick += ROLLOUT_EVERY
            if decided := self._project.rollouts.tick():
                self._note_rollouts(decided)
                await self._followed()

    async def _look(self) -> None:
        """The daily look of the control plane, told as it happens."""
        self._maybe_send_bad_candidate()
        happened = look(self._project, since=START)
        self._alerts = len(self._project.monitors.alerts.firing(DEPLOYMENT))
        self._note_rollouts(happened.rollouts)
        for window in happened.windows:
            if window.drifted:
                self._note("drift", f"score {window.drift_score:.2f}: {_some(window.drifted)}")
        for state in happened.alerts:
            self._note("resolved" if state.until else "alert", state.alert.message)
        for event in happened.loops:
            self.progress.retrained += event.kind == "registered"
            if event.kind not in UNTOLD:
                self._note({"triggered": "retraining", "rollout": "canary"}.get(event.kind, event.kind), event.detail)
        await self._followed()

    def _note_rollouts(self, events: Sequence[RolloutEvent]) -> None:
        for event in events:
            self.progress.bad_candidate_caught |= event.kind == "rolled_back"
            if event.kind != "promoted":  # the loop says it too
                self._note("canary" if event.kind in ("started", "advanced") else event.kind, event.detail)

    def _maybe_send_bad_candidate(self) -> None:
        """A candidate that learned from complete rows only: what its gate cannot see is that it refuses real rows.

        Should the gate reject it for another reason, it is tried again a week later, until a canary has caught it.
        """
        loop = self._project.retraining.state(MODEL)
        if self.progress.bad_candidate_caught or self._clock.now() < self._next_bad_candidate or loop.state != "idle":
            return
        self._next_bad_candidate = self._clock.now() + timedelta(days=7)
        reason = "a candidate trained on rows without missing values"
        self._project.retraining.trigger(MODEL, reason, self._project.principal, params={"complete_rows": True})
        self._note("retraining", reason)

    def _remember_truths(self, requests: Sequence[Request], answers: Sequence[str | None]) -> None:
        for request, identity in zip(requests, answers, strict=True):
            if identity is not None and request.label is not None:
                heappush(self.progress.truths, (request.known_us, identity, request.label))

    async def _post_truths(self, until: datetime) -> None:
        due, waiting = [], self.progress.truths
        while waiting and waiting[0][0] <= to_micros(until):
            known, identity, label = heappop(waiting)
            at = from_micros(known).isoformat()
            due.append(Truth(identity, label, at, at))
        await self._clients.post_truths(due)

    async def _followed(self) -> None:
        """Wait until the server has followed the newest route; it says so beside the feed."""
        self._route = self._project.rollouts.route(DEPLOYMENT)
        wanted = self._route.generation if self._route is not None else 0
        deadline = time.monotonic() + FOLLOW_SECONDS
        while not self._server_at(wanted):
            if time.monotonic() > deadline:
                raise Failed(f"The server did not follow to generation {wanted}.", remedy="See its log in run/.")
            await asyncio.sleep(0.02)

    def _server_at(self, generation: int) -> bool:
        statuses = self._project.feed.statuses(to_micros(SystemClock().now()))
        return any(status.generations.get(DEPLOYMENT, 0) >= generation for status in statuses)

    def _note(self, kind: str, detail: str) -> None:
        event = Event(self._clock.now().isoformat(), kind, detail)
        self.progress.events.append(event)
        self._screen.event(event)

    def _show(self) -> None:
        if self._route is None:
            return
        self._screen.advance(
            self._clock.now(),
            (self._clock.now() - START) / (END - START),
            sent=self._clients.tally.sent,
            live=f"v{self._route.live.version}",
            canary=sum(arm.weight for arm in self._route.arms if arm.role == "canary"),
            alerts=self._alerts,
            retrained=self.progress.retrained,
        )


def _some(names: Sequence[str]) -> str:
    """The first of many names, as a sentence has them."""
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
