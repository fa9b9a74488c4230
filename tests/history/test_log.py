"""The log sees every acknowledged record once, and the truth that counts."""

import shutil
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core import ManualClock, Micros, from_micros
from modelyard.history import PredictionLog, feature_columns, feature_values
from modelyard.journal import REDACTED, Journal, TruthRecord, segments

from .samples import prediction

HOUR = 3_600_000_000


def test_sealed_or_not_every_record_is_seen_once(tmp_path: Path, clock: ManualClock) -> None:
    """Open segment, closed segment, Parquet, and both at once after a crash in between."""
    journal, log = Journal(tmp_path / "j", "s", clock), PredictionLog(tmp_path / "j", tmp_path / "log")
    journal.append([prediction("a", clock.now())])
    assert log.predictions("d").column("prediction_id").to_pylist() == ["a"]
    journal.append([prediction("b", clock.now())])
    assert log.predictions("d").column("prediction_id").to_pylist() == ["a", "b"]
    journal.close()
    (segment,) = segments(tmp_path / "j", "predictions")
    kept = shutil.copy(segment.path, tmp_path / "kept")
    assert log.seal().records == 2
    assert segments(tmp_path / "j", "predictions") == ()
    shutil.copy(kept, segment.path)  # as if the crash had come before the segment was deleted
    for each in (log, PredictionLog(tmp_path / "j", tmp_path / "log")):
        assert each.predictions("d").column("prediction_id").to_pylist() == ["a", "b"]
    assert log.seal().segments == 1
    assert log.stats("d").predictions == 2


def test_windows_are_half_open_in_event_time(tmp_path: Path, clock: ManualClock) -> None:
    """The start belongs to the window, the end to the next; deployments do not meet."""
    journal = Journal(tmp_path / "j", "s", clock)
    noon = clock.now()
    journal.append([prediction(str(hours), noon + timedelta(hours=hours)) for hours in range(4)])
    log = PredictionLog(tmp_path / "j", tmp_path / "log")
    found = log.predictions("d", start=noon + timedelta(hours=1), end=noon + timedelta(hours=3))
    assert found.column("prediction_id").to_pylist() == ["1", "2"]
    assert len(log.predictions("elsewhere")) == 0
    assert feature_columns(found, ("number", "text")) == {"number": [1.0, 1.0], "text": ["x", "x"]}
    journal.close()


def test_features_that_were_not_logged_are_no_missing_values(tmp_path: Path, clock: ManualClock) -> None:
    """Predictions outside the sample are left out, and so is a column that is redacted, even for a part of them."""
    journal = Journal(tmp_path / "j", "s", clock)
    whole = prediction("whole", clock.now())
    unsampled = msgspec.structs.replace(whole, prediction_id="unsampled", features=())
    redacted = msgspec.structs.replace(whole, prediction_id="redacted", features=(REDACTED, "y"))
    journal.append([whole, unsampled])
    log = PredictionLog(tmp_path / "j", tmp_path / "log")
    assert feature_columns(log.predictions("d"), ("number", "text")) == {"number": [1.0], "text": ["x"]}
    journal.append([redacted])
    assert feature_columns(log.predictions("d"), ("number", "text")) == {"text": ["x", "y"]}
    journal.close()


truth = st.tuples(st.sampled_from("abcdef"), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(truth, max_size=25), st.integers(0, 5), st.integers(0, 3))
def test_of_many_truths_the_one_that_counts_wins(
    tmp_path_factory: pytest.TempPathFactory, truths: list[tuple[str, int, int, int, int]], as_of: int, cut: int
) -> None:
    """Late, early, repeated and corrected truths, sealed in between: equal to a plain dictionary's answer."""
    folder = tmp_path_factory.mktemp("log")
    clock = ManualClock(from_micros(0))
    journal, log = Journal(folder / "j", "s", clock), PredictionLog(folder / "j", folder / "log")
    journal.append([prediction(each, from_micros(0)) for each in "abcd"])
    best: dict[str, tuple[int, int, int]] = {}
    for index, (identity, event, available, received, label) in enumerate(truths):
        journal.append(
            [TruthRecord(identity, "d", label, Micros(event * HOUR), Micros(available * HOUR), Micros(received * HOUR))]
        )
        if index == cut:
            journal.rotate()
            log.seal()
        before = best.get(identity)
        if available <= as_of and (before is None or (available, received) >= before[:2]):
            best[identity] = (available, received, label)
    found = log.labelled("d", as_of=from_micros(as_of * HOUR)).to_pylist()
    expected = {identity: str(label) for identity, (_, _, label) in best.items() if identity in "abcd"}
    assert {row["prediction_id"]: row["label"] for row in found} == expected
    assert len(found) == len(expected)
    journal.close()


def test_answers_are_given_by_version_with_features_by_place(tmp_path: Path, clock: ManualClock) -> None:
    """Sealed or not: fields of requests as they were packed, values by name, REDACTED where one was never logged."""
    journal, log = Journal(tmp_path / "j", "s", clock), PredictionLog(tmp_path / "j", tmp_path / "log")
    rows = [("zoe", (1.0, "a")), ("yan", (REDACTED, "b")), ("xi", ())]
    for at, (name, features) in enumerate(rows):
        given = msgspec.structs.replace(prediction(name, clock.now()), request=(name, 4.0), features=features)
        journal.append([msgspec.structs.replace(given, model_version=str(at // 2 + 1))])
        journal.rotate()
        if at == 0:
            log.seal()
    found = [(version, row) for version, table in log.by_place("d") for row in told(table)]
    packed = [msgspec.msgpack.encode((name, 4.0)) for name, _ in rows]
    assert sorted(found) == [
        ("1", ("yan", packed[1], REDACTED, "b")),
        ("1", ("zoe", packed[0], 1.0, "a")),
        ("2", ("xi", packed[2], None, None)),
    ]
    journal.close()


def told(table: pa.Table) -> list[tuple[object, ...]]:
    """Id, fields of the request, and two features of each record."""
    values = feature_values(table, ["x", "y"])
    ids, requests = table.column("prediction_id").to_pylist(), table.column("request").to_pylist()
    return list(zip(ids, requests, values["x"], values["y"], strict=True))
