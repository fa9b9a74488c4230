"""The check for training-serving skew: what was served, against what training would see."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from modelyard.core import NotFound, from_micros
from modelyard.features.definitions import Definitions
from modelyard.storage import RecordStore

from .judging import Compared, Difference, Pasts, VersionJudge
from .past import PastRow
from .recomputed import references_of
from .records import CAUSES, SkewColumn, SkewExample, SkewReport
from .served import Answers, ServedDeployments, ServedRows, served_rows
from .values import distance

_ALIKE = 3
"""So many examples are kept of one feature and cause."""


@dataclass(frozen=True)
class SkewQuestion:
    """Whose answers, of which time, how many of them, and what counts as a difference. See `FeatureStore.skew`."""

    deployment: str
    start: datetime
    end: datetime
    sample: int | None = None
    tolerance: float = 0.0
    max_rate: float = 0.0
    examples: int = 10


def check_skew(
    question: SkewQuestion, served: ServedDeployments, definitions: Definitions, records: RecordStore
) -> SkewReport:
    """Compare. Memory holds a table of answers, and of each view what a join holds of it."""
    pasts = Pasts(definitions, records)
    tally = _Tally(question.examples)
    judges: dict[str, VersionJudge | None] = {}
    answers = Answers(served.log, question.deployment, question.start, question.end, question.sample)
    for version, table in answers.tables():
        if version not in judges:
            judges[version] = _judge(version, question, served, pasts, tally)
        judge = judges[version]
        if judge is not None:
            plan = served.plan(question.deployment, version)
            rows = served_rows(table, plan)
            tally.unlogged += len(table) - len(rows)
            if len(rows):
                tally.add(version, rows, judge.compare(rows))
    return _report(question, answers.seen, tuple(sorted(judges)), tally)


def _judge(
    version: str, question: SkewQuestion, served: ServedDeployments, pasts: Pasts, tally: "_Tally"
) -> VersionJudge | None:
    """Who compares the answers of a version; None, with a word about it, when nothing is known of what it reads."""
    try:
        plan = served.plan(question.deployment, version)
    except NotFound as error:
        tally.obstacles[f"Version {version}: {error.message}"] += 1
        return None
    judge = VersionJudge(plan, pasts, question.tolerance)
    for reference in references_of(plan):
        tally.column(reference)
    for reference, why in judge.how.lacking.items():
        tally.column(reference).lacking = why
    return judge


@dataclass
class _Column:
    """What was found of one feature so far."""

    compared: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    largest: float | None = None
    change: str = ""
    lacking: str = ""


class _Tally:
    """What was found so far."""

    def __init__(self, examples: int) -> None:
        self.columns: dict[str, _Column] = {}
        self.obstacles: Counter[str] = Counter()
        self.compared = self.differing = self.unlogged = 0
        self._most = examples
        self._examples: dict[tuple[str, str], list[SkewExample]] = {}

    def column(self, reference: str) -> _Column:
        """The column of a feature."""
        return self.columns.setdefault(reference, _Column())

    def add(self, version: str, rows: ServedRows, found: Sequence[Compared]) -> None:
        """Count what was compared in some answers."""
        compared, differing = set[int](), set[int]()
        for each in found:
            column = self.column(each.feature.reference)
            column.compared += len(each.rows)
            compared.update(each.rows)
            for difference in each.differences:
                differing.add(difference.row)
                _count(column, difference)
                self._keep(version, rows, each, difference)
        self.compared += len(compared)
        self.differing += len(differing)

    def examples(self) -> tuple[SkewExample, ...]:
        """Some, of as many features and causes as there are."""
        rounds = (each[at] for at in range(_ALIKE) for each in self._examples.values() if at < len(each))
        return tuple(example for _, example in zip(range(self._most), rounds, strict=False))

    def _keep(self, version: str, rows: ServedRows, of: Compared, difference: Difference) -> None:
        kept = self._examples.setdefault((of.feature.reference, difference.told.cause), [])
        if len(kept) < _ALIKE:
            kept.append(_example(version, rows, of, difference))


def _count(column: _Column, difference: Difference) -> None:
    column.causes[difference.told.cause] += 1
    column.change = column.change or difference.change
    apart = distance(difference.served, difference.recomputed)
    if apart is not None:
        column.largest = max(apart, column.largest or 0.0)


def _example(version: str, rows: ServedRows, of: Compared, difference: Difference) -> SkewExample:
    at = rows.times[difference.row].as_py()
    return SkewExample(
        prediction_id=rows.ids[difference.row],
        at=at.isoformat(),
        version=version,
        feature=of.feature.reference,
        key={name: rows.values[name][difference.row] for name in of.feature.fields},
        served=difference.served,
        recomputed=difference.recomputed,
        cause=difference.told.cause,
        served_from=_since(difference.told.served),
        recomputed_from=_since(difference.told.recomputed),
    )


def _since(row: PastRow | None) -> str | None:
    return None if row is None else from_micros(row.event).isoformat()


def _report(question: SkewQuestion, seen: int, versions: tuple[str, ...], tally: _Tally) -> SkewReport:
    columns = tuple(_as_column(name, each, question.max_rate) for name, each in tally.columns.items())
    rate = tally.differing / tally.compared if tally.compared else 0.0
    verdict, reasons = _verdict(question, seen, rate, tally)
    causes = Counter[str]()
    for each in tally.columns.values():
        causes.update(each.causes)
    return SkewReport(
        deployment=question.deployment,
        start=question.start.isoformat(),
        end=question.end.isoformat(),
        sample=question.sample,
        tolerance=question.tolerance,
        max_rate=question.max_rate,
        versions=versions,
        predictions=seen,
        compared=tally.compared,
        differing=tally.differing,
        rate=rate,
        causes={cause: causes[cause] for cause in CAUSES if causes[cause]},
        columns=columns,
        examples=tally.examples(),
        verdict=verdict,
        reasons=reasons,
    )


def _as_column(name: str, found: _Column, max_rate: float) -> SkewColumn:
    differing = found.causes.total()
    rate = differing / found.compared if found.compared else 0.0
    verdict: Literal["pass", "fail", "inconclusive"] = "pass" if rate <= max_rate else "fail"
    reason = f"its definition changed: {found.change}" if found.change else ""
    if not found.compared:
        verdict, reason = "inconclusive", found.lacking or "its values were not logged: redacted, or none were"
    return SkewColumn(
        feature=name,
        compared=found.compared,
        differing=differing,
        rate=rate,
        causes={cause: found.causes[cause] for cause in CAUSES if found.causes[cause]},
        largest=found.largest,
        verdict=verdict,
        reason=reason,
    )


def _verdict(
    question: SkewQuestion, seen: int, rate: float, tally: _Tally
) -> tuple[Literal["pass", "fail", "inconclusive"], tuple[str, ...]]:
    """What it comes to. Columns that are withheld on purpose take nothing from it; those that cannot be told do."""
    reasons = list(_obstacles(seen, tally))
    if rate > question.max_rate:
        told = (
            f"{tally.differing:,} of {tally.compared:,} predictions were served other features than training would see"
        )
        return "fail", (f"{told} ({rate:.2%}).", *reasons)
    doubts = tally.obstacles or any(each.lacking for each in tally.columns.values())
    return ("inconclusive" if doubts or not tally.compared else "pass"), tuple(reasons)


def _obstacles(seen: int, tally: _Tally) -> Iterator[str]:
    if not seen:
        yield "There are no answers in this time."
    elif not tally.columns and not tally.obstacles:
        yield "The model reads no features of views."
    if tally.unlogged:
        yield f"Of {tally.unlogged:,} predictions the features were not logged."
    yield from tally.obstacles
    for name, each in tally.columns.items():
        if each.lacking:
            yield f"'{name}' cannot be recomputed: {each.lacking}."
