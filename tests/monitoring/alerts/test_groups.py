"""What is told, when, and together with what."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from modelyard.core import ManualClock
from modelyard.monitoring import series
from modelyard.monitoring.alerts.groups import text_of, title_of
from modelyard.storage import RecordStore

from .desk import ANN, TOLD, Desk, said

SLOW, FINE = {"latency_p99": 500.0}, {"latency_p99": 20.0}
BOTH = {"latency_p99": 500.0, "drift_score": 0.9}


def wait(desk: Desk, seconds: float) -> None:
    """Let time pass."""
    desk.clock.advance(timedelta(seconds=seconds))


def test_alerts_of_a_group_are_told_together_after_a_while(desk: Desk) -> None:
    """Half a minute after the first, once."""
    desk.tell(SLOW)
    wait(desk, 20)
    desk.tell(BOTH)
    assert desk.notices() == []
    wait(desk, 10)
    (notice,) = desk.notices()
    assert said(notice) == (["latency_p99", "drift_score"], [])
    assert (notice.project, notice.deployment, notice.severity.value, notice.repeat) == (
        "corner",
        "shop",
        "warning",
        False,
    )
    wait(desk, 600)
    assert desk.notices() == []


def test_severities_and_deployments_are_told_apart(desk: Desk) -> None:
    """What is critical does not hide among warnings."""
    desk.tell({**SLOW, "error_rate": 0.5})
    desk.tell(SLOW, "till")
    wait(desk, 30)
    told = {(each.deployment, each.severity.value): said(each)[0] for each in desk.notices()}
    assert told == {
        ("shop", "critical"): ["error_rate"],
        ("shop", "warning"): ["latency_p99"],
        ("till", "warning"): ["latency_p99"],
    }


def test_a_group_is_not_told_again_at_once(desk: Desk) -> None:
    """What follows waits for five minutes since the last notification."""
    desk.tell(SLOW)
    wait(desk, 30)
    desk.notices()
    desk.tell(BOTH)
    wait(desk, 299)
    assert desk.notices() == []
    wait(desk, 1)
    assert [said(each) for each in desk.notices()] == [(["drift_score"], [])]


def test_what_goes_on_is_repeated(desk: Desk) -> None:
    """Every four hours, with all that fires; not after it resolved."""
    desk.tell(BOTH)
    wait(desk, 30)
    desk.notices()
    for _ in range(2):
        wait(desk, 4 * 3600)
        (notice,) = desk.notices()
        assert (said(notice)[0], notice.repeat) == (["latency_p99", "drift_score"], True)
    desk.tell({**FINE, "drift_score": 0.01})
    wait(desk, 300)
    assert [said(each) for each in desk.notices()] == [([], ["latency_p99", "drift_score"])]
    wait(desk, 24 * 3600)
    assert desk.notices() == []


def test_fired_and_resolved_in_between_are_both_told(desk: Desk) -> None:
    """Short troubles are troubles; two of them are two."""
    for _ in range(2):
        desk.tell(SLOW)
        desk.later(0.1, FINE)
        wait(desk, 1)
    wait(desk, 30)
    (notice,) = desk.notices()
    assert said(notice) == (["latency_p99"] * 2, ["latency_p99"] * 2)


def test_a_silence_holds_back_until_it_ends(desk: Desk) -> None:
    """Then what still fires is told, and what resolved meanwhile never was."""
    until = desk.clock.now() + timedelta(hours=1)
    desk.responses.silence({"deployment": "shop"}, until, "maintenance", ANN)
    desk.tell(BOTH)
    wait(desk, 60)
    assert desk.notices() == []
    desk.tell({"latency_p99": 20.0, "drift_score": 0.9})
    assert desk.notices() == []
    wait(desk, 3600)
    assert [said(each) for each in desk.notices()] == [(["drift_score"], [])]


def test_who_was_told_is_told_the_end_even_under_a_silence(desk: Desk) -> None:
    """Or a pager would never be quiet."""
    desk.tell(SLOW)
    wait(desk, 30)
    desk.notices()
    desk.responses.silence({"name": "*"}, desk.clock.now() + timedelta(days=1), "maintenance", ANN)
    wait(desk, 5 * 3600)
    assert desk.notices() == []
    desk.tell(FINE)
    wait(desk, 300)
    assert [said(each) for each in desk.notices()] == [([], ["latency_p99"])]


def test_an_acknowledged_alert_is_not_repeated_but_its_end_is_told(desk: Desk) -> None:
    """Until the acknowledgement is over."""
    desk.tell(BOTH)
    wait(desk, 30)
    desk.notices()
    slow = next(each for each in desk.book.firing() if each.alert.name == "latency_p99")
    desk.responses.acknowledge(slow.fingerprint, desk.clock.now() + timedelta(hours=5), "", ANN)
    wait(desk, 4 * 3600)
    assert [said(each)[0] for each in desk.notices()] == [["drift_score"]]
    wait(desk, 4 * 3600)
    assert [said(each)[0] for each in desk.notices()] == [["latency_p99", "drift_score"]]


@pytest.mark.parametrize(
    ("receiver", "told"),
    [
        ({"severity": "critical"}, 1),
        ({"severity": "warning"}, 2),
        ({"deployments": ["till"]}, 0),
        ({"resolved": False}, 2),
    ],
    ids=str,
)
def test_a_receiver_is_told_what_it_wants_to_know(
    records: RecordStore, clock: ManualClock, receiver: Mapping[str, object], told: int
) -> None:
    """By severity, by deployment, and with or without ends."""
    ops = {"webhook": "https://ops.example/x", "secret": "0123456789abcdef", **receiver}
    desk = Desk(records, clock, {"notify": {"ops": ops}})
    desk.tell({**SLOW, "error_rate": 0.5})
    wait(desk, 30)
    assert len(desk.notices()) == told
    desk.tell({**FINE, "error_rate": 0.0})
    wait(desk, 300)
    assert len(desk.notices()) == (0 if "resolved" in receiver else told)


def test_a_storm_is_one_short_notification(records: RecordStore, clock: ManualClock) -> None:
    """Of five hundred features twenty are told by name."""
    desk = Desk(records, clock, {**TOLD, "rules": {"moved": {"when": "feature_drift > 0.3", "runbook": "r" * 300}}})
    desk.tell({series("feature_drift", feature_name=f"f{each:03d}"): 0.5 for each in range(500)})
    wait(desk, 30)
    (notice,) = desk.notices()
    assert (len(notice.fired), notice.more_fired) == (20, 480)
    assert title_of(notice) == "[warning] shop: 500 firing (moved)"
    assert "and 480 more" in text_of(notice)
    assert len(text_of(notice)) < 20_000


def test_the_words_of_a_notification(desk: Desk) -> None:
    """What, where, since when, and until when."""
    desk.tell(SLOW)
    wait(desk, 30)
    (notice,) = desk.notices()
    assert title_of(notice) == "[warning] shop: 1 firing (latency_p99)"
    assert text_of(notice).startswith(
        "firing: shop: 99% of answers within 200 ms was promised; it is 500.0 ms. Since 2026"
    )
