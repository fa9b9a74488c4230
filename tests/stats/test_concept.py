"""Detectors of a changed error rate: false alarms as few as said, changes found as soon, memory bounded."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from modelyard.stats import Adwin, Ddm, Detector, Eddm, Hddm, PageHinkley, Signal

DETECTORS: dict[str, Callable[[], Detector]] = {
    "adwin": Adwin, "ddm": Ddm, "hddm": Hddm, "page hinkley": PageHinkley,
}  # fmt: skip
every = pytest.mark.parametrize("name", DETECTORS)


def alarms(detector: Detector, errors: np.ndarray) -> list[int]:
    """Where it saw drift."""
    return [at for at, error in enumerate(errors.tolist()) if detector.update(float(error)) is Signal.DRIFT]


def unchanged(detector: Callable[[], Detector], streams: int, rate: float = 0.1) -> float:
    """The share of unchanged streams of 10,000 errors with an alarm."""
    random = np.random.default_rng(0)
    return float(np.mean([bool(alarms(detector(), random.random(10_000) < rate)) for _ in range(streams)]))


@every
@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_unchanged_streams_seldom_alarm(name: str, rate: float) -> None:
    """Of 16 streams of 10,000 errors at most three, whatever their rate; the long proof counts more."""
    assert unchanged(DETECTORS[name], 16, rate) <= 3 / 16


@pytest.mark.soak
@pytest.mark.timeout(3600)
@every
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.5])
def test_false_alarms_are_as_few_as_said(name: str, rate: float) -> None:
    """Of 1,000 streams at most one in twenty (and three deviations)."""
    assert unchanged(DETECTORS[name], 1000, rate) <= 0.05 + 3 * np.sqrt(0.05 / 1000)


@every
def test_a_doubled_error_rate_is_found(name: str) -> None:
    """10% → 25% after 3,000 values: within 1,500 more, in each of ten streams."""
    random = np.random.default_rng(1)
    for _ in range(10):
        errors = np.concatenate([random.random(3000) < 0.1, random.random(1500) < 0.25])
        found = [at for at in alarms(DETECTORS[name](), errors) if at >= 3000]
        assert found


def test_early_drift_detection_sees_errors_come_closer() -> None:
    """And alarms on most unchanged streams as well, which is why it is for hints."""
    random = np.random.default_rng(2)
    errors = np.concatenate([random.random(3000) < 0.1, random.random(1500) < 0.4])
    assert any(3000 <= at < 4000 for at in alarms(Eddm(), errors))
    assert unchanged(Eddm, 20) > 0.2


def test_adwin_sees_a_fall_too_and_keeps_the_new_mean() -> None:
    """A better model is a changed one; its window is what came after."""
    random, detector = np.random.default_rng(3), Adwin()
    found = alarms(detector, np.concatenate([random.random(3000) < 0.4, random.random(3000) < 0.1]))
    assert any(at >= 3000 for at in found)
    assert detector.mean == pytest.approx(0.1, abs=0.03)
    assert detector.count < 3500


@every
def test_memory_does_not_grow_with_the_stream(name: str) -> None:
    """Pickled, 20,000 values take little more than 2,000."""
    sizes = []
    for length in (2000, 20_000):
        detector = DETECTORS[name]()
        alarms(detector, np.random.default_rng(4).random(length) < 0.1)
        sizes.append(len(pickle.dumps(detector)))
    assert sizes[1] < sizes[0] + 2000


@every
def test_it_begins_anew_after_a_drift(name: str) -> None:
    """A rate that stays at its new height is drift once, not with every value."""
    random = np.random.default_rng(5)
    errors = np.concatenate([random.random(3000) < 0.05, random.random(5000) < 0.5])
    assert 1 <= len(alarms(DETECTORS[name](), errors)) <= 4
