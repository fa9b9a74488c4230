"""What rules may speak of: every metric with its unit, its labels, and how Prometheus asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

_DURATION = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class Unit(Enum):
    """What numbers of a metric count, what may be written behind them, and what that multiplies by."""

    MILLISECONDS = ("ms", {"ms": 1.0, "s": 1000.0, "m": 60_000.0})
    SECONDS = ("s", _DURATION)
    SHARE = ("a share between 0 and 1", {"%": 0.01})
    SCORE = ("a number between 0 and 1",)
    NUMBER = ("a number",)
    PER_SECOND = ("rows per second",)
    MONEY = ("the price list's currency",)
    BYTES = ("bytes", {"k": 1024.0, "m": 1024.0**2, "g": 1024.0**3})

    def __init__(self, what: str, suffixes: Mapping[str, float] = MappingProxyType({})) -> None:
        self.what = what
        self.suffixes = suffixes

    @property
    def largest(self) -> float | None:
        """The largest value there is, if any."""
        return 1.0 if self in (Unit.SHARE, Unit.SCORE) else None


@dataclass(frozen=True)
class Metric:
    """One metric. `query` is PromQL in which `@` stands for the label matchers, `%` for the labels of an alert.

    `gauge` is the gauge that the control process exports it as. Metrics `of_requests` have no value where there were
    fewer than `alerts.min_requests`.
    """

    name: str
    unit: Unit
    what: str
    query: str
    labels: tuple[str, ...] = ()
    gauge: str | None = None
    of_requests: bool = False
    of_model: bool = True

    @property
    def sentence(self) -> str:
        """What it is, as a sentence."""
        return f"{self.what[0].upper()}{self.what[1:]}."

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The labels that tell one alert of this metric from another in Prometheus."""
        return (*(("model_name",) if self.of_model else ()), *self.labels)


REQUESTS = "sum by (%) (increase(model_predictions_total@[5m]))"
"""How many rows were scored in the time that metrics of requests look back."""


def _latency(name: str, share: float, what: str) -> Metric:
    rate = "sum by (%, le) (rate(model_prediction_latency_seconds_bucket@[5m]))"
    return Metric(name, Unit.MILLISECONDS, what, f"1000 * histogram_quantile({share:g}, {rate})", of_requests=True)


def _gauge(name: str, unit: Unit, what: str, gauge: str, *labels: str) -> Metric:
    return Metric(name, unit, what, f"{gauge}@", labels, gauge)


def _process(name: str, unit: Unit, what: str, query: str) -> Metric:
    """Of a server's process, which is what has a queue; other exporters have `process_*` as well."""
    return Metric(name, unit, what, f"{query} and on (job, instance) model_queue_rows", ("instance",), of_model=False)


_ALL = (
    _latency("latency_p50", 0.5, "half of the answers of the last 5 minutes took longer"),
    _latency("latency_p95", 0.95, "5% of the answers of the last 5 minutes took longer"),
    _latency("latency_p99", 0.99, "1% of the answers of the last 5 minutes took longer"),
    Metric(
        "error_rate",
        Unit.SHARE,
        "share of the rows of the last 5 minutes that an arm could not score",
        "(sum by (%) (rate(model_prediction_errors_total@[5m])) or 0 * sum by (%) (rate(model_predictions_total@[5m])))"
        " / sum by (%) (rate(model_predictions_total@[5m]))",
        of_requests=True,
    ),
    Metric(
        "row_rate",
        Unit.PER_SECOND,
        "rows scored in the last 5 minutes, per second",
        "sum by (%) (rate(model_predictions_total@[5m]))",
    ),
    _gauge("accuracy_drop", Unit.NUMBER, "the monitor's metric below the baseline", "model_performance_drop"),
    _gauge("performance", Unit.NUMBER, "a metric on labelled answers", "model_performance", "metric"),
    _gauge(
        "performance_estimated",
        Unit.NUMBER,
        "a metric, estimated without labels",
        "model_performance_estimated",
        "metric",
    ),
    _gauge("drift_score", Unit.SCORE, "data drift score", "model_data_drift_score"),
    _gauge("prediction_drift_score", Unit.SCORE, "prediction drift score", "model_prediction_drift_score"),
    _gauge("feature_drift", Unit.SCORE, "effect of one feature's drift", "model_feature_drift", "feature_name"),
    _gauge("label_coverage", Unit.SHARE, "share of the answers whose truth is known", "model_label_coverage"),
    _gauge("multivariate_drift_score", Unit.SCORE, "AUC of all features together", "model_multivariate_drift_score"),
    _gauge("concept_drift", Unit.SCORE, "whether mistakes rose, 1 or 0", "model_concept_drift", "detector"),
    _gauge("feature_outliers", Unit.SHARE, "share of outliers of a feature", "model_feature_outliers", "feature_name"),
    _gauge(
        "group_difference", Unit.SCORE, "a group's rate from that of others", "model_group_difference", "group", "rate"
    ),
    _gauge("llm_cost", Unit.MONEY, "cost of a language model's answers in a window", "model_llm_cost"),
    _gauge(
        "unsupported_rate",
        Unit.SHARE,
        "share of a language model's sentences that rest on nothing, the lower end of its interval",
        "model_unsupported_rate",
    ),
    _gauge(
        "abstention_rate",
        Unit.SHARE,
        "share of a language model's answers that say that there is none, the lower end of its interval",
        "model_abstention_rate",
    ),
    _gauge(
        "rollout_held",
        Unit.SECONDS,
        "time beyond its step's that a rollout is held for what it lacks",
        "rollout_held_seconds",
    ),
    _process("cpu_cores", Unit.NUMBER, "processor time of a server, per time", "rate(process_cpu_seconds_total@[5m])"),
    _process("memory_bytes", Unit.BYTES, "resident memory of a server", "process_resident_memory_bytes@"),
    _process("queue_rows", Unit.NUMBER, "rows that wait for a model", "model_queue_rows@"),
    Metric(
        "feature_freshness",
        Unit.SECONDS,
        "time since a feature view was last known to the online store",
        "feature_freshness_seconds@",
        ("feature_view",),
        of_model=False,
    ),
)

METRICS: Mapping[str, Metric] = {each.name: each for each in _ALL}
"""Every metric by name."""

SEGMENT = "segment"
"""The label that every metric of a window may have: the part of the traffic it is of."""
