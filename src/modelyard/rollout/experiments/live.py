"""An experiment's rows from the live log: who was assigned to which arm, and what became of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import InvalidInput, did_you_mean, shown, to_micros
from modelyard.history import FIXED, PredictionLog
from modelyard.rollout.scratch import quoted, scratch_database

from .records import Metric, Question

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

UNIT, ARM, TIME = "unit", "arm", "at"
"""Columns of the rows: the entity, or the prediction where requests have none; its arm; its first request."""

CONTROL, TREATMENT = "control", "treatment"

BUILT_IN: Mapping[str, str] = {
    "label": "TRY_CAST(label AS DOUBLE)",
    "correct": "CASE WHEN label IS NOT NULL AND answer IS NOT NULL THEN CAST(answer = label AS DOUBLE) END",
    "score": "score",
    "error": "CAST(failed AS DOUBLE)",
    "latency_ms": "ms",
    "unsupported_rate": "CASE WHEN sentences > 0 THEN CAST(unsupported > 0 AS DOUBLE) END",
    "abstention_rate": "abstained",
    "llm_cost": "cost",
    "thumbs": "CASE label WHEN 'up' THEN 1.0 WHEN 'down' THEN 0.0 END",
}
"""Metrics that need no outcome: of each request, and of a unit their mean over its requests."""

GENERATED: Mapping[str, str] = {
    "unsupported": "max(coalesce(CAST((nullif(generated, '')->>'$.unsupported') AS DOUBLE), 0)) FILTER (answered)",
    "sentences": "max(coalesce(CAST((nullif(generated, '')->>'$.sentences') AS DOUBLE), 0)) FILTER (answered)",
    "abstained": "max(CAST(coalesce(CAST((nullif(generated, '')->>'$.abstained') AS BOOLEAN), false) AS DOUBLE))"
    " FILTER (answered AND (nullif(generated, '')->>'$.index') IS NOT NULL)",
    "cost": "sum(CAST((nullif(generated, '')->>'$.cost_micros') AS DOUBLE)) / 1000000.0",
}
"""What is kept of the answers of language models, for the metrics of `BUILT_IN` that ask for it."""

_OF_GENERATED = frozenset({"unsupported_rate", "abstention_rate", "llm_cost"})
_LABELLED = frozenset({"label", "correct", "thumbs"})

_BEFORE = ".before"
_RECORDS = (
    "prediction_id", "event_us", "generation", "arm", "role", "answered", "entity", "prediction", "scores",
    "latency_us", "error",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """Which part of a log is the experiment: the candidate's arm and its share, from one route generation to another
    (None: it goes on), not before `start`. `sticky`: entities stay on their arm, and are
    the units; else each request is one. `logged_as`: the name under which an entity that outcomes tell of stands in
    the log.
    """

    deployment: str
    arm: str
    share: float
    first: int
    start: datetime
    now: datetime
    last: int | None = None
    within: timedelta | None = None
    sticky: bool = True
    logged_as: Callable[[str], str] | None = None


@dataclass(frozen=True)
class LiveRows:
    """Rows of units as `analyse_experiment` reads them, each time anew."""

    session: "DuckDBPyConnection"
    names: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """Columns and types."""
        return self._reader().schema

    def only(self, names: Sequence[str]) -> "LiveRows":
        """The same rows with these columns alone."""
        return LiveRows(self.session, tuple(names))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        yield from self._reader()

    def _reader(self) -> pa.RecordBatchReader:
        return self.session.sql(f"SELECT {', '.join(map(quoted, self.names))} FROM whole").to_arrow_reader(65_536)


@contextmanager
def live_rows(log: PredictionLog, trial: Trial, asked: Question) -> Iterator[LiveRows]:
    """The rows of a trial while the block runs, in bounded memory.

    Whoever is assigned counts for that arm, whoever answered in the end: a failure of the candidate that the live arm
    made good stays the candidate's. What every arm refused counts for none, and so do requests that a tester forced.
    InvalidInput when a metric is neither built in nor an outcome that anybody told of, or a column is none.
    """
    outcomes = [each for each in _outcomes_of(asked) if each not in BUILT_IN]
    with scratch_database("trial") as session:
        columns = _read_requests(session, log, trial, asked)
        _read_outcomes(session, log, trial, outcomes)
        _refuse_unheard(session, log, trial, outcomes)
        _make_units(session, trial, columns)
        session.execute(f"CREATE TABLE whole AS {_rows_of_units(session, trial, asked, columns)}")
        if built_in := [each.name for each in asked.metrics if each.name in BUILT_IN]:
            session.execute(f"INSERT INTO whole BY NAME {_rows_of_requests(built_in)}")
        names = [row[0] for row in session.sql("DESCRIBE whole").fetchall()]
        yield LiveRows(session, tuple(names))


def as_asked(metric: Metric) -> Metric:
    """What is built in is a mean over requests: a ratio, unless it is asked for otherwise."""
    if metric.name in BUILT_IN and metric.kind is None:
        return Metric(metric.name, "ratio", metric.per, metric.role, metric.lower_is_better)
    return metric


def _outcomes_of(asked: Question) -> list[str]:
    """Names of outcomes that metrics, denominators and covariates ask for."""
    named = [name for each in asked.metrics for name in (each.name, each.per) if name is not None]
    before = [each.removesuffix(_BEFORE) for each in asked.covariates if each.endswith(_BEFORE)]
    return list(dict.fromkeys((*named, *before)))


def _read_requests(session: "DuckDBPyConnection", log: PredictionLog, trial: Trial, asked: Question) -> list[str]:
    """Fill `requests`, one row each; returns the features and columns that are kept of them."""
    wanted = [each for each in (*asked.segments, *asked.covariates) if not each.endswith(_BEFORE)]
    columns = list(dict.fromkeys(wanted))
    forced = [each for each in FIXED["predictions"] if each == "forced"]
    made = any(each.name in _OF_GENERATED for each in asked.metrics)
    fixed = dict.fromkeys(
        (
            *_RECORDS,
            *forced,
            *(["generated"] if made else []),
            *(each for each in columns if each in FIXED["predictions"]),
        )
    )
    features = [each for each in columns if each not in fixed]
    labels = any(each.name in _LABELLED for each in asked.metrics)
    with log.batches(
        trial.deployment, start=trial.start, columns=list(fixed), features=features, labels=labels
    ) as records:
        for name in columns:
            if name not in records.schema.names:
                raise _no_column(name, records.schema.names)
        session.register("records", records)
        kept = "".join(f", any_value({quoted(each)}) AS kept{at}" for at, each in enumerate(columns))
        said = "".join(f", {how if made else 'NULL'} AS {name}" for name, how in GENERATED.items())
        label = "max(label)" if labels else "CAST(NULL AS VARCHAR)"
        unit = "any_value(entity)" if trial.sticky else "CAST(NULL AS VARCHAR)"
        spared = " AND NOT forced" if forced else ""
        session.execute(
            f"""CREATE TABLE requests AS
            SELECT prediction_id AS id, coalesce({unit}, prediction_id) AS unit, {unit} IS NOT NULL AS known,
                min(epoch_us(event_us)) AS instant,
                bool_or(arm = $arm) AS treated, bool_or(arm = $arm AND error IS NOT NULL OR NOT answered) AS failed,
                max(prediction) FILTER (answered) AS answer, any_value(scores[1]) FILTER (answered) AS score,
                sum(latency_us) / 1000.0 AS ms, {label} AS label{said}{kept}
            FROM records
            WHERE role <> 'shadow' AND generation >= $first AND generation <= coalesce($last, generation){spared}
            GROUP BY prediction_id HAVING bool_or(answered) OR bool_or(error <> 'input')""",
            {"arm": trial.arm, "first": trial.first, "last": trial.last},
        )
        session.unregister("records")
    return columns


def _no_column(name: str, known: Sequence[str]) -> InvalidInput:
    return InvalidInput(
        f"There is no feature or column {shown(name)} in the log.",
        code="BAD_COLUMN",
        remedy=did_you_mean(name, known),
    )


def _read_outcomes(session: "DuckDBPyConnection", log: PredictionLog, trial: Trial, names: Sequence[str]) -> None:
    session.execute("CREATE TABLE outcomes (unit VARCHAR, metric VARCHAR, value DOUBLE, instant BIGINT)")
    if not names:
        return
    chosen = ", ".join("'" + each.replace("'", "''") + "'" for each in names)
    query = f"SELECT entity, metric, value, epoch_us(event_us) FROM outcomes WHERE metric IN ({chosen})"
    with log.duckdb(trial.deployment) as opened:
        found = opened.sql(query)
        session.register("told", pa.RecordBatchReader.from_batches(found.schema, _renamed(found, trial)))
        session.execute("INSERT INTO outcomes SELECT * FROM told")
        session.unregister("told")


def _renamed(batches: pa.RecordBatchReader, trial: Trial) -> Iterator[pa.RecordBatch]:
    """Entities under the names that the log has for them."""
    for batch in batches:
        if trial.logged_as is None:
            yield batch
            continue
        coded = pc.dictionary_encode(batch.column(0))
        names = pa.array([trial.logged_as(each) for each in coded.dictionary.to_pylist()], pa.string())
        yield pa.RecordBatch.from_arrays([names.take(coded.indices), *batch.columns[1:]], schema=batch.schema)


def _refuse_unheard(session: "DuckDBPyConnection", log: PredictionLog, trial: Trial, names: Sequence[str]) -> None:
    """Metrics that nobody told of, and outcomes of requests that name no entity."""
    requests, known = session.sql("SELECT count(*), count(*) FILTER (known) FROM requests").fetchall()[0]
    if names and requests and not known:
        raise InvalidInput(
            f"The requests of '{trial.deployment}' name no entity, and an outcome such as {shown(names[0])} is one's.",
            code="NO_ENTITY",
            remedy="Declare the field that names it: deployments: NAME: assign_by: FIELD.",
        )
    heard = {metric for (metric,) in session.sql("SELECT DISTINCT metric FROM outcomes").fetchall()}
    if missing := [each for each in names if each not in heard]:
        with log.duckdb(trial.deployment) as opened:
            told = opened.sql("SELECT DISTINCT metric FROM outcomes LIMIT 100").read_all().column(0).to_pylist()
        raise InvalidInput(
            f"Nobody has told of an outcome {shown(missing[0])} yet.",
            code="BAD_METRIC",
            remedy=f"{did_you_mean(missing[0], [*told, *BUILT_IN])} Outcomes are told by POST /feedback "
            '{"entity", "metric", "value"}.',
        )


def _make_units(session: "DuckDBPyConnection", trial: Trial, columns: Sequence[str]) -> None:
    """Units with their first request; those that are too young for their outcomes are left out, everywhere."""
    kept = "".join(f", arg_min(kept{at}, instant) AS kept{at}" for at in range(len(columns)))
    session.execute(
        f"CREATE TABLE units AS SELECT unit, treated, min(instant) AS first{kept} FROM requests GROUP BY unit, treated"
    )
    if trial.within is not None:
        ripe = to_micros(trial.now) - trial.within // timedelta(microseconds=1)
        session.execute("DELETE FROM units WHERE first > ?", [ripe])
        session.execute(
            "DELETE FROM requests r WHERE NOT EXISTS "
            "(SELECT 1 FROM units u WHERE u.unit = r.unit AND u.treated = r.treated)"
        )


_ARM = f"CASE WHEN treated THEN '{TREATMENT}' ELSE '{CONTROL}' END AS {ARM}"


def _rows_of_units(session: "DuckDBPyConnection", trial: Trial, asked: Question, columns: Sequence[str]) -> str:
    """A row for each unit of an arm: its outcomes after its first request, and what was known before."""
    span = None if trial.within is None else trial.within // timedelta(microseconds=1)
    after = "o.instant >= first" + ("" if span is None else f" AND o.instant < first + {span}")
    before = "o.instant < first" + ("" if span is None else f" AND o.instant >= first - {span}")
    parts = [f"u.unit AS {UNIT}", _ARM, f"make_timestamp(first) AS {TIME}"]
    for each in asked.metrics:
        if each.name in BUILT_IN:
            parts.append(f"CAST(NULL AS DOUBLE) AS {quoted(each.name)}")
            continue
        total = "max" if each.kind == "binary" or (each.kind is None and _all_binary(session, each.name)) else "sum"
        parts.append(_total(total, each.name, after))
        if each.per is not None and each.per not in BUILT_IN:
            parts.append(_total("sum", each.per, after))
    earlier = [each for each in asked.covariates if each.endswith(_BEFORE)]
    parts += [_total("sum", name.removesuffix(_BEFORE), before, name) for name in earlier]
    parts += [f"any_value(kept{at}) AS {quoted(name)}" for at, name in enumerate(columns)]
    unique = ", ".join(dict.fromkeys(parts))
    return f"SELECT {unique} FROM units u LEFT JOIN outcomes o ON o.unit = u.unit GROUP BY u.unit, treated, first"


def _total(how: str, metric: str, when: str, called: str | None = None) -> str:
    literal = "'" + metric.replace("'", "''") + "'"
    found = f"{how}(o.value) FILTER (o.metric = {literal} AND {when})"
    return f"coalesce({found}, 0.0) AS {quoted(called or metric)}"


def _all_binary(session: "DuckDBPyConnection", metric: str) -> bool:
    """Whether an outcome is told of as 0 or 1 alone: happening twice is happening."""
    (odd,) = session.execute(
        "SELECT count(*) FROM outcomes WHERE metric = ? AND value <> 0 AND value <> 1", [metric]
    ).fetchall()[0]
    return not odd


def _rows_of_requests(built_in: Sequence[str]) -> str:
    """A row for each request, with what is built in."""
    values = ", ".join(f"{BUILT_IN[name]} AS {quoted(name)}" for name in built_in)
    return f"SELECT unit AS {UNIT}, {_ARM}, make_timestamp(instant) AS {TIME}, {values} FROM requests"
