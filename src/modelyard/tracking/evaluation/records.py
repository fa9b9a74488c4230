"""What an evaluation found, as values that are kept as JSON."""

import msgspec

from modelyard.inference import Task

Ends = tuple[float, float]
"""The lower and upper end of a 95% interval."""


class Slice(msgspec.Struct, frozen=True):
    """The metrics of the rows in which a column has a value, or lies between two, and their 95% intervals."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float]
    intervals: dict[str, Ends] = {}


class Rate(msgspec.Struct, frozen=True):
    """A rate of a group: of `rows` of its rows, with its 95% interval; None where there is no such row.

    `few`: of too few rows to be compared. `difference`: from everyone's.
    """

    value: float | None
    rows: int
    low: float | None = None
    high: float | None = None
    few: bool = False
    difference: float | None = None


class Group(msgspec.Struct, frozen=True):
    """What a group's rows are answered, by the rates' names."""

    value: str
    rows: int
    rates: dict[str, Rate]


class Gap(msgspec.Struct, frozen=True):
    """How far the lowest and the highest group are apart in a rate, of the groups that have enough rows for it.

    `ratio`: the lowest by the highest, of shares; None where the highest is 0, and for values.
    """

    rate: str
    lowest: str
    lowest_value: float
    highest: str
    highest_value: float
    difference: float
    ratio: float | None


class GroupTable(msgspec.Struct, frozen=True):
    """The groups that a column tells apart: the fairness table."""

    column: str
    overall: dict[str, Rate]
    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...]


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
    its columns. `intervals`: of the metrics that have one. `groups`: see `GroupTable`. `absent`: columns that slices or
    groups were declared by, and that the rows do not have.
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
    intervals: dict[str, Ends] = {}
    groups: tuple[GroupTable, ...] = ()
    absent: tuple[str, ...] = ()
