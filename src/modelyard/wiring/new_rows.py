"""How many rows of a model's dataset are new: what a trigger of retraining counts."""

from datetime import datetime

from modelyard.data import DatasetSettings, Versions, known_by

from .datasets import dataset_rows
from .project_file import LoadedFile


class NewRows:
    """See `retraining.RowsSince`. The last answer is kept: the same question reads nothing again."""

    def __init__(self, file: LoadedFile, versions: Versions) -> None:
        self._file = file
        self._versions = versions
        self._known: dict[str, tuple[datetime, datetime, int | None]] = {}

    def __call__(self, model: str, since: datetime, until: datetime) -> int | None:
        """Rows whose label became known in (since, until]; without `known_at` in the file, those that happened then."""
        known = self._known.get(model)
        if known is None or known[:2] != (since, until):
            known = since, until, self._count(model, since, until)
            self._known[model] = known
        return known[2]

    def _count(self, model: str, since: datetime, until: datetime) -> int | None:
        name, settings = self._dataset_of(model)
        time = settings.known_at or settings.event_time
        if time is None:
            return None
        rows = dataset_rows(self._file, name, until, self._versions.table)
        return len(known_by(rows, time, until)) - len(known_by(rows, time, since))

    def _dataset_of(self, model: str) -> tuple[str, DatasetSettings]:
        label, declared = self._file.settings.models[model].label, self._file.settings.datasets
        return next((name, each) for name, each in declared.items() if each.label == label)
