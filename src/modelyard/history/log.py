"""The prediction log: what was answered, what turned out to be true, and both together."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Clock, SystemClock

from .compacting import Compacted, compact
from .counting import Counted, by_deployment, joined_truths
from .coverage import Coverage, coverage_of
from .erasing import Erased, erase
from .features import NamesOf
from .naming import Named
from .polars import lazy_frame
from .reading import FIXED, INTERNAL, LogFiles, Selection, Snapshot, gathered
from .redacting import Redacted, redact
from .retention import RetentionSettings, Retired, retire
from .sealing import Sealed, seal
from .sql import Database, database
from .truths import Truths, available_by, in_order, winners
from .verifying import Verified, verify

_PUBLIC = tuple(name for name in FIXED["predictions"] if name not in INTERNAL)
_NO_NAMES: NamesOf = lambda _deployment, _version: None  # noqa: E731 - the shortest way to say it


class Which(TypedDict, total=False):
    """Which records of a deployment: start <= event time < end, and so on; what is left out or None is any."""

    start: datetime | None
    end: datetime | None
    version: str | None
    answered: bool | None
    arm: str | None
    entity: str | None


@dataclass(frozen=True)
class LogStats:
    """How much is in the log of a deployment. `predictions` and `joined` count prediction ids.

    `damaged` counts files with bytes that are no record, and `lost_bytes` those bytes, in the whole log: damaged bytes
    name no deployment.
    """

    records: int
    predictions: int
    truths: int
    joined: int
    outcomes: int = 0
    damaged: int = 0
    lost_bytes: int = 0


class PredictionLog:
    """Reads what servers wrote, sealed or not. What a server acknowledged is seen by the next call.

    Every record is seen exactly once, also while another process seals, compacts or redacts. Damage hides no other
    record and is no error: it is logged and counted in `stats`. A record whose `append` is under way may be seen, and
    be gone when it fails. Safe for several threads.

    A window costs what it holds, however long the log is: files lie by deployment and day, and only those of the window
    are opened. `batches` reads a window of any size in bounded memory; what returns a table needs memory for it.
    """

    def __init__(self, journal: Path, folder: Path, *, names: NamesOf = _NO_NAMES, clock: Clock | None = None) -> None:
        """The log of the segments in `journal` and the files in `folder`. `names` tells the names of a version's
        features; where it does not know them they are called `feature_0`, `feature_1`, …
        """
        self.journal = journal
        self.folder = folder
        self.names = names
        self.files = LogFiles(journal, folder)
        self._clock = clock or SystemClock()

    def seal(self) -> Sealed:
        """Turn finished segments into Parquet; see `sealing.seal`."""
        return seal(self.journal, self.folder)

    def compact(self, *, everything: bool = False) -> Compacted:
        """Join small files; see `compacting.compact`."""
        return compact(self.folder, everything=everything)

    def retire(self, settings: RetentionSettings) -> Retired:
        """Delete the files of days that are older than is kept; see `retention.retire`."""
        return retire(self.folder, settings, self._clock.now())

    def redact(
        self, *, entities: Collection[str] = (), prediction_ids: Collection[str] = (), deployment: str | None = None
    ) -> Redacted:
        """Take entities and features out of records already written; see `redacting.redact`."""
        seal(self.journal, self.folder)
        return redact(self.files, entities=entities, prediction_ids=prediction_ids, deployment=deployment)

    def erase(self, entities: Collection[str]) -> Erased:
        """Erase the predictions and outcomes of entities, and the truths of these; see `erasing.erase`."""
        seal(self.journal, self.folder)
        return erase(self.files, entities=entities)

    def verify(self) -> Verified:
        """Read every record, and compare every file with what was written; see `verifying.verify`."""
        return verify(self.files)

    def predictions(
        self,
        deployment: str,
        *,
        columns: Sequence[str] | None = None,
        **which: Unpack[Which],
    ) -> pa.Table:
        """Prediction records with start <= event time < end, one row for each arm that scored the request.

        With `columns` only these; without, all of them and the features by place, for `feature_columns`.
        """
        selection = Selection("predictions", deployment, **which)
        with self.files.snapshot("predictions") as snapshot:
            return gathered(snapshot, selection, columns or _PUBLIC, features=columns is None)

    def by_place(
        self,
        deployment: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        answered: bool | None = True,
        columns: Sequence[str] | None = None,
        features: bool = True,
        labels: bool = False,
        as_of: datetime | None = None,
    ) -> Iterator[tuple[str, pa.Table]]:
        """Records, by default answers, in tables of one version each, which is named; with the features by place.

        `columns`: those beside the features; None: all of them and `request`. Features are as `feature_values` takes
        them, of every type, those that `batches` leaves out too. With `labels` (which need `prediction_id`) as in
        `batches`. Memory holds a row group. Tables of one version have the same columns and types.
        """
        selection = Selection("predictions", deployment, start, end, answered=answered)
        wanted = columns or (*_PUBLIC, "request")
        with ExitStack() as stack:
            snapshot = stack.enter_context(self.files.snapshot("predictions"))
            truths = None
            if labels:
                truths = Truths(stack.enter_context(self.files.snapshot("truths")), deployment, as_of)
            for table, version in snapshot.tables(selection, wanted, features=features):
                yield version, table if truths is None else truths.joined(table)

    def batches(
        self,
        deployment: str,
        *,
        columns: Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        labels: bool = False,
        as_of: datetime | None = None,
        **which: Unpack[Which],
    ) -> pa.RecordBatchReader:
        """The same records as a stream of Arrow record batches of one schema, in bounded memory.

        Features are columns by name and type (`features`: only these; `()` none; None all), null in records outside
        the sample, whose `has_features` is false. A feature that is redacted in some record of the window is left out,
        and so is one of mixed types (`schema` tells). A feature called like one of the log's own columns is
        `features.NAME`. With `labels` there are `label` and `label_available_us`, as known at `as_of`, null where
        unknown. The reader holds the files it reads until it is read to the end, closed or dropped.
        """
        selection = Selection("predictions", deployment, **which)
        with ExitStack() as stack:
            snapshot = stack.enter_context(self.files.snapshot("predictions"))
            truths = None
            if labels:
                truths = Truths(stack.enter_context(self.files.snapshot("truths")), deployment, as_of)
            named = Named(snapshot, selection, self.names, columns or _PUBLIC, features, labels=labels)
            held = stack.pop_all()

        def read() -> Iterator[pa.RecordBatch]:
            with held:
                yield from named.batches(truths)

        return pa.RecordBatchReader.from_batches(named.schema, read())

    def polars(
        self,
        deployment: str,
        *,
        labels: bool = False,
        as_of: datetime | None = None,
        **which: Unpack[Which],
    ) -> Any:
        """The same records as a polars LazyFrame, with the columns of `batches`; see `polars.lazy_frame`.

        `log.polars("d", start=day).filter(pl.col("arm") == "live").select(pl.col("latency_us").mean()).collect()`.
        """

        def read(columns: Sequence[str], features: Sequence[str] | None, *, labels: bool) -> pa.RecordBatchReader:
            return self.batches(deployment, columns=columns, features=features, labels=labels, as_of=as_of, **which)

        with read(_PUBLIC, None, labels=labels) as whole:
            schema = whole.schema
        return lazy_frame(read, schema)

    def truths(self, deployment: str, *, as_of: datetime | None = None) -> pa.Table:
        """The truth that counts for each prediction, as known at `as_of`: the last correction wins.

        Of several the greatest (available, received) wins, among equals the last written. All of them are in memory:
        for those of a window use `labelled` or `batches`.
        """
        with self.files.snapshot("truths") as snapshot:
            told = gathered(snapshot, Selection("truths", deployment), FIXED["truths"], features=False)
        known = told if as_of is None else told.filter(available_by(as_of))
        return winners(in_order(known))

    def labelled(
        self,
        deployment: str,
        *,
        as_of: datetime | None = None,
        **which: Unpack[Which],
    ) -> pa.Table:
        """Predictions without error whose truth is known at `as_of`, with columns `label` and `label_available_us`."""
        found = self.predictions(deployment, columns=_PUBLIC, **which)
        scored = found.filter(pc.field("error").is_null())
        with self.files.snapshot("truths") as snapshot:
            return Truths(snapshot, deployment, as_of).joined(scored).filter(pc.field("label").is_valid())

    def coverage(
        self,
        deployment: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: datetime | None = None,
        version: str | None = None,
        arm: str | None = None,
    ) -> Coverage:
        """How many of the answers of a window have a label at `as_of` (now), and how late labels come."""
        moment = self._clock.now() if as_of is None else as_of
        selection = Selection("predictions", deployment, start, end, version, arm, answered=True)
        with self.files.snapshot("predictions") as predictions, self.files.snapshot("truths") as told:
            truths = Truths(told, deployment, moment)
            return coverage_of(_told(predictions, selection, truths), moment)

    @contextmanager
    def duckdb(
        self,
        deployment: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        version: str | None = None,
        arm: str | None = None,
        entity: str | None = None,
        prediction_id: str | None = None,
    ) -> Iterator[Database]:
        """The log, or this part of it, as views of DuckDB: predictions, truths, labelled, outcomes.

        `with log.duckdb("d") as db: db.sql("SELECT count(*) FROM predictions")`. See `sql.Database`.
        """
        selection = Selection(
            "predictions",
            deployment,
            start,
            end,
            version,
            arm,
            entity=entity,
            first_id=prediction_id,
            last_id=prediction_id,
        )
        with database(self.files, selection, self.names) as opened:
            yield opened

    def outcomes(
        self,
        deployment: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        entity: str | None = None,
        metric: str | None = None,
    ) -> pa.Table:
        """Business outcomes with start <= their time < end, as `POST /feedback` was told them."""
        selection = Selection("outcomes", deployment, start, end, entity=entity, metric=metric)
        with self.files.snapshot("outcomes") as snapshot:
            columns = [name for name in FIXED["outcomes"] if name not in INTERNAL]
            return gathered(snapshot, selection, columns, features=False)

    def stats(self, deployment: str) -> LogStats:
        """Counts over the whole log of a deployment."""
        with self.files.snapshot("predictions") as predictions, self.files.snapshot("truths") as truths:
            counted = by_deployment(predictions).get(deployment, {})
            told, joined = joined_truths(predictions, truths, deployment)
        with self.files.snapshot("outcomes") as outcomes:
            others = sum(each.records for each in by_deployment(outcomes).get(deployment, {}).values())
        lost = self.files.damage()
        return LogStats(
            records=sum(each.records for each in counted.values()),
            predictions=sum(each.answered for each in counted.values()),
            truths=told,
            joined=joined,
            outcomes=others,
            damaged=len(lost),
            lost_bytes=sum(lost.values()),
        )

    def versions(self, deployment: str) -> dict[str, Counted]:
        """How many records each version has, and from when to when; no file is opened for it."""
        with self.files.snapshot("predictions") as snapshot:
            return by_deployment(snapshot).get(deployment, {})

    def deployments(self) -> list[str]:
        """The deployments that have records of predictions."""
        with self.files.snapshot("predictions") as snapshot:
            return sorted(by_deployment(snapshot))


def _told(predictions: Snapshot, selection: Selection, truths: Truths) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Answers without error, some at a time, with all their truths."""
    for table, _ in predictions.tables(selection, ("prediction_id", "event_us", "error")):
        scored = table.filter(pc.field("error").is_null())
        yield scored, truths.told(scored.column("prediction_id"))
