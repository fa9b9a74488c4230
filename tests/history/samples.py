"""Records, and what a log has of them."""

from datetime import datetime
from pathlib import Path

from modelyard.core import Clock, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import Journal, PredictionRecord, Segment, segments


def prediction(identity: str, at: datetime, *, answered: bool = True, arm: str = "live") -> PredictionRecord:
    """A prediction at an instant."""
    return PredictionRecord(
        identity, to_micros(at), "d", 1, "1", arm, "live", answered, "e", (1.0, "x"), "1", (0.5,), 10
    )


class Yard:
    """A journal and its log in a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.journal_folder = folder / "journal"
        self.log_folder = folder / "log"
        self.journal = Journal(self.journal_folder, "srv.a", clock)
        self.log = self.another_log()

    def another_log(self) -> PredictionLog:
        """A log that remembers nothing yet."""
        return PredictionLog(self.journal_folder, self.log_folder, clock=self.clock)

    def append(self, *identities: str) -> None:
        """Append predictions in one call."""
        self.journal.append([prediction(each, self.clock.now()) for each in identities])

    def closed_segment(self, *identities: str) -> Segment:
        """A finished segment with these predictions."""
        self.journal.rotate()
        self.append(*identities)
        self.journal.rotate()
        return self.segments[-1]

    def another_log_seals(self) -> None:
        """Seal as another process would."""
        self.another_log().seal()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Segments of predictions that are not sealed."""
        return segments(self.journal_folder, "predictions")

    @property
    def files(self) -> list[Path]:
        """The Parquet files in the log's folder, whether they count or not."""
        return sorted(self.log_folder.rglob("*.parquet"))

    def seen(self) -> list[str]:
        """The ids that the log has, after making sure that a log which remembers nothing has the same."""
        ids = [ids_of(each) for each in (self.log, self.another_log())]
        assert ids[0] == ids[1]
        return ids[0]


def ids_of(log: PredictionLog) -> list[str]:
    """The ids that a log has, in its order."""
    found: list[str] = log.predictions("d").column("prediction_id").to_pylist()
    return found
