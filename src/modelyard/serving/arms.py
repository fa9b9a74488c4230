"""An arm that is loaded: one row in, one answer or one classified failure out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import msgspec

from modelyard.core import Micros, ModelyardError, Scalar, log_event
from modelyard.inference import Bundle, InvalidRow, Sketch
from modelyard.journal import ErrorClass
from modelyard.online import FeaturePlan, FeatureReader, InvalidRequestField, OnlineStore, StaleFeatures
from modelyard.routing import Arm


@dataclass(frozen=True)
class Input:
    """One row as it came: named request fields, or values in the signature's order."""

    named: Mapping[str, Scalar] | None
    ordered: Sequence[Scalar] | None


@dataclass(frozen=True)
class Outcome:
    """What an arm made of one row. `error` is None when `scores` answer it; `cause` is then None too."""

    features: tuple[Scalar, ...]
    scores: tuple[float, ...]
    label: Scalar
    latency_us: int
    error: ErrorClass | None = None
    cause: Exception | None = None


class LoadedArm:
    """A bundle behind one arm of a deployment."""

    def __init__(self, arm: Arm, bundle: Bundle, online: OnlineStore) -> None:
        self.arm = arm
        self.bundle = bundle
        self.plan = msgspec.convert(bundle.info.plan, FeaturePlan)
        self.sketch = Sketch(bundle.profile)
        self._reader = FeatureReader(online, self.plan)
        self._names = bundle.info.signature.names
        self._regression = bundle.info.task == "regression"

    def answer(self, row: Input, at: Micros) -> Outcome:
        """Score one row as of an instant. Never raises: a failure is part of the outcome, and is charged to the arm."""
        began = time.perf_counter_ns()
        features: tuple[Scalar, ...] = ()
        try:
            features = self._features(row, at)
            matrix = self.bundle.encode([features]).matrix
            scores = tuple(self.bundle.scores(matrix)[0].tolist())
        except (InvalidRow, InvalidRequestField) as error:
            return _failed(features, began, "input", error)
        except StaleFeatures as error:
            return _failed(features, began, "features", error)
        except Exception as error:  # a model may raise anything, and another arm still has to answer
            log_event("serving", "model failed", arm=self.arm.name, version=self.arm.version, error=repr(error))
            return _failed(features, began, "model", error)
        if not all(isfinite(score) for score in scores):
            return _failed(features, began, "invalid_output", ValueError(f"scores {scores}"))
        self.sketch.update(matrix)
        label = scores[0] if self._regression else self.bundle.label_of(scores)
        return Outcome(features, scores, label, _micros_since(began))

    def freeze(self, row: Input, at: Micros, other: "LoadedArm", features: tuple[Scalar, ...]) -> Input:
        """The row with its features read now, to be scored later: the online store moves on in the meantime.

        `features` are those that `other` has just read; they serve here too when both arms read the same.
        """
        if (self.plan, self._names) == (other.plan, other._names):
            return Input(None, features)
        try:
            return Input(None, self._features(row, at))
        except ModelyardError:
            return row  # scoring it fails in the same way, and is recorded then

    def _features(self, row: Input, at: Micros) -> tuple[Scalar, ...]:
        if row.ordered is not None:
            return tuple(row.ordered)
        values = self._reader.row(row.named or {}, at).values
        return tuple(values[name] for name in self._names)


def why(outcome: Outcome) -> str:
    """The failure of an outcome as a sentence."""
    return outcome.cause.message if isinstance(outcome.cause, ModelyardError) else repr(outcome.cause)


def _failed(features: tuple[Scalar, ...], began: int, error: ErrorClass, cause: Exception) -> Outcome:
    return Outcome(features, (), None, _micros_since(began), error, cause)


def _micros_since(began: int) -> int:
    return (time.perf_counter_ns() - began) // 1000
