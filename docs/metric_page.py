"""`metrics.md`: every metric that a process exports, asked of the collectors themselves, and what it tells at night."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from docs.writing import MADE, advice, row
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from modelyard.control import Health
from modelyard.core import Digest
from modelyard.monitoring import AlertGauges
from modelyard.monitoring.alerts.metrics import METRICS
from modelyard.operations.scoring_streams import stream_metrics
from modelyard.routing import Arm, Route
from modelyard.serving import Metrics
from modelyard.serving.arms import Outcome

_CONTROL = """Port 8083 (`control.metrics_port`), with the `process_*` metrics of its own process. Values of windows are
exported until they are stale; those of a part of the traffic have the label `segment`, too."""


@dataclass(frozen=True)
class Exported:
    """A metric family: as Prometheus sees it, and its labels."""

    name: str
    kind: str
    what: str
    labels: tuple[str, ...]


def metric_page() -> Iterator[str]:
    """Every metric by the process that exports it."""
    yield from (
        MADE,
        "",
        "# Metrics",
        "",
        "For Prometheus, as text, at `/metrics`. [Names, labels and buckets](contracts.md#metrics) are promises;",
        "[rules](alerts.md) are made of them. A metric of a model says `model_name`, the deployment's model. Counters",
        "start at 0 with their process: look at `rate()` and `increase()`, which know.",
    )
    for title, words, found in (
        ("The server", "Port 8082 (`server.metrics_port`), of all workers together.", of_server()),
        (
            "The control process",
            _CONTROL,
            of_control(),
        ),
        ("Scoring a stream", "`modelyard stream --metrics-port PORT`.", of_streams()),
    ):
        yield from ("", f"## {title}", "", words, "")
        yield from ("| metric | type | labels | tells | at 3 a.m. |", "|---|---|---|---|---|")
        for each in found:
            labels = ", ".join(f"`{label}`" for label in each.labels)
            yield row(f"`{each.name}`", each.kind, labels, each.what, advice("metrics", each.name))


def of_server() -> list[Exported]:
    """What a server exports, after one row was scored: that is when values and weights are there."""
    arm = Arm("live", "live", "1", Digest("a" * 64), 1.0)
    metrics = Metrics(lambda: [Route("shop", "fraud", 1, (arm,), "salt")])
    metrics.count("fraud", arm, [Outcome((), (0.7,), "1", 10)])
    return _of(metrics.registry)


def of_control() -> list[Exported]:
    """What the control process exports beside its process: what monitoring knows, what fires, how it is itself."""
    nothing = SimpleNamespace(values=lambda _: {}, firing=list, waiting=list, dead=list)
    project = SimpleNamespace(
        run_folder=Path(), settings=SimpleNamespace(control=SimpleNamespace(address="127.0.0.1:8090"))
    )
    registry = CollectorRegistry()
    registry.register(AlertGauges(cast("Any", nothing), cast("Any", nothing), ()))
    registry.register(Health(cast("Any", project), cast("Any", lambda: True)))
    measured = [
        Exported(each.gauge, "gauge", each.sentence, ("model_name", *each.labels))
        for each in METRICS.values()
        if each.gauge is not None
    ]
    return sorted([*measured, *_of(registry)], key=lambda each: each.name)


def of_streams() -> list[Exported]:
    """What `modelyard stream` exports."""
    registry = CollectorRegistry()
    stream_metrics(registry)
    return _of(registry)


def _of(registry: CollectorRegistry) -> list[Exported]:
    labels = {name: _labels(each) for each, names in registry._collector_to_names.items() for name in names}
    found = [
        Exported(_scraped(each), each.type, each.documentation, labels.get(each.name) or _seen(each))
        for each in registry.collect()
    ]
    return sorted(found, key=lambda each: each.name)


def _labels(collector: Collector) -> tuple[str, ...]:
    """The labels of a metric that was declared with them, which prometheus_client has no public way to ask for."""
    return collector._labelnames if isinstance(collector, MetricWrapperBase) else ()


def _seen(family: Metric) -> tuple[str, ...]:
    """Those of what is made anew at each scrape."""
    declared: Iterable[str] = getattr(family, "_labelnames", ())
    return tuple(
        dict.fromkeys((*declared, *(label for each in family.samples for label in each.labels if label != "le")))
    )


def _scraped(family: Metric) -> str:
    """Counters end with `_total` where they are scraped."""
    return f"{family.name}_total" if family.type == "counter" else family.name
