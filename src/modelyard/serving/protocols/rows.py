"""Rows for one model from what a protocol carries: checked cell by cell before anything is scored or recorded."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan

from modelyard.core import Scalar, Value, did_you_mean
from modelyard.inference import Field, FieldKind, described, tensor_of

from ..arms import Input, LoadedArm
from ..errors import BadRequest, TooLarge

Where = Callable[[str], str]
"""The path of a cell in the caller's request, by the name of its field."""


class RowReader:
    """Reads rows for the model behind an arm.

    Values are taken by the names of the plan's request fields, by the names of the whole signature, or in the
    signature's order. None and NaN are missing, and refused where the model needs a value. A number is an int or a
    float that float64 holds exactly; a category or text is a string; a tensor is an array of its type, or nested lists.
    Nothing is cast.
    """

    def __init__(self, arm: LoadedArm) -> None:
        self.request = {field.name: field for field in arm.plan.request}
        self.signature = arm.bundle.info.signature.fields
        self.tensors = arm.tensors
        self._names = frozenset(field.name for field in self.signature)

    def named(self, values: Mapping[str, object], where: Where) -> Input:
        """One row by name. BadRequest for a field that is unknown, missing or of another type."""
        if not values.keys() <= self.request.keys():
            if values.keys() == self._names:
                return self.ordered([values[field.name] for field in self.signature], where)
            stranger = min(values.keys() - self.request.keys())
            raise BadRequest(
                f"The model takes no '{stranger[:80]}'.",
                context={"path": where(stranger[:80])},
                remedy=did_you_mean(stranger, self.request),
            )
        return Input(
            {
                name: self._tensor(name, values.get(name), where)
                if name in self.tensors
                else _checked(values.get(name), field.kind, where, name, missing=not field.required)
                for name, field in self.request.items()
            },
            None,
        )

    def ordered(self, values: Sequence[object], where: Where) -> Input:
        """One row in the signature's order; BadRequest for a wrong count or type."""
        if len(values) != len(self.signature):
            raise BadRequest(
                f"A row has {len(values)} values; the model takes {len(self.signature)}.",
                context={"path": where("")},
                remedy=f"In this order: {', '.join(field.name for field in self.signature)}.",
            )
        return Input(
            None,
            [
                self._tensor(field.name, value, where)
                if field.kind == "tensor"
                else _checked(value, field.kind, where, field.name, missing=field.nullable, finite=field.finite)
                for field, value in zip(self.signature, values, strict=True)
            ],
        )

    def _tensor(self, name: str, value: object, where: Where) -> Value:
        try:
            return tensor_of(self.tensors[name], value)
        except ValueError as error:
            raise tensor_refused(self.tensors[name], str(error), where(name)) from error


def tensor_refused(field: Field, what: str, path: str) -> BadRequest:
    """The error of a value that is not a field's tensor."""
    return BadRequest(
        f"'{field.name}' has {what}.", context={"path": path}, remedy=f"Each row of it is {described(field)}."
    )


def check_rows(count: int, limit: int, path: str) -> None:
    """Refuse no rows, and more than one request may have."""
    if count == 0:
        raise BadRequest("There are no rows.", context={"path": path}, remedy="Send at least one.")
    if count > limit:
        raise TooLarge(f"{count} rows are more than {limit}.", context={"path": path}, remedy="Send several requests.")


def _checked(value: object, kind: FieldKind, where: Where, name: str, *, missing: bool, finite: bool = True) -> Scalar:
    if value is None or (type(value) is float and isnan(value)):
        if missing:
            return None
        raise _refused(f"'{name}' is missing; expected a {kind}", where(name), f"Send '{name}' with every row.")
    if kind != "number":
        if isinstance(value, str):
            return value
        expected = "a string"
    else:
        if type(value) is float and (not finite or isfinite(value)):
            return value
        if type(value) is int and _exact(value):
            return value
        expected = "a number that float64 holds exactly" if type(value) is int else "a finite number"
    raise _refused(f"'{name}' is {_shown(value)}; expected {expected}", where(name), "Nothing is cast silently.")


def _exact(value: int) -> bool:
    """Whether float64 holds an integer as it is."""
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _refused(what: str, path: str, remedy: str) -> BadRequest:
    return BadRequest(f"{what}.", context={"path": path}, remedy=remedy)
