"""Answers as records of the prediction log, each once however often a job is cut off.

A part's records are one segment of the journal, named after the job and the part. It is written beside its name, then
the job's folder is told that it is to be placed, then it gets its name: it is read, and sealed as any other. A crash
before the second step leaves a file that nobody reads, which is written again; one after it leaves a file to be placed,
or none where that was done.

Beside them lies, while a job is not done, a file that names the folder of its parts: where that is gone, nobody will go
on with the job, and the next one removes the segments that it never placed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import Micros, Scalar, atomic_write, sync_folder, to_micros
from modelyard.inference import Bundle
from modelyard.journal import SUFFIX, PredictionRecord, write_segment

from .records import LogInto
from .work import PLAN, Work, is_remote

ARM = "batch"
"""What answers of jobs have in their records as the arm: no route had a part in them."""

_UNPLACED, _TOLD = ".scored", ".logged"
"""What a segment ends with that is not placed; and a file of the job's folder that says it is to be."""

_JOB = ".job"
"""What a file ends with that says where a job's parts are."""


@dataclass(frozen=True)
class Recorder:
    """Writes the records of one job's parts. Safe for several threads."""

    into: LogInto
    bundle: Bundle
    version: str
    started: Micros
    job: str
    """What tells the job from others: hexadecimal digits."""

    def begin(self, work: Work) -> None:
        """Say where the job's parts are, and remove what abandoned jobs left.

        Only those are known to be abandoned whose parts were on this file system.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for each in self._folder.glob(f"*-score-*{_JOB}"):
            if _is_abandoned(each.read_text(encoding="utf-8")):
                for left in self._folder.glob(f"{each.stem}-*{_UNPLACED}"):
                    left.unlink(missing_ok=True)
                each.unlink(missing_ok=True)
        place = work.place if is_remote(work.place) else str(Path(work.place).absolute())
        atomic_write(self._folder / f"{self._name}{_JOB}", place.encode())

    def end(self) -> None:
        """The job is done: nothing of it is left to be placed."""
        (self._folder / f"{self._name}{_JOB}").unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self.into.journal / "predictions"

    @property
    def _name(self) -> str:
        """How the names of all of the job's files begin."""
        return f"{self.started:016d}-score-{self.job}"

    def write(self, work: Work, part: str, table: pa.Table, scores: NDArray[np.float64], ids: Sequence[str]) -> None:
        """Record the answers to the rows of a part; again has no effect, also after a crash anywhere within."""
        if not len(table):
            return
        path = self._folder / f"{self._name}-{part}{SUFFIX}"
        unplaced = path.with_suffix(_UNPLACED)
        if f"{part}{_TOLD}" not in work.names():
            write_segment(unplaced, self._records(table, scores, ids))
            work.write(f"{part}{_TOLD}", b"")
        if unplaced.exists():
            unplaced.replace(path)
            sync_folder(path.parent)

    def _records(self, table: pa.Table, scores: NDArray[np.float64], ids: Sequence[str]) -> list[PredictionRecord]:
        info, into = self.bundle.info, self.into
        columns = [table.column(name).to_pylist() for name in info.signature.names]
        times = [self.started] * len(table) if into.event_time is None else _instants(table.column(into.event_time))
        regression = info.task == "regression"
        return [
            PredictionRecord(
                prediction_id=id_,
                event_us=at,
                deployment=into.deployment,
                generation=0,
                model_version=self.version,
                arm=ARM,
                role="live",
                answered=True,
                entity=None,
                features=tuple(map(_plain, features)),
                prediction=row[0] if regression else self.bundle.label_of(row),
                scores=tuple(row),
                latency_us=0,
                logged_us=self.started,
            )
            for id_, at, features, row in zip(ids, times, zip(*columns, strict=True), scores.tolist(), strict=True)
        ]


def _is_abandoned(place: str) -> bool:
    """Whether the parts of a job that is not done are gone; an empty name is one that a power cut took."""
    return bool(place) and not is_remote(place) and not (Path(place) / PLAN).exists()


def _plain(value: object) -> Scalar:
    """A value as a record has it: what is missing as null, and what is no number, text or flag as text."""
    if isinstance(value, float) and isnan(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _instants(column: pa.ChunkedArray) -> list[Micros]:
    """The times of rows; naive ones are UTC."""
    found: list[datetime] = column.cast(pa.timestamp("us", tz="UTC")).to_pylist()
    return [to_micros(each) for each in found]
