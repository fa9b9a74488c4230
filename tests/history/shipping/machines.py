"""Two machines with a log each, and a stream between them."""

from pathlib import Path

from modelyard.core import Micros, SystemClock
from modelyard.history import (
    Ingested,
    Ingester,
    ObjectShipper,
    PredictionLog,
    Shipper,
)
from modelyard.history.shipping.cursor import cursor_file
from modelyard.journal import (
    Journal,
    OutcomeRecord,
    PredictionRecord,
    Record,
    SketchRecord,
    TruthRecord,
)
from modelyard.streams import Consumer, ConsumerOptions, Stream, open_stream

NOW = Micros(1_770_000_000_000_000)
RECORDS: tuple[Record, ...] = (
    PredictionRecord(
        "p1", NOW, "d", 1, "3", "live", "live", True, "e", (1.5, 7, "é", None, True, 2**63), 1, (0.25, 0.75), 10
    ),
    PredictionRecord("p2", NOW, "d", 1, "3", "canary", "canary", False, None, (), None, (), 10, "model", NOW),
    TruthRecord("p1", "d", 1, NOW, NOW, NOW),
    OutcomeRecord("d", "e", "converted", 1.0, NOW, NOW),
    SketchRecord("d", "live", "3", "b" * 64, "srv", NOW, NOW, 5, {"x": (1, 2, 3)}),
)
"""One of each kind, and one that failed."""


class Machines:
    """One machine that serves, one that takes in, and a stream between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"local:{folder}/streams/model_predictions?create=true"
        self.here, self.there = folder / "here", folder / "there"
        self.clock = SystemClock()
        self.journal = Journal(self.here / "journal", "srv", self.clock)
        self.log = PredictionLog(self.here / "journal", self.here / "log")
        self.copy = PredictionLog(self.there / "journal", self.there / "log")
        self.stream = open_stream(self.address)

    def write(self, *identities: str) -> None:
        """Append a prediction for each id, and a truth for every third."""
        for at, each in enumerate(identities):
            records: list[Record] = [
                PredictionRecord(each, NOW, "d", 1, "3", "live", "live", True, "e", (1.0, each), "1", (0.5,), 10)
            ]
            self.journal.append(records + ([TruthRecord(each, "d", 1, NOW, NOW, NOW)] if at % 3 == 0 else []))

    def shipper(self, stream: Stream | None = None) -> Shipper:
        """What ships, with what it remembers."""
        return Shipper(self.here / "journal", self.here / "log", "there", stream or self.stream)

    @property
    def cursor(self) -> Path:
        """Where it keeps that."""
        return cursor_file(self.here / "log", "there")

    def seal(self) -> None:
        """Seal all that was written."""
        self.journal.rotate()
        self.log.seal()

    def objects(self, bucket: Path) -> ObjectShipper:
        """What ships files to a folder."""
        return ObjectShipper(self.here / "log", bucket.as_uri(), bucket.name)

    def ship(self) -> int:
        """How many records one shipping publishes."""
        return self.shipper().ship().records

    def ingest(self) -> Ingested:
        """What one run takes in."""
        with self.consumer() as consumer:
            state = self.there / "received.db"
            return Ingester(self.there / "journal", self.there / "log", state, self.clock).run(consumer, seconds=0.2)

    def consumer(self) -> Consumer:
        """A consumer with room for all."""
        return self.stream.consumer("log", ConsumerOptions(in_flight=20_000, redeliver_s=1.0))

    def agree(self) -> None:
        """Both logs have the same records, once each."""
        for table in ("predictions", "truths"):
            ours, theirs = (sorted(map(repr, getattr(log, table)("d").to_pylist())) for log in (self.log, self.copy))
            assert ours == theirs
