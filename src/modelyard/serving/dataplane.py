"""The data plane, whatever the transport: rows in, answers out, everything on record before the answer leaves."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from modelyard.core import Clock, IdSource, InvalidInput, Micros, Scalar, to_micros
from modelyard.journal import Journal, JournalUnavailable, OutcomeRecord, PredictionRecord, SketchRecord, TruthRecord
from modelyard.routing import Arm, assign, shadows

from .arms import Input, LoadedArm, Outcome, why
from .deployments import Deployment, Deployments
from .errors import BadRequest, ModelFailed
from .metrics import Metrics

SHADOW_QUEUE = 10_000
"""Copies that may wait for shadows; beyond it they are dropped and counted."""


@dataclass(frozen=True)
class Answer:
    """The answer to one row."""

    prediction_id: str
    prediction: Scalar
    scores: tuple[float, ...]
    model_version: str


@dataclass(frozen=True)
class _Copy:
    """A row that waits for a shadow arm."""

    prediction_id: str
    at: Micros
    deployment: Deployment
    arm: Arm
    row: Input
    entity: str | None


class DataPlane:
    """Answers rows and takes ground truth. One event loop's; an endpoint reaches the model in two calls."""

    def __init__(
        self, deployments: Deployments, journal: Journal, metrics: Metrics, clock: Clock, ids: IdSource, server: str
    ) -> None:
        self.deployments = deployments
        self._journal = journal
        self._metrics = metrics
        self._clock = clock
        self._ids = ids
        self._server = server
        self._copies: deque[_Copy] = deque()
        self.copied = asyncio.Event()
        self._sketched = to_micros(clock.now())

    def now(self) -> Micros:
        """This instant."""
        return to_micros(self._clock.now())

    def predict(
        self, deployment: Deployment, rows: Sequence[Input], *, at: Micros | None, key: str | None
    ) -> list[Answer]:
        """Answer rows of one request.

        `at` is the event time (now without it); `key` assigns all rows to one arm, else the route's `assign_by` field
        of each row does, else its prediction id. When an arm other than live fails, live answers the same row and both
        are recorded. Raises the live arm's error: the caller's fault as it is, the model's own as ModelFailed.
        """
        instant = self.now() if at is None else at
        return [self._predict_row(deployment, row, instant, key) for row in rows]

    def feedback(self, records: Sequence[TruthRecord | OutcomeRecord]) -> None:
        """Put ground truth or business outcomes on record."""
        self._append(list(records))

    def score_shadows(self, limit: int = 64) -> int:
        """Score some of the copies that wait, off the path of any answer; returns how many still wait."""
        records: list[PredictionRecord] = []
        for _ in range(min(limit, len(self._copies))):
            copy = self._copies.popleft()
            arm = copy.deployment.arms.get(copy.arm.name)
            if arm is not None:
                outcome = arm.answer(copy.row, copy.at)
                records.append(self._record(copy.deployment, arm, outcome, copy, answered=False))
        if records:
            self._append(records)
        if not self._copies:
            self.copied.clear()
        return len(self._copies)

    def journal_sketches(self) -> None:
        """Put each arm's histograms since the last call on record."""
        now, records = self.now(), []

        def take(deployment: Deployment, arm: LoadedArm) -> None:
            if rows := arm.sketch.rows:
                records.append(
                    SketchRecord(
                        deployment=deployment.route.deployment,
                        arm=arm.arm.name,
                        model_version=arm.arm.version,
                        bundle=arm.bundle.digest,
                        server=self._server,
                        from_us=self._sketched,
                        to_us=now,
                        rows=rows,
                        columns=arm.sketch.take(),
                    )
                )

        self.deployments.each_arm(take)
        self._sketched = now
        self._append(records)

    def event_time(self, deployment: Deployment, header: str | None, *, loopback: bool) -> Micros | None:
        """The event time a caller gives, when the route lets it; None without one."""
        if header is None:
            return None
        if deployment.route.clock != "request" or not loopback:
            raise BadRequest(
                "X-Modelyard-At is taken only on loopback, by deployments declared with 'clock: request'.",
                context={"path": "X-Modelyard-At"},
                remedy="Leave the header out: the server's clock is used.",
            )
        return parse_instant(header, "X-Modelyard-At")

    def _predict_row(self, deployment: Deployment, row: Input, at: Micros, key: str | None) -> Answer:
        began = time.perf_counter()
        identity = self._ids.new(at)
        entity = key if key is not None else _entity(deployment, row)
        assigned = assign(deployment.route, entity if entity is not None else identity)
        here = _Copy(identity, at, deployment, assigned, row, entity)
        records, answering, outcome = self._answer(here)
        self._append(records)
        self._metrics.count(deployment.route.model, records, time.perf_counter() - began)
        if outcome.error is not None:
            raise self._failure(deployment, outcome, answering)
        self._copy_to_shadows(here, answering, outcome)
        return Answer(identity, outcome.label, outcome.scores, answering.arm.version)

    def _answer(self, here: _Copy) -> tuple[list[PredictionRecord], LoadedArm, Outcome]:
        """Ask the assigned arm, and live when that fails; every arm asked is on record."""
        deployment, live, records = here.deployment, here.deployment.live, []
        arm = deployment.arms.get(here.arm.name, live)
        outcome = arm.answer(here.row, here.at)
        if outcome.error is not None and arm is not live:
            records.append(self._record(deployment, arm, outcome, here, answered=False))
            arm, outcome = live, live.answer(here.row, here.at)
        records.append(self._record(deployment, arm, outcome, here, answered=outcome.error is None))
        return records, arm, outcome

    def _record(
        self, deployment: Deployment, arm: LoadedArm, outcome: Outcome, here: _Copy, *, answered: bool
    ) -> PredictionRecord:
        return PredictionRecord(
            prediction_id=here.prediction_id,
            event_us=here.at,
            deployment=deployment.route.deployment,
            generation=deployment.route.generation,
            model_version=arm.arm.version,
            arm=arm.arm.name,
            role=arm.arm.role,
            answered=answered,
            entity=here.entity,
            features=outcome.features,
            prediction=outcome.label,
            scores=outcome.scores,
            latency_us=outcome.latency_us,
            error=outcome.error,
            logged_us=self.now(),
        )

    def _copy_to_shadows(self, here: _Copy, answering: LoadedArm, outcome: Outcome) -> None:
        route = here.deployment.route
        for arm in shadows(route, here.entity if here.entity is not None else here.prediction_id):
            if len(self._copies) >= SHADOW_QUEUE:
                self._metrics.shadow_dropped(route.model)
                continue
            loaded = here.deployment.arms.get(arm.name)
            if loaded is not None:
                row = loaded.freeze(here.row, here.at, answering, outcome.features)
                self.copied.set()
                self._copies.append(_Copy(here.prediction_id, here.at, here.deployment, arm, row, here.entity))

    def _append(self, records: Sequence[PredictionRecord | TruthRecord | OutcomeRecord | SketchRecord]) -> None:
        try:
            self._journal.append(records)
        except JournalUnavailable:
            self._metrics.refused_records(len(records))
            raise

    def _failure(self, deployment: Deployment, outcome: Outcome, arm: LoadedArm) -> Exception:
        self._metrics.failed(deployment.route.model, arm.arm.version)
        if isinstance(outcome.cause, InvalidInput):
            return outcome.cause
        return ModelFailed(
            f"Version {arm.arm.version} of '{deployment.route.deployment}' failed ({outcome.error}): {why(outcome)}",
            context={"kind": outcome.error},
            remedy=f"See the server's log; roll back: modelyard rollout rollback {deployment.route.deployment}.",
        )


def parse_instant(text: str, path: str) -> Micros:
    """Microseconds since the epoch, or ISO 8601 (UTC without a zone)."""
    if text.isdecimal():
        return Micros(int(text))
    try:
        return to_micros(datetime.fromisoformat(text))
    except ValueError as error:
        raise BadRequest(
            f"{text[:40]!r} is no instant.", context={"path": path}, remedy="Write 2013-04-01T12:00:00Z, say."
        ) from error


def _entity(deployment: Deployment, row: Input) -> str | None:
    """The value of the route's `assign_by` field in this row."""
    name = deployment.route.assign_by
    if name is None or row.named is None:
        return None
    value = row.named.get(name)
    return None if value is None else str(value)
