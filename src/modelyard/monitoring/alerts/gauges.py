"""What Prometheus sees of monitoring: the values that rules judge, what fires, and what waits to be told."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .book import AlertBook
from .metrics import METRICS, SEGMENT
from .outbox import Outbox
from .records import Series


class AlertGauges(Collector):
    """Read from the record store at each scrape: whoever asks, and whenever, the same is true.

    Values are exported until they are stale. Where several deployments have one model, the largest is shown.
    """

    def __init__(self, book: AlertBook, outbox: Outbox, deployments: Iterable[str]) -> None:
        self._book = book
        self._outbox = outbox
        self._deployments = tuple(deployments)

    def collect(self) -> Iterator[Metric]:
        """The gauges as they are now."""
        yield from self._values()
        yield self._firing()
        waiting = GaugeMetricFamily("alert_notifications", "Notifications not delivered.", labels=["state"])
        waiting.add_metric(["waiting"], len(self._outbox.waiting()))
        waiting.add_metric(["dead"], len(self._outbox.dead()))
        yield waiting

    def _values(self) -> Iterator[Metric]:
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for deployment in self._deployments:
            model = self._book.model_of(deployment)
            for of, value in self._book.values(deployment).items():
                metric = METRICS.get(of.name)
                if metric is not None and metric.gauge is not None:
                    known = found.setdefault(of.name, {})
                    labels = (("model_name", model), *_labels(of, metric.labels))
                    known[labels] = max(value, known.get(labels, value))
        for name, values in sorted(found.items()):
            family = Metric(METRICS[name].gauge or name, METRICS[name].sentence, "gauge")
            for labels, value in values.items():
                family.add_sample(family.name, dict(labels), value)
            yield family

    def _firing(self) -> Metric:
        family = GaugeMetricFamily(
            "model_alerts_firing", "Alerts that fire.", labels=["model_name", "deployment", "alert", "severity"]
        )
        counts = Counter(
            (each.alert.model_name, each.deployment, each.alert.name, each.alert.severity.value)
            for each in self._book.firing()
        )
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        return family


def _labels(of: Series, wanted: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those that a gauge always has, and the segment where there is one."""
    yield from ((label, of.get(label)) for label in wanted)
    if segment := of.get(SEGMENT):
        yield SEGMENT, segment
