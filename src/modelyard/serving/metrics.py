"""Prometheus metrics, under the names that dashboards already use."""

import os
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from modelyard.journal import Generated, Guarded, PredictionRecord
from modelyard.routing import Arm, Route

from .arms import TENTHS, Outcome
from .processes import Processes

LATENCY_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0)
_FIRST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_VALUES = ("model_prediction_values", "What was predicted: the score, the highest class's score, or the value.")

Routes = Callable[[], Iterable[Route]]


class Weights(Collector):
    """The share of traffic of each arm, as published at the moment of asking."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("rollout_arm_weight", "Share of traffic.", labels=["deployment", "arm", "version"])
        for route in self._routes():
            for arm in route.arms:
                family.add_metric([route.deployment, arm.name, arm.version], arm.weight)
        yield family


class Values(Collector):
    """What models predict, between cut points that differ from model to model; those first seen stay.

    prometheus_client's histograms have the same buckets under all labels; here each model has a histogram of its own,
    and they are shown as one.
    """

    def __init__(self) -> None:
        self._histograms: dict[str, Histogram] = {}

    def of(self, model: str, buckets: Sequence[float]) -> Histogram:
        """The histogram of a model."""
        if model not in self._histograms:
            self._histograms[model] = Histogram(*_VALUES, ["model_name"], buckets=buckets, registry=None)
        child: Histogram = self._histograms[model].labels(model)
        return child

    def collect(self) -> Iterable[Metric]:
        shown = Metric(*_VALUES, "histogram")
        shown.samples = [
            sample for each in list(self._histograms.values()) for family in each.collect() for sample in family.samples
        ]
        yield shown


class Metrics:
    """The metrics of one server process, in a registry of their own.

    Counted by the batch: what prometheus_client takes for one value, it takes for many.
    """

    def __init__(self, routes: Routes = tuple) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(Weights(routes))
        self.registry.register(Processes(lambda: (os.getpid(),)))

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=self.registry)

        def gauge(name: str, what: str) -> Gauge:
            return Gauge(name, what, registry=self.registry, multiprocess_mode="livesum")

        def histogram(name: str, what: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, what, ["model_name"], buckets=buckets, registry=self.registry)

        self._predictions = counter("model_predictions", "Rows scored.", "model_name", "model_version", "arm")
        self._errors = counter("model_prediction_errors", "Rows an arm could not score.", "model_name", "kind")
        self._success = counter("model_infer_request_success", "Rows answered.", "model", "version")
        self._failure = counter("model_infer_request_failure", "Rows not answered.", "model", "version")
        self._records = counter("prediction_log_records", "Records of the prediction log.", "outcome")
        self._shadows_dropped = counter("shadow_requests_dropped", "Shadow copies dropped.", "model_name", "reason")
        self._overrides = counter("rollout_overrides", "Requests whose caller named the arm.", "model_name", "arm")
        self._refused = counter("model_requests_refused", "Requests sent away by a full queue.", "model_name")
        self._requests = counter("model_requests", "Requests answered, by code.", "model_name", "code")
        self._cached = counter("model_cached_rows", "Rows whose scores were in the cache.", "model_name")
        self._unknown = counter("model_unknown_levels", "Levels never seen in training.", "model_name", "feature_name")
        self._latency = histogram(
            "model_prediction_latency_seconds", "Time from admission to answer of a request.", LATENCY_BUCKETS
        )
        self._confidence = histogram("model_prediction_confidence", "Score of the predicted class.", TENTHS)
        self._batch = histogram("model_batch_rows", "Rows that ran together.", _BATCH_BUCKETS)
        self._queue = gauge("model_queue_rows", "Rows that wait for a model.")
        self._copies = gauge("shadow_queue_rows", "Copies that wait for shadows.")
        self._progress = gauge("model_requests_in_progress", "Requests being answered.")
        self._freshness = Gauge(
            "feature_freshness_seconds",
            "Time since the instant up to which a feature view is known to the online store.",
            ["feature_view"],
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self._tokens = counter("llm_tokens", "Tokens read and written by language models.", "model_name", "kind")
        self._cost = counter("llm_cost_micros", "Cost in millionths of the price list's currency.", "model_name")
        self._first = histogram("llm_first_token_seconds", "Time to the first text of an answer.", _FIRST_BUCKETS)
        self._upstream = counter("llm_upstream_requests", "Requests of upstreams, by outcome.", "upstream", "outcome")
        self._kept = counter("llm_cache_answers", "Answers looked for among those kept.", "model_name", "state")
        self._guarded = counter("llm_guard_verdicts", "Texts judged by guards.", "model_name", "side", "verdict")
        self._found = counter("llm_guard_findings", "What guards found.", "model_name", "side", "kind", "action")
        self._child = cache(_labelled)
        self._values = Values()
        self.registry.register(self._values)

    def count(
        self,
        model: str,
        arm: Arm,
        outcomes: Sequence[Outcome],
        *,
        cut_points: Sequence[float] = TENTHS,
        classes: bool = True,
    ) -> None:
        """Count rows that an arm of a model scored together; scores of `classes` are probabilities.

        `cut_points` are where the values predicted are told apart.
        """
        version, rows = arm.version, len(outcomes)
        self._predictions.labels(model, version, arm.name).inc(rows)
        _observe(self._batch.labels(model), [rows])
        answered = [each.scores for each in outcomes if each.error is None]
        if len(answered) < rows:
            for kind, count in Tally(each.error for each in outcomes if each.error is not None).items():
                self._errors.labels(model, kind).inc(count)
        if answered:
            self._success.labels(model, version).inc(len(answered))
            if classes:
                _observe(self._confidence.labels(model), [_confidence(scores) for scores in answered])
            _observe(self._values.of(model, cut_points), list(map(max, answered)))

    def generated(self, model: str, record: PredictionRecord, generated: Generated) -> None:
        """Count an answer of a language model, or its failure."""
        version = record.model_version
        self._child(self._predictions, model, version, record.arm).inc()
        if record.error is not None:
            self._child(self._errors, model, record.error).inc()
        elif record.answered:
            self._child(self._success, model, version).inc()
            _observe(self._child(self._latency, model), [record.latency_us / 1e6])
        tokens = (generated.input_tokens - generated.cached_tokens, generated.cached_tokens, generated.output_tokens)
        for kind, count in zip(("input", "cached", "output"), tokens, strict=True):
            if count:
                self._child(self._tokens, model, kind).inc(count)
        if generated.cost_micros:
            self._child(self._cost, model).inc(generated.cost_micros)
        if generated.first_us is not None:
            _observe(self._child(self._first, model), [generated.first_us / 1e6])
        if generated.cache:
            self._child(self._kept, model, generated.cache).inc()
        for side, guarded in (("input", generated.guarded_input), ("output", generated.guarded_output)):
            if guarded is not None:
                self._count_guarded(model, side, guarded)

    def _count_guarded(self, model: str, side: str, guarded: Guarded) -> None:
        self._child(self._guarded, model, side, guarded.verdict).inc()
        for found, count in guarded.found.items():
            self._child(self._found, model, side, *found.split(":")).inc(count)

    def asked_upstream(self, upstream: str, outcome: str) -> None:
        """Count what came of asking an upstream."""
        self._child(self._upstream, upstream, outcome).inc()

    def took(self, model: str, seconds: Sequence[float]) -> None:
        """Requests took so long, from admission to answer."""
        _observe(self._latency.labels(model), seconds)

    def failed(self, model: str, version: str) -> None:
        """Count a row without an answer."""
        self._failure.labels(model, version).inc()

    def refused(self, model: str) -> None:
        """Count a request that was sent away at once."""
        self._refused.labels(model).inc()

    def shadow_dropped(self, model: str, reason: str, copies: int = 1) -> None:
        """Count shadow copies that were not scored."""
        self._shadows_dropped.labels(model, reason).inc(copies)

    def overridden(self, model: str, arm: str) -> None:
        """Count a request whose caller named the arm."""
        self._overrides.labels(model, arm).inc()

    def shadows_waiting(self, copies: int) -> None:
        """Show how many copies wait for shadows."""
        self._copies.set(copies)

    def records(self, outcome: Literal["written", "refused", "spilled", "dropped"], count: int) -> None:
        """Count records of the log: written, refused with their answer, held in memory, given up."""
        self._records.labels(outcome).inc(count)

    def requests(self, model: str, code: str, count: int = 1) -> None:
        """Count requests by the code they were answered with, HTTP's or gRPC's."""
        self._child(self._requests, model, code).inc(count)

    def cached(self, model: str, rows: int) -> None:
        """Count rows whose scores were known."""
        self._cached.labels(model).inc(rows)

    def in_progress(self, requests: int) -> None:
        """Show how many requests are being answered."""
        self._progress.set(requests)

    def unknown(self, model: str, feature: str, count: int) -> None:
        """Count levels of a feature that training never saw."""
        self._unknown.labels(model, feature).inc(count)

    def fresh(self, view: str, seconds: float) -> None:
        """Show how old what the online store knows of a view is."""
        self._freshness.labels(view).set(seconds)

    def waiting(self, rows: int) -> None:
        """Show how many rows wait."""
        self._queue.set(rows)


class Scrapes(Protocol):
    """What answers scrapes, until told to stop."""

    def shutdown(self) -> None: ...


def answer_scrapes(
    host: str, port: int, registry: CollectorRegistry, *, tls: tuple[Path, Path] | None = None
) -> Scrapes:
    """Answer scrapes on a port of their own, from a thread; with `tls` under a certificate and its key."""
    certificate, key = (None, None) if tls is None else map(str, tls)
    server, _ = start_http_server(port, host, registry=registry, certfile=certificate, keyfile=key)
    return server


def of_workers(folder: str, routes: Routes, pids: Callable[[], Sequence[int]]) -> CollectorRegistry:
    """The metrics of all processes that count in `folder`, those that have ended included; what `pids` use by now."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # the library's own
    registry.register(Weights(routes))
    registry.register(Processes(pids))
    return registry


def _labelled(metric: Any, *labels: str) -> Any:
    """What counts under these labels: remembered, for it lives as long as the metric, and is slow to be found."""
    return metric.labels(*labels)


def _observe(child: Any, values: Sequence[float]) -> None:
    """`observe` for each value at once, which prometheus_client has no public way to do."""
    for bucket, count in Tally(map(partial(bisect_left, child._upper_bounds), values)).items():
        child._buckets[bucket].inc(count)
    child._sum.inc(sum(values))


def _confidence(scores: tuple[float, ...]) -> float:
    return max(scores[0], 1 - scores[0]) if len(scores) == 1 else max(scores)
