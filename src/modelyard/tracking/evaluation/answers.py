"""From a model, or what it answered, and labels: what was said and what was true, in one shape for each task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.core import InvalidInput
from modelyard.inference import Task

from .rows import Rows

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_CLASSES = 1_000
_FEW = 20
"""Whole numbers of at most so many different values are read as classes."""


@dataclass(frozen=True)
class Answers:
    """`truth` and `said` (n,) are values for regression, and codes of `classes` otherwise.

    `probabilities` (n, classes) where the answers hold them.
    """

    task: Task
    classes: tuple[str, ...]
    truth: NDArray[Any]
    said: NDArray[Any]
    probabilities: Floats | None = None

    @property
    def scores(self) -> Floats | None:
        """Of two classes, the probability of the second (n,)."""
        return self.probabilities[:, 1] if self.task == "binary" and self.probabilities is not None else None

    def taken(self, places: NDArray[Any]) -> "Answers":
        """Those of some rows."""
        some = None if self.probabilities is None else self.probabilities[places]
        return Answers(self.task, self.classes, self.truth[places], self.said[places], some)


class Asker:
    """Asks a model, or hands on its answers; knows the labels' classes, so that it can be asked again."""

    def __init__(
        self, subject: Any, labels: ArrayLike, rows: Rows | None, task: Task | None, classes: Sequence[Any] | None
    ) -> None:
        self._subject = subject
        self._labels = _labels(labels)
        self.is_model = is_model(subject)
        if self.is_model and rows is None:
            raise InvalidInput(
                f"A {type(subject).__name__} has nothing to answer.",
                context={"path": "rows"},
                remedy="Give the rows as it reads them: run.evaluate(model, labels, rows=…).",
            )
        first = _asked(subject, rows.given) if self.is_model and rows is not None else np.asarray(subject)
        self._task = task or _task_of(subject, first, self._labels, classes)
        self._classes = _classes(self._task, subject, first, self._labels, classes)
        self.answers = self._read(first, self._labels)

    def ask(self, rows: Any, labels: NDArray[Any]) -> Answers:
        """The model's answers to other rows."""
        return self._read(_asked(self._subject, rows), labels)

    @property
    def labels(self) -> NDArray[Any]:
        """As they were given (n,)."""
        return self._labels

    def _read(self, given: NDArray[Any], labels: NDArray[Any]) -> Answers:
        if len(given) != len(labels):
            raise InvalidInput(
                f"There are {len(given)} answers for {len(labels)} labels.",
                context={"path": "labels"},
                remedy="Give one label for every row, in the same order.",
            )
        if self._task == "regression":
            return Answers("regression", (), _numbers(labels, "labels"), _numbers(_single(given), "answers"))
        names = tuple(str(_plain(each)) for each in self._classes)
        truth = _codes(labels, self._classes, "labels")
        if (given.ndim == 2 and given.shape[1] > 1) or _are_scores(given, self._task, self._classes):
            probabilities = _probabilities(_numbers(given, "answers"), len(names))
            said = np.argmax(probabilities, axis=1)  # of two equal ones the first, as scikit-learn says it
            return Answers(self._task, names, truth, said, probabilities)
        return Answers(self._task, names, truth, _codes(_single(given), self._classes, "answers"))


def is_model(subject: Any) -> bool:
    """Whether this can be asked: it predicts, or is a function of rows."""
    return any(callable(getattr(subject, each, None)) for each in ("predict_proba", "predict")) or callable(subject)


def _asked(subject: Any, rows: Any) -> NDArray[Any]:
    if callable(getattr(subject, "predict_proba", None)):
        return np.asarray(subject.predict_proba(rows))
    if not callable(getattr(subject, "predict", None)):
        return np.asarray(subject(rows))
    if type(subject).__name__ == "Booster" and type(subject).__module__.startswith("xgboost"):
        from xgboost import DMatrix  # noqa: PLC0415 - only its own models need it

        return np.asarray(subject.predict(DMatrix(rows, feature_names=subject.feature_names)))
    return np.asarray(subject.predict(rows))


def _labels(labels: ArrayLike) -> NDArray[Any]:
    found = np.asarray(labels)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1 or len(found) == 0:
        raise InvalidInput(
            f"Labels have the shape {found.shape}.", context={"path": "labels"}, remedy="Give one label for every row."
        )
    missing = sum(each is None or each != each for each in found.tolist())  # noqa: PLR0124 - NaN is not itself
    if missing:
        raise InvalidInput(
            f"{missing} of {len(found)} labels are missing.",
            context={"path": "labels"},
            remedy="Leave out the rows whose truth is not known.",
        )
    return found


def _task_of(subject: Any, given: NDArray[Any], labels: NDArray[Any], classes: Sequence[Any] | None) -> Task:
    different = np.unique(labels)
    whole = labels.dtype.kind in "biu" or (labels.dtype.kind == "f" and bool((labels % 1 == 0).all()))
    told = classes is not None or hasattr(subject, "predict_proba") or (given.ndim == 2 and given.shape[1] > 1)
    if not told and labels.dtype.kind in "biuf":
        predicts = hasattr(subject, "predict") and not hasattr(subject, "classes_")
        floats = given.dtype.kind == "f" and bool((given % 1 != 0).any())
        scores = floats and len(different) <= 2 and bool(((given >= 0) & (given <= 1)).all())
        if (
            not whole
            or len(different) > _FEW
            or ((floats or predicts) and not scores and not _within(given, different))
        ):
            return "regression"
    known = len(classes if classes is not None else getattr(subject, "classes_", _seen(given, labels)))
    columns = given.shape[1] if given.ndim == 2 else 1
    return "multiclass" if max(known, columns) > 2 else "binary"


def _within(given: NDArray[Any], different: NDArray[Any]) -> bool:
    return bool(np.isin(given, different).all())


def _classes(
    task: Task, subject: Any, given: NDArray[Any], labels: NDArray[Any], classes: Sequence[Any] | None
) -> list[Any]:
    if task == "regression":
        return []
    known = classes if classes is not None else getattr(subject, "classes_", None)
    found = np.asarray(known).tolist() if known is not None else _seen(given, labels)
    if task == "binary" and len(found) == 1 and found[0] in (0, 1):
        found = [0, 1]  # a batch of one class only
    if len(found) > MOST_CLASSES or (task == "binary" and len(found) != 2):
        raise InvalidInput(
            f"The labels have {len(found)} different values"
            + (f", such as {str(found[0])[:40]!r} and {str(found[-1])[:40]!r}." if found else "."),
            context={"path": "labels"},
            remedy="Say what they are: task='regression', task='multiclass', or classes=[…] in their order.",
        )
    return found


def _seen(given: NDArray[Any], labels: NDArray[Any]) -> list[Any]:
    """The classes that occur, in order: among the labels, and among answers that are classes."""
    said = given.tolist() if given.ndim == 1 and (given.dtype.kind != "f" or bool((given % 1 == 0).all())) else []
    found = {_plain(each): each for each in [*said, *labels.tolist()]}
    return sorted(found.values(), key=lambda each: (isinstance(each, str), each))


def _codes(values: NDArray[Any], classes: Sequence[Any], path: str) -> Codes:
    places = {_plain(each): code for code, each in enumerate(classes)}
    codes = [places.get(_plain(each), -1) for each in values.tolist()]
    if -1 in codes:
        unknown = str(values.tolist()[codes.index(-1)])[:60]
        shown = ", ".join(str(each)[:30] for each in classes[:8]) + (" …" if len(classes) > 8 else "")
        raise InvalidInput(
            f"The {path} hold {unknown!r}, which is none of the classes: {shown}.",
            context={"path": path},
            remedy="Give all classes in their order: classes=[…]; or the task, when these are values or scores.",
        )
    return np.asarray(codes, dtype=np.int64)


def _plain(value: Any) -> Any:
    """1.0 and True as 1, so that labels of one type meet classes of another."""
    return int(value) if isinstance(value, bool | int | float) and value == int(value) else value


def _are_scores(given: NDArray[Any], task: Task, classes: Sequence[Any]) -> bool:
    """Whether one number a row is the second class' probability, rather than a class."""
    if task != "binary" or given.dtype.kind != "f":
        return False
    return not bool(np.isin(given, [float(each) for each in classes if isinstance(each, int | float)]).all())


def _probabilities(given: Floats, classes: int) -> Floats:
    """(n, classes); one number a row is the second of two. InvalidInput for numbers that are no probabilities."""
    single = given.ndim == 1 or given.shape[1] == 1
    found = np.column_stack([1 - given.reshape(-1), given.reshape(-1)]) if single else given
    if found.shape[1] != classes:
        raise InvalidInput(
            f"There are {found.shape[1]} probabilities a row for {classes} classes.",
            context={"path": "answers"},
            remedy="Give all classes in the order of the probabilities: classes=[…].",
        )
    if found.min() < -1e-6 or found.max() > 1 + 1e-6:
        raise InvalidInput(
            f"The scores go from {found[:, -1].min():.4g} to {found[:, -1].max():.4g}, and are no probabilities.",
            context={"path": "answers"},
            remedy="Give probabilities, or the classes that were said; values want task='regression'.",
        )
    return np.clip(found, 0.0, 1.0)


def _single(given: NDArray[Any]) -> NDArray[Any]:
    if given.ndim == 1 or (given.ndim == 2 and given.shape[1] == 1):
        return given.reshape(-1)
    raise InvalidInput(
        f"Answers have the shape {given.shape}.", context={"path": "answers"}, remedy="Give one for every row."
    )


def _numbers(given: NDArray[Any], path: str) -> Floats:
    try:
        found = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"The {path} are no numbers: {str(given.reshape(-1)[0])[:60]!r}, for one.",
            context={"path": path},
            remedy="Give numbers; of classes, say task='multiclass' or task='binary'.",
        ) from error
    if bad := int((~np.isfinite(found.reshape(len(found), -1))).any(axis=1).sum()):
        raise InvalidInput(
            f"{bad} of {len(found)} {path} are no finite numbers.",
            context={"path": path},
            remedy="Leave those rows out, and count them.",
        )
    return found
