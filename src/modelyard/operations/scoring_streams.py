"""Scoring a stream with a model of the project, or with a bundle alone."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from logging import WARNING
from pathlib import Path
from typing import Annotated, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from modelyard.access import Permission
from modelyard.core import InvalidInput, SystemClock, Unavailable, log_event
from modelyard.scoring import StreamScored, StreamScorer, WatchStream
from modelyard.streams import ConsumerOptions, StreamAddress, open_stream
from modelyard.wiring import FILE_NAME, Project

from .contract import Call, Option, operation
from .following import signals
from .scoring import LoadedModel, loaded

_GROUP = "modelyard-scoring-"
"""What the name of the group begins with, unless it is given; the model's name follows."""

_IN_FLIGHT = 10_000
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_WATCHING: ContextVar[WatchStream | None] = ContextVar("stream_scoring_watcher", default=None)


@dataclass(frozen=True)
class ScoreStream:
    """What is scored, by which model, and where the answers go."""

    source: Annotated[str, Option("The stream of rows: nats://…, kafka://…, redis://… or local:….", flag="--in")]
    output: Annotated[str, Option("The stream of answers; it is made when it is not there.", flag="--out")]
    model: Annotated[str | None, Option("Model and version: NAME@alias, NAME/VERSION; NAME alone is @production.")] = (
        None
    )
    bundle: Annotated[Path | None, Option("A bundle's folder instead; needs no project.")] = None
    group: Annotated[str | None, Option("The consumers that share the rows; by default named after the model.")] = None
    batch_size: Annotated[int, Option("At most so many messages are scored together.")] = 2_000
    until_empty: Annotated[bool, Option("End when nothing is left, instead of going on until Ctrl-C.")] = False
    metrics_port: Annotated[int | None, Option("Serve metrics for Prometheus on this port of 127.0.0.1.")] = None


@contextmanager
def watching(watch: WatchStream) -> Iterator[None]:
    """Tell `watch` how far scoring is, inside the block."""
    token = _WATCHING.set(watch)
    try:
        yield
    finally:
        _WATCHING.reset(token)


@operation("stream", "", Permission.OPERATE, local=True)
def score_stream(call: Call[ScoreStream]) -> Any:
    """Answer the messages of a stream with a model, at least once, until SIGTERM or Ctrl-C."""
    given = call.input
    with loaded(call.project, given.model, given.bundle) as model:
        return _answered(given, model, call.project)


def score_stream_alone(given: ScoreStream) -> Any:
    """The same without a project: with a bundle's folder."""
    if given.bundle is None:
        raise InvalidInput(
            "It is not said which model answers, and there is no project here.",
            code="NO_MODEL",
            remedy=f"Give --bundle FOLDER, or go to the folder of a {FILE_NAME} and give --model NAME@alias.",
        )
    with loaded(None, None, given.bundle) as model:
        return _answered(given, model, None)


def _answered(given: ScoreStream, model: LoadedModel, project: Project | None) -> dict[str, Any]:
    if given.batch_size < 1:
        raise InvalidInput(f"A batch of {given.batch_size} messages cannot be.", remedy="Leave --batch-size out.")
    source, output = StreamAddress.parse(given.source), StreamAddress.parse(given.output)
    if str(source) == str(output):
        raise InvalidInput(
            f"{source} is both the stream of rows and that of answers.", remedy="Name another stream with --out."
        )
    output = replace(output, options={"create": True, **output.options})
    group = given.group or str(source.options.get("group", _GROUP + model.bundle.info.model))
    options = source.consumer
    roomy = ConsumerOptions(options.deliveries, max(options.in_flight, _IN_FLIGHT), options.redeliver_s)
    clock = SystemClock() if project is None else project.clock
    with ExitStack() as open_:
        stop = open_.enter_context(signals())
        told = open_.enter_context(_metrics(given.metrics_port, model, group))
        watch = _both(told, _WATCHING.get())
        answers = open_.enter_context(open_stream(output))
        rows = open_.enter_context(open_stream(source))
        answers.publish([])  # what is wrong with it is told before anything is consumed
        consumer = open_.enter_context(rows.consumer(group, roomy))
        scorer = StreamScorer(model.bundle, answers, stream=str(source), version=model.label, clock=clock)
        _patiently(
            lambda: scorer.run(
                consumer,
                together=given.batch_size,
                until_empty=given.until_empty,
                stopped=stop.is_set,
                watch=watch,
            ),
            stop,
        )
        done = scorer.done
    return {
        "model": model.bundle.info.model,
        "model_version": model.label,
        "in": str(source),
        "out": str(output),
        "group": group,
        "answered": done.answered,
        "refused": done.refused,
        **asdict(done.left),
    }


def _patiently(run: Callable[[], object], stop: threading.Event) -> object:
    """Run, and again while a broker is away, at longer and longer intervals, until that is stopped."""
    pause = _PAUSE_S
    while True:
        begun = time.monotonic()
        try:
            return run()
        except Unavailable as error:
            if stop.is_set():
                raise
            pause = _PAUSE_S if time.monotonic() - begun > _LONGEST_PAUSE_S else min(2 * pause, _LONGEST_PAUSE_S)
            log_event("operations", "trying again", level=WARNING, why=error.message, seconds=pause)
            stop.wait(pause)


def stream_metrics(registry: CollectorRegistry) -> tuple[Gauge, Counter]:
    """What is counted of a stream that is scored: what waits, and what was done with each message."""
    names = ("model_name", "group")
    lag = Gauge("model_stream_lag", "Messages not yet answered.", names, registry=registry)
    return lag, Counter(
        "model_stream_messages", "Messages, by what became of them.", (*names, "outcome"), registry=registry
    )


@contextmanager
def _metrics(port: int | None, model: LoadedModel, group: str) -> Iterator[WatchStream | None]:
    """What keeps the metrics, where they are asked for."""
    if port is None:
        yield None
        return
    registry = CollectorRegistry()
    labels = (model.bundle.info.model, group)
    lag, messages = stream_metrics(registry)
    seen = [StreamScored()]

    def told(done: StreamScored) -> None:
        lag.labels(*labels).set(done.left.waiting + done.left.unacknowledged)
        messages.labels(*labels, "answered").inc(done.answered - seen[0].answered)
        messages.labels(*labels, "dead_letter").inc(done.refused - seen[0].refused)
        seen[0] = done

    server, thread = start_http_server(port, "127.0.0.1", registry)
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _both(*watches: WatchStream | None) -> WatchStream:
    some = [each for each in watches if each is not None]

    def told(done: StreamScored) -> None:
        for each in some:
            each(done)

    return told
