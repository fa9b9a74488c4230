"""Labels that come in tables, and the sources of them that the project file declares."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from modelyard.core import Clock, NotFound, did_you_mean
from modelyard.data import Versions, open_data
from modelyard.features import SqlSource
from modelyard.history import Added, LabelColumns, LabelSettings, PredictionLog, add_labels
from modelyard.storage import RecordStore

from .datasets import dataset_rows
from .project_file import LoadedFile

KIND = "labels"


class Looked(msgspec.Struct, frozen=True):
    """When a source was looked at last, and how far: the greatest instant from which one of its labels was known."""

    at: str
    until: str | None = None


class ProjectLabels:
    """Adds labels of files and declared sources to the log, each once."""

    def __init__(
        self, file: LoadedFile, log: PredictionLog, records: RecordStore, versions: Versions, clock: Clock
    ) -> None:
        self._file = file
        self._log = log
        self._records = records
        self._versions = versions
        self._clock = clock

    def add(self, source: str, deployment: str, columns: LabelColumns) -> Added:
        """Add the labels of a file, glob, folder or URL; see `history.add_labels`."""
        return add_labels(self._log, deployment, open_data(source).batches(), columns, self._clock)

    def sync(self, deployment: str) -> Added:
        """Add what is new in the declared source of a deployment's labels.

        With `available_at` only rows that are not long known are looked at. A crash in between adds nothing twice: what
        is on record is not put there again, and how far it came is kept only at the end.
        """
        settings = self._settings(deployment)
        before = self._looked(deployment)
        since = None
        if before is not None and before.until is not None:
            since = datetime.fromisoformat(before.until) - settings.lookback
        added = add_labels(self._log, deployment, self._batches(settings), settings.columns, self._clock, since=since)
        until = added.newest.isoformat() if added.newest is not None else None
        if before is not None:
            until = max(filter(None, (until, before.until)), default=None)
        with self._records.transaction() as tx:
            tx.put(KIND, deployment, msgspec.to_builtins(Looked(self._clock.now().isoformat(), until)))
        return added

    def sync_when_due(self) -> dict[str, Added]:
        """The same for every deployment whose source was not looked at for as long as its `every` says."""
        now, found = self._clock.now(), {}
        for deployment, settings in self._file.settings.labels.items():
            before = self._looked(deployment)
            if before is None or now - datetime.fromisoformat(before.at) >= settings.every:
                found[deployment] = self.sync(deployment)
        return found

    def _batches(self, settings: LabelSettings) -> Iterable[pa.RecordBatch]:
        if settings.query is not None:
            return SqlSource(settings.query, settings.database).open(self._file.folder).batches()
        if settings.dataset is not None:
            rows = dataset_rows(self._file, settings.dataset, self._clock.now(), self._versions.table)
            batches: list[pa.RecordBatch] = rows.to_batches(max_chunksize=65_536)
            return batches
        source = str(settings.source)
        return open_data(source if "://" in source else self._file.folder / source).batches()

    def _settings(self, deployment: str) -> LabelSettings:
        declared = self._file.settings.labels
        if deployment not in declared:
            raise NotFound(
                f"The project file declares no labels for '{deployment[:128]}'.",
                code="NO_LABELS",
                remedy=f"{did_you_mean(deployment[:128], declared)} Or add a file: modelyard label add FILE",
            )
        return declared[deployment]

    def _looked(self, deployment: str) -> Looked | None:
        with self._records.snapshot() as view:
            found: Any = view.get(KIND, deployment)
        return None if found is None else msgspec.convert(found.body, Looked)
