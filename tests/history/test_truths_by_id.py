"""Truths of a window: each row group is decoded once, and what counts is what a plain look through all would find."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from modelyard.core import ManualClock, SeededIds, to_micros
from modelyard.history import by_id, files
from modelyard.history.catalog import Entry
from modelyard.journal import PredictionRecord, TruthRecord

from .samples import Yard, prediction

DAY = timedelta(days=1)


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A log whose row groups have 16 rows, and whose files are all too large to be remembered whole."""
    monkeypatch.setattr(files, "ROW_GROUP", 16)
    for module in ("by_id", "small"):
        monkeypatch.setattr(f"modelyard.history.{module}.SMALL", 0)
    return Yard(tmp_path, clock)


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The row groups of truths that are decoded from now on."""
    found: list[tuple[str, int]] = []
    read = files.read_group

    def noted(folder: Path, entry: Entry, group: int, columns: Sequence[str]) -> pa.Table:
        path = Path(entry.name)
        found.append((f"{path.parent.name}/{path.name}", group))
        return read(folder, entry, group, columns)

    monkeypatch.setattr("modelyard.history.by_id.read_group", noted)
    return found


def told(yard: Yard, seed: int, days: int, *, named: bool = False) -> list[tuple[PredictionRecord, list[TruthRecord]]]:
    """Days of 100 predictions each with 0 to 3 truths in any order, in three rounds that are sealed, the last is not.

    `named`: every seventh id tells no time.
    """
    random, ids = Random(seed), SeededIds(seed)
    pairs: list[tuple[PredictionRecord, list[TruthRecord]]] = []
    for number in range(100 * days):
        at = yard.clock.now() + DAY * number / 100
        identity = f"order {number}" if named and number % 7 == 0 else ids.new(to_micros(at))
        given = [truth(identity, at, random) for _ in range(random.choice((0, 1, 1, 1, 2, 3)))]
        pairs.append((prediction(identity, at), given))
    yard.journal.append([each for each, _ in pairs])
    truths = [each for _, given in pairs for each in given]
    random.shuffle(truths)
    for part in range(4):
        yard.journal.append(truths[part::4])
        if part < 3:
            yard.journal.rotate()
            yard.log.seal()
    return pairs


def truth(identity: str, at: datetime, random: Random) -> TruthRecord:
    """A truth that was available between 0 and 9 minutes after its prediction; no two of one at the same instant."""
    known = to_micros(at) + random.randrange(9 * 60_000_000)
    return TruthRecord(identity, "d", str(random.randrange(10)), to_micros(at), known, known)  # type: ignore[arg-type]


@pytest.mark.parametrize("room", [by_id.ROOM, 0], ids=["room for all", "room for one row group"])
@pytest.mark.parametrize("named", [False, True], ids=["ids tell the time", "some ids do not"])
def test_the_label_that_counts_is_the_last_available(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, room: int, named: bool
) -> None:
    """Of several truths in several files and unsealed, as known now and before."""
    monkeypatch.setattr(by_id, "ROOM", room)
    pairs = told(yard, 3, 2, named=named)
    for as_of in (None, yard.clock.now() + DAY):
        last = None if as_of is None else to_micros(as_of)
        expected = {
            each.prediction_id: max(known, key=lambda truth: truth.available_us).label
            for each, given in pairs
            if (known := [truth for truth in given if last is None or truth.available_us <= last])
        }
        rows = yard.log.batches("d", columns=("prediction_id",), features=(), labels=True, as_of=as_of).read_all()
        assert len(rows) == len(pairs)
        assert {
            name: label
            for name, label in zip(*(rows.column(name).to_pylist() for name in ("prediction_id", "label")), strict=True)
            if label
        } == expected


def test_each_row_group_of_a_window_is_decoded_once_and_no_other(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the days before and after hold, and however many row groups of predictions ask for it."""
    told(yard, 5, 4)
    found = decoded(monkeypatch)
    start = yard.clock.now().replace(hour=0) + 2 * DAY
    rows = yard.log.batches("d", start=start, end=start + DAY, labels=True).read_all()
    assert rows.column("label").null_count < len(rows) == 100
    assert len(found) == len(set(found)) > 3
    assert {name.partition("/")[0] for name, _ in found} == {f"day={start:%Y-%m-%d}"}
