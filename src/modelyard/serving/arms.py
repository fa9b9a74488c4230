"""An arm that is loaded: rows in, for each an answer or a classified failure out."""

import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Micros, ModelyardError, Scalar, Value, log_event
from modelyard.inference import (
    Bundle,
    Encoded,
    InvalidRow,
    IsolatedModelFailed,
    NumberProfile,
    Sketch,
    TensorEncoder,
    TransformFailed,
)
from modelyard.journal import ErrorClass
from modelyard.online import (
    FeaturePlan,
    FeatureReader,
    InvalidRequestField,
    OnlineStore,
    OnlineUnavailable,
    StaleFeatures,
    UnusableFeature,
)
from modelyard.routing import Arm

from .cache import ScoreCache

OFF_LOOP_US = 2_000.0
"""A model whose single row costs more is run in a thread: the loop must go on admitting, answering and refusing."""

BATCH_US = 20_000.0
"""A batch is at most so many rows as this buys: nobody waits long for having arrived together with others."""

SKETCHED_TOGETHER = 1024
"""Rows that are counted at once: twice as many for what 512 cost."""

_MEASURED = (1, 32)
_CALLS, _MEASURED_NS = 7, 100_000_000
_LEARNED = 0.2
TENTHS = tuple(each / 10 for each in range(1, 11))


class Input(msgspec.Struct, frozen=True, gc=False):
    """One row as it came: named request fields, or values in the signature's order."""

    named: Mapping[str, Value] | None
    ordered: Sequence[Value] | None


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What an arm made of one row. `error` is None when `scores` answer it; `cause` is then None too."""

    features: tuple[Value, ...]
    scores: tuple[float, ...]
    label: Scalar
    latency_us: int
    error: ErrorClass | None = None
    cause: Exception | None = None


class _NotFinite(ValueError):
    """A score is no number."""


class LoadedArm:
    """A bundle behind one arm of a deployment. Scores on one thread at a time.

    `known` counts the rows whose scores were in the cache, and `unknown` levels by feature, since they were last shown.
    """

    def __init__(
        self,
        arm: Arm,
        bundle: Bundle,
        online: OnlineStore,
        *,
        cache: ScoreCache | None = None,
        redact: Collection[str] = (),
    ) -> None:
        self.arm = arm
        self.online = online
        self.bundle = bundle
        self.redacted = [at for at, name in enumerate(bundle.info.signature.names) if name in redact]
        self.known = 0
        self.digested = [
            at for at, field in enumerate(bundle.info.signature.fields) if field.kind in ("tensor", "text")
        ]
        self.tensors = {field.name: field for field in bundle.info.signature.fields if field.kind == "tensor"}
        self._encoder = bundle.encode if isinstance(bundle.encode, TensorEncoder) else None
        self._cache = cache if self._encoder is None else None  # rows are told apart by their columns alone
        self.plan = msgspec.convert(bundle.info.plan, FeaturePlan)
        self.unknown: dict[str, int] = {}
        self._sketch = Sketch(bundle.profile)
        self._seen: list[NDArray[np.float64]] = []
        self._seen_rows = 0
        self._reader = FeatureReader(online, self.plan, bundle.transforms)
        self._names = bundle.info.signature.names
        self._reads = msgspec.json.encode((self.plan, self._names))
        self._beside = [
            each.name for each in self.plan.request if each.name not in self._names and each.kind != "tensor"
        ]
        self._regression = bundle.info.task == "regression"
        self.measure()

    def answer(self, rows: Sequence[tuple[Input, Micros]]) -> list[Outcome]:
        """Score rows as of an instant each, together. Never raises: a failure is part of the row's outcome.

        A row that cannot be scored does not spoil the others; each then runs by itself. `latency_us` is the batch's.
        """
        began = time.perf_counter_ns()
        features: list[tuple[Value, ...]] = []
        failed: dict[int, Outcome] = {}
        for index, made in enumerate(self._read(rows)):
            if isinstance(made, Exception):
                failed[index] = self._unread(made, began)
            else:
                features.append(made)
        scored = self._score(features, began) if features else []
        if not failed:
            return scored
        left = iter(scored)
        return [failed[index] if index in failed else next(left) for index in range(len(rows))]

    def measure(self) -> None:
        """Learn what a row costs, alone and among many, and where it should run. Safe from any thread."""
        alone_us, self.row_us = self._measure()
        self.off_loop = self.bundle.isolated or alone_us > OFF_LOOP_US  # a worker process may hang until its deadline

    def try_out(self) -> str:
        """Why an example is not answered, or nothing; a worker process that ended is started. Safe from any thread."""
        example, told = self._example(1), ""
        for _ in range(2):
            try:
                self.bundle.scores(example.matrix, example.arrays)
            except Exception as error:  # a model may raise anything
                told = error.message if isinstance(error, ModelyardError) else repr(error)
            else:
                return ""
        return told

    @cached_property
    def cut_points(self) -> tuple[float, ...]:
        """Where the scores of the reference are cut; tenths without a reference."""
        reference = self.bundle.profile.scores
        return reference.edges if reference is not None and reference.edges else TENTHS

    @property
    def most_rows(self) -> int:
        """How many rows may run together."""
        return max(1, int(BATCH_US / self.row_us))

    def took(self, rows: int, seconds: float) -> None:
        """Learn what a row costs by now: other work on the machine makes it dearer."""
        self.row_us += _LEARNED * (seconds / rows * 1e6 - self.row_us)

    def freeze(self, row: Input, at: Micros, other: "LoadedArm", features: tuple[Value, ...]) -> Input:
        """The row with its features read now, to be scored later: the online store moves on in the meantime.

        `features` are those that `other` has just read; they serve here too when both arms read the same.
        """
        if self._reads == other._reads:
            return Input(None, features)
        try:
            return Input(None, self._features(row, at))
        except ModelyardError:
            return row  # scoring it fails in the same way, and is recorded then

    def beside(self, row: Input, outcome: Outcome) -> Mapping[str, Value]:
        """What was sent with a row beside the model's features; nothing for a row whose fields were never looked at."""
        if not self._beside or row.named is None or not outcome.features:
            return {}
        return {name: row.named.get(name) for name in self._beside}

    def sketch(self) -> Sketch:
        """The histograms of all rows scored so far; counted in bulk, for a column costs as much as many rows."""
        seen, self._seen, self._seen_rows = self._seen, [], 0
        if seen:
            self._sketch.update(np.concatenate(seen))
        return self._sketch

    def _read(self, rows: Sequence[tuple[Input, Micros]]) -> list[tuple[Value, ...] | Exception]:
        """The features of each row, or why it has none; the online store is asked once a view for many rows."""
        read: list[tuple[Value, ...] | Exception] = []
        if len(rows) == 1 or not (self.plan.views or self.plan.on_demand) or any(row.named is None for row, _ in rows):
            for row, at in rows:
                try:
                    read.append(self._features(row, at))
                except Exception as error:
                    read.append(error)
            return read
        try:
            found = self._reader.rows([row.named or {} for row, _ in rows], [at for _, at in rows])
        except ModelyardError as error:
            return [error] * len(rows)
        for each in found:
            if isinstance(each, ModelyardError):
                read.append(each)
                continue
            try:
                read.append(self._encoded(self._chosen(each.values)))
            except InvalidRow as error:
                read.append(error)
        return read

    def _unread(self, error: Exception, began: int) -> Outcome:
        """The failure of a row whose features could not be made."""
        if isinstance(error, InvalidRequestField | InvalidRow):
            return _failed((), began, "input", error)
        if isinstance(error, StaleFeatures | OnlineUnavailable | UnusableFeature | TransformFailed):
            return _failed((), began, "features", error)
        return self._model_failed((), began, error)

    def _features(self, row: Input, at: Micros) -> tuple[Value, ...]:
        return self._encoded(self._in_order(row, at))

    def _encoded(self, values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(values) if self._encoder is None else self._encoder.row(values)

    def _in_order(self, row: Input, at: Micros) -> Sequence[Value]:
        if row.ordered is not None:
            return row.ordered
        return self._chosen(self._reader.row(row.named or {}, at).values)

    def _chosen(self, values: Mapping[str, Value]) -> Sequence[Value]:
        """What the model takes of a row; flags are 1 and 0 to it, as they were in training."""
        chosen = [values[name] for name in self._names]
        return [float(each) if type(each) is bool else each for each in chosen] if bool in map(type, chosen) else chosen

    def _score(self, rows: list[tuple[Value, ...]], began: int) -> list[Outcome]:
        try:
            return self._score_together(rows, began)
        except Exception as error:  # a model may raise anything, and another arm still has to answer
            if len(rows) > 1:
                return [self._score([row], began)[0] for row in rows]
            if isinstance(error, InvalidRow):
                return [_failed(rows[0], began, "input", error)]
            if isinstance(error, _NotFinite):
                return [_failed(rows[0], began, "invalid_output", error)]
            return [self._model_failed(rows[0], began, error)]

    def _score_together(self, rows: list[tuple[Value, ...]], began: int) -> list[Outcome]:
        encoded = self.bundle.encode(rows)
        scores = self._scores(encoded.matrix, encoded.arrays)
        if not np.isfinite(scores).all():
            raise _NotFinite(f"scores {scores[0].tolist()}")
        self._remember(encoded.matrix, encoded.unknown)
        spent = _micros_since(began)
        return [
            Outcome(row, tuple(each), each[0] if self._regression else self.bundle.label_of(each), spent)
            for row, each in zip(rows, scores.tolist(), strict=True)
        ]

    def _scores(self, matrix: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]] | None) -> NDArray[np.float64]:
        if self._cache is None:
            return self.bundle.scores(matrix, arrays)
        scores, known = self._cache.scores(matrix, self.bundle.scores)
        self.known += known
        return scores

    def _remember(self, matrix: NDArray[np.float64], unknown: Mapping[str, int]) -> None:
        self._seen.append(matrix)
        self._seen_rows += len(matrix)
        for name, count in unknown.items():
            self.unknown[name] = self.unknown.get(name, 0) + count
        if self._seen_rows >= SKETCHED_TOGETHER:
            self.sketch()

    def _best_us(self, example: Encoded) -> float:
        """What a call costs in µs, the best of some: other work on the machine can only add to it."""
        best, first = float("inf"), time.perf_counter_ns()
        for _ in range(_CALLS):
            began = time.perf_counter_ns()
            self.bundle.scores(example.matrix, example.arrays)
            ended = time.perf_counter_ns()
            best = min(best, (ended - began) / 1000)
            if ended - first > _MEASURED_NS:
                break
        return best

    def _model_failed(self, features: tuple[Value, ...], began: int, error: Exception) -> Outcome:
        log_event("serving", "model failed", arm=self.arm.name, version=self.arm.version, error=repr(error))
        late = isinstance(error, IsolatedModelFailed) and error.context["why"] == "deadline"
        return _failed(features, began, "timeout" if late else "model", error)

    def _measure(self) -> tuple[float, float]:
        """What a row costs in µs: alone, and when many run together."""
        costs = []
        for rows in _MEASURED:
            example = self._example(rows)
            self.bundle.scores(example.matrix, example.arrays)  # the first run pays for what is made once
            costs.append(self._best_us(example))
        return costs[0], max(0.05, costs[1] / _MEASURED[1])

    def _example(self, rows: int) -> Encoded:
        """So many rows that the model can answer."""
        typical = [each.mean or 0.0 if isinstance(each, NumberProfile) else 0.0 for each in self.bundle.profile.columns]
        return self.bundle.example(rows) or Encoded(np.tile(np.array(typical), (rows, 1)))


def why(outcome: Outcome) -> str:
    """The failure of an outcome as a sentence."""
    return outcome.cause.message if isinstance(outcome.cause, ModelyardError) else repr(outcome.cause)


def _failed(features: tuple[Value, ...], began: int, error: ErrorClass, cause: Exception) -> Outcome:
    return Outcome(features, (), None, _micros_since(began), error, cause)


def _micros_since(began: int) -> int:
    return (time.perf_counter_ns() - began) // 1000
