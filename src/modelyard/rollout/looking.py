"""One look at a rollout: what servers say, what the log has new, and what anything else has against the candidate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import pyarrow as pa

from modelyard.core import Clock
from modelyard.history import PredictionLog
from modelyard.routing import FeedFolder
from modelyard.storage import RecordStore

from .counting import Counted, read_counted, read_entities
from .entities import Entities
from .generated import COLUMN, GENERATED, THUMBS, bad_answers
from .labels import wrong_answers
from .reading import read_fresh
from .records import Rollout
from .routes import generations
from .servers import Servers, look_at_servers
from .state import share_of
from .strategies import STRATEGIES, Facts, Way
from .tally import count, with_bad

Alarm = Callable[[Rollout], str]
"""Says why a rollout under way must go back (an alert that asks for it, say), or nothing."""

_OFTEN = 4
"""A step is looked at so often at least, when its looks come from processes that know nothing of each other."""


_UNKNOWN = 0.5
"""Stands for a share of the traffic that nobody knows: records count, and no evidence by shares is asked."""


@dataclass(frozen=True)
class Look:
    """What one look found. `trouble`: why the candidate must go back at once, or nothing; `guardrail`: the same, by
    evidence. `counted` and `entities` are to be written down with whatever is decided.
    """

    facts: Facts
    counted: Counted
    entities: Entities | None
    trouble: str
    guardrail: str

    @property
    def rollout(self) -> Rollout:
        """The rollout with what was observed of it."""
        return self.facts.rollout


class Looks:
    """Looks; changes nothing. One process counts the time between its own looks by the monotonic clock."""

    def __init__(
        self, records: RecordStore, feed: FeedFolder, log: PredictionLog, clock: Clock, alarms: Sequence[Alarm]
    ) -> None:
        self._records = records
        self._feed = feed
        self._log = log
        self._clock = clock
        self._alarms = alarms
        self._last: dict[str, tuple[str, float]] = {}

    def passed(self, rollout: Rollout) -> float:
        """Seconds in which a rollout was observed since its last look.

        Of two looks of this process it is what the monotonic clock says, whatever became of the wall clock. When
        another process looked last, it is what the wall clock says, and never more than a part of the step's time: a
        clock that was put forward, or a control plane that was away, makes no step pass.
        """
        looked_at, monotonic = self._last.get(rollout.deployment, ("", 0.0))
        if looked_at == rollout.looked_at and looked_at:
            return max(0.0, self._clock.monotonic() - monotonic)
        since = datetime.fromisoformat(rollout.looked_at or rollout.started_at)
        most = max(rollout.plan.dwell_s, 1.0) / _OFTEN
        return min(max((self._clock.now() - since).total_seconds(), 0.0), most)

    def looked(self, rollout: Rollout) -> Rollout:
        """The rollout as looked at in this moment, once that is written down."""
        at = self._clock.now().isoformat()
        self._last[rollout.deployment] = (at, self._clock.monotonic())
        return msgspec.structs.replace(rollout, looked_at=at)

    def look(self, rollout: Rollout) -> Look:
        """Look at an active rollout."""
        way, passed, now = STRATEGIES[rollout.plan.strategy], self.passed(rollout), self._clock.now()
        servers = look_at_servers(self._feed, rollout, way.arm, passed)
        counted, entities, fresh = self._counted(rollout, way, now)
        seen = msgspec.structs.replace(
            rollout,
            observed_s=rollout.observed_s + (0.0 if rollout.paused else passed),
            servers=servers.met,
            silent=dict(servers.silent),
            evidence=counted.tally.counts() if way.by_server else counted.tally.evidence(),
        )
        seen, rows = self.looked(seen), counted.tally.step_rows
        facts = Facts(
            rollout=seen,
            tally=counted.tally,
            observed=timedelta(seconds=seen.observed_s),
            now=now,
            fresh=fresh,
            log=self._log,
            rate=rows / seen.observed_s if rows and seen.observed_s else None,
            loaded=servers.loaded,
            waiting=servers.waiting,
            monotonic=self._clock.monotonic,
        )
        counted, drifted = self._spread(counted, facts, way)
        breach = _breach_by_count(counted, rollout) if way.by_server else _breach(counted, rollout)
        return Look(facts, counted, entities, self._trouble(seen, servers, drifted), breach)

    def _counted(self, rollout: Rollout, way: Way, now: datetime) -> tuple[Counted, Entities | None, pa.Table]:
        with self._records.snapshot() as view:
            counted, entities = read_counted(view, rollout), read_entities(view, rollout)
            routes = generations(view, rollout.deployment, since=rollout.first_generation)
        shares = {route.generation: _UNKNOWN if way.by_server else share_of(route, way.arm) for route in routes}
        made = [each for each in GENERATED if each in rollout.plan.guardrails]
        drift = ("prediction", "scores") if rollout.plan.prediction_drift is not None else ()
        fresh, cursor = read_fresh(
            self._log,
            rollout.deployment,
            counted.cursor,
            since=rollout.first_generation,
            started=datetime.fromisoformat(rollout.started_at),
            now=now,
            columns=(*way.columns, *drift, *([COLUMN] if made else [])),
        )
        objective = rollout.plan.latency_objective_ms
        tally = count(counted.tally, fresh, shares, entities, arm=way.arm, objective_ms=objective)
        for guardrail in made:
            bad = bad_answers(fresh, guardrail, way.arm, rollout.plan.answer_cost_micros)
            tally = with_bad(tally, bad, shares, entities, arm=way.arm, guardrail=guardrail)
        counted = msgspec.structs.replace(counted, tally=tally, cursor=cursor)
        return self._labelled(counted, rollout, way, shares, entities, now), entities, fresh

    def _labelled(
        self,
        counted: Counted,
        rollout: Rollout,
        way: Way,
        shares: Mapping[int, float],
        entities: Entities | None,
        now: datetime,
    ) -> Counted:
        if rollout.plan.label_window_s is None:
            return counted
        wrong, until = wrong_answers(self._log, rollout, way.arm, after=counted.labelled_us, now=now)
        guardrail = THUMBS if THUMBS in rollout.plan.guardrails else "quality"
        tally = with_bad(counted.tally, wrong, shares, entities, arm=way.arm, guardrail=guardrail)
        return msgspec.structs.replace(counted, tally=tally, labelled_us=until)

    def _spread(self, counted: Counted, facts: Facts, way: Way) -> tuple[Counted, str]:
        bound = facts.plan.prediction_drift
        if bound is None or way.role == "shadow":
            return counted, ""
        spread, why = counted.spread.add(facts.fresh, way.arm).judged(bound)
        return msgspec.structs.replace(counted, spread=spread), why

    def _trouble(self, rollout: Rollout, servers: Servers, drifted: str) -> str:
        """Why the candidate must go back at once; the first of what there is."""
        if servers.refused:
            return f"the version could not be loaded: {servers.refused}"
        if lost := servers.lost(rollout.plan.silent_s):
            return lost
        return next((why for alarm in self._alarms if (why := alarm(rollout))), drifted)


def _breach_by_count(counted: Counted, rollout: Rollout) -> str:
    """Why the rows that went wrong take the candidate back, whatever share of the traffic it has, or nothing."""
    tally = counted.tally
    if not tally.worse_by_count(rollout.plan.alpha):
        return ""
    return f"{tally.rows_bad} bad of {tally.rows} answers against {tally.live_rows_bad} of {tally.live_rows} live"


def _breach(counted: Counted, rollout: Rollout) -> str:
    """Which guardrail takes the candidate back, and by what, or nothing."""
    tally = counted.tally
    guardrail = tally.breached(rollout.plan.alpha)
    if not guardrail:
        return ""
    state = tally.guardrails[guardrail]
    return (
        f"{guardrail.replace('_', ' ')}: {tally.rows_bad} bad of {tally.rows} canary answers against "
        f"{tally.live_rows_bad} of {tally.live_rows} live (e-value {min(state.value, 1e12):.3g}, "
        f"{state.canary_bad} and {state.live_bad} counted)"
    )
