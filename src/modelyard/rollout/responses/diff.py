"""Prediction records with a shadow's among them: how the shadow's answers differ from those that were given."""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import from_micros
from modelyard.stats import rows_to, share_sequence

from .judging import judged, no_pairs, verdict_of
from .pairing import COLUMNS, Pairs, paired
from .records import Decile, Example, Level, Look, Measured, PairCounts, ResponseDiff, Spread
from .settings import ResponseBounds

__all__ = ["COLUMNS", "count_pairs", "diff_responses", "measure"]

LOOKS, EXAMPLES, BINS = 50, 10, 40
_QUANTILES = {"min": 0.0, "p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99,
              "max": 1.0}  # fmt: skip


def diff_responses(
    records: pa.RecordBatchReader,
    bounds: ResponseBounds,
    *,
    deployment: str,
    arm: str = "shadow",
    objective_ms: float = 200.0,
    since: str | None = None,
) -> ResponseDiff:
    """Compare the copies that `arm` answered with the answers that left, pair by pair.

    `records`: all arms' prediction records with `COLUMNS` and the columns of `bounds.segments`, in any order; read
    once. Memory is bounded however many there are: pairs wait in a file in the temporary folder. Each bound has its
    part of `bounds.alpha`. Pairs count as independent: of few entities that ask often the intervals are too narrow.
    """
    with paired(records, arm, bounds.segments, bounds.score_delta) as pairs:
        return _diff(pairs, bounds, deployment, arm, objective_ms, since)


def count_pairs(
    records: pa.RecordBatchReader, bounds: ResponseBounds, *, arm: str = "shadow", objective_ms: float | None = 200.0
) -> PairCounts:
    """The same records' pairs, counted and no more: what goes from look to look. Without an objective none is slow."""
    with paired(records, arm, (), bounds.score_delta) as pairs:
        return _counts(pairs, objective_ms)


def measure(counts: PairCounts, bounds: ResponseBounds) -> list[Measured]:
    """What is counted against its bounds; each has its part of `bounds.alpha`."""
    alpha = _alpha(bounds)
    return [
        _measured("disagreement", counts.far, counts.compared, bounds.disagreement, alpha),
        _measured("errors", counts.failed, counts.pairs, bounds.errors, alpha),
        _measured("slow", counts.slow, counts.pairs, bounds.slow, alpha),
    ]


def _alpha(bounds: ResponseBounds) -> float:
    asked = [bounds.disagreement, bounds.errors, bounds.slow]
    return bounds.alpha / sum(each is not None for each in asked)


def _counts(pairs: Pairs, objective_ms: float | None) -> PairCounts:
    late = "false"
    if objective_ms is not None:
        late = f"shadow_ms > {float(objective_ms)} AND live_ms <= {float(objective_ms)}"
    (row,) = pairs.rows(
        f"""SELECT count(*), count(far), count(*) FILTER (far), count(error), count(*) FILTER ({late}) FROM pairs"""
    )
    return PairCounts(*row)


def _diff(
    pairs: Pairs, bounds: ResponseBounds, deployment: str, arm: str, objective_ms: float, since: str | None
) -> ResponseDiff:
    counts = _counts(pairs, objective_ms)
    measured = measure(counts, bounds)
    whole, live_failed = _live_errors(pairs)
    verdict, reasons = judged(measured) if counts.pairs else ("inconclusive", (no_pairs(pairs, arm),))
    deltas = _spread(pairs, "delta")
    return ResponseDiff(
        deployment=deployment,
        arm=arm,
        since=since,
        live_version=pairs.live_version,
        shadow_version=pairs.shadow_version,
        kind=pairs.kind,
        pairs=counts.pairs,
        unpaired_live=pairs.unpaired_live,
        unpaired_shadow=pairs.unpaired_shadow,
        left_out=pairs.left_out,
        alpha=bounds.alpha,
        measured=tuple(measured),
        deltas=deltas,
        sizes=_spread(pairs, "abs(delta)"),
        deciles=tuple(_deciles(pairs)),
        histogram=_histogram(pairs, deltas),
        latency_ms={"live": _spread(pairs, "live_ms"), "shadow": _spread(pairs, "shadow_ms")},
        errors=dict(pairs.rows("SELECT error, count(*) FROM pairs WHERE error IS NOT NULL GROUP BY 1 ORDER BY 2 DESC")),
        live_errors=live_failed,
        live_requests=whole,
        levels=tuple(_levels(pairs, bounds)),
        examples=tuple(_examples(pairs)),
        path=tuple(_path(pairs, counts.compared, _alpha(bounds))),
        verdict=verdict,
        reasons=reasons,
    )


def _measured(name: str, count: int, pairs: int, bound: float | None, alpha: float) -> Measured:
    low, high = share_sequence(count, pairs, alpha=alpha)
    needed = rows_to(count, pairs, bound, alpha=alpha) if bound is not None else None
    state = "open" if bound is None else verdict_of(low, high, bound)
    return Measured(name, count, pairs, count / pairs if pairs else None, low, high, bound, state, needed)


def _live_errors(pairs: Pairs) -> tuple[int, dict[str, int]]:
    """Requests that the live arm was asked, and its failures by class; no copy is made of those."""
    found = pairs.rows("SELECT error, count(*) FROM kept WHERE role = 'live' GROUP BY 1 ORDER BY 2 DESC")
    return sum(number for _, number in found), {error: number for error, number in found if error is not None}


def _spread(pairs: Pairs, expression: str) -> Spread:
    """Exact quantiles by sorting on disk."""
    where = f"FROM pairs WHERE {expression} IS NOT NULL"
    count, mean = pairs.rows(f"SELECT count(*), avg({expression}) {where}")[0]
    places = {name: max(0, math.ceil(share * count) - 1) for name, share in _QUANTILES.items()}
    if not count:
        return Spread(0, None)
    found = _at(pairs, f"SELECT {expression} AS value {where} ORDER BY 1", sorted(set(places.values())))
    return Spread(count, mean, {name: found[place] for name, place in places.items()})


def _at(pairs: Pairs, query: str, places: list[int]) -> dict[int, float]:
    """The values at places of a sorted column."""
    found: dict[int, float] = {}
    seen = 0
    for batch in pairs.batches(query):
        for place in places:
            if seen <= place < seen + len(batch):
                found[place] = float(batch.column(0)[place - seen].as_py())
        seen += len(batch)
    return found


def _deciles(pairs: Pairs) -> Iterator[Decile]:
    (count,) = pairs.rows("SELECT count(live_score) FROM pairs")[0]
    places = sorted({max(0, math.ceil(count * tenth / 10) - 1) for tenth in range(1, 10)}) if count >= 10 else []
    query = "SELECT live_score FROM pairs WHERE live_score IS NOT NULL ORDER BY 1"
    edges = sorted(set(_at(pairs, query, places).values()))
    bucket = " + ".join(f"CAST(live_score > {edge!r} AS INTEGER)" for edge in edges) or "0"
    found = pairs.rows(
        f"SELECT {bucket} AS bucket, count(*), count(*) FILTER (far), avg(delta) FROM pairs "
        "WHERE live_score IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    for place, number, far, mean in found:
        yield Decile(edges[place] if place < len(edges) else None, number, far, mean)


def _histogram(pairs: Pairs, deltas: Spread) -> tuple[tuple[float, ...], tuple[int, ...]] | None:
    """Between the first and the last hundredth; what is beyond is in the outer columns."""
    if not deltas.count:
        return None
    low, high = deltas.quantiles["p1"], deltas.quantiles["p99"]
    if not low < high:
        low, high = low - max(abs(low), 1e-6), high + max(abs(high), 1e-6)
    width = (high - low) / BINS
    found = pairs.rows(
        f"SELECT CAST(greatest(0, least({BINS - 1}, floor((delta - {low!r}) / {width!r}))) AS INTEGER), count(*) "
        "FROM pairs WHERE delta IS NOT NULL GROUP BY 1"
    )
    counts = dict(found)
    return tuple(low + width * at for at in range(BINS + 1)), tuple(counts.get(at, 0) for at in range(BINS))


def _levels(pairs: Pairs, bounds: ResponseBounds) -> Iterator[Level]:
    for at, column in enumerate(pairs.segments):
        found = pairs.rows(
            f"""SELECT coalesce(segment{at}, '(none)'), count(*), count(far), count(*) FILTER (far), count(error),
                avg(delta) FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1"""
        )
        for level, count, compared, far, failed, mean in found:
            low, high = share_sequence(far, compared, alpha=bounds.alpha / len(found))
            state = verdict_of(low, high, bounds.disagreement)
            share = far / compared if compared else None
            yield Level(column, level, count, far, failed, share, low, high, mean, state)


def _examples(pairs: Pairs) -> list[Example]:
    """Pairs that disagree, those furthest apart first, then the first failures."""
    segments = "".join(f", segment{at}" for at in range(len(pairs.segments)))
    columns = f"id, instant, entity, live, shadow, live_score, shadow_score, delta, error{segments}"
    query = f"SELECT {columns} FROM pairs WHERE"
    far = pairs.rows(f"{query} far ORDER BY abs(delta) DESC NULLS FIRST, id LIMIT {EXAMPLES}")
    failed = pairs.rows(f"{query} error IS NOT NULL ORDER BY instant, id LIMIT {EXAMPLES // 2}")
    return [_example(row, pairs.segments) for row in (*far, *failed)]


def _example(row: tuple[object, ...], segments: tuple[str, ...]) -> Example:
    identity, at, entity, live, shadow, live_score, shadow_score, delta, error, *levels = row
    return Example(
        str(identity), _when(at), _text(entity), _text(live), _text(shadow), _finite(live_score), _finite(shadow_score),
        _finite(delta), _text(error), {name: _text(each) for name, each in zip(segments, levels, strict=True)},
    )  # fmt: skip


def _when(micros: object) -> str:
    return from_micros(int(str(micros))).isoformat()


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:200]


def _finite(value: object) -> float | None:
    return value if isinstance(value, float) and math.isfinite(value) else None


def _path(pairs: Pairs, compared: int, alpha: float) -> Iterator[Look]:
    """The disagreement after every fiftieth of the pairs, as it was known then."""
    ends = sorted({math.ceil(compared * each / LOOKS) for each in range(1, LOOKS + 1)}) if compared else []
    seen = far = 0
    for batch in pairs.batches("SELECT far, instant FROM pairs WHERE far IS NOT NULL ORDER BY instant, id"):
        flags: NDArray[np.bool_] = batch.column("far").to_numpy(zero_copy_only=False).astype(bool)
        due = [end - seen for end in ends if seen < end <= seen + len(batch)]
        for first, last in pairwise([0, *due]):
            far += int(flags[first:last].sum())
            low, high = share_sequence(far, seen + last, alpha=alpha)
            yield Look(seen + last, _when(batch.column("instant")[last - 1].as_py()), far / (seen + last), low, high)
        far += int(flags[due[-1] if due else 0 :].sum())
        seen += len(batch)
