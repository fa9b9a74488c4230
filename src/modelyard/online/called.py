"""On-demand features that functions give: what is sent and stored made ready for them, and what they gave."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from modelyard.core import Micros, ModelyardError, Scalar, Value

from .derived import Derivation, Found, instant_of, refused, unusable
from .errors import NoFunctions
from .expressions import EXACT
from .records import DerivedInput, FeaturePlan, FunctionPlan

_INT64 = 2**63


class Given(Protocol):
    """What functions gave: values by the column, and by row why there is nothing for it."""

    @property
    def columns(self) -> list[list[Scalar]]: ...

    @property
    def errors(self) -> Mapping[int, ModelyardError]: ...


class Functions(Protocol):
    """Runs the functions of plans, elsewhere than in this process. Safe for any thread."""

    def run(self, transform: FunctionPlan, columns: Sequence[Sequence[Scalar]], rows: int) -> Given:
        """What a function gives for rows, whose values are `columns` in the order of its inputs. Never raises."""


class Called:
    """The on-demand features of one function. See `Derivation`, which does the same with expressions."""

    def __init__(self, plan: FunctionPlan, functions: Functions) -> None:
        self.features = plan.features
        self._plan, self._functions = plan, functions
        self._places = [[name for name, _ in plan.outputs].index(name) for name in plan.features]

    def columns(self, found: Found, rows: int) -> list[list[Value]]:
        """The values of each of `features`, one a row; what is wrong with the first row that has none."""
        made, errors = self._run([given_column(each, found(each)) for each in self._plan.inputs], rows)
        if errors:
            raise errors[min(errors)]
        return made

    def each(self, found: Found, rows: int) -> list[list[Value] | ModelyardError]:
        """The values of `features` row by row, or why a row has none; one such row does not spoil the others."""
        given, errors = self._usable([found(each) for each in self._plan.inputs], rows)
        left = [at for at in range(rows) if at not in errors]
        answers: list[list[Value] | ModelyardError] = [errors.get(at, []) for at in range(rows)]
        if left:
            made, failed = self._run([[column[at] for at in left] for column in given], len(left))
            for place, at in enumerate(left):
                answers[at] = failed.get(place) or [column[place] for column in made]
        return answers

    def _usable(
        self, found: Sequence[Sequence[Value]], rows: int
    ) -> tuple[list[list[Scalar]], dict[int, ModelyardError]]:
        """What can be given, by column; and the rows that have something that cannot."""
        errors: dict[int, ModelyardError] = {}
        given: list[list[Scalar]] = []
        for each, values in zip(self._plan.inputs, found, strict=True):
            try:
                given.append(given_column(each, values))
            except ModelyardError:
                given.append([self._one(each, values[at], at, errors) for at in range(rows)])
        return given, errors

    def _one(self, each: DerivedInput, value: Value, at: int, errors: dict[int, ModelyardError]) -> Scalar:
        try:
            return given_column(each, [value])[0]
        except ModelyardError as error:
            errors.setdefault(at, error)
            return None

    def _run(
        self, given: Sequence[Sequence[Scalar]], rows: int
    ) -> tuple[list[list[Value]], Mapping[int, ModelyardError]]:
        answer = self._functions.run(self._plan, given, rows)
        return [list[Value](answer.columns[at]) for at in self._places], answer.errors


def given_column(each: DerivedInput, values: Sequence[Value], *, texts: bool = True) -> list[Scalar]:
    """Values as functions are given them, offline and online: float, int, str or bool, times in microseconds, or None.

    What is not finite is missing. `texts`: times of requests are ISO 8601, and not microseconds already.
    InvalidRequestField or UnusableFeature for a value that is not of the input's kind.
    """
    if texts and each.kind == "instant" and each.view is None:
        values = [instant_of(each, value) for value in values]
    if each.kind == "number":
        turn = _whole if each.whole else _number
        return [value if type(value) is float and not each.whole and value - value == 0 else turn(each, value)
                for value in values]  # fmt: skip
    wanted = {"text": str, "truth": bool, "instant": int}[each.kind]
    return [_as(each, value, wanted) for value in values]


def _number(each: DerivedInput, value: Value) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise unusable(each, value)
    if isinstance(value, int) and abs(value) > EXACT:
        raise refused(each, f"{value} has more digits than a float64 keeps.", "Declare it int64, or make it text.")
    return float(value) if math.isfinite(value) else None


def _whole(each: DerivedInput, value: Value) -> int | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, float | int) or value != int(value):
        raise unusable(each, value)
    if not -_INT64 <= value < _INT64:
        raise refused(each, f"{value} is beyond 64 bits.", "Make it text.")
    return int(value)


def _as(each: DerivedInput, value: Value, wanted: type) -> Scalar:
    if value is None or type(value) is wanted:
        return value  # type: ignore[return-value]  # one of these types
    if wanted is int and isinstance(value, float) and value.is_integer():
        return Micros(int(value))
    raise unusable(each, value)


def derivations(plan: FeaturePlan, functions: Functions | None) -> list[Derivation | Called]:
    """What computes the on-demand features of a plan.

    InvalidExpression when an expression is none; NoFunctions when there is nobody to run its functions.
    """
    if plan.functions and functions is None:
        raise NoFunctions(
            f"The features of '{plan.functions[0].name}' are given by a function, and nothing runs functions here.",
            remedy="Load the bundle that the plan is of, whose code runs in a worker process.",
        )
    called = [Called(each, functions) for each in plan.functions if functions is not None]
    return [*map(Derivation, plan.derived), *called]
