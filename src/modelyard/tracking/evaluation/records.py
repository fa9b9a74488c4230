"""What an evaluation found, as values that are kept as JSON."""

import msgspec

from modelyard.inference import Task


class Slice(msgspec.Struct, frozen=True):
    """The metrics of the rows in which a column has a value, or lies between two."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float]


class CurvePoints(msgspec.Struct, frozen=True):
    """A curve by its points, at most a few hundred of them. `name`: of a class, empty where there is one curve."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    name: str = ""
    counts: tuple[int, ...] = ()


class Residuals(msgspec.Struct, frozen=True):
    """Prediction minus label: a histogram (`edges` one longer than `counts`), and points drawn evenly of all rows."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    predicted: tuple[float, ...]
    residual: tuple[float, ...]


class Importance(msgspec.Struct, frozen=True):
    """What a column is worth to a model: a mean, and the deviation between repeats."""

    name: str
    value: float
    spread: float = 0.0


class Evaluation(msgspec.Struct, frozen=True):
    """How a model's answers meet the labels of `rows` rows.

    `classes` are the labels' names in the order of `confusion` (rows: the truth, columns: what was said), the second of
    two being the positive one; both are empty for values. Curves are empty where the answers allow none: answers that
    are classes have no threshold. `calibration` of more than two classes is that of the class that was said.
    `losses`: how much of `losses_in` is lost when a column is shuffled. `importances`: what the model itself holds of
    its columns.
    """

    task: Task
    rows: int
    metrics: dict[str, float]
    classes: tuple[str, ...] = ()
    slices: tuple[Slice, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    roc: tuple[CurvePoints, ...] = ()
    precision_recall: tuple[CurvePoints, ...] = ()
    calibration: CurvePoints | None = None
    residuals: Residuals | None = None
    losses: tuple[Importance, ...] = ()
    losses_in: str = ""
    importances: tuple[Importance, ...] = ()
