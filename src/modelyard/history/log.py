"""The prediction log: what was answered, what turned out to be true, and both together."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelyard.core import to_micros
from modelyard.journal import Family, Segment, read_segment, segments

from .sealing import Sealed, parquet_path, seal
from .tables import SCHEMAS, to_table

_INSTANT = pa.timestamp("us", tz="UTC")
_MANY_CHUNKS = 16
"""More chunks than this make every filter slow; joining them costs a copy, and so is not done at each read."""


@dataclass(frozen=True)
class LogStats:
    """How much is in the log of a deployment. `predictions` and `joined` count distinct prediction ids."""

    records: int
    predictions: int
    truths: int
    joined: int


class PredictionLog:
    """Reads what servers wrote, sealed or not. What a server acknowledged is seen by the next call.

    Every record is seen exactly once, also while another process seals. Not safe for several threads (it remembers
    what it decoded).
    """

    def __init__(self, journal: Path, folder: Path) -> None:
        self._journal = journal
        self._folder = folder
        self._unsealed: dict[Path, tuple[int, pa.Table]] = {}
        self._files: dict[Path, pa.Table] = {}

    def seal(self) -> Sealed:
        """Turn closed segments into Parquet; see `sealing.seal`."""
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
        return LogStats(len(predictions), len(answered), len(truths), joined)

    def _read(self, family: Family, start: datetime | None, end: datetime | None) -> pa.Table:
        """All records of a family that may lie between start and end."""
        unsealed = segments(self._journal, family)
        sealed = sorted((self._folder / family).glob("*.parquet"))
        parts = [self._file(path) for path in sealed]
        parts += [self._segment(each) for each in unsealed if parquet_path(self._folder, each) not in sealed]
        return pa.concat_tables(
            [SCHEMAS[family].empty_table(), *(each for each in parts if _overlaps(each, start, end))]
        )

    def _file(self, path: Path) -> pa.Table:
        """A sealed file, memory-mapped once: it never changes."""
        if path not in self._files:
            self._files[path] = pq.read_table(path, memory_map=True)
        return self._files[path]

    def _segment(self, segment: Segment) -> pa.Table:
        """A segment still being written: only what was added since the last call is decoded."""
        key = segment.path.with_suffix("")
        after, table = self._unsealed.get(key, (0, SCHEMAS[segment.family].empty_table()))
        try:
            found = read_segment(segment, after=after)
        except FileNotFoundError:  # closed, or sealed, since it was listed
            return self._moved(segment, key)
        if found.records:
            table = pa.concat_tables([table, to_table(found.records, segment.family)])
            if table.column(0).num_chunks > _MANY_CHUNKS:
                table = table.combine_chunks()
            self._unsealed[key] = (found.valid_bytes, table)
        return table

    def _moved(self, segment: Segment, key: Path) -> pa.Table:
        sealed = parquet_path(self._folder, segment)
        if sealed.exists():
            self._unsealed.pop(key, None)
            return self._file(sealed)
        return self._segment(Segment(key.with_suffix(".seg"), segment.family))


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
