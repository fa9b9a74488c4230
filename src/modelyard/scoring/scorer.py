"""One part of a job: from rows to bytes of rows with answers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import Micros, canonical_json, digest_of, from_micros, uuids7
from modelyard.inference import Bundle

from .answers import answer_columns, answer_fields
from .columns import ColumnEncoder, EncodedColumns, single
from .errors import BadRow
from .recording import Recorder
from .records import BatchJob, Enrichment, OnBadRow, PartDone, Plan, part_name
from .source import Source, numbers_read
from .where import Where
from .work import Work
from .writing import Format, write_part

_JSON = msgspec.json.Encoder(enc_hook=str)
_TOGETHER = 16_384
"""About so many rows are encoded and scored before the next."""

_RANDOM = 10
"""Random bytes of a prediction id."""


@dataclass(frozen=True)
class Part:
    """Rows of one file, from `first` on (counted from 0); `path` is the file's, for what is said of rows."""

    file: int
    number: int
    first: int
    table: pa.Table
    path: str


@dataclass(frozen=True)
class Scored:
    """A part's rows with their answers, ready to be written, and what is known of them.

    `rows` are the same rows with all columns that were read, `scores` theirs (n_rows, n_scores), `ids` too where asked.
    """

    table: pa.Table
    rows: pa.Table
    scores: NDArray[np.float64]
    ids: Sequence[str] | None
    refused: Sequence[Mapping[str, Any]]
    read: int
    unknown: Mapping[str, int]


class PartScorer:
    """Scores parts of a job. Safe for several threads where there is no `where`; each then has one of its own."""

    def __init__(
        self,
        bundle: Bundle,
        source: Source,
        *,
        version: str,
        at: Micros,
        batch_size: int,
        where: str | None = None,
        keep: Sequence[str] | None = None,
        on_bad_row: OnBadRow = "reject",
        ids: bytes | None = None,
        shows_ids: bool = True,
        enrich: Enrichment | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """`ids` is the seed of prediction ids, the same for all parts of the job; rows have them if `shows_ids`."""
        self._bundle = bundle
        self._source = source
        self._encode = ColumnEncoder(bundle.info.signature)
        self._names = bundle.info.signature.names
        self._version = version
        self._at: datetime = from_micros(at)
        self._started = at
        self._batch_size = batch_size
        self._where = where
        self._stop = on_bad_row == "stop"
        self._ids = ids
        self._enrich = enrich
        whole = source.schema if enrich is None else enrich.columns(source.schema)
        read = pa.schema([_as_read(each, source) for each in whole])
        self._kept = [each.name for each in read if keep is None or each.name in keep]
        self._shows_ids = shows_ids
        self.recorder = recorder
        added = answer_fields(bundle.info, ids=ids is not None and shows_ids)
        self.schema = pa.schema([*(read.field(name) for name in self._kept), *added])

    def score(self, part: Part) -> Scored:
        """The rows of a part with their answers. BadRow for a row that is refused, where the job is to stop there."""
        places = np.arange(len(part.table))
        table = part.table
        if self._where is not None:
            places = np.flatnonzero(self._keeps(table))
            table = table.take(pa.array(places))
        table, bad = numbers_read(self._source, table)
        if self._enrich is not None:
            table = self._enrich(table)
        scores, refused, unknown = self._answers(part, table, places, bad)
        rejects = [self._rejected(part, table, places, at, refused[at]) for at in sorted(refused)]
        if refused:
            kept = np.setdiff1d(np.arange(len(table)), np.array(sorted(refused)))
            table, places = table.take(pa.array(kept)), places[kept]
        ids = self._ids_of(part, places)
        return Scored(self._answered(table, scores, ids), table, scores, ids, rejects, len(part.table), unknown)

    def write(self, part: Part, work: Work, format_: Format, *, alone: bool) -> PartDone:
        """Score a part and write it: the refused rows, the rows, and then that it is done."""
        scored, name = self.score(part), part_name(part.file, part.number)
        rejects = _JSON.encode_lines(scored.refused) if scored.refused else None
        if rejects is not None:
            work.write(f"{name}.rejects", rejects)
        with work.writing(f"{name}.{format_}") as stream:
            digest = write_part(scored.table, self.schema, format_, stream, alone=alone)
        if self.recorder is not None:
            self.recorder.write(work, name, scored.rows, scored.scores, scored.ids or ())
        done = PartDone(
            part.file,
            part.number,
            scored.read,
            len(scored.table),
            len(scored.refused),
            dict(scored.unknown),
            digest,
            None if rejects is None else digest_of(rejects),
        )
        work.write(f"{name}.json", msgspec.json.encode(done))
        return done

    def _keeps(self, table: pa.Table) -> NDArray[np.bool_]:
        assert self._where is not None  # noqa: S101 - asked only then
        where = Where(self._where, table.schema)
        try:
            return where.keeps(table)
        finally:
            where.close()

    def _answers(
        self, part: Part, table: pa.Table, places: NDArray[np.int64], bad: Mapping[int, str]
    ) -> tuple[NDArray[np.float64], dict[int, str], dict[str, int]]:
        """The scores of the rows that the model takes, the reasons why it does not take others, and unseen levels.

        Some rows at a time, so that between encoding and scoring they stay in the processor's cache; where they are
        cut depends on nothing but the part, as scores may by a bit on what is scored together.
        """
        scores, refused, unknown = [], dict(bad), dict[str, int]()
        step = self._batch_size * max(1, _TOGETHER // self._batch_size)
        for begin in range(0, len(table), step):
            some = slice(begin, begin + step)
            told = {at - begin: why for at, why in bad.items() if begin <= at < begin + step}
            encoded = self._encoded(table.slice(begin, step), places[some] + (part.first + 1), told)
            for at, why in encoded.refused.items():
                refused.setdefault(begin + at, why)
            if self._stop and refused and min(refused) < begin + step:
                self._refuse(part, table, places, refused)
            scores += self._scores(encoded)
            for name, count in encoded.unknown.items():
                unknown[name] = unknown.get(name, 0) + count
        none = np.empty((0, max(1, len(self._bundle.info.classes))))
        return np.concatenate(scores) if scores else none, refused, unknown

    def _encoded(self, table: pa.Table, numbers: NDArray[np.int64], bad: Mapping[int, str]) -> EncodedColumns:
        """The rows as the model reads them; a number that was none is missing here, and refused already."""
        columns = [single(table.column(name)) for name in self._names]
        encoded = self._encode(columns, numbers)
        also = [at for at in bad if at not in encoded.refused]
        if not also:
            return encoded
        rows = np.setdiff1d(np.arange(len(table)), np.array(sorted(encoded.refused), dtype=np.int64))
        taken = ~np.isin(rows, also)
        arrays = None if encoded.arrays is None else {name: each[taken] for name, each in encoded.arrays.items()}
        return EncodedColumns(encoded.matrix[taken], encoded.refused, encoded.unknown, arrays)

    def _ids_of(self, part: Part, places: NDArray[np.int64]) -> list[str] | None:
        """The prediction ids of rows of a part, where they are asked for."""
        if self._ids is None:
            return None
        noise = hashlib.shake_128(self._ids + part_name(part.file, part.number).encode())
        every = uuids7(self._started, noise.digest(_RANDOM * len(part.table)))
        return [every[at] for at in places.tolist()]

    def _answered(self, table: pa.Table, scores: NDArray[np.float64], ids: Sequence[str] | None) -> pa.Table:
        ids = ids if self._shows_ids else None
        added = answer_columns(self._bundle.info, scores, ids=ids, at=self._at, version=self._version)
        kept = [table.column(name) for name in self._kept]
        return pa.Table.from_arrays([*kept, *added], names=self.schema.names)

    def _scores(self, encoded: EncodedColumns) -> list[NDArray[np.float64]]:
        """The scores of rows, so many at a time as the model is to be given."""
        size, found = self._batch_size, []
        for at in range(0, len(encoded.matrix), size):
            arrays = (
                None
                if encoded.arrays is None
                else {name: each[at : at + size] for name, each in encoded.arrays.items()}
            )
            found.append(self._bundle.scores(encoded.matrix[at : at + size], arrays))
        return found

    def _refuse(self, part: Part, table: pa.Table, places: NDArray[np.int64], refused: Mapping[int, str]) -> None:
        at = min(refused)
        told = self._rejected(part, table, places, at, refused[at])
        raise BadRow(
            f"{told['reason']} ({told['file']}, row {told['row']})",
            context={"file": told["file"], "row": told["row"]},
            remedy="Mend the row, or let such rows go to a file: --on-bad-row reject",
        )

    def _rejected(
        self, part: Part, table: pa.Table, places: NDArray[np.int64], at: int, reason: str
    ) -> Mapping[str, Any]:
        """A refused row as it is told: where it stands, why, and its values."""
        values = {name: table.column(name)[at].as_py() for name in table.column_names}
        return {
            "file": part.path,
            "row": int(places[at]) + part.first + 1,
            "reason": reason,
            "values": values,
        }


def scorer_of(
    job: BatchJob, bundle: Bundle, source: Source, version: str, plan: Plan, enrich: Enrichment | None = None
) -> PartScorer:
    """What scores the parts of a job; its prediction ids come from the plan, which all parts share."""
    seed = hashlib.sha256(canonical_json(msgspec.to_builtins(plan))).digest()
    into, at = job.log, Micros(plan.started_us)
    recorder = None if into is None else Recorder(into, bundle, version, at, seed.hex()[:12])
    return PartScorer(
        bundle,
        source,
        version=version,
        at=at,
        batch_size=job.batch_size,
        where=job.where,
        keep=job.keep,
        on_bad_row=job.on_bad_row,
        ids=seed if job.ids or job.log is not None else None,
        shows_ids=job.ids,
        enrich=enrich,
        recorder=recorder,
    )


def _as_read(column: pa.Field, source: Source) -> pa.Field:
    """A column as the output has it: a number that stood as text is a number."""
    return pa.field(column.name, pa.float64()) if column.name in source.written else column
