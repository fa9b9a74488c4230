"""Prometheus metrics, under the names that dashboards already use."""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from modelyard.journal import PredictionRecord
from modelyard.routing import Route

LATENCY_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TENTHS = tuple(round(0.1 * each, 1) for each in range(1, 11))

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


class Metrics:
    """The metrics of one server process, in a registry of their own.

    Counted by the batch: what prometheus_client takes for one value, it takes for many.
    """

    def __init__(self, routes: Routes = tuple) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(Weights(routes))

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=self.registry)

        def histogram(name: str, what: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, what, ["model_name"], buckets=buckets, registry=self.registry)

        self._predictions = counter("model_predictions", "Rows scored.", "model_name", "model_version", "arm")
        self._errors = counter("model_prediction_errors", "Rows an arm could not score.", "model_name", "kind")
        self._success = counter("model_infer_request_success", "Rows answered.", "model", "version")
        self._failure = counter("model_infer_request_failure", "Rows not answered.", "model", "version")
        self._records = counter("prediction_log_records", "Records of the prediction log.", "outcome")
        self._shadows_dropped = counter("shadow_requests_dropped", "Shadow copies dropped, queue full.", "model_name")
        self._refused = counter("model_requests_refused", "Requests sent away by a full queue.", "model_name")
        self._unknown = counter("model_unknown_levels", "Levels never seen in training.", "model_name", "feature_name")
        self._latency = histogram(
            "model_prediction_latency_seconds", "Time from admission to answer of a request.", LATENCY_BUCKETS
        )
        self._confidence = histogram("model_prediction_confidence", "Score of the predicted class.", _TENTHS)
        self._batch = histogram("model_batch_rows", "Rows that ran together.", _BATCH_BUCKETS)
        self._queue = Gauge(
            "model_queue_rows", "Rows that wait for a model.", registry=self.registry, multiprocess_mode="livesum"
        )

    def count(self, models: Sequence[str], records: Sequence[PredictionRecord]) -> None:
        """Count the records of rows that ran together; `models` names the model of each."""
        rows, errors, answered = Tally[tuple[str, ...]](), Tally[tuple[str, ...]](), Tally[tuple[str, ...]]()
        confidences: dict[str, list[float]] = {}
        for model, record in zip(models, records, strict=True):
            rows[model, record.model_version, record.arm] += 1
            if record.error is not None:
                errors[model, record.error] += 1
            if record.answered:
                answered[model, record.model_version] += 1
                if record.scores:
                    confidences.setdefault(model, []).append(_confidence(record.scores))
        for tally, metric in ((rows, self._predictions), (errors, self._errors), (answered, self._success)):
            for labels, count in tally.items():
                metric.labels(*labels).inc(count)
        for model, values in confidences.items():
            _observe(self._confidence.labels(model), values)
        for model, together in Tally(models).items():
            _observe(self._batch.labels(model), [together])
        self._records.labels("written").inc(len(records))

    def took(self, model: str, seconds: Sequence[float]) -> None:
        """Requests took so long, from admission to answer."""
        _observe(self._latency.labels(model), seconds)

    def failed(self, model: str, version: str) -> None:
        """Count a row without an answer."""
        self._failure.labels(model, version).inc()

    def refused(self, model: str) -> None:
        """Count a request that was sent away at once."""
        self._refused.labels(model).inc()

    def shadow_dropped(self, model: str) -> None:
        """Count a shadow copy that found the queue full."""
        self._shadows_dropped.labels(model).inc()

    def refused_records(self, count: int) -> None:
        """Count records the journal could not take."""
        self._records.labels("refused").inc(count)

    def unknown(self, model: str, feature: str, count: int) -> None:
        """Count levels of a feature that training never saw."""
        self._unknown.labels(model, feature).inc(count)

    def waiting(self, rows: int) -> None:
        """Show how many rows wait."""
        self._queue.set(rows)


class Scrapes(Protocol):
    """What answers scrapes, until told to stop."""

    def shutdown(self) -> None: ...


def answer_scrapes(host: str, port: int, registry: CollectorRegistry) -> Scrapes:
    """Answer scrapes on a port of their own, from a thread."""
    server, _ = start_http_server(port, host, registry=registry)
    return server


def of_workers(folder: str, routes: Routes) -> CollectorRegistry:
    """The metrics of all processes that count in `folder`, those that have ended included."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # the library's own
    registry.register(Weights(routes))
    return registry


def _observe(child: Any, values: Sequence[float]) -> None:
    """`observe` for each value at once, which prometheus_client has no public way to do."""
    for bucket, count in Tally(bisect_left(child._upper_bounds, value) for value in values).items():
        child._buckets[bucket].inc(count)
    child._sum.inc(sum(values))


def _confidence(scores: tuple[float, ...]) -> float:
    return max(scores[0], 1 - scores[0]) if len(scores) == 1 else max(scores)
