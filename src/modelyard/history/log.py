"""The prediction log: what was answered, what turned out to be true, and both together."""

import threading
from dataclasses import dataclass
from datetime import datetime
from logging import WARNING
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelyard.core import log_event, to_micros
from modelyard.journal import FAMILIES, Family, NotASegment, Segment, quarantined, read_segment, segments

from .sealing import Sealed, parquet_path, seal
from .tables import SCHEMAS
from .unsealed import Unsealed

_INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class LogStats:
    """How much is in the log of a deployment. `predictions` and `joined` count distinct prediction ids.

    `damaged` counts files with bytes that are no record, and `lost_bytes` those bytes, in the whole log: damaged bytes
    name no deployment.
    """

    records: int
    predictions: int
    truths: int
    joined: int
    damaged: int = 0
    lost_bytes: int = 0


class PredictionLog:
    """Reads what servers wrote, sealed or not. What a server acknowledged is seen by the next call.

    Every record is seen exactly once, also while another process seals. Damage hides no other record and is no error:
    it is logged and counted in `stats`. A record whose `append` is under way may be seen, and be gone when it fails.
    Safe for several threads.
    """

    def __init__(self, journal: Path, folder: Path) -> None:
        self._journal = journal
        self._folder = folder
        self._lock = threading.Lock()
        self._unsealed = {family: Unsealed() for family in FAMILIES}
        self._files: dict[Path, tuple[tuple[int, int, int], pa.Table | None]] = {}
        self._quarantined: dict[Path, int] = {}

    def seal(self) -> Sealed:
        """Turn finished segments into Parquet; see `sealing.seal`."""
        return seal(self._journal, self._folder)

    def predictions(
        self,
        deployment: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        answered: bool | None = None,
        arm: str | None = None,
    ) -> pa.Table:
        """Prediction records with start <= event time < end, one row for each arm that scored the request."""
        mask = _between("event_us", start, end) & (pc.field("deployment") == deployment)
        if answered is not None:
            mask &= pc.field("answered") == answered
        if arm is not None:
            mask &= pc.field("arm") == arm
        return self._read("predictions", start, end).filter(mask)

    def truths(self, deployment: str, *, as_of: datetime | None = None) -> pa.Table:
        """The truth that counts for each prediction, as known at `as_of`: the last correction wins.

        Of several the greatest (available, received) wins, among equals the last written.
        """
        table = self._read("truths", None, None).filter(pc.field("deployment") == deployment)
        if as_of is not None:
            table = table.filter(pc.field("available_us") <= pa.scalar(as_of, _INSTANT))
        table = table.append_column("order", pa.array(range(len(table)), pa.int64()))
        order = [("available_us", "ascending"), ("received_us", "ascending"), ("order", "ascending")]
        winners = table.sort_by(order).group_by("prediction_id", use_threads=False).aggregate([("label", "last")])
        return winners.rename_columns({"label_last": "label"})

    def labelled(
        self,
        deployment: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: datetime | None = None,
        answered: bool | None = None,
        arm: str | None = None,
    ) -> pa.Table:
        """Predictions without error whose truth is known at `as_of`, with a column `label`."""
        predictions = self.predictions(deployment, start=start, end=end, answered=answered, arm=arm)
        scored = predictions.filter(pc.field("error").is_null())
        truths = self.truths(deployment, as_of=as_of)
        at = pc.index_in(scored.column("prediction_id"), value_set=truths.column("prediction_id").combine_chunks())
        joined = scored.append_column("label", truths.column("label").take(at))
        return joined.filter(pc.is_valid(at))

    def stats(self, deployment: str) -> LogStats:
        """Counts over the whole log of a deployment."""
        predictions = self.predictions(deployment)
        answered = pc.unique(predictions.filter(pc.field("answered")).column("prediction_id"))
        truths = self.truths(deployment)
        joined = pc.sum(pc.is_in(truths.column("prediction_id"), value_set=answered)).as_py() or 0
        with self._lock:
            lost = [size for family in FAMILIES for size in self._damaged(family).values()]
        return LogStats(len(predictions), len(answered), len(truths), joined, len(lost), sum(lost))

    def _read(self, family: Family, start: datetime | None, end: datetime | None) -> pa.Table:
        """All records of a family that may lie between start and end, oldest segment first."""
        with self._lock:
            parts = self._parts(family)
        return pa.concat_tables(
            [SCHEMAS[family].empty_table(), *(each for each in parts if _overlaps(each, start, end))]
        )

    def _parts(self, family: Family) -> list[pa.Table]:
        """Each segment's records once, sealed or not.

        Segments are listed first: one that is sealed meanwhile has its Parquet file before it is deleted.
        """
        unsealed = {each.path.stem: each for each in segments(self._journal, family)}
        sealed = {path.stem: path for path in (self._folder / family).glob("*.parquet")}
        self._unsealed[family].keep(unsealed.values())
        tables = (self._part(sealed.get(stem), unsealed.get(stem)) for stem in sorted(unsealed.keys() | sealed.keys()))
        return [each for each in tables if each is not None]

    def _part(self, sealed: Path | None, unsealed: Segment | None) -> pa.Table | None:
        """One segment's records: from its Parquet file if that can be read, else from the segment itself."""
        table = None if sealed is None else self._file(sealed)
        if table is None and unsealed is not None:
            table = self._unsealed[unsealed.family].table(unsealed)
            if table is None:  # sealed, or found to be empty, since it was listed
                table = self._file(parquet_path(self._folder, unsealed))
        return table

    def _file(self, path: Path) -> pa.Table | None:
        """A sealed file, memory-mapped once; None when it is not there, or damaged."""
        try:
            status = path.stat()
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._files.get(path)
            if known is None or known[0] != version:
                known = self._files[path] = (version, _load(path))
        except FileNotFoundError:
            self._files.pop(path, None)
            return None
        return known[1]

    def _damaged(self, family: Family) -> dict[Path, int]:
        """The damaged files of a family, and how many of their bytes are no record."""
        self._parts(family)
        segments_lost = {each.path: self._unsealed[family].lost_bytes(each) for each in segments(self._journal, family)}
        lost = {path: size for path, size in segments_lost.items() if size}
        for segment in quarantined(self._journal, family):
            if segment.path not in self._quarantined:
                self._quarantined[segment.path] = _lost_bytes(segment)
            lost[segment.path] = self._quarantined[segment.path]
        sealed = (self._folder / family).glob("*.parquet")
        unreadable = (path for path in sealed if path in self._files and self._files[path][1] is None)
        return lost | {path: self._files[path][0][1] for path in unreadable}


def _load(path: Path) -> pa.Table | None:
    """The table in a Parquet file; None, and an event, when its bytes are not what was written."""
    try:
        return pq.read_table(path, memory_map=True)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        log_event("history", "sealed file damaged", level=WARNING, file=str(path), damage=str(error))
        return None


def _lost_bytes(segment: Segment) -> int:
    """How many bytes of a quarantined segment are no record."""
    try:
        return read_segment(segment).lost_bytes
    except FileNotFoundError:
        return 0
    except (NotASegment, OSError):
        return segment.path.stat().st_size


def _between(column: str, start: datetime | None, end: datetime | None) -> pc.Expression:
    mask = pc.scalar(True)  # noqa: FBT003 - an expression that holds for every row
    if start is not None:
        mask &= pc.field(column) >= pa.scalar(start, _INSTANT)
    if end is not None:
        mask &= pc.field(column) < pa.scalar(end, _INSTANT)
    return mask


def _overlaps(table: pa.Table, start: datetime | None, end: datetime | None) -> bool:
    if len(table) == 0:
        return False
    if start is None and end is None:
        return True
    span = pc.min_max(table.column("event_us").cast(pa.int64()))
    lowest, highest = span["min"].as_py(), span["max"].as_py()
    return (end is None or lowest < to_micros(end)) and (start is None or highest >= to_micros(start))
