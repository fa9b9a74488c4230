"""Features as they were, for files of any size: part by part, and where it was cut off it goes on."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.core import Conflict, InvalidInput, atomic_write, canonical_json, digest_of, sync_folder
from modelyard.core.locks import alone_at_once
from modelyard.data import Reading, open_data
from modelyard.features.join import Entities, PreparedView, entity_column, joined, prepare
from modelyard.features.selection import Selection

PART_ROWS = 500_000
"""So many entity rows are joined and written at once."""

Watch = Callable[[int], None]
"""Told how many rows are done, after each part."""


@dataclass(frozen=True)
class HistoryWritten:
    """What was written where; `resumed` parts were there already."""

    output: Path
    rows: int
    parts: int
    resumed: int


class _Plan(msgspec.Struct, frozen=True):
    """What parts depend on: a run goes on only where this is as it was."""

    entities: list[tuple[str, int | None, int]]
    question: dict[str, object]
    sources: dict[str, str]


def write_history(
    entities: str | Path,
    selection: Selection,
    output: Path,
    *,
    event_time: str = "event_timestamp",
    as_known: bool = True,
    resume: bool = False,
    force: bool = False,
    part_rows: int = PART_ROWS,
    watch: Watch = lambda _: None,
) -> HistoryWritten:
    """Join what is selected to the rows of files, and write them as Parquet: the file `output`, which appears whole.

    An output without `.parquet` becomes a folder of parts. Memory holds one part, and of each source its keys and
    times; features beyond 256 MiB a source are mapped from files. Finished parts lie in `.OUTPUT.parts` beside the
    output. After a crash `resume` goes on behind them, and gives the same bytes. Conflict when the output exists (and
    not `force`), when a run that was cut off is there (and not `resume`), when one is under way, and when what it read
    has changed since; sources that are tables or functions are read again and compared too.
    """
    _check_output(output, force=force)
    reading = open_data(entities)
    for name in (event_time, *(key for each in selection.wanted for key in each.view.keys)):
        entity_column(reading.schema.empty_table(), name)
    selection.check(reading.schema.names)
    work = output.with_name(f".{output.name}.parts")
    with _alone(work, output):
        _check_work(work, resume=resume)
        views = list(prepare(selection.wanted, as_known=as_known, spill=work / "spill"))
        plan = _plan(reading, selection, views, event_time=event_time, as_known=as_known, part_rows=part_rows)
        _check_plan(work / "plan.json", plan)
        rows = parts = resumed = 0
        for number, table in enumerate(_parted(reading, part_rows)):
            part = work / f"part-{number:05d}.parquet"
            if part.exists():
                resumed += 1
            else:
                found = joined(Entities.of(table, event_time), views)
                _write(part, selection.complete(table.column_names, found))
            rows, parts = rows + len(table), parts + 1
            watch(rows)
        _publish(work, output, parts)
    return HistoryWritten(output, rows, parts, resumed)


def _check_output(output: Path, *, force: bool) -> None:
    if output.suffix not in (".parquet", ""):
        raise InvalidInput(
            f"{output} is to be written as {output.suffix}, which history cannot.",
            code="NOT_PARQUET",
            remedy="Name a file that ends with .parquet, or a folder.",
        )
    if output.exists() and not force:
        raise Conflict(f"{output} exists already.", code="FILE_EXISTS", remedy="Choose another name, or add --force.")
    if output.is_dir() and force:
        raise Conflict(f"{output} is a folder.", code="FILE_EXISTS", remedy="Remove it yourself, or choose another.")


@contextmanager
def _alone(work: Path, output: Path) -> Iterator[None]:
    """Hold the folder of parts; one process at a time."""
    with alone_at_once(work.with_name(f"{work.name}.lock"), remove=True) as taken:
        if not taken:
            raise Conflict(
                f"{output} is being written by another process.", code="RUN_UNDER_WAY", remedy="Wait for it to end."
            )
        yield


def _check_work(work: Path, *, resume: bool) -> None:
    if (work / "plan.json").exists() and not resume:
        raise Conflict(
            f"A run that was cut off left its parts in {work}.",
            code="RUN_CUT_OFF",
            remedy="Add --resume to go on behind them, or remove the folder to begin anew.",
        )
    shutil.rmtree(work / "spill", ignore_errors=True)
    work.mkdir(exist_ok=True)


def _plan(
    reading: Reading,
    selection: Selection,
    views: list[PreparedView],
    *,
    event_time: str,
    as_known: bool,
    part_rows: int,
) -> _Plan:
    files = [(each.path, each.bytes, _changed(each.path)) for each in reading.facts]
    asked = [
        [
            each.view.name,
            list(each.view.keys),
            str(each.view.ttl),
            each.view.stale,
            str(sorted(each.view.defaults.items())),
            list(each.features),
        ]
        for each in selection.wanted
    ]
    computed = [
        [each.view.name, *([each.view.code.digest, each.view.mode] if each.view.function is not None else []),
         list(each.view.formulas(tuple(each.names)).items())]
        for each in selection.derived
    ]  # fmt: skip
    question = {
        "event_time": event_time,
        "as_known": as_known,
        "features": asked,
        "computed": computed,
        "columns": list(selection.order),
    }
    sources = {each.view.name: view.digest for each, view in zip(selection.wanted, views, strict=True)}
    return _Plan(files, {**question, "part_rows": part_rows, "schema": str(reading.schema)}, sources)


def _changed(file: str) -> int:
    """When a local file was written last, in nanoseconds."""
    path = Path(file)
    return path.stat().st_mtime_ns if path.is_file() else 0


def _check_plan(file: Path, plan: _Plan) -> None:
    written = canonical_json(msgspec.to_builtins(plan))
    if not file.exists():
        atomic_write(file, written)
        return
    before = msgspec.json.decode(file.read_bytes(), type=_Plan)
    if digest_of(file.read_bytes()) == digest_of(written):
        return
    changed = [f"view '{name}'" for name, digest in plan.sources.items() if before.sources.get(name) != digest]
    if before.question != plan.question:
        changed.append("what is asked for")
    if canonical_json(list(map(list, before.entities))) != canonical_json(list(map(list, plan.entities))):
        changed.append("the entity file")
    raise Conflict(
        f"Since the run was cut off this has changed: {', '.join(changed)[:300]}.",
        code="INPUT_CHANGED",
        remedy=f"Remove {file.parent} to begin anew.",
    )


def _parted(reading: Reading, rows: int) -> Iterator[pa.Table]:
    """The rows in tables of so many; at least one table, which may be empty."""
    held: list[pa.RecordBatch] = []
    count, none_yet = 0, True
    for batch in reading.batches():
        while count + len(batch) >= rows:
            held.append(batch.slice(0, rows - count))
            batch = batch.slice(rows - count)  # noqa: PLW2901 - the rest of it
            yield pa.Table.from_batches(held, reading.schema)
            held, count, none_yet = [], 0, False
        if len(batch):
            held.append(batch)
            count += len(batch)
    if held or none_yet:
        yield pa.Table.from_batches(held, reading.schema)


def _write(part: Path, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=_repeating(table.schema))
    atomic_write(part, sink.getvalue().to_pybytes())


def _repeating(schema: pa.Schema) -> list[str]:
    """Columns worth a dictionary: to look for repeated values among floats costs five times what writing them does."""
    return [each.name for each in schema if not pa.types.is_floating(each.type) and not pa.types.is_temporal(each.type)]


def _publish(work: Path, output: Path, parts: int) -> None:
    """From the folder of parts to what was asked for, in one rename."""
    shutil.rmtree(work / "spill", ignore_errors=True)
    if output.suffix != ".parquet":
        (work / "plan.json").unlink()
        work.rename(output)
    else:
        files = [work / f"part-{number:05d}.parquet" for number in range(parts)]
        whole = files[0] if parts == 1 else _assembled(files, work / "whole.tmp")
        whole.replace(output)
        shutil.rmtree(work)
    sync_folder(output.parent)


def _assembled(files: list[Path], whole: Path) -> Path:
    """One file with a row group for each part; one part is in memory at a time."""
    with whole.open("wb") as stream:
        schema = pq.read_schema(files[0])
        with pq.ParquetWriter(stream, schema, use_dictionary=_repeating(schema)) as writer:
            for file in files:
                writer.write_table(pq.read_table(file, partitioning=None))
        stream.flush()
        os.fsync(stream.fileno())
    return whole
