"""A window costs what it holds; its features are typed columns with names."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from modelyard.core import ManualClock, SeededIds, to_micros
from modelyard.history import InvalidQuery, PredictionLog, files
from modelyard.history.catalog import Entry
from modelyard.journal import REDACTED, PredictionRecord, TruthRecord

from .samples import Yard, prediction

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Yard:
    """An empty journal and log."""
    return Yard(tmp_path, clock)


def days(yard: Yard, count: int) -> list[PredictionRecord]:
    """Days of predictions before now, sealed, each with a truth that came weeks later."""
    ids, records = SeededIds(count), list[PredictionRecord]()
    for day in range(count):
        at = yard.clock.now() - day * DAY
        own = [prediction(ids.new(to_micros(at)), at) for _ in range(5)]
        records += own
        late = to_micros(at + 30 * DAY)
        truths = [TruthRecord(each.prediction_id, "d", 1, late, late, late) for each in own]
        yard.journal.append([*own, *truths])
    yard.journal.rotate()
    yard.log.seal()
    return records


@pytest.mark.parametrize("history", [3, 60])
def test_a_window_opens_its_own_files_however_long_the_log_is(
    yard: Yard, history: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of predictions and one of truths, though those were told weeks later."""
    days(yard, history)
    log, opened = yard.another_log(), list[Path]()
    read = files.read_part

    def counted(folder: Path, entry: Entry) -> pa.Table:
        opened.append(folder / entry.name)
        return read(folder, entry)

    monkeypatch.setattr("modelyard.history.small.read_part", counted)
    noon = yard.clock.now()
    rows = log.batches("d", start=noon - HOUR, end=noon + HOUR, labels=True).read_all()
    assert (len(rows), rows.column("label").null_count) == (5, 0)
    assert sorted(each.relative_to(yard.log_folder).parts[0] for each in opened) == ["predictions", "truths"]
    opened.clear()
    assert log.versions("d")["1"].records == 5 * history
    assert opened == []


def test_features_are_typed_columns_with_names(yard: Yard) -> None:
    """Over versions and segments: what fits together is one column, what was never logged is null and said so."""
    noon = yard.clock.now()
    rows: list[tuple[str, tuple[Any, ...]]] = [
        ("1", (1, "x", True, None)), ("1", (2.5, None, False, None)), ("1", ()), ("2", ("late", 7)),
    ]  # fmt: skip
    for number, (version, features) in enumerate(rows):
        record = msgspec.structs.replace(prediction(str(number), noon), model_version=version, features=features)
        yard.journal.append([record])
        if number == 1:
            yard.journal.rotate()
            yard.log.seal()
    names = {"1": ("size", "label", "flag", "arm"), "2": ("word", "size")}
    log = PredictionLog(yard.journal_folder, yard.log_folder, names=lambda _, version: names[version])
    reader = log.batches("d", columns=["model_version"], labels=True)
    kinds = {"size": "double", "features.label": "string", "flag": "bool", "features.arm": "double", "word": "string"}
    found = {each.name: str(each.type) for each in reader.schema}
    assert {name: found[name] for name in kinds} == kinds
    table = reader.read_all().sort_by("model_version").to_pylist()
    assert [(each["size"], each["flag"], each["word"], each["has_features"]) for each in table] == [
        (1.0, True, None, True), (2.5, False, None, True), (None, None, None, False), (7.0, None, "late", True),
    ]  # fmt: skip
    assert log.batches("d", features=["flag"], columns=["arm"]).schema.names == ["arm", "has_features", "flag"]
    assert log.batches("d", features=[], columns=["arm"]).schema.names == ["arm"]
    assert log.batches("d", version="2").read_all().num_rows == 1
    for asked in ({"features": ["sizes"]}, {"columns": ["role", "arms"]}):
        with pytest.raises(InvalidQuery, match=r"Did you mean '(size|arm)'"):
            log.batches("d", **asked)  # type: ignore[arg-type]


def test_a_feature_that_is_redacted_or_of_mixed_types_is_left_out(yard: Yard) -> None:
    """So that nobody takes what was hidden for what was missing."""
    noon = yard.clock.now()
    for number, features in enumerate([(1.0, "a", 1), (REDACTED, "b", "one"), (2**60, "c", 2)]):
        yard.journal.append([msgspec.structs.replace(prediction(str(number), noon), features=features)])
    for _ in range(2):
        assert yard.log.batches("d", columns=["arm"]).schema.names == ["arm", "has_features", "feature_1"]
        yard.journal.rotate()
        yard.log.seal()


def test_a_stream_goes_on_over_files_that_are_replaced_meanwhile(yard: Yard) -> None:
    """They are deleted when it has ended, by whoever changes the log next."""
    days(yard, 2)
    days(yard, 2)
    reader = yard.log.batches("d")
    first = reader.read_next_batch()
    before = yard.files
    assert yard.another_log().compact(everything=True).before > 0
    assert yard.another_log().redact(entities=["e"]).records > 0
    assert set(before) <= set(yard.files)
    assert len(first) + sum(len(each) for each in reader) == 20
    yard.another_log().compact(everything=True)
    assert not set(before) & set(yard.files)


def test_coverage_says_how_much_truth_is_known_and_how_late_it_comes(yard: Yard) -> None:
    """Of the answers without error; by age only those old enough count."""
    now = yard.clock.now()
    answers = [prediction(str(number), now - number * DAY) for number in range(10)]
    failed = msgspec.structs.replace(answers[0], prediction_id="failed", error="model")
    yard.journal.append(
        [*answers, failed, *(TruthRecord(str(n), "d", 1, *[to_micros(now - n * DAY + HOUR)] * 3) for n in (2, 4, 6, 8))]
    )
    told = [(4, 1, 2 * HOUR), (6, 0, 2 * HOUR), (8, 0, HOUR), (2, 0, -HOUR)]  # again, corrected, in conflict, too early
    yard.journal.append(
        [TruthRecord(str(n), "d", label, *[to_micros(now - n * DAY + by)] * 3) for n, label, by in told]
    )
    found = yard.log.coverage("d", as_of=now)
    assert (found.predictions, found.labelled, found.share) == (10, 4, 0.4)
    assert found.delay_seconds == {"p50": 3600.0, "p90": 3600.0, "p99": 3600.0}
    assert found.by_age == {"1h": 4 / 9, "1d": 4 / 9, "7d": 1 / 3}
    assert (found.truths, found.early, found.repeated, found.corrected, found.conflicting) == (8, 1, 1, 2, 1)
    assert yard.log.coverage("d", start=now + DAY).share is None
