"""From prediction records to pairs: what was answered, and what the shadow would have, under one prediction id."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelyard.core import InvalidInput, did_you_mean, shown
from modelyard.journal import EMBEDDED
from modelyard.rollout.scratch import quoted, scratch_database

from .records import Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = (
    "prediction_id",
    "event_us",
    "model_version",
    "arm",
    "role",
    "answered",
    "entity",
    "prediction",
    "scores",
    "latency_us",
    "error",
    "logged_us",
    "generated",
)
"""What is looked at of prediction records; the segments' columns beside."""

FAR = 0.01
"""Values further apart, relative to the live one, are another answer when nothing else is declared; so are vectors
whose cosine is further from 1."""

ABSTAINED = "abstained"
"""The answer of a language model that says there is none; of its others why they ended, whatever they say."""

MOST_LEVELS, _CUT = 20, 20


@dataclass(frozen=True)
class Pairs:
    """Pairs of one live and one shadow version in a table of DuckDB's, `pairs`.

    Columns: `id`, `instant` (microseconds since the epoch), `entity`, answers `live` and `shadow`, scores `live_score`,
    `shadow_score`, `delta`, latencies in milliseconds `live_ms` and `shadow_ms`, `error`, `far` (they disagree; null
    where the shadow failed), and by place `segment{i}`.
    """

    session: "DuckDBPyConnection"
    segments: tuple[str, ...]
    live_version: str | None
    shadow_version: str | None
    kind: Kind
    unpaired_live: int
    unpaired_shadow: int
    left_out: int

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query of few."""
        found: list[tuple[Any, ...]] = self.session.sql(query).fetchall()
        return found

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query of many."""
        yield from self.session.sql(query).to_arrow_reader(65_536)


@contextmanager
def paired(
    records: pa.RecordBatchReader, arm: str, segments: Sequence[str], score_delta: float | None
) -> Iterator[Pairs]:
    """The pairs while the block runs, in bounded memory. InvalidInput when a segment is no column."""
    _refuse_unknown(records.schema, segments)
    with scratch_database("diff") as session:
        session.register("records", records)
        session.execute(f"CREATE TABLE kept AS SELECT {_kept(segments)} FROM records")
        session.unregister("records")
        session.execute(_joined(segments), [arm])
        shadow, live = _newest(session)
        kind = _kind(session, live, shadow)
        session.execute(_pairs(segments, score_delta, kind), [live, shadow])
        for at, name in enumerate(segments):
            _cut(session, at, records.schema.field(name).type)
        (whole,) = session.sql("SELECT count(*) FROM joined").fetchall()[0]
        (chosen,) = session.sql("SELECT count(*) FROM pairs").fetchall()[0]
        alone_live, alone_shadow = _alone(session, arm)
        yield Pairs(session, tuple(segments), live, shadow, kind, alone_live, alone_shadow, whole - chosen)


def _refuse_unknown(schema: pa.Schema, segments: Sequence[str]) -> None:
    for name in segments:
        if name not in schema.names:
            raise InvalidInput(
                f"There is no feature or column {shown(name)} to show by its levels.",
                code="BAD_COLUMN",
                remedy=did_you_mean(name, schema.names),
            )


_ANSWER = f"""CASE WHEN contains(generated, '"abstained":true') THEN '{ABSTAINED}' ELSE prediction END"""
"""Within a text that JSON has for its value a quote stands behind a backslash."""


def _kept(segments: Sequence[str]) -> str:
    of_segments = [f"{quoted(name)} AS segment{at}" for at, name in enumerate(segments)]
    return ", ".join(
        [
            "prediction_id AS id", "epoch_us(event_us) AS instant", "model_version AS version", "arm", "role",
            "answered", "entity", f"{_ANSWER} AS answer", "scores", "latency_us / 1000.0 AS ms", "error", "logged_us",
            "generated <> '' AS made", *of_segments,
        ]
    )  # fmt: skip


def _joined(segments: Sequence[str]) -> str:
    of_segments = "".join(f", coalesce(l.segment{at}, s.segment{at}) AS segment{at}" for at in range(len(segments)))
    return f"""
        CREATE TABLE joined AS
        SELECT l.id, l.instant, l.entity, l.version AS live_version, s.version AS shadow_version, s.logged_us,
            l.answer AS live, s.answer AS shadow, s.scores AS shadow_scores,
            l.answer = '{EMBEDDED}' AND len(l.scores) = 0 AS embedded, l.made AND NOT embedded AS text,
            CASE WHEN embedded THEN [1.0] ELSE l.scores END AS live_scores,
            l.ms AS live_ms, s.ms AS shadow_ms, s.error{of_segments}
        FROM kept l JOIN kept s ON l.id = s.id WHERE l.answered AND s.role = 'shadow' AND s.arm = ?"""


def _newest(session: "DuckDBPyConnection") -> tuple[str | None, str | None]:
    """The shadow's and the live version of the last pair: other versions are another question."""
    found = session.sql(
        "SELECT shadow_version, live_version FROM joined ORDER BY logged_us DESC, id DESC LIMIT 1"
    ).fetchall()
    return found[0] if found else (None, None)


def _kind(session: "DuckDBPyConnection", live: str | None, shadow: str | None) -> Kind:
    """What the model answers. Values: each answer is the number that its one score is. Vectors and texts say so."""
    (odd, embedded, texts, known) = session.execute(
        """SELECT count(*) FILTER (
                len(live_scores) <> 1 OR TRY_CAST(live AS DOUBLE) IS NULL
                OR abs(TRY_CAST(live AS DOUBLE) - live_scores[1]) > 1e-9 * greatest(1, abs(live_scores[1]))
            ), count(*) FILTER (embedded), count(*) FILTER (text), count(*)
            FROM joined WHERE live_version = ? AND shadow_version = ?""",
        [live, shadow],
    ).fetchall()[0]
    if not known:
        return "classes"
    if embedded == known:
        return "vectors"
    if texts == known:
        return "texts"
    return "classes" if odd else "values"


def _pairs(segments: Sequence[str], score_delta: float | None, kind: Kind) -> str:
    """Of several scores that of the live answer's class is compared; what has none is its answer alone."""
    bound = str(float(score_delta)) if score_delta is not None else (
        f"{FAR} * greatest(abs(live_score), 1e-12)" if kind != "classes" else None
    )  # fmt: skip
    further = f" OR abs(delta) > {bound}" if bound is not None else ""
    scores = f"live_score IS NOT NULL AND (NOT coalesce(isfinite(delta), false){further})"
    answers = "false" if kind == "values" else "live IS DISTINCT FROM shadow"
    of_segments = "".join(f", segment{at}" for at in range(len(segments)))
    return f"""
        CREATE TABLE pairs AS
        SELECT id, instant, entity, live, shadow, live_score, shadow_score, live_ms, shadow_ms, error{of_segments},
            CASE WHEN isfinite(delta) THEN delta END AS delta,
            CASE WHEN error IS NULL THEN ({answers}) OR {scores} END AS far
        FROM (
            SELECT *, shadow_score - live_score AS delta FROM (
                SELECT *, live_scores[place] AS live_score,
                    CASE WHEN len(shadow_scores) = len(live_scores) THEN shadow_scores[place] END AS shadow_score
                FROM (SELECT *, list_position(live_scores, list_max(live_scores)) AS place FROM joined
                      WHERE live_version = ? AND shadow_version = ?)))"""


def _cut(session: "DuckDBPyConnection", at: int, kind: pa.DataType) -> None:
    """Make a segment's levels text: numbers of many values become quarters, rare levels one."""
    column = f"segment{at}"
    (levels,) = session.sql(f"SELECT approx_count_distinct({column}) FROM pairs").fetchall()[0]
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and levels > _CUT:
        quarters = session.sql(f"SELECT approx_quantile({column}, [.25, .5, .75]) FROM pairs").fetchall()[0][0]
        level = _quarter(column, sorted({float(each) for each in quarters}))
    else:
        level = f"CAST({column} AS VARCHAR)"
    session.execute(f"ALTER TABLE pairs ALTER {column} TYPE VARCHAR USING {level}")
    kept = session.sql(
        f"SELECT {column} FROM pairs WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 "
        f"LIMIT {MOST_LEVELS + 1}"
    ).fetchall()
    if len(kept) > MOST_LEVELS:
        names = [name for (name,) in kept[: MOST_LEVELS - 1]]
        session.execute(
            f"UPDATE pairs SET {column} = '(others)' WHERE {column} IS NOT NULL AND {column} NOT IN "
            f"(SELECT unnest(?::VARCHAR[]))",
            [names],
        )


def _quarter(column: str, edges: Sequence[float]) -> str:
    names = [f"up to {edges[0]:.4g}"]
    names += [f"over {low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    cases = " ".join(f"WHEN {column} <= {edge!r} THEN '{name}'" for edge, name in zip(edges, names, strict=True))
    return f"CASE WHEN {column} IS NULL THEN NULL {cases} ELSE 'over {edges[-1]:.4g}' END"


def _alone(session: "DuckDBPyConnection", arm: str) -> tuple[int, int]:
    """Answers without a copy since the shadow's first, and copies whose answer is not there."""
    return session.execute(
        """WITH first AS (SELECT min(instant) AS instant FROM kept WHERE arm = $1 AND role = 'shadow')
            SELECT
                (SELECT count(*) FROM kept l, first WHERE l.answered AND l.instant >= first.instant
                    AND NOT EXISTS (SELECT 1 FROM joined j WHERE j.id = l.id)),
                (SELECT count(*) FROM kept s WHERE s.arm = $1 AND s.role = 'shadow'
                    AND NOT EXISTS (SELECT 1 FROM joined j WHERE j.id = s.id))""",
        [arm],
    ).fetchall()[0]
