"""One pass over the log of a window: everything that judging it needs, and nothing that grows with features."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.history import PredictionLog
from modelyard.inference import Bundle

from .counts import MOST_LEVELS, Codes, ColumnCounter, ColumnCounts, texts
from .outliers import OutlierCounter, Tally
from .sample import Sampler, WindowSample, told_losses

_COLUMNS = ("prediction_id", "event_us", "role", "answered", "scores", "latency_us", "error")

MISSING = "(missing)"
"""What the level of a row is called that has none."""

_MANY = 20_000
"""So many rows are worth a second thread."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """The answers of a window, a row each: `scores` (n, k), `labels` (n,) and `delays` (n,) NaN where not known.

    Labels are codes of the model's classes, or numbers for regression. `delays`: seconds until the label was known.
    `times`: when each was asked (n,), in microseconds.
    """

    scores: Floats
    labels: Floats
    delays: Floats
    latencies: NDArray[np.int64]
    times: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.latencies)


@dataclass(frozen=True)
class Levels:
    """The levels of one column and the code (n,) of each answer; the codes of those that are judged."""

    column: str
    names: Sequence[str]
    codes: Codes
    judged: Sequence[int]


@dataclass(frozen=True)
class Seen:
    """What one pass found. `columns`: of the logged features; `by_level`: the same, by grouped column and level.

    `sample`: some of the answers row by row, with their losses.
    """

    answers: Answers
    errors: dict[str, int]
    foreign: int
    columns: tuple[ColumnCounts, ...] = ()
    predictions: ColumnCounts | None = None
    levels: tuple[Levels, ...] = ()
    by_level: dict[str, dict[str, tuple[ColumnCounts, ...]]] = field(default_factory=dict)
    sample: WindowSample | None = None
    outliers: Mapping[str, Tally] = field(default_factory=dict)


def live_version(log: PredictionLog, deployment: str, start: datetime, end: datetime) -> str | None:
    """The version that was live at the end of a window, as far as the log tells; None when nothing was asked."""
    best: tuple[bool, int] | None = None
    found = None
    for version, table in log.by_place(
        deployment, start=start, end=end, answered=None, columns=("event_us", "role"), features=False
    ):
        for live in (True, False):
            mask = pc.equal(table.column("role"), "live") if live else pc.not_equal(table.column("role"), "shadow")
            times = table.column("event_us").filter(mask).cast(pa.int64())
            if len(times) and (best is None or (live, pc.max(times).as_py()) >= best):
                best, found = (live, pc.max(times).as_py()), version
    return found


class Gatherer:
    """Takes records in, a table at a time, and has what was seen in the end."""

    def __init__(self, bundle: Bundle, grouped: Sequence[str], *, most: int) -> None:
        """`grouped`: features whose levels are told apart, of which the `most` common are kept."""
        self._bundle = bundle
        self._most = most
        profile, fields = bundle.profile, {each.name: each for each in bundle.info.signature.fields}
        self._grouped = [each for each in grouped if each in fields]
        count = len(self._grouped)
        self._counters = {each.name: ColumnCounter(each, fields.get(each.name), count) for each in profile.columns}
        self._score = ColumnCounter(profile.scores, None) if profile.scores is not None else None
        self._hidden: set[str] = set()
        self._known: list[dict[str, int]] = [{} for _ in self._grouped]
        self._codes: list[list[Codes]] = [[] for _ in self._grouped]
        self._parts: list[Answers] = []
        self._errors: Counter[str] = Counter()
        self._foreign = 0
        self._sampler, self._outliers = Sampler(bundle), OutlierCounter(profile)
        self._threads = ThreadPoolExecutor(2)

    def add(self, table: pa.Table, names: Sequence[str]) -> None:
        """Count the records of one version, whose features have these names."""
        asked = _only(table, pc.not_equal(table.column("role"), "shadow"))
        self._errors.update(asked.column("error").drop_null().to_pylist())
        answered = _only(asked, asked.column("answered"))
        if len(answered) == 0:
            return
        answers = self._answers(answered)
        self._parts.append(answers)
        if "has_features" in answered.column_names:
            self._features(answered, names)
            self._rows(answered, names, answers)

    def seen(self) -> Seen:
        """What the records add up to; nothing is added afterwards."""
        self._threads.shutdown()
        answers = _joined(self._parts)
        kept = [each for name, each in self._counters.items() if name not in self._hidden]
        levels = tuple(self._levels(place) for place in range(len(self._grouped)))
        by_level = {
            each.column: {each.names[code]: tuple(one.level(place, code) for one in kept) for code in each.judged}
            for place, each in enumerate(levels)
        }
        return Seen(
            answers=answers,
            errors=dict(self._errors),
            foreign=self._foreign,
            columns=tuple(each.whole() for each in kept),
            predictions=self._score.whole() if self._score is not None else None,
            levels=levels,
            by_level=by_level,
            sample=told_losses(
                self._sampler.sample(self._hidden),
                self._bundle.info.task,
                answers.times,
                answers.scores,
                answers.labels,
            ),
            outliers=self._outliers.counted(self._hidden),
        )

    def _rows(self, table: pa.Table, names: Sequence[str], answers: Answers) -> None:
        """Sample the rows whose features were logged, and look for outliers in them."""
        logged = np.asarray(table.column("has_features"))
        own = _only(table, table.column("has_features"))
        self._sampler.add(own, names, answers.times[logged], answers.scores[logged])
        self._outliers.add(own, names)

    def _answers(self, table: pa.Table) -> Answers:
        scores = _scores(table.column("scores"))
        if self._score is not None:
            told = scores[:, 0] if scores.shape[1] == 1 else scores.max(axis=1)
            self._score.add(pa.array(told))
        labels = self._labels(table.column("label"))
        waited = pc.subtract(
            table.column("label_available_us").cast(pa.int64()), table.column("event_us").cast(pa.int64())
        )
        delays = np.maximum(waited.cast(pa.float64()).to_numpy() / 1e6, 0.0)
        delays[np.isnan(labels)] = np.nan
        times = table.column("event_us").cast(pa.int64()).to_numpy()
        return Answers(scores, labels, delays, table.column("latency_us").to_numpy(), times)

    def _labels(self, column: pa.ChunkedArray) -> Floats:
        """Labels as codes or numbers (n,); those that are neither are counted."""
        encoded = column.combine_chunks().dictionary_encode()
        classes = {name: float(code) for code, name in enumerate(self._bundle.info.classes)}
        regression = self._bundle.info.task == "regression"
        values = [_number(each) if regression else classes.get(each, np.nan) for each in encoded.dictionary.to_pylist()]
        found = np.full(len(encoded), np.nan)
        present = np.asarray(encoded.is_valid())
        found[present] = np.array([*values, np.nan])[encoded.indices.drop_null().to_numpy()]
        self._foreign += int(np.count_nonzero(present & np.isnan(found)))
        return found

    def _features(self, table: pa.Table, names: Sequence[str]) -> None:
        """Count the features that were logged, and note the levels of every answer."""
        logged = np.asarray(table.column("has_features"))
        hidden = set(pc.unique(pc.list_flatten(table.column("redacted"))).to_pylist())
        self._hidden |= {name for place, name in enumerate(names) if place in hidden}
        places = {name: place for place, name in enumerate(names)}
        groups = [self._coded(index, table, places.get(name)) for index, name in enumerate(self._grouped)]
        own = _only(table, table.column("has_features"))
        grouped = [each[logged] for each in groups]

        def count(name: str) -> None:
            column = f"feature_{places[name]}"
            values = own.column(column) if column in own.column_names else pa.nulls(len(own))
            self._counters[name].add(values, grouped)

        names = [name for name in self._counters if name in places and name not in self._hidden]
        if len(own) < _MANY:
            for name in names:
                count(name)
        else:
            list(self._threads.map(count, names))

    def _coded(self, index: int, table: pa.Table, place: int | None) -> Codes:
        """The code of each row's level (n,) in a grouping; new levels get the next one."""
        known, column = self._known[index], f"feature_{place}"
        values = texts(table.column(column)) if column in table.column_names else pa.nulls(len(table), pa.string())
        encoded = values.dictionary_encode()
        places = [self._code(known, str(each)[:120]) for each in encoded.dictionary.to_pylist()]
        missing = self._code(known, MISSING)
        indices = encoded.indices.fill_null(len(places)).to_numpy(zero_copy_only=False)
        codes: Codes = np.array([*places, missing], dtype=np.int64)[indices]
        self._codes[index].append(codes)
        return codes

    @staticmethod
    def _code(known: dict[str, int], level: str) -> int:
        if level not in known and len(known) < MOST_LEVELS:
            known[level] = len(known)
        return known.get(level, MOST_LEVELS)

    def _levels(self, index: int) -> Levels:
        names = [*self._known[index]]
        codes = np.concatenate(self._codes[index]) if self._codes[index] else np.empty(0, np.int64)
        rows = np.bincount(codes, minlength=len(names))[: len(names)]
        order = sorted(range(len(names)), key=lambda code: (-rows[code], names[code]))
        return Levels(self._grouped[index], names, codes, [code for code in order if rows[code]][: self._most])


def gather(
    log: PredictionLog,
    deployment: str,
    start: datetime,
    end: datetime,
    *,
    bundle: Bundle,
    as_of: datetime,
    grouped: Sequence[str] = (),
    most: int = 20,
    features: bool = True,
) -> Seen:
    """One pass over the records of [start, end), with the labels known at `as_of`. Reads the files of that time only.

    Memory holds a row group, and some 40 bytes an answer.
    """
    gatherer = Gatherer(bundle, grouped, most=most)
    own = bundle.info.signature.names
    tables = log.by_place(
        deployment, start=start, end=end, answered=None, columns=_COLUMNS, features=features, labels=True, as_of=as_of
    )
    for version, table in tables:
        gatherer.add(table, log.names(deployment, version) or own)
    return gatherer.seen()


def _only(table: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """The rows where a mask holds; without a copy where it holds for all."""
    return table if pc.all(mask, skip_nulls=False, min_count=0).as_py() else table.filter(mask)


def _scores(column: pa.ChunkedArray) -> Floats:
    """Scores (n, k); an answer without a full row of them has NaN."""
    lists = column.combine_chunks()
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    width = max(1, int(lengths.max(initial=0)))
    found = np.full((len(lists), width), np.nan)
    full = lengths == width
    flat = pc.list_flatten(lists.filter(pa.array(full))).to_numpy(zero_copy_only=False)
    found[full] = flat.reshape(-1, width)
    return found


def _number(label: str) -> float:
    try:
        value = float(label)
    except ValueError:
        return np.nan
    return value if np.isfinite(value) else np.nan


def _joined(parts: Sequence[Answers]) -> Answers:
    if not parts:
        return Answers(np.empty((0, 1)), np.empty(0), np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    width = max(each.scores.shape[1] for each in parts)
    scores = [each.scores if each.scores.shape[1] == width else _wider(each.scores, width) for each in parts]
    return Answers(
        np.concatenate(scores),
        np.concatenate([each.labels for each in parts]),
        np.concatenate([each.delays for each in parts]),
        np.concatenate([each.latencies for each in parts]),
        np.concatenate([each.times for each in parts]),
    )


def _wider(scores: Floats, width: int) -> Floats:
    """Scores of another number of classes, which no metric of these can use."""
    return np.full((len(scores), width), np.nan)
