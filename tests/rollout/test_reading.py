"""Each record of the log is fresh once, whatever becomes of files and clocks."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from modelyard.core import ManualClock, Micros, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import Journal, PredictionRecord
from modelyard.rollout.reading import Cursor, read_fresh
from modelyard.rollout.spread import Spread


class Reader:
    """Reads what is fresh, look by look."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.log = PredictionLog(folder / "journal", folder / "log")
        self.journals = [Journal(folder / "journal", name, clock) for name in ("s1", "s2")]
        self.clock, self.started, self.cursor, self.written = clock, clock.now(), Cursor(), 0

    def write(self, many: int, *, server: int = 0, at: datetime | None = None, generation: int = 1) -> None:
        """Some records more."""
        event = to_micros(at or self.clock.now())
        records = [
            PredictionRecord(
                f"{self.written + each}", event, "d", generation, "1", "live", "live", True, None, (), "1", (0.5,), 9,
                None, Micros(event),
            )
            for each in range(many)
        ]  # fmt: skip
        self.written += many
        self.journals[server].append(records)

    def fresh(self) -> list[int]:
        """The numbers of what no look has had."""
        table, self.cursor = read_fresh(self.log, "d", self.cursor, since=1, started=self.started, now=self.clock.now())
        return [int(each) for each in table.column("prediction_id").to_pylist()]


@pytest.fixture
def reader(tmp_path: Path, clock: ManualClock) -> Reader:
    """A log of two servers."""
    return Reader(tmp_path, clock)


def test_each_record_is_fresh_once_also_while_files_change(reader: Reader) -> None:
    """Sealed, compacted, in new segments, by two servers."""
    reader.write(3)
    assert reader.fresh() == [0, 1, 2]
    assert reader.fresh() == []
    reader.write(2, server=1)
    reader.write(1)
    reader.journals[0].rotate()
    reader.log.seal()
    assert sorted(reader.fresh()) == [3, 4, 5]
    reader.write(1)
    for journal in reader.journals:
        journal.rotate()
    reader.log.seal()
    reader.log.compact(everything=True)
    assert reader.fresh() == [6]
    assert reader.fresh() == []


def test_routes_of_before_the_rollout_are_not_its(reader: Reader) -> None:
    """Their requests were not shared between its arms."""
    reader.write(2, generation=0)
    assert reader.fresh() == []


@pytest.mark.parametrize("days", [1, -1])
def test_clocks_that_are_put_lose_and_repeat_nothing(reader: Reader, days: int) -> None:
    """Forward and back again, or back and forward again."""
    reader.write(2)
    assert reader.fresh() == [0, 1]
    reader.clock.jump(timedelta(days=days))
    reader.write(2)
    assert reader.fresh() == [2, 3]
    reader.clock.jump(timedelta(days=-days))
    reader.write(2)
    assert reader.fresh() == [4, 5]
    reader.clock.advance(timedelta(hours=3))
    reader.write(1)
    assert reader.fresh() == [6]
    assert reader.fresh() == []


def test_what_comes_a_little_late_is_counted(reader: Reader) -> None:
    """Up to ten minutes after newer ones."""
    reader.write(1)
    assert reader.fresh() == [0]
    reader.write(1, at=reader.clock.now() - timedelta(minutes=9))
    reader.write(1, at=reader.clock.now() - timedelta(minutes=30))
    assert reader.fresh() == [1]


def test_equal_answers_are_not_told_apart_by_chance() -> None:
    """A bound of nothing much, at every doubling: healthy spreads never go back."""
    import numpy as np
    import pyarrow as pa

    told = 0
    for seed in range(5):
        random, spread = np.random.default_rng(seed), Spread()
        for size in (500, 1000, 2000, 8000):
            arms = np.where(random.random(size * 2) < 0.5, "canary", "live")
            table = pa.table(
                {
                    "arm": arms,
                    "role": arms,
                    "answered": [True] * (size * 2),
                    "error": pa.nulls(size * 2, pa.string()),
                    "prediction": ["1"] * (size * 2),
                    "scores": [[each] for each in random.random(size * 2).tolist()],
                }
            )
            spread, why = spread.add(table, "canary").judged(0.001)
            told += bool(why)
    assert told == 0
