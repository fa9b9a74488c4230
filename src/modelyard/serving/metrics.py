"""Prometheus metrics, under the names that dashboards already use."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from modelyard.journal import PredictionRecord

LATENCY_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0)
_TENTHS = tuple(round(0.1 * each, 1) for each in range(1, 11))


class Metrics:
    """The metrics of one server process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._predictions = Counter(
            "model_predictions", "Rows scored.", ["model_name", "model_version", "arm"], registry=self.registry
        )
        self._latency = Histogram(
            "model_prediction_latency_seconds",
            "Time from admission to answer.",
            ["model_name"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._errors = Counter(
            "model_prediction_errors", "Rows an arm could not score.", ["model_name", "kind"], registry=self.registry
        )
        self._confidence = Histogram(
            "model_prediction_confidence",
            "Score of the predicted class.",
            ["model_name"],
            buckets=_TENTHS,
            registry=self.registry,
        )
        self._success = Counter(
            "model_infer_request_success", "Requests answered.", ["model", "version"], registry=self.registry
        )
        self._failure = Counter(
            "model_infer_request_failure", "Requests not answered.", ["model", "version"], registry=self.registry
        )
        self._records = Counter(
            "prediction_log_records", "Records of the prediction log.", ["outcome"], registry=self.registry
        )
        self._weights = Gauge(
            "rollout_arm_weight", "Share of traffic.", ["deployment", "arm", "version"], registry=self.registry
        )
        self._shadows_dropped = Counter(
            "shadow_requests_dropped", "Shadow copies dropped, queue full.", ["model_name"], registry=self.registry
        )

    def serve(self, host: str, port: int) -> None:
        """Answer scrapes on a port of their own, from a thread."""
        start_http_server(port, host, registry=self.registry)

    def count(self, model: str, records: list[PredictionRecord], seconds: float) -> None:
        """Count the records of one answered row."""
        self._latency.labels(model).observe(seconds)
        self._records.labels("written").inc(len(records))
        for record in records:
            self._predictions.labels(model, record.model_version, record.arm).inc()
            if record.error is not None:
                self._errors.labels(model, record.error).inc()
            if record.answered:
                self._success.labels(model, record.model_version).inc()
            if record.answered and record.scores:
                self._confidence.labels(model).observe(_confidence(record.scores))

    def failed(self, model: str, version: str) -> None:
        """Count a request without an answer."""
        self._failure.labels(model, version).inc()

    def shadow_dropped(self, model: str) -> None:
        """Count a shadow copy that found the queue full."""
        self._shadows_dropped.labels(model).inc()

    def refused_records(self, count: int) -> None:
        """Count records the journal could not take."""
        self._records.labels("refused").inc(count)

    def show_weights(self, deployment: str, weights: dict[tuple[str, str], float]) -> None:
        """Show the weight of each (arm, version) of a deployment, and forget arms that left."""
        for labels in [each for each in self._weights._metrics if each[0] == deployment]:
            if labels[1:] not in weights:
                self._weights.remove(*labels)
        for (arm, version), weight in weights.items():
            self._weights.labels(deployment, arm, version).set(weight)


def _confidence(scores: tuple[float, ...]) -> float:
    return max(scores[0], 1 - scores[0]) if len(scores) == 1 else max(scores)
