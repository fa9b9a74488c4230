"""What Prometheus scrapes of monitoring."""

from datetime import timedelta

from prometheus_client import CollectorRegistry, generate_latest

from modelyard.monitoring import AlertGauges, series

from .desk import MINUTE, Desk


def scraped(desk: Desk) -> list[str]:
    """The samples of a scrape."""
    registry = CollectorRegistry()
    registry.register(AlertGauges(desk.book, desk.outbox, ("shop", "till")))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_values_alerts_and_notifications(desk: Desk) -> None:
    """Under the names of the contracts; of two deployments of a model the larger value."""
    desk.tell({series("feature_drift", feature_name='a"b\n'): 0.5, series("drift_score"): 0.4, **NOT_SHOWN})
    desk.tell({"drift_score": 0.1}, "till")
    desk.clock.advance(MINUTE)
    desk.outbox.compose()
    assert scraped(desk) == [
        'model_data_drift_score{model_name="fraud"} 0.4',
        'model_feature_drift{feature_name="a\\"b\\n",model_name="fraud"} 0.5',
        'model_alerts_firing{alert="drift_score",deployment="shop",model_name="fraud",severity="warning"} 1.0',
        'alert_notifications{state="waiting"} 1.0',
        'alert_notifications{state="dead"} 0.0',
    ]


NOT_SHOWN = {series("latency_p50"): 1.0, series("of_another_room"): 1.0}
"""What the server exports itself, and what no rule knows."""


def test_a_value_that_is_stale_is_gone(desk: Desk) -> None:
    """What fires stays."""
    desk.tell({"drift_score": 0.4})
    desk.clock.advance(timedelta(hours=1))
    assert [line.partition("{")[0] for line in scraped(desk)] == [
        "model_alerts_firing", "alert_notifications", "alert_notifications",
    ]  # fmt: skip


def test_segments_are_told_apart(desk: Desk) -> None:
    """By a label that only they have."""
    desk.tell({series("drift_score"): 0.1, series("drift_score", segment="channel=mail"): 0.2})
    assert scraped(desk)[:2] == [
        'model_data_drift_score{model_name="fraud"} 0.1',
        'model_data_drift_score{model_name="fraud",segment="channel=mail"} 0.2',
    ]
