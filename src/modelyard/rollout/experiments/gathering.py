"""From rows to units: every unit once, with its arm and what it adds to each metric; in bounded memory, on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import InvalidInput, did_you_mean, shown
from modelyard.rollout.scratch import quoted, scratch_database

from .records import Metric, Question, Rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_ARMS, MOST_LEVELS = 20, 50


@dataclass
class Units:
    """The units of a file, in a table of DuckDB's named `units`, to be read in the order of their first rows.

    Columns: `arm`, `seen`, and by place `value{i}`, `per{i}` of metrics, `covariate{i}`, `segment{i}`.
    """

    session: "DuckDBPyConnection"
    metrics: tuple[Metric, ...]
    arms: dict[str, int]
    rows: int
    unassigned: int
    mixed: int

    def batches(self, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """All units that have one arm, by time where there is one."""
        query = "SELECT * FROM units WHERE arm = other ORDER BY seen, unit"
        yield from self.session.sql(query).to_arrow_reader(rows)

    def levels(self, place: int) -> list[str]:
        """The levels of a segment by their units; InvalidInput where there are too many."""
        query = f"SELECT segment{place}, count(*) n FROM units GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MOST_LEVELS + 1}"
        found = [str(level) for level, _ in self.session.sql(query).fetchall() if level is not None]
        if len(found) <= MOST_LEVELS:
            return found
        raise InvalidInput(
            f"A segment has more than {MOST_LEVELS} levels.",
            code="TOO_MANY_SEGMENTS",
            remedy="Give a column of few levels, such as country or platform.",
        )


@contextmanager
def gather(reading: Rows, asked: Question) -> Iterator[Units]:
    """The units of a file while the block runs; what was written to disk is gone afterwards.

    Rows of one unit belong together: a binary metric is 1 where any of them is, a continuous one their sum, a ratio sum
    by sum. Units with rows in two arms are counted and left out, as are rows without unit or arm. Missing values
    and NaN are none. InvalidInput when a column is not there or holds what it cannot.
    """
    _refuse_unknown(reading.schema, asked)
    counted = _Counted(asked)
    with scratch_database("experiment") as session:
        wanted = reading.only(_columns(asked))
        session.register("rows", pa.RecordBatchReader.from_batches(wanted.schema, counted.counted(wanted.batches())))
        session.execute(_query(asked, wanted.schema))
        session.unregister("rows")
        metrics = tuple(_kept(session, place, metric) for place, metric in enumerate(asked.metrics))
        mixed = _one(session, "SELECT count(*) FROM units WHERE arm <> other")
        yield Units(session, metrics, _arms(session, asked), counted.rows, counted.unassigned, mixed)


class _Counted:
    """Counts rows as they go by, and those without unit or arm."""

    def __init__(self, asked: Question) -> None:
        self._asked = asked
        self.rows = self.unassigned = 0

    def counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.rows += len(batch)
            known = pc.and_(pc.is_valid(batch.column(self._asked.unit)), pc.is_valid(batch.column(self._asked.arm)))
            self.unassigned += len(batch) - int(pc.sum(known).as_py() or 0)
            yield batch


def _columns(asked: Question) -> list[str]:
    named = [asked.unit, asked.arm, *asked.covariates, *asked.segments, *([asked.time] if asked.time else [])]
    for metric in asked.metrics:
        named += [metric.name, *([metric.per] if metric.per else [])]
    return list(dict.fromkeys(named))


def _refuse_unknown(schema: pa.Schema, asked: Question) -> None:
    """Every wrong name at once, and every column of numbers that has none."""
    wrong = [f"There is no column {shown(each)}." for each in _columns(asked) if each not in schema.names]
    numbers = [name for metric in asked.metrics for name in (metric.name, metric.per) if name]
    wrong += [
        f"Column {shown(name)} is {schema.field(name).type}, and numbers or flags are needed."
        for name in dict.fromkeys([*numbers, *asked.covariates])
        if name in schema.names and not _numeric(schema.field(name).type)
    ]
    time = schema.field(asked.time).type if asked.time in schema.names else None
    if time is not None and not (pa.types.is_temporal(time) or pa.types.is_integer(time)):
        wrong.append(f"Column {shown(asked.time or '')} is {time}, and instants are needed.")
    if wrong:
        missing = next((each for each in _columns(asked) if each not in schema.names), "")
        remedy = did_you_mean(missing, schema.names) if missing else "Name columns that hold them."
        raise InvalidInput(" ".join(wrong[:5]), code="BAD_COLUMN", remedy=remedy)


def _numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )  # fmt: skip


def _query(asked: Question, schema: pa.Schema) -> str:
    """One row a unit. What a metric is worth depends on its kind, which may only be known afterwards."""
    parts = [f"CAST({quoted(asked.unit)} AS VARCHAR) AS unit"]
    parts += [f"min({_text(asked.arm)}) AS arm", f"max({_text(asked.arm)}) AS other"]
    parts.append(f"min({quoted(asked.time)}) AS seen" if asked.time else "NULL AS seen")
    for place, metric in enumerate(asked.metrics):
        value = _number(metric.name, schema)
        both = f"FILTER ({value} IS NOT NULL)"
        parts += [f"sum({value}) AS value{place}", f"max({value}) AS most{place}"]
        parts.append(f"count(*) FILTER (isinf({value})) AS infinite{place}")
        parts.append(f"count(*) FILTER ({value} <> 0 AND {value} <> 1) AS odd{place}")
        parts.append(f"sum({_number(metric.per, schema)}) {both} AS per{place}" if metric.per else
                     f"CAST(count({value}) AS DOUBLE) AS per{place}")  # fmt: skip
    for place, name in enumerate(asked.covariates):
        parts.append(f"avg({_number(name, schema)}) AS covariate{place}")
    for place, name in enumerate(asked.segments):
        parts.append(f"min({_text(name)}) AS segment{place}")
    known = f"{quoted(asked.unit)} IS NOT NULL AND {quoted(asked.arm)} IS NOT NULL"
    return f"CREATE TABLE units AS SELECT {', '.join(parts)} FROM rows WHERE {known} GROUP BY 1"


def _text(name: str) -> str:
    return f"CAST({quoted(name)} AS VARCHAR)"


def _number(name: str, schema: pa.Schema) -> str:
    """A column as a number; NaN is no value."""
    plain = f"CAST({quoted(name)} AS DOUBLE)"
    return (
        f"CASE WHEN isnan({plain}) THEN NULL ELSE {plain} END"
        if pa.types.is_floating(schema.field(name).type)
        else plain
    )


def _kept(session: "DuckDBPyConnection", place: int, metric: Metric) -> Metric:
    """The metric with its kind; a binary one's value becomes 1 where any row of a unit was."""
    infinite, odd, known = session.sql(
        f"SELECT sum(infinite{place}), sum(odd{place}), count(value{place}) FROM units"
    ).fetchall()[0]
    if infinite:
        raise InvalidInput(
            f"Column {shown(metric.name)} is infinite in {infinite} rows.", code="BAD_METRIC",
            remedy="Correct or remove them: no mean holds them.",
        )  # fmt: skip
    if metric.kind == "binary" and odd:
        raise InvalidInput(
            f"Column {shown(metric.name)} is neither 0 nor 1 in {odd} rows.", code="BAD_METRIC",
            remedy=f"Compare means: --{metric.role} {metric.name}:continuous.",
        )  # fmt: skip
    kind = metric.kind or ("binary" if known and not odd else "continuous")
    if kind == "binary":
        session.execute(f"UPDATE units SET value{place} = most{place}")
    return msgspec.structs.replace(metric, kind=kind)


def _arms(session: "DuckDBPyConnection", asked: Question) -> dict[str, int]:
    """Units by arm, those in two arms left out."""
    found = session.sql("SELECT arm, count(*) FROM units WHERE arm = other GROUP BY 1 ORDER BY 1 LIMIT 100").fetchall()
    if len(found) <= MOST_ARMS:
        return {str(arm): int(count) for arm, count in found}
    raise InvalidInput(
        f"Column {shown(asked.arm)} has more than {MOST_ARMS} different values: it names no arms.",
        code="TOO_MANY_ARMS",
        remedy="Give the column of arms: --arm COLUMN.",
    )


def _one(session: "DuckDBPyConnection", query: str) -> Any:
    return session.sql(query).fetchall()[0][0]
