"""Drift of what a language model is asked and answers: lengths, nearness of what was found, directions of questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.history import PredictionLog
from modelyard.inference import NumberProfile
from modelyard.journal import Generated
from modelyard.stats import count_between, quantile_edges
from modelyard.storage import RecordStore

from .counts import ColumnCounter, ColumnCounts, counts_of
from .settings import First, MonitorSettings, Period

KIND = "chat-reference"
BINS = 20
"""Quantile bins of a column, as those of a bundle's profile."""

_COLUMNS = ("prediction_id", "event_us", "role", "error", "generated")
_decode = msgspec.json.Decoder(Generated).decode
Values = Mapping[str, NDArray[np.float64]]
"""Columns by name (n,), NaN where an answer has no such value."""


class Topics(msgspec.Struct, frozen=True):
    """What is remembered of a reference: its columns as profiles, and up to when its answers came."""

    name: str
    columns: tuple[NumberProfile, ...]
    until: str


@dataclass(frozen=True)
class Compared:
    """Counts of now and of the reference, over the same bins; `unknown` says why there are none."""

    reference: str = ""
    now: tuple[ColumnCounts, ...] = ()
    before: Mapping[str, ColumnCounts] = field(default_factory=dict)
    unknown: str = ""


class TopicReferences:
    """Finds the reference of a language model's window. The log is read once for it; what was found is remembered."""

    def __init__(self, records: RecordStore, log: PredictionLog) -> None:
        self._records = records
        self._log = log

    def compare(
        self, deployment: str, version: str, start: datetime, end: datetime, settings: MonitorSettings
    ) -> Compared:
        """The answers of a version in [start, end) beside the declared reference."""
        declared = settings.reference
        if not isinstance(declared, First | Period):
            return Compared(unknown="no reference for drift is declared: a period, or the first answers of a version")
        if isinstance(declared, Period):
            found = self._period(deployment, declared)
        else:
            found = self._first(deployment, version, declared, start)
        if found is None or not found.columns:
            return Compared(unknown=f"the reference ({name_of(declared)}) has not its answers yet")
        if datetime.fromisoformat(found.until) >= start and isinstance(declared, First):
            return Compared(found.name, unknown=f"the reference ({found.name}) reaches into this window")
        values = values_of(self._log, deployment, start, end, version)
        now = tuple(_counted(each, values.get(each.name, np.empty(0))) for each in found.columns)
        return Compared(found.name, now, {each.name: counts_of(each) for each in found.columns})

    def _period(self, deployment: str, period: Period) -> Topics | None:
        key = f"{deployment}/{name_of(period)}"
        if (known := self._known(key)) is not None:
            return known
        values = values_of(self._log, deployment, period.start, period.end)
        return self._kept(key, Topics(name_of(period), _profiles(values), period.end.isoformat()))

    def _first(self, deployment: str, version: str, first: First, before: datetime) -> Topics | None:
        """The first answers of a version; None while there are fewer before an instant."""
        key = f"{deployment}/{version}/{name_of(first)}"
        if (known := self._known(key)) is not None:
            return known
        ends = first_instants(self._log, deployment, version, before)
        if len(ends) < first.answers:
            return None
        until = ends[first.answers - 1]
        values = values_of(self._log, deployment, None, before, version, most_us=until)
        told = datetime.fromtimestamp(until / 1e6, before.tzinfo).isoformat()
        return self._kept(key, Topics(name_of(first), _profiles(values), told))

    def _known(self, key: str) -> Topics | None:
        with self._records.snapshot() as view:
            document = view.get(KIND, key)
        return None if document is None else msgspec.convert(document.body, Topics)

    def _kept(self, key: str, found: Topics) -> Topics:
        with self._records.transaction() as tx:
            tx.put(KIND, key, msgspec.to_builtins(found))
        return found


def name_of(declared: First | Period) -> str:
    """What a reference is called."""
    if isinstance(declared, Period):
        return f"{declared.start.isoformat()} to {declared.end.isoformat()}"
    return f"first {declared.answers} answers"


def first_instants(log: PredictionLog, deployment: str, version: str, before: datetime) -> list[int]:
    """When a version's answers before an instant were asked for, in order, in microseconds."""
    tables = log.by_place(deployment, end=before, answered=True, columns=("event_us",), features=False)
    found = (table.column("event_us").cast(pa.int64()).to_pylist() for name, table in tables if name == version)
    return sorted(chain.from_iterable(found))


def values_of(
    log: PredictionLog,
    deployment: str,
    start: datetime | None,
    end: datetime,
    version: str | None = None,
    *,
    most_us: int | None = None,
) -> Values:
    """What drift is judged by, of the answers of a version (None: of any) up to an instant: `asked_characters`,
    `output_tokens`, `nearest`, `question_1` and so on. Kept answers have no tokens, those that retrieve nothing have
    only tokens. Shadows are left out.
    """
    rows: list[dict[str, float]] = []
    for name, table in log.by_place(deployment, start=start, end=end, answered=None, columns=_COLUMNS, features=False):
        if version not in (None, name):
            continue
        asked = zip(*(table.column(each).to_pylist() for each in ("role", "error", "generated")), strict=True)
        times = table.column("event_us").cast(pa.int64()).to_pylist()
        rows += [
            _row(_decode(written))
            for at, (role, error, written) in zip(times, asked, strict=True)
            if role != "shadow" and error is None and written and (most_us is None or at <= most_us)
        ]
    names = dict.fromkeys(chain.from_iterable(rows))
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def _row(made: Generated) -> dict[str, float]:
    found: dict[str, float] = {}
    if made.cache != "hit":
        found["output_tokens"] = float(made.output_tokens)
    if made.index:
        found["asked_characters"] = float(made.asked_characters)
        found |= {f"question_{place}": each for place, each in enumerate(made.question, 1)}
    if made.nearest is not None:
        found["nearest"] = made.nearest
    return found


def _profiles(values: Values) -> tuple[NumberProfile, ...]:
    """Quantile bins of each column that has values."""
    return tuple(_profile(name, each) for name, each in sorted(values.items()) if np.isfinite(each).any())


def _profile(name: str, values: NDArray[np.float64]) -> NumberProfile:
    present = np.sort(values[np.isfinite(values)])
    edges = quantile_edges(present, BINS)
    counts = count_between(present, edges)
    return NumberProfile(
        name,
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        len(values) - len(present),
        float(present.mean()),
        float(present.std()),
    )


def _counted(profile: NumberProfile, values: NDArray[np.float64]) -> ColumnCounts:
    counter = ColumnCounter(profile, None)
    counter.add(pa.array(values, pa.float64(), from_pandas=True))
    return counter.whole()


def weights(columns: Sequence[ColumnCounts]) -> dict[str, float]:
    """What columns weigh in the drift score: the directions of questions together as much as one other column."""
    turned = [each.name for each in columns if each.name.startswith("question_")]
    return {each.name: 1 / len(turned) if each.name in turned else 1.0 for each in columns}
