"""The data plane, whatever the transport: rows in, answers out, everything on record before the answer leaves."""

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from modelyard.core import Clock, IdSource, InvalidInput, Micros, Scalar, Value, from_micros, log_event, to_micros
from modelyard.journal import (
    Generated,
    Journal,
    JournalUnavailable,
    OutcomeRecord,
    PredictionRecord,
    SketchRecord,
    TruthRecord,
)
from modelyard.routing import assign, assignment_key, pseudonym

from .applications import LoadedApplication
from .arms import Input, LoadedArm, Outcome, why
from .batching import Ask, Batch, Batcher
from .deployments import Deployment, Deployments
from .embedders import LoadedEmbedder
from .errors import BadRequest, ModelFailed, Overloaded
from .metrics import Metrics
from .overriding import named_application, named_arm, named_embedder
from .recording import Recorder, logged_features, logged_request
from .shadowing import Copy, Dropped, Shadows
from .tracing import Tracing

_DIGITS = re.compile(r"[0-9]{1,18}")

LONGEST_WAIT_US = 150_000.0
"""Who would wait longer for his turn is sent away at once: a late answer costs as much as a good one."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The answer to one row, the arm that gave it, and the features it was given for."""

    prediction_id: str
    prediction: Scalar
    scores: tuple[float, ...]
    model_version: str
    arm: str
    features: tuple[Value, ...]


Then = Callable[[list[Answer] | Exception], None]
"""Takes the answers to a request's rows in their order, or the error of one that has none. Must not raise."""


@dataclass(slots=True, eq=False)
class _Request:
    """The rows of one request, and what became of them so far."""

    then: Then
    began: float
    deployment: Deployment
    span: object
    answers: list[Answer | None]
    left: int
    error: Exception | None = None

    def outcome(self) -> list[Answer] | Exception:
        """What its caller is told, once nothing is left."""
        return self.error or [each for each in self.answers if each is not None]


class DataPlane:
    """Answers rows and takes ground truth. One event loop's; an endpoint reaches the model in two calls."""

    def __init__(
        self,
        deployments: Deployments,
        journal: Journal,
        metrics: Metrics,
        clock: Clock,
        ids: IdSource,
        server: str,
        tracing: Tracing | None = None,
        pepper: bytes | None = None,
    ) -> None:
        """`pepper`: what personal fields are hashed with before they go on record."""
        self._pepper = pepper
        self.deployments = deployments
        self._metrics = metrics
        self._recorder = Recorder(journal, metrics)
        self._clock = clock
        self._ids = ids
        self._server = server
        self.tracing = tracing
        self._batcher = Batcher(self._settle)
        self._requests: dict[int, _Request] = {}
        self._numbers = itertools.count()
        self.shadows = Shadows(self._append_copies, metrics, clock)
        self._sketched = clock.micros()

    def now(self) -> Micros:
        """This instant."""
        return self._clock.micros()

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return self._clock.monotonic()

    @property
    def behind(self) -> bool:
        """Whether answers have left whose records the journal could not take yet."""
        return self._recorder.failing

    def answered(self, name: str | None, code: str) -> None:
        """Count a request by the code it was answered with; those to no deployment of ours under no model."""
        self._metrics.requests(self.deployments.model(name), code)

    def admit(self, deployment: Deployment) -> None:
        """Overloaded when who comes now would wait too long; asked before a body is read: refusing must be cheap."""
        wait_us = self._batcher.wait_us(deployment.live)
        if wait_us > LONGEST_WAIT_US:
            self._metrics.refused(deployment.route.model)
            raise Overloaded(
                f"'{deployment.route.deployment}' has {wait_us / 1000:.0f} ms of work waiting.",
                remedy="Try again in a second; more workers: modelyard serve --workers N.",
            )

    def submit(
        self,
        deployment: Deployment,
        rows: Sequence[Input],
        *,
        at: Micros | None,
        key: str | None,
        then: Then,
        arm: LoadedArm | None = None,
    ) -> None:
        """Have the rows of one request answered, together with whatever else waits at this moment.

        `at` is the event time (now without it); `key` assigns all rows to one arm, else the route's `assign_by` field
        of each row does, else its prediction id; an `arm` that the caller named is asked whatever they say. When an arm
        other than live fails, live answers the same row and both are recorded. The error that `then` may get is the
        live arm's: the caller's fault as it is, the model's own as ModelFailed; or JournalUnavailable when an answer
        could not be put on record.
        """
        if not rows:
            then([])
            return
        began, instant = time.perf_counter(), self.now() if at is None else at
        span = None if self.tracing is None else self.tracing.here()
        number, identities = next(self._numbers), self._ids.several(instant, len(rows))
        asks = [
            Ask(number, place, identity, instant, deployment, row, *_assigned(deployment, row, key, identity, arm))
            for place, (row, identity) in enumerate(zip(rows, identities, strict=True))
        ]
        self._requests[number] = _Request(then, began, deployment, span, [None] * len(rows), len(rows))
        self._batcher.submit(asks)

    async def predict(
        self,
        deployment: Deployment,
        rows: Sequence[Input],
        *,
        at: Micros | None,
        key: str | None,
        arm: LoadedArm | None = None,
    ) -> list[Answer]:
        """The same, waited for: the answers, or the error raised."""
        done: asyncio.Future[list[Answer] | Exception] = asyncio.get_running_loop().create_future()

        def then(told: list[Answer] | Exception) -> None:
            if not done.done():  # its caller may have gone
                done.set_result(told)

        self.submit(deployment, rows, at=at, key=key, then=then, arm=arm)
        told = await done
        if isinstance(told, Exception):
            raise told
        return told

    def identity(self, at: Micros) -> str:
        """A new prediction id."""
        return self._ids.several(at, 1)[0]

    @property
    def pepper(self) -> bytes | None:
        """What personal fields and texts are hashed with."""
        return self._pepper

    def generated(self, deployment: Deployment, record: PredictionRecord, generated: Generated) -> None:
        """Count what a language model made, or did not, and put it on record; JournalUnavailable as of any answer."""
        self._metrics.generated(deployment.route.model, record, generated)
        try:
            self._recorder.write([record])
        except JournalUnavailable:
            if deployment.policy.when_log_fails != "degrade":
                raise
            self._recorder.hold(record)

    def asked_upstream(self, upstream: str, outcome: str) -> None:
        """Count what came of asking an upstream."""
        self._metrics.asked_upstream(upstream, outcome)

    def unanswered(self, deployment: Deployment, version: str) -> None:
        """Count a request that a version of a language model, or of an embedder, left without an answer."""
        self._metrics.failed(deployment.route.model, version)

    def refused(self, deployment: Deployment) -> None:
        """Count a request that was sent away at once."""
        self._metrics.refused(deployment.route.model)

    def put_aside(self, record: PredictionRecord) -> None:
        """Put on record what no answer waits for."""
        self._put_aside([record])

    def shadow_dropped(self, deployment: Deployment, why: Dropped) -> None:
        """Count a copy that no shadow answered."""
        self._metrics.shadow_dropped(deployment.route.model, why)

    def feedback(self, records: Sequence[TruthRecord | OutcomeRecord]) -> None:
        """Put ground truth or business outcomes on record."""
        self._recorder.write(list(records))

    def _append_copies(self, arm: LoadedArm, copies: Sequence[Copy], outcomes: Sequence[Outcome]) -> None:
        now = self.now()
        self._put_aside(
            [
                _record(copy.ask, arm, outcome, now, self._pepper, answered=False)
                for copy, outcome in zip(copies, outcomes, strict=True)
            ]
        )

    def journal_sketches(self) -> None:
        """Put each arm's histograms since the last call on record."""
        now, records = self.now(), []

        def take(deployment: Deployment, arm: LoadedArm) -> None:
            sketch = arm.sketch()
            if rows := sketch.rows:
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
                        columns=sketch.take(),
                    )
                )

        self.deployments.each_arm(take)
        for deployment, arm in self.deployments.take_retired():
            take(deployment, arm)
        self._sketched = now
        self._put_aside(records)

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

    def named_arm(self, deployment: Deployment, header: str | None) -> LoadedArm | None:
        """The arm that a caller names, when the deployment lets it; None without one."""
        if header is None:
            return None
        arm = named_arm(deployment, header)
        self._metrics.overridden(deployment.route.model, header)
        return arm

    def named_application(self, deployment: Deployment, header: str | None) -> LoadedApplication | None:
        """The same, of an application."""
        if header is None:
            return None
        arm = named_application(deployment, header)
        self._metrics.overridden(deployment.route.model, header)
        return arm

    def named_embedder(self, deployment: Deployment, header: str | None) -> LoadedEmbedder | None:
        """The same, of an embedder."""
        if header is None:
            return None
        arm = named_embedder(deployment, header)
        self._metrics.overridden(deployment.route.model, header)
        return arm

    @property
    def waiting(self) -> int:
        """How many rows wait for a model."""
        return self._batcher.waiting()

    def report(self) -> None:
        """Show what is counted between requests: rows that wait, levels never seen in training."""
        self._recorder.write_held()
        self._metrics.waiting(self.waiting)
        self._metrics.in_progress(len(self._requests))
        self._metrics.shadows_waiting(self.shadows.waiting())

        def show(deployment: Deployment, arm: LoadedArm) -> None:
            unknown, arm.unknown = arm.unknown, {}
            for feature, count in unknown.items():
                self._metrics.unknown(deployment.route.model, feature, count)
            if arm.known:
                known, arm.known = arm.known, 0
                self._metrics.cached(deployment.route.model, known)

        self.deployments.each_arm(show)

    def close(self) -> None:
        """Score the copies already taken, put the last histograms on record, and end the models' worker processes."""
        self.shadows.close()
        self.journal_sketches()
        self._recorder.close()
        self.deployments.close()
        self._batcher.close()

    def _settle(self, answered: Sequence[Batch]) -> list[Ask]:
        """Put a round on record, answer whom it answers, and give what live has to be asked in another arm's place."""
        now, records, again = self.now(), [], []
        settled: list[tuple[Ask, Outcome]] = []
        for batch in answered:
            for ask, outcome in zip(batch.asks, batch.outcomes, strict=True):
                records.append(_record(ask, batch.arm, outcome, now, self._pepper, answered=outcome.error is None))
                settled.append((ask, outcome))
            self._metrics.count(
                batch.asks[0].deployment.route.model,
                batch.arm.arm,
                batch.outcomes,
                cut_points=batch.arm.cut_points,
                classes=batch.arm.bundle.info.task != "regression",
            )
        refused = self._put_on_record(records, [ask for ask, _ in settled])
        told: list[tuple[Ask, Answer | Exception]] = []
        watched: list[tuple[Ask, Outcome]] = []
        for at, (ask, outcome) in enumerate(settled):
            if outcome.error is not None and ask.arm is not ask.deployment.live:
                ask.arm = ask.deployment.live
                again.append(ask)
                continue
            told.append((ask, refused[at] if at in refused else self._told(ask, outcome)))
            if ask.deployment.shadowed and outcome.error is None and at not in refused:
                watched.append((ask, outcome))
        self._finish(told)
        self.shadows.rounds += 1
        if watched:
            self.shadows.offer(watched)
        return again

    def _put_on_record(self, records: Sequence[PredictionRecord], asks: Sequence[Ask]) -> dict[int, Exception]:
        """Write records together; which of their answers must not leave, and why.

        One that cannot be recorded does not spoil the others. What the journal cannot take now is held for deployments
        that would rather answer.
        """
        try:
            self._recorder.write(records)
        except JournalUnavailable as error:
            refused: dict[int, Exception] = {}
            for at, ask in enumerate(asks):
                if ask.deployment.policy.when_log_fails == "degrade":
                    self._recorder.hold(records[at])
                else:
                    refused[at] = error
            return refused
        except InvalidInput as error:
            if len(records) == 1:
                return {0: error}
            alone = [self._put_on_record([record], [ask]) for record, ask in zip(records, asks, strict=True)]
            return {at: each[0] for at, each in enumerate(alone) if each}
        return {}

    def _put_aside(self, records: Sequence[PredictionRecord | SketchRecord]) -> None:
        """Write records that no answer waits for; what the journal does not take is counted, and goes on without."""
        try:
            self._recorder.write(records)
        except JournalUnavailable:
            return
        except InvalidInput as error:
            if len(records) == 1:
                log_event("serving", "a record cannot be written", error=error.message)
                return
            for record in records:
                self._put_aside([record])

    def _told(self, ask: Ask, outcome: Outcome) -> Answer | Exception:
        if outcome.error is not None:
            return self._failure(ask, outcome)
        arm = ask.arm.arm
        return Answer(ask.identity, outcome.label, outcome.scores, arm.version, arm.name, outcome.features)

    def _finish(self, told: Sequence[tuple[Ask, Answer | Exception]]) -> None:
        now, took, finished = time.perf_counter(), dict[str, list[float]](), list[_Request]()
        for ask, answer in told:
            request = self._requests[ask.request]
            if isinstance(answer, Exception):
                request.error = request.error or answer
            else:
                request.answers[ask.place] = answer
            request.left -= 1
            if request.left == 0:
                finished.append(self._requests.pop(ask.request))
                took.setdefault(ask.deployment.route.model, []).append(now - request.began)
        for model, seconds in took.items():
            self._metrics.took(model, seconds)
        for request in finished:
            outcome = request.outcome()
            if self.tracing is not None and not isinstance(outcome, Exception):
                self._trace(self.tracing, request, outcome, now)
            request.then(outcome)

    def _trace(self, tracing: Tracing, request: _Request, answers: Sequence[Answer], now: float) -> None:
        told = [(each.prediction_id, each.model_version) for each in answers]
        tracing.predicted(request.span, now - request.began, request.deployment.route.deployment, told)

    def _failure(self, ask: Ask, outcome: Outcome) -> Exception:
        deployment, version = ask.deployment.route.deployment, ask.arm.arm.version
        self._metrics.failed(ask.deployment.route.model, version)
        if isinstance(outcome.cause, InvalidInput):
            return outcome.cause
        return ModelFailed(
            f"Version {version} of '{deployment}' failed ({outcome.error}): {why(outcome)}",
            context={"kind": outcome.error},
            remedy=f"See the server's log; roll back: modelyard rollout rollback {deployment}.",
        )


def parse_instant(text: str, path: str) -> Micros:
    """Microseconds since the epoch, or ISO 8601 (UTC without a zone)."""
    try:
        return to_micros(from_micros(int(text)) if _DIGITS.fullmatch(text) else datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise BadRequest(
            f"{text[:40]!r} is no instant.", context={"path": path}, remedy="Write 2013-04-01T12:00:00Z, say."
        ) from error


def _record(
    ask: Ask, arm: LoadedArm, outcome: Outcome, now: Micros, pepper: bytes | None, *, answered: bool
) -> PredictionRecord:
    route = ask.deployment.route
    return PredictionRecord(
        prediction_id=ask.identity,
        event_us=ask.at,
        deployment=route.deployment,
        generation=route.generation,
        model_version=arm.arm.version,
        arm=arm.arm.name,
        role=arm.arm.role,
        answered=answered,
        entity=_entity_on_record(ask),
        features=logged_features(ask.identity, outcome.features, ask.deployment.policy, arm.redacted, arm.digested),
        prediction=outcome.label,
        scores=outcome.scores,
        latency_us=outcome.latency_us,
        error=outcome.error,
        logged_us=now,
        request=logged_request(ask.identity, arm.beside(ask.row, outcome), ask.deployment.policy, pepper),
        forced=ask.forced,
    )


def _assigned(
    deployment: Deployment, row: Input, key: str | None, identity: str, named: LoadedArm | None
) -> tuple[str | None, LoadedArm, bool]:
    """The entity of a row, the arm that is to answer it, and whether the caller named that."""
    entity = key if key is not None else _entity(deployment, row)
    if named is not None:
        return entity, named, True
    if not deployment.split:
        return entity, deployment.live, False
    assigned = assign(deployment.route, assignment_key(deployment.route, entity, identity))
    return entity, deployment.arms.get(assigned.name, deployment.live), False


def _entity(deployment: Deployment, row: Input) -> str | None:
    """The value of the route's `assign_by` field in this row."""
    name = deployment.route.assign_by
    if name is None or row.named is None:
        return None
    value = row.named.get(name)
    return None if value is None else str(value)


def _entity_on_record(ask: Ask) -> str | None:
    """The entity; a pseudonym where the field that names it is not logged as it is."""
    route, entity = ask.deployment.route, ask.entity
    if entity is None or route.assign_by not in ask.deployment.policy.private:
        return entity
    return pseudonym(route, entity)
