"""The log as a lazy frame of polars: what is needed is read, when it is needed."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import ManualClock, Unavailable, to_micros
from modelyard.history import PredictionLog
from modelyard.history.polars import _apart
from modelyard.journal import TruthRecord

from .samples import Yard, prediction

HOUR = timedelta(hours=1)


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Yard:
    """A log of four hours, two of them sealed; the second prediction has a truth, the third is a canary's."""
    found = Yard(tmp_path, clock)
    noon = clock.now()
    for number in range(4):
        arm = "canary" if number == 2 else "live"
        found.journal.append([prediction(f"p{number}", noon + number * HOUR, arm=arm)])
        if number == 1:
            at = to_micros(noon + 9 * HOUR)
            found.journal.append([TruthRecord("p1", "d", "1", at, at, at)])
            found.journal.rotate()
            found.log.seal()
    return found


@pytest.fixture
def pl() -> Any:
    """polars, where it is installed."""
    return pytest.importorskip("polars", minversion="1.20")


def test_a_frame_is_collected_from_sealed_and_unsealed_records(yard: Yard, pl: Any) -> None:
    """With types, names, filters and heads; lazily, so that what came after the frame was made is in it, too."""
    log = PredictionLog(yard.journal_folder, yard.log_folder, names=lambda _d, _v: ("amount", "country"))
    frame = log.polars("d")
    assert dict(frame.collect_schema())["event_us"] == pl.Datetime("us", "UTC")
    assert frame.filter(pl.col("arm") == "live").select("prediction_id", "amount").collect().rows() == [
        ("p0", 1.0), ("p1", 1.0), ("p3", 1.0),
    ]  # fmt: skip
    assert frame.head(2).select("country").collect().rows() == [("x",), ("x",)]
    assert frame.head(3).filter(pl.col("arm") == "canary").select("prediction_id").collect().rows() == [("p2",)]
    yard.append("p4")
    assert frame.select(pl.len()).collect().item() == 5
    assert frame.select("has_features").collect().sum().item() == 5


def test_a_frame_is_of_a_window_and_has_labels(yard: Yard, pl: Any) -> None:
    """As known at an instant, null where unknown."""
    noon = yard.clock.now()
    frame = yard.log.polars("d", start=noon, end=noon + 2 * HOUR, labels=True)
    assert frame.select("prediction_id", "label").collect().rows() == [("p0", None), ("p1", "1")]
    before = yard.log.polars("d", labels=True, as_of=noon)
    assert before.select(pl.col("label").null_count()).collect().item() == 4


def test_what_is_not_asked_for_is_not_read(yard: Yard) -> None:
    """Features only by name; `has_features` comes with one of them; rows alone need one narrow column."""
    with yard.log.batches("d", labels=True) as reader:
        schema = reader.schema
    assert _apart(["arm", "label"], schema) == (["arm"], [])
    assert _apart(["feature_1"], schema) == (["event_us"], ["feature_1"])
    assert _apart(["has_features"], schema) == (["event_us"], ["feature_0"])
    assert _apart([], schema) == (["event_us"], [])


def test_without_polars_it_is_said_what_to_install(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what does without."""
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(Unavailable, match=r"pip install 'polars.*log\.batches"):
        yard.log.polars("d")
